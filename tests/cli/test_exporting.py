"""`export sessions` and `export prospects`: what matches the filters, in a file of the format of its name."""

import csv
import json
from pathlib import Path

import duckdb
import pytest

from tests.cli.conftest import Run


def exported(run: Run, *arguments: str) -> str:
    done = run("export", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


@pytest.fixture
def demo(run: Run) -> Run:
    assert run("demo").returncode == 0
    return run


def test_the_name_of_the_file_says_its_format(demo: Run, tmp_path: Path) -> None:
    names = ("s.csv", "s.xlsx", "s.ndjson", "s.parquet")
    for name in names:
        assert exported(demo, "sessions", name) == f"157 sessions written to {name}.\n"
    with (tmp_path / "s.csv").open(encoding="utf-8-sig", newline="") as file:
        from_csv = [row["session_id"] for row in csv.DictReader(file)]
    lines = (tmp_path / "s.ndjson").read_text("utf-8").splitlines()
    assert [json.loads(line)["session_id"] for line in lines] == from_csv
    parquet = duckdb.sql(f"SELECT session_id FROM '{tmp_path / 's.parquet'}'").fetchall()
    assert [session_id for (session_id,) in parquet] == from_csv
    assert len(set(from_csv)) == 157


def test_the_filters_of_the_list_are_options(demo: Run, tmp_path: Path) -> None:
    filters = ("--set", "qualifying-a-sale", "--outcome", "won", "--status", "closed", "--sort", "name")
    exported(demo, "sessions", "won.ndjson", *filters)
    rows = [json.loads(line) for line in (tmp_path / "won.ndjson").read_text("utf-8").splitlines()]
    assert {(row["outcome"], row["status"]) for row in rows} == {("won", "closed")}
    names = [row["name"] for row in rows]
    assert names == sorted(names)
    assert {"match_estimate", "benefit_estimate"} < rows[0].keys()


def test_prospects_have_a_column_for_each_attribute(demo: Run, tmp_path: Path) -> None:
    assert exported(demo, "prospects", "p.csv", "--q", "Ivy Schools") == "1 prospect written to p.csv.\n"
    with (tmp_path / "p.csv").open(encoding="utf-8-sig", newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["links"], row["industry"]) == (
        "Ivy Schools",
        "prospect-fit.demo:091",
        "education",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("sessions", "x.pdf"), "x.pdf: the name must end in .csv, .xlsx, .ndjson, .jsonl, .parquet.\n"),
        (("sessions", "none/x.csv"), "There is no folder none.\n"),
        (("sessions", "x.csv", "--status", "ajar"), "status: it must be 'open' or 'closed'\n"),
        (
            ("prospects", "x.csv", "--subject", "me"),
            "subject: it must be 'prospect', 'own_company' or 'person'\n",
        ),
    ],
)
def test_what_cannot_be_written_leaves_no_file(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run("export", *arguments)
    assert (done.returncode, done.stderr) == (1, message)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
