"""`score FILE -o FILE`: whole files, held against the kernel row by row."""

import csv
import json
import random
import re
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from app.cli.bulk.database import UnusableFile
from app.cli.bulk.scoring import ScoreOptions, score_file
from app.cli.bulk.source import ReadOptions
from app.cli.bulk.summary import Summary
from app.cli.bulk.typed import CellReport
from app.cli.score_files import _print_summary
from app.problems import Problem
from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.files import read_file
from app.scoring import Plan, ratings_sent, read_answers, read_question_set, score
from tests.cli.conftest import Run
from tests.cli.terminal import on_a_terminal
from tests.conftest import ROOT
from tests.scoring.building import NOW, as_object, question, step, weighted

KEYS = ("budget", "authority", "need", "timeline")
FIGURES = ("indication", "settled", "leaning", "score", "lowest", "highest", "coverage", "points", "grade")
BANT = ("--set", "bant")
BANDS = {"attribute": "employees", "bands": [{"below": 10, "rating": 1}, {"rating": 5}]}


@pytest.fixture
def accounts(tmp_path: Path) -> list[dict[str, Any]]:
    """The same 2,000 rows in three formats."""
    dice = random.Random(7)
    rows = [{"id": n} | {key: dice.choice([None, 1, 2, 3, 4, 5]) for key in KEYS} for n in range(2000)]
    lines = [",".join("" if value is None else str(value) for value in row.values()) for row in rows]
    (tmp_path / "accounts.csv").write_text("\n".join([",".join(("id", *KEYS)), *lines]) + "\n")
    (tmp_path / "accounts.ndjson").write_text("\n".join(map(json.dumps, rows)))
    with duckdb.connect() as connection:
        csv = f"read_csv('{tmp_path}/accounts.csv')"
        connection.execute(f"COPY (FROM {csv}) TO '{tmp_path}/accounts.parquet' (FORMAT parquet)")
    return rows


def read(file: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        answer = connection.execute(f"FROM '{file}'")
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("accounts.csv", "scores.parquet"),
        ("accounts.ndjson", "scores.csv"),
        ("accounts.parquet", "scores.ndjson"),
        ("accounts.csv", "scores.CSV"),
    ],
)
def test_every_row_has_the_score_of_the_kernel(
    run: Run, tmp_path: Path, accounts: list[dict[str, Any]], source: str, output: str
) -> None:
    done = run("score", source, *BANT, "-o", output)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Scored 2,000 rows with bant@1 into {output}.")
    plan = Plan(read_file(BUILTIN / "bant.yaml"), "bant@1")
    told = read(tmp_path / output)
    assert [int(row["id"]) for row in told] == [row["id"] for row in accounts]
    for row, got in zip(accounts, told, strict=True):
        ratings = {key: row[key] for key in KEYS if row[key] is not None}
        answers = read_answers(plan.question_set, ratings_sent(ratings))
        wanted = as_object(score(plan, answers, {}, as_of=NOW))
        assert {name: got[name] for name in FIGURES} == {name: getattr(wanted, name) for name in FIGURES}
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_the_best_and_the_counts_are_told(run: Run, tmp_path: Path) -> None:
    table = "id,budget,authority,need,timeline\na,5,5,5,5\nb,3,3,3,3\nc,1,1,1,1\nd,4,4,4,4\n"
    (tmp_path / "a.csv").write_text(table)
    done = run("score", "a.csv", *BANT, "-o", "s.csv")
    assert done.stdout.splitlines() == [
        "Scored 4 rows with bant@1 into s.csv.",
        "  fit: 2",
        "  mixed: 1",
        "  no_fit: 1",
        "Mean coverage: 100 %.",
        "Highest scores:",
        "  a: 100 fit",
        "  d: 75 fit",
        "  b: 50 mixed",
    ]


