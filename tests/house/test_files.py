"""What the files of the repository hold."""

import re
import subprocess

import pytest

from app.question_sets.builtin_sets import BUILTIN, read_builtin
from tests.conftest import ROOT

# In two parts, so that this file does not hold one either.
REGISTRIES = {
    "pypi": ["org", "python.org"],
    "pythonhosted": ["org"],
    "npmjs": ["org", "com"],
    "yarnpkg": ["com"],
    "deb.debian": ["org"],
    "security.debian": ["org"],
    "archive.ubuntu": ["com"],
    "conda.anaconda": ["org"],
    "docker": ["io"],
    "ghcr": ["io"],
    "quay": ["io"],
    "crates": ["io"],
    "proxy.golang": ["org"],
    "rubygems": ["org"],
}
HOSTS = [f"{name}.{end}" for name, ends in REGISTRIES.items() for end in ends]


def repository() -> dict[str, str]:
    """The text of every file that is, or would be, committed, apart from pictures."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    files = {name: ROOT / name for name in names if (ROOT / name).is_file()}
    return {name: path.read_text("utf-8") for name, path in files.items() if path.suffix != ".webp"}


def test_no_file_names_the_host_of_a_package_registry() -> None:
    found = {name: [host for host in HOSTS if host in text] for name, text in repository().items()}
    assert {name: hosts for name, hosts in found.items() if hosts} == {}


@pytest.mark.parametrize("lock", sorted(ROOT.glob("*.lock")), ids=lambda lock: lock.name)
def test_a_lock_file_holds_names_versions_and_hashes_only(lock: str) -> None:
    pinned = r"[a-z0-9-]+(\[[a-z,]+\])?==[\w.!+]+( ; [^/:]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"({pinned})+", lock.read_text("utf-8"))


def test_every_built_in_question_set_is_valid_and_has_the_key_of_its_file() -> None:
    assert sorted(f"{built_in.key}.yaml" for built_in in read_builtin()) == sorted(
        path.name for path in BUILTIN.iterdir()
    )
