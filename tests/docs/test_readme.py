"""The README's qualification, run as it stands, and the files that the documents name."""

import json
import re
import subprocess
from pathlib import Path

from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.documents import read_document
from app.question_sets.files import read_file
from app.question_sets.reader import read_yaml
from tests.conftest import ADMIN_KEY, ROOT, Running, needs

STORY = "## One qualification, from prospect to decision"
FOLDERS = r"app|bench|docs|migrations|tests|tools|\.ci"
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks() -> list[str]:
    section = (ROOT / "README.md").read_text("utf-8").split(STORY)[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


def run(block: str, service: Running, environment: dict[str, str]) -> dict:
    script = block.replace("http://127.0.0.1:8000", service.url)
    script = re.sub(r"^(KEY|SESSION)=.*$", "", script, flags=re.MULTILINE)
    done = subprocess.run(
        ["bash", "-euc", script], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(done.stdout) if done.stdout else {}


def test_every_command_of_the_story_works_in_its_order(service: Running) -> None:
    needs("curl")
    environment = {"PATH": "/usr/bin:/bin", "KEY": ADMIN_KEY}
    answers = []
    for block in blocks():
        answer = run(block, service, environment)
        environment["SESSION"] = answer.get("session_id", environment.get("SESSION", ""))
        answers.append(answer)
    _, sets, first, more, decided, fit = answers
    assert {"qualifying-a-sale", "bant", "firmographic-fit"} <= {line["key"] for line in sets["items"]}
    assert first["score"]["summary"].startswith("Too early to say: 1 of 14 questions on ")
    assert (more["revision"], more["score"]["reportable"]) == (2, True)
    assert decided["decision"]["decision"] == "pursue"
    assert fit["decision"] == "pursue"


def named_in(document: Path) -> list[Path]:
    """The files that a document names: links from where it lies, and back-ticked paths from the root."""
    text = document.read_text("utf-8")
    linked = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
    quoted = re.findall(rf"`((?:{FOLDERS})/[^\s`]*|[\w./-]+\.(?:py|md|toml))`", text)
    return [document.parent / path for path in linked] + [ROOT / path for path in quoted]


def test_the_documents_name_only_files_that_exist() -> None:
    named = {path: document.name for document in DOCUMENTS for path in named_in(document)}
    assert {"README.md", "0001-one-transaction-per-request.md"} <= set(named.values())
    assert {str(path): document for path, document in named.items() if not path.exists()} == {}


def test_the_set_that_the_readme_shows_is_a_variant_as_it_stands() -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    base = read_file(BUILTIN / "qualifying-a-sale.yaml")
    ours = read_document(read_yaml(shown).value, {"qualifying-a-sale@1": base}.get)
    asked = [question.key for step in ours.steps for question in step.questions]
    assert asked[asked.index("budget") + 1] == "pay"
    assert not {"past_success", "data_points"} & set(asked)
