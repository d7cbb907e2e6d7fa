"""`score TABLE -o TABLE`: tables of a database, read and written."""

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest
from sqlalchemy import NullPool, create_engine, text

from app.cli.bulk.database import DatabaseTable, UnusableFile
from app.cli.bulk.scoring import ScoreOptions, score_file
from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.files import read_file
from app.scoring import Plan
from tests.cli.conftest import Run
from tests.conftest import NewDatabase
from tests.scoring.building import NOW

ACCOUNTS = [(1, 4, 5, 3.0, None, "x"), (2, 9, 1, 1.0, 1, "y"), (3, None, None, None, None, None)]
PROBLEM = 'row 3, budget: "9" is neither a whole number from 1 to 5 nor n/a or unknown'
CREATE = """
CREATE TABLE accounts
(id INTEGER, budget SMALLINT, authority INTEGER, need {}, timeline BIGINT, note TEXT)
"""


@pytest.fixture
def crm(new_database: NewDatabase) -> str:
    """The address of a database with a table of three accounts."""
    url = new_database.empty()
    type_ = "REAL" if url.startswith("sqlite") else "DOUBLE PRECISION"
    with engine_of(url).begin() as connection:
        connection.execute(text(CREATE.format(type_)))
        names = ("id", "budget", "authority", "need", "timeline", "note")
        insert = text("INSERT INTO accounts VALUES (:id, :budget, :authority, :need, :timeline, :note)")
        connection.execute(insert, [dict(zip(names, row, strict=True)) for row in ACCOUNTS])
    return url


def engine_of(url: str) -> Any:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def rows_of(url: str, query: str) -> list[Any]:
    with engine_of(url).connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def test_a_table_is_scored_into_another_one(run: Run, crm: str) -> None:
    done = run("score", f"{crm}#accounts", "--set", "bant", "-o", f"{crm}#scores")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Scored 2 rows with bant@1 into scores.\n1 row could not be scored")
    told = rows_of(crm, "SELECT id, problem, indication, score, points, settled FROM scores ORDER BY id")
    # Three of four are rated: 100 × (3 + 4 + 2) / 12.
    assert [tuple(row)[:5] for row in told] == [
        (1, None, "undetermined", 75.0, 12),
        (2, PROBLEM, None, None, None),
        (3, None, "undetermined", None, 0),
    ]
    assert [bool(row[5]) if row[5] is not None else None for row in told] == [False, None, False]


def test_a_table_is_scored_into_a_file_and_a_file_into_a_table(run: Run, crm: str, tmp_path: Path) -> None:
    assert (
        run("score", f"{crm}#accounts", "--set", "bant", "-o", "s.csv", "--rejects", "r.csv").returncode == 0
    )
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as file:
        (rejected,) = csv.DictReader(file)
    assert (rejected["id"], rejected["note"], rejected["rejected_because"]) == ("2", "y", PROBLEM)
    (tmp_path / "a.csv").write_text("id,budget,authority,need,timeline\nq,2,2,2,2\n")
    assert run("score", "a.csv", "--set", "bant", "-o", f"{crm}#from_a_file").returncode == 0
    assert rows_of(crm, "SELECT id, score FROM from_a_file") == [("q", 25.0)]


def test_duckdb_scores_a_table_of_numbers_itself(run: Run, crm: str, tmp_path: Path) -> None:
    options = ("--set", "bant", "--no-summary", "--keep", "note", "--rejects", "r.ndjson")
    done = run("score", f"{crm}#accounts", *options, "-o", f"{crm}#scores")
    assert done.returncode == 0, done.stderr
    assert rows_of(crm, "SELECT id, note, score, rated FROM scores ORDER BY id") == [
        (1, "x", 75.0, 3),
        (3, None, None, 0),
    ]
    (rejected,) = map(json.loads, (tmp_path / "r.ndjson").read_text().splitlines())
    assert (rejected["id"], rejected["note"], rejected["rejected_line"]) == (2, "y", 3)


def score_here(folder: Path, source: str, output: str) -> None:
    places = [DatabaseTable.parse(text) or folder / text for text in (source, output)]
    plan = Plan(read_file(BUILTIN / "bant.yaml"), "bant@1")
    with duckdb.connect() as connection:
        score_file(connection, plan, ScoreOptions(*places), NOW)


@pytest.mark.parametrize(
    ("source", "output", "told"),
    [
        ("{}", "s.csv", "Add the table to the address"),
        ("{}#nothing", "s.csv", "There is no table nothing"),
        ("{}#accounts", "{}#accounts", "The table accounts already exists"),
        ("oracle+none://x#a", "s.csv", "not the address of a database"),
        ("postgresql://127.0.0.1:1/none#a", "s.csv", "The database cannot be read"),
        ("sqlite:////nowhere/x.db#a", "s.csv", "There is no file /nowhere/x.db"),
    ],
)
def test_what_cannot_be_used_is_told(crm: str, tmp_path: Path, source: str, output: str, told: str) -> None:
    with pytest.raises(UnusableFile, match=told):
        score_here(tmp_path, source.format(crm), output.format(crm))
    assert rows_of(crm, "SELECT COUNT(*) FROM accounts") == [(3,)]
    assert list(tmp_path.glob("s.*")) == []
