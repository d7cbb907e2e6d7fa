"""Commands other than `serve`, `migrate` and `restore` do not create a database."""

from pathlib import Path

import pytest

from tests.catalogue import catalogue, connected
from tests.cli.started import Started
from tests.cli.test_other_builds import COMMANDS, FILES
from tests.conftest import NewDatabase

# Those that create one, and the one that needs none for a built-in set.
WITHOUT = ("serve --port 0", "migrate", "score answers.json")
OTHERS = [command for command in COMMANDS if command not in WITHOUT]
NEEDING_NONE = ("doctor", "openapi", "question-sets lint bant.yaml", "score answers.json")
OTHERS += ["verify", "backup b", "question-sets export --all-versions --output out", "demo --remove"]


@pytest.mark.parametrize("command", [*OTHERS, *NEEDING_NONE])
def test_no_other_command_creates_a_file(started: Started, tmp_path: Path, command: str) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    for file, setting in (("data/prospect_fit.db", {}), ("sub/own.db", {"URL": "sqlite:///sub/own.db"})):
        settings = {f"PROSPECT_FIT_DATABASE_{name}": value for name, value in setting.items()}
        done = started.run(command.split(), tmp_path, **settings)
        if command in OTHERS:
            message = (
                f"There is no database at {tmp_path / file}: check the setting PROSPECT_FIT_DATABASE_URL, or "
                "run 'prospect-fit migrate' to create one.\n"
            )
            assert (done.returncode, done.stdout, done.stderr) == (1, "", message)
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


@pytest.fixture(scope="module")
def empty(postgres: NewDatabase) -> str:
    return postgres.empty()


@pytest.mark.parametrize("command", [command for command in OTHERS if command != "backup b"])
def test_no_other_command_creates_a_table(started: Started, empty: str, tmp_path: Path, command: str) -> None:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, "utf-8")
    done = started.run(command.split(), tmp_path, PROSPECT_FIT_DATABASE_URL=empty)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("This database has no tables of Prospect Fit: ")
    with connected(empty) as connection:
        assert catalogue(connection) == {}