def test_a_text_that_a_spreadsheet_reads_as_a_formula_gets_an_apostrophe_in_csv_only(
    run: Run, tmp_path: Path
) -> None:
    """A number stays one, and taking one apostrophe away always gives the original."""
    written = {
        "=1+1": "'=1+1",
        "+49 40": "'+49 40",
        "-a": "'-a",
        "@all": "'@all",
        "'=1": "''=1",
        **{same: same for same in ("-5", "+5", "-1.5", "-2e3", "a=b", "'quoted'", "'s", "[red]x")},
    }
    with (tmp_path / "a.csv").open("w", newline="") as file:
        rated = [(id_, *[5 if "=1" in id_ else 4] * 4) for id_ in written]
        csv.writer(file).writerows([("id", *KEYS), *rated, ("=bad", 9, 4, 4, 4)])
    for output in ("s.csv", "s.tsv", "s.ndjson"):
        done = run("score", "a.csv", *BANT, "-o", output, "--rejects", "r.csv")
        assert done.returncode == 0, done.stderr
        assert "  =1+1: 100 fit\n" in done.stdout
        assert "  '=1: 100 fit\n" in done.stdout
        with (tmp_path / output).open(newline="") as file:
            is_table = output != "s.ndjson"
            table = csv.DictReader(file, delimiter="\t" if output == "s.tsv" else ",")
            got = [row["id"] for row in (table if is_table else map(json.loads, file))]
        assert got == list(written.values() if is_table else written)
    assert (tmp_path / "r.csv").read_text("utf-8-sig").splitlines()[1].startswith("'=bad,")


