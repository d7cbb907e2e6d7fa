"""Every command that migrates the database refuses one that an earlier build made, and does not change it."""

from pathlib import Path

import pytest

from app.migrate import UNKNOWN_SCHEMA
from app.question_sets.builtin_sets import BUILTIN
from tests.catalogue import set_revision, stored_whole
from tests.cli.started import Started
from tests.conftest import NewDatabase

FILES = {
    "accounts.csv": "external_id,name\n1,Acme\n",
    "answers.json": '{"budget": 4}',
    "bant.yaml": (BUILTIN / "bant.yaml").read_text("utf-8"),
}
COMMANDS = [
    "serve --port 0",
    "migrate",
    "keys create anyone",
    "keys list",
    "keys revoke 01890000-0000-7000-8000-000000000000",
    "question-sets list",
    "question-sets load bant.yaml",
    "question-sets export bant",
    "question-sets diff bant champ",
    "score answers.json",
    "import accounts.csv --source test",
    "sql bant",
    "demo",
]


@pytest.fixture(scope="module")
def url(new_database: NewDatabase) -> str:
    """A database that an earlier build left."""
    url = new_database()
    set_revision(url, "0009")
    return url


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_it_in_one_sentence(
    started: Started, url: str, tmp_path: Path, command: str
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    before = stored_whole(url)
    done = started.run(command.split(), tmp_path, PROSPECT_FIT_DATABASE_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", UNKNOWN_SCHEMA + "\n")
    assert stored_whole(url) == before


def test_the_doctor_says_the_same_and_names_the_revision(started: Started, url: str, tmp_path: Path) -> None:
    done = started.run(["doctor"], tmp_path, PROSPECT_FIT_DATABASE_URL=url)
    assert (done.returncode, done.stderr) == (1, "")
    assert f"schema 0009: {UNKNOWN_SCHEMA}" in " ".join(done.stdout.split())
