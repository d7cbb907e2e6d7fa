"""`insights NAME`: the reports as tables, CSV and JSON."""

import csv
import json
from io import StringIO

import pytest

from app.cli.insights import MAX_PRINTED_ROWS, _print_tables
from app.files.columns import Column
from app.insights.report import Table
from app.insights.schemas import Excluded
from tests.cli.conftest import Run

pytestmark = pytest.mark.one_database

COMMANDS = (
    ("questions", "--set", "qualifying-a-sale"),
    ("assessors", "--set", "qualifying-a-sale@1"),
    ("decisions",),
    ("outcomes", "--by", "attribute:industry", "--by", "year"),
    ("portfolio", "--set", "key-account-selection"),
    ("concentration", "--by", "amount", "--currency", "EUR"),
)


def printed(run: Run, *arguments: str) -> str:
    done = run("insights", *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout


def test_a_report_is_a_verdict_a_table_and_what_is_not_counted(run: Run) -> None:
    """The demo has 36 won and 34 lost deals. Some were rated by two assessors, in a session each."""
    run("demo")
    command = ("calibration", "--set", "qualifying-a-sale")
    report = json.loads(printed(run, *command, "--format", "json"))
    assert (report["n"], report["won"], report["lost"]) == (88, 46, 42)
    assert report["summary"].startswith("46 won and 42 lost sessions: ")
    assert printed(run, "outcomes").startswith("36 won and 34 lost deals: ")
    shown = printed(run, *command)
    assert shown.startswith(report["summary"])
    assert f"{9:>7}  ended without a decision by the customer" in shown
    assert "hindsight" not in shown
    rows = list(csv.DictReader(StringIO(printed(run, *command, "--format", "csv"))))
    assert (rows[-1]["won"], rows[-1]["lost"]) == ("46", "42")
    assert "knocked out" in shown
    for arguments in COMMANDS:
        assert printed(run, *arguments).splitlines()[0].endswith(".")


def test_options_are_checked_like_the_query_of_the_api(run: Run) -> None:
    for arguments, message in {
        ("calibration", "--set", "nope"): "question_set: no such question set",
        ("outcomes", "--since", "2026-13-01"): "since: ",
        (
            "outcomes",
            "--segment",
            "industry",
        ): "segment/0: name an attribute and its value: industry:logistics",
        ("concentration", "--by", "amount"): "currency: with by=amount, name the currency",
    }.items():
        done = run("insights", *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith(message)


def test_a_table_has_intervals_beside_their_estimates_and_few_rows(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Report:
        summary = "Two sentences. In plain words."
        excluded = Excluded(hindsight=1200, not_scored=0, no_decision=0, open=2, not_pursued=0)

    numbers = ("rate", "rate_low", "rate_high", "p_value", "amount")
    columns = [Column("prospect_id"), Column("name"), *(Column(name, "number") for name in numbers)]
    columns += [Column("matters", "boolean"), Column("empty")]
    row = ["an id", "[b]Acme[/b]", 0.5, 0.0041, 1.0, 0.00002, 1234567.4, True, None]
    _print_tables(Report, Table(columns, [row] * (MAX_PRINTED_ROWS + 2)))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == Report.summary
    assert lines[2].split() == ["name", "rate", "p", "value", "amount", "matters"]
    assert lines[3].split() == ["[b]Acme[/b]", "0.50", "(0.004", "to", "1)", "2e-05", "1,234,567", "yes"]
    assert "2 more rows: --format csv prints all." in lines
    assert lines[-2:] == [
        "  1,200  won or lost, but the ratings came with the outcome",
        "      2  without an outcome, and not given up",
    ]
