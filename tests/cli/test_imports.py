"""What a command imports decides how long it takes to start."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import COMMANDS, load
from tests.cli.started import ENVIRONMENT
from tests.conftest import ROOT

pytestmark = pytest.mark.one_database

LIBRARIES = {
    *("alembic", "cryptography", "duckdb", "fastapi", "httpx", "numpy", "openpyxl", "psycopg", "pydantic"),
    *("sqlalchemy", "sqlglot", "sqlmodel", "uvicorn", "xlsxwriter", "yaml"),
}
COMMAND = "from app.cli.main import main; main({arguments}, standalone_mode=False)"


def imported(folder: Path, code: str) -> set[str]:
    """The libraries that a new process has imported after the code."""
    shown = "; import sys, json; print(json.dumps([*sys.modules]), file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", code + shown],
        cwd=folder,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    return LIBRARIES & set(json.loads(done.stderr.splitlines()[-1]))


def test_the_list_of_commands_imports_none_of_them(tmp_path):
    assert imported(tmp_path, COMMAND.format(arguments=["--help"])) == set()


@pytest.mark.usefixtures("run")
def test_a_command_about_keys_imports_only_its_database(tmp_path):
    """The one in this folder is on SQLite."""
    assert imported(tmp_path, COMMAND.format(arguments=["keys", "list"])) == {
        "pydantic",
        "sqlalchemy",
        "sqlmodel",
    }


def test_the_service_starts_without_the_libraries_of_files_of_sql_and_of_statistics(tmp_path):
    libraries = imported(tmp_path, "import app.main")
    assert libraries & {"alembic", "duckdb", "numpy", "openpyxl", "sqlglot", "xlsxwriter"} == set()
    assert {"fastapi", "sqlmodel"} <= libraries


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_of_each_command_what_its_own_help_says(name):
    assert COMMANDS[name].summary == " ".join(load(name).help.split("\n\n")[0].split())
