"""The generated reference: complete, readable, and noticed when it is out of date."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tools.reference import __main__ as reference

MOST_BYTES = 60_000


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return reference.generated()


def test_every_file_is_up_to_date_and_a_stale_one_is_named(
    files: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {name: (ROOT / name).read_text("utf-8") == text for name, text in files.items()} == dict.fromkeys(
        files, True
    )
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "openapi.md").write_text("old")
    (tmp_path / "docs/api/gone.md").write_text("a group that is no more")
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    monkeypatch.setattr(reference, "generated", lambda: files)
    monkeypatch.setattr(sys, "argv", ["reference", "--check"])
    assert reference.main() == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == [
        "openapi.md",
        "docs/api/gone.md",
    ]
    monkeypatch.setattr(sys, "argv", ["reference"])
    assert reference.main() == 0
    monkeypatch.setattr(sys, "argv", ["reference", "--check"])
    assert reference.main() == 0


def test_make_check_looks_for_stale_files() -> None:
    planned = subprocess.run(["make", "-n", "check"], cwd=ROOT, check=True, capture_output=True, text=True)
    assert "python -m tools.reference --check" in planned.stdout


def test_the_overview_is_short_and_links_to_a_call_of_every_operation(files: dict[str, str]) -> None:
    overview = files["openapi.md"]
    assert len(overview.encode()) < MOST_BYTES
    links = re.findall(r"^\| \[(\w+)\]\((docs/api/[\w-]+\.md)#\w+\)", overview, re.MULTILINE)
    assert len(links) > 60
    for operation, page in links:
        section = files[page].split(f"\n## {operation}\n")[1].split("\n## ")[0]
        assert "\ncurl -X " in section or "sh\ncurl -X " in section
    for page in {page for _, page in links}:
        assert "curl" in files[page]


def test_the_description_shows_real_values(files: dict[str, str]) -> None:
    assert '"name": "Acme Logistics"' in files["app/edge/examples.json"]