def test_figures_are_told_whole_and_never_up_to_where_something_begins(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A fit begins at 60, and grades at 80, 60 and 40."""
    plan = Plan(read_file(BUILTIN / "bant.yaml"), "bant@1")
    best = [("a", "Acme", 79.97, "fit"), ("b", None, 66.5, "fit"), ("c", None, 60.0, "fit")]
    best += [("d", None, 59.5, "mixed"), ("e", None, 58.5, "mixed"), ("f", None, 39.999, None)]
    options = ScoreOptions(Path("a.csv"), Path("s.csv"))
    _print_summary(plan, Summary(6, [("fit", 3)], 0.4999, best, CellReport()), options)
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert shown[2:] == [
        "Mean coverage: 49 %.",
        "Highest scores:",
        *("Acme (a): 79 fit", "b: 67 fit", "c: 60 fit", "d: 59 mixed", "e: 59 mixed", "f: 39"),
    ]
    _print_summary(plan, Summary(6, [], 0.666, [], CellReport()), options)
    assert "Mean coverage: 67 %." in capsys.readouterr().out


def test_what_cannot_be_scored_goes_to_the_rejects_as_a_whole(run: Run, tmp_path: Path) -> None:
    lines = [
        "id;Budget__c;authority;need;timeline;note",
        "1;4;n/a; 5 ;unknown;a",
        "2;9;1;1;1;b",
        "3;a lot;1;1;1;",
        "4;1;1",
        "5;1;1;1;1;c;too long",
    ]
    (tmp_path / "a.csv").write_text("\ufeff" + "\r\n".join(lines))
    mapped = ("--map", "budget=Budget__c")
    done = run("score", "a.csv", *BANT, *mapped, "-o", "s.csv", "--rejects", "r.csv")
    assert done.returncode == 0, done.stderr
    first, short = read(tmp_path / "s.csv")
    assert (first["rated"], first["open"], first["not_applicable"], first["points"]) == (2, 1, 1, 9)
    assert (short["id"], short["rated"], short["open"], short["points"]) == (4, 2, 2, 2)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as file:
        nine, words, long = csv.DictReader(file)
    assert [*nine] == [*lines[0].split(";"), "rejected_line", "rejected_because", "rejected_text"]
    assert [*nine.values()][:7] == ["2", "9", "1", "1", "1", "b", "3"]
    assert nine["rejected_because"].startswith('row 3, Budget__c: "9" is neither a whole number from 1 to 5')
    assert words["rejected_because"].startswith('row 4, Budget__c: "a lot" is neither a whole number')
    assert (long["rejected_line"], long["rejected_text"]) == ("6", "5;1;1;1;1;c;too long")


def test_corrected_rejects_are_scored_as_they_are(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,budget,authority,need,timeline\nx,9,4,4,4\n")
    for suffix in ("csv", "xlsx", "ndjson", "parquet"):
        run("score", "a.csv", *BANT, "-o", "s.csv", "--rejects", f"r.{suffix}")
        corrected = ("--map", "budget=authority", "--missing-open")
        done = run("score", f"r.{suffix}", *BANT, *corrected, "-o", "t.ndjson")
        assert (done.returncode, done.stderr) == (0, "Ignored columns that are not in bant@1: budget\n")
        assert [(row["id"], row["score"]) for row in read(tmp_path / "t.ndjson")] == [("x", 75.0)]


def test_a_cell_that_cannot_be_read_is_left_out_and_named(run: Run, tmp_path: Path) -> None:
    """In the output, in the rejects and in the summary; its row is scored without it."""
    rows = "ID;Name;Employees;industry;region\n1;Acme;30 Mio;Retail;EUROPE\n2;Bolt;1.200;retail;europe\n"
    (tmp_path / "a.csv").write_text(rows + "3;Coda;0,5;x;y\n")
    options = ("--set", "firmographic-fit", "-o", "s.ndjson", "--rejects", "r.ndjson", "--missing-open")
    done = run("score", "a.csv", *options)
    told = 'row 2, Employees: "30 Mio" is not a number'
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:4] == [
        "Scored 3 rows with firmographic-fit@1 into s.ndjson.",
        "1 cell was left out, because it cannot be read:",
        f"  {told}",
        "The decimal sign is a comma.",
    ]
    first, second, third = read(tmp_path / "s.ndjson")
    assert (first["remarks"], first["unread_attributes"], first["rated"]) == (told, "employees", 2)
    # By rule 3, 3 (of 1,200 employees) and 5 of five questions: (2 + 2 + 4) of 12.
    assert (second["remarks"], second["score"], second["Name"]) == (None, 100 * 8 / 12, "Bolt")
    assert third["problem"] is None
    (rejected,) = read(tmp_path / "r.ndjson")
    assert rejected == {
        "ID": "1",
        "Name": "Acme",
        "Employees": "30 Mio",
        "industry": "Retail",
        "region": "EUROPE",
        "rejected_line": "2",
        "rejected_because": told,
    }


def test_one_row_is_counted_in_the_singular(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,budget,authority,need,timeline\na,4,4,4,4\nb,9,4,4,4\n")
    done = run("score", "a.csv", *BANT, "-o", "s.csv", "--rejects", "r.csv")
    assert done.stdout.splitlines()[:2] == [
        "Scored 1 row with bant@1 into s.csv.",
        "1 row could not be scored. See r.csv.",
    ]


def test_without_rejects_the_row_stays_and_says_why(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"id": "x", "budget": 3.5}\n{"id": "y", "need": true}\n{"id": "z"}\n')
    assert run("score", "a.ndjson", *BANT, "-o", "s.ndjson").returncode == 0
    told = {row["id"]: row["problem"] for row in read(tmp_path / "s.ndjson")}
    reason = "is neither a whole number from 1 to 5 nor n/a or unknown"
    assert told == {"x": f'row 1, budget: "3.5" {reason}', "y": f'row 2, need: "true" {reason}', "z": None}


def test_attributes_rate_by_rule_and_need_no_column_of_ratings(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "id,industry,employees,region\n1, Retail,500,EUROPE\n2,retail,many,europe\n"
    )
    done = run("score", "a.csv", "--set", "firmographic-fit", "-o", "s.parquet", "--missing-open")
    assert done.returncode == 0, done.stderr
    good, bad = read(tmp_path / "s.parquet")
    # By rule 3, 5 and 5 of five questions, as in test_score.py: (2 + 4 + 4) of 12.
    assert (good["score"], good["rated"]) == (100 * 10 / 12, 3)
    assert (bad["problem"], bad["unread_attributes"], bad["rated"]) == (None, "employees", 2)


def test_cells_of_blanks_say_nothing_and_what_cannot_be_read_is_listed(tmp_path: Path) -> None:
    """In a file of text as in one with columns of text, and as people write numbers and booleans."""
    plan = Plan(
        read_question_set(
            weighted(
                step(
                    "all",
                    question("fit", ask_when={"partner": {"equals": True}}),
                    question("size", rate_from=BANDS),
                    question("need"),
                ),
                attributes={"employees": "number", "partner": "boolean", "industry": "text"},
            )
        ),
        "small-set@1",
    )
    rows = [
        # Cells of fit, need, employees and partner; then what is rated and open, and unread attributes.
        ("5", "4", "50", "true", (3, 0), None),
        ("5", "\u00a04\t", " 9.5 ", "\u00a0TRUE ", (3, 0), None),
        ("5", " N/A", "1e2", "No", (1, 0), None),
        ("", "\u00a0", "\t", " \u00a0", (0, 2), None),
        ("5", "4", "9007199254740993", "maybe", (1, 1), "employees,partner"),
        ("5", "4", "1e400", "2", (1, 1), "employees,partner"),
        ("5", "4", "€ 5k", "x", (3, 0), None),
        ("5", "4", "NaN", "true", (2, 1), "employees"),
        ("5", "unknown", "0x10", "true", (1, 2), "employees"),
    ]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "fit", "need", "employees", "partner", "industry"])
        writer.writerows([number, *cells[:4], "x"] for number, cells in enumerate(rows))
    with duckdb.connect() as connection:
        texts = f"read_csv('{tmp_path}/a.csv', all_varchar = true, header = true, quote = '\"')"
        connection.execute(f"COPY (FROM {texts}) TO '{tmp_path}/b.parquet' (FORMAT parquet)")
        for source in ("a.csv", "b.parquet"):
            output = tmp_path / f"{source}.ndjson"
            score_file(connection, plan, ScoreOptions(tmp_path / source, output), NOW)
            got = sorted(read(output), key=lambda row: int(row["id"]))
            told = [((row["rated"], row["open"]), row["unread_attributes"], row["problem"]) for row in got]
            assert told == [(*row[4:], None) for row in rows], source
            assert got[4]["remarks"].split("; ") == [
                'row 6, employees: "9007199254740993" is not a number',
                'row 6, partner: "maybe" is neither yes nor no',
            ]


@pytest.mark.parametrize(
    ("text", "wanted", "told"),
    [
        ("id,budget,Budget\n1,2,3\n", {}, '"budget" (column 2) and "Budget" (column 3) both match budget'),
        ("id,budget\n1,2\n", {"named": {"mood": "budget"}}, "nothing has the key mood"),
        ("id,budget\n1,2\n", {"named": {"need": "Need__c"}}, "no column has the heading 'Need__c'"),
        ("id,budget\n1,2\n", {"keep": ["mood"]}, "--keep: there is no column mood."),
        ("id,budget,score\n1,2,3\n", {"keep": ["score"]}, "The output has another column score"),
        ("", {}, "Line 1 has no headings"),
        ("id,mood\n1,2\n", {}, "No column is named after a question or an attribute of bant@1."),
        ("id,budget\n1,2\n", {"output": "a.csv"}, "is the input file"),
        ("id,budget\n1,2\n", {"output": "s.xls"}, "must end in .csv"),
        ("id,budget\n1,2\n", {"output": "nowhere/s.csv"}, "There is no folder"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(
    tmp_path: Path, text: str, wanted: dict[str, Any], told: str
) -> None:
    (tmp_path / "a.csv").write_text(text)
    output = tmp_path / wanted.get("output", "s.csv")
    read_options = ReadOptions(wanted.get("named", {}))
    asked = ScoreOptions(tmp_path / "a.csv", output, read=read_options, keep=wanted.get("keep", ()))
    plan = Plan(read_file(BUILTIN / "bant.yaml"), "bant@1")
    with duckdb.connect() as connection, pytest.raises((UnusableFile, Problem), match=re.escape(told)):
        score_file(connection, plan, asked, NOW)
    assert (tmp_path / "a.csv").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_what_cannot_be_used_ends_the_command(run_without_database: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,budget,need\n1,2,3\n")
    for options in (("--map", "need"), ("--map", "need=a", "--map", "need=b"), ("--decimal", "x")):
        done = run_without_database("score", "a.csv", *BANT, "-o", "s.csv", *options)
        assert (bool(done.returncode), done.stdout, bool(done.stderr)) == (True, "", True)


def test_a_column_of_another_type_is_read_cell_by_cell(run_without_database: Run, tmp_path: Path) -> None:
    with duckdb.connect() as connection:
        for name, columns in {"a": "true AS budget", "b": "[1] AS budget", "c": "'4' AS budget"}.items():
            connection.execute(f"COPY (SELECT 1 AS id, {columns}) TO '{tmp_path}/{name}.parquet'")
    problems = []
    for name in ("a", "b", "c"):
        done = run_without_database("score", f"{name}.parquet", *BANT, "-o", "s.ndjson", "--no-summary")
        assert done.returncode == 0, done.stderr
        problems += [bool(row["problem"]) for row in read(tmp_path / "s.ndjson")]
    assert problems == [True, True, False]


@pytest.mark.usefixtures("run")
def test_on_a_terminal_a_bar_shows_how_far_it_is(tmp_path: Path) -> None:
    """And goes away: what stays is the summary."""
    ratings = ", ".join(f"3 AS {key}" for key in KEYS)
    with duckdb.connect() as connection:
        rows = f"SELECT i AS id, {ratings} FROM RANGE(1_000_000) AS rows (i)"
        connection.execute(f"COPY ({rows}) TO '{tmp_path}/a.parquet'")
    command = [sys.executable, "-c", "from app.cli.main import main; main()"]
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
    code, shown = on_a_terminal(
        [*command, "score", "a.parquet", *BANT, "-o", "s.parquet"], tmp_path, environment
    )
    assert (code, "Scored 1,000,000 rows with bant@1" in shown) == (0, True), shown
    assert re.search(r"scoring.*?\d+%.*\d:\d\d:\d\d", shown), shown
    assert "scoring" not in shown.partition("Scored")[2]
