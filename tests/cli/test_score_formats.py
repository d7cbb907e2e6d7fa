"""`score`: one table has the same figures in every format, printed and written."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from app.files.columns import Column
from app.files.formats import Format
from app.files.opening import open_table
from app.files.writer import write_table
from tests.cli.conftest import Run

SET = ("--set", "firmographic-fit")
HEADINGS = ("ID", "Name", "# Employees", "Industry", "Region", "Annual Revenue", "Growth")
ROWS = [
    ("001", "Müller & Söhne", "1.200", "Retail", "Europe", "€ 1,5M", "12 %"),
    ("002", "Crédit", "500", "retail", "EUROPE", "(1.200)", "-"),
    ("003", "", "30 Mio", "n/a", "#N/A", "null", "0,5"),
    ("004", "Straße", "050", " Retail ", "", "30.000.000,50", "4 %"),
]
# By the rules of the set, each of five questions is rated 1 to 5. The ratings of the industry, the employees,
# the revenue, the region and the growth are:
# 1: 3, 3, 2, 5, 4, so (2 + 2 + 1 + 4 + 3) of 20.
# 2: 3, 5, 1, 5, so (2 + 4 + 0 + 4) of 16.
# 3: only the growth, 3, which is too little for a score.
# 4: 3, 5, 4, open, 3, so (2 + 4 + 3 + 2) of 16.
SCORES = [60.0, 62.5, None, 68.75]
FIGURES = ("id", "indication", "score", "lowest", "highest", "coverage", "points", "rated", "open")
FORMAT_OF: dict[str, Format] = {"csv": "csv", "parquet": "parquet", "ndjson": "ndjson"}
FORMATS = ("comma.csv", "semicolon.csv", "table.xlsx", "table.ndjson", "table.parquet")


@pytest.fixture
def tables(tmp_path: Path) -> None:
    """The same table in five files."""
    for name, separator, encoding in (("comma", ",", "utf-8"), ("semicolon", ";", "cp1252")):
        with (tmp_path / f"{name}.csv").open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=separator).writerows([HEADINGS, *ROWS])
    columns = [Column(heading) for heading in HEADINGS]
    for format_ in ("xlsx", "ndjson", "parquet"):
        write_table(tmp_path / f"table.{format_}", format_, columns, ROWS)


def written(file: Path) -> list[dict[str, Any]]:
    with duckdb.connect() as connection:
        result = connection.execute(f"FROM '{file}'")
        names = [column[0].lower() for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]


def figures(rows: Sequence[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row[figure] for figure in FIGURES) for row in rows]


@pytest.mark.usefixtures("tables")
def test_one_table_has_the_same_figures_in_every_format(run_without_database: Run, tmp_path: Path) -> None:
    for name in FORMATS:
        printed = run_without_database("score", name, *SET, "-f", "json")
        assert printed.returncode == 0, printed.stderr
        objects = json.loads(printed.stdout)
        done = run_without_database("score", name, *SET, "-o", "s.parquet")
        assert (done.returncode, "The decimal sign is a comma." in done.stdout) == (0, True), done.stderr
        lines = written(tmp_path / "s.parquet")
        assert [line["score"] for line in lines] == SCORES, name
        assert [line["id"] for line in lines] == ["001", "002", "003", "004"]
        assert figures(lines) == figures(objects), name
        assert [line["summary"] for line in lines] == [one["summary"] for one in objects]
        assert [line["name"] for line in lines] == ["Müller & Söhne", "Crédit", None, "Straße"]
        assert [line["remarks"] is None for line in lines] == [True, True, False, True]


def test_a_workbook_of_numbers_has_the_figures_of_its_text(run_without_database: Run, tmp_path: Path) -> None:
    """And so has a Parquet file that DuckDB reads itself."""
    columns = [Column("id", "integer"), Column("Employees", "number"), Column("growth", "number")]
    columns += [Column("region"), Column("industry")]
    rows = [(1, 1200.0, 12.0, "Europe", "-"), (2, 500.0, 0.5, "n/a", "retail"), (3, None, None, None, None)]
    for format_ in ("xlsx", "ndjson", "parquet", "csv"):
        write_table(tmp_path / f"n.{format_}", format_, columns, rows)
    for format_ in ("xlsx", "ndjson", "parquet", "csv"):
        for option in ("--summary", "--no-summary"):
            done = run_without_database("score", f"n.{format_}", *SET, "-o", "s.ndjson", option)
            assert done.returncode == 0, done.stderr
            lines = written(tmp_path / "s.ndjson")
            # (3 - 1) + (4 - 1) + (5 - 1) of 12, and (5 - 1) + (3 - 1) + (3 - 1) of 12.
            assert [line["score"] for line in lines] == [75.0, 100 * 8 / 12, None], (format_, option)
            assert ["summary" in line for line in lines] == [option == "--summary"] * 3


@pytest.mark.parametrize("suffix", ["csv", "parquet", "ndjson"])
def test_a_file_is_read_by_exactly_its_name(run_without_database: Run, tmp_path: Path, suffix: str) -> None:
    columns = [Column("id"), *(Column(key, "integer") for key in ("budget", "authority", "need", "timeline"))]
    folder = tmp_path / "in[1]"
    folder.mkdir()
    write_table(folder / f"leads[2].{suffix}", FORMAT_OF[suffix], columns, [("right", 5, 5, 5, 5)])
    write_table(tmp_path / f"leads2.{suffix}", FORMAT_OF[suffix], columns, [("wrong", 1, 1, 1, 1)])
    (tmp_path / "in1").mkdir()
    write_table(tmp_path / "in1" / f"leads2.{suffix}", FORMAT_OF[suffix], columns, [("wrong", 1, 1, 1, 1)])
    for option in ("--summary", "--no-summary"):
        files = (f"in[1]/leads[2].{suffix}", "-o", f"in[1]/s[1].{suffix}")
        done = run_without_database("score", *files, "--set", "bant", option)
        assert (done.returncode, "  right: 100 fit" in done.stdout) == (0, True), done.stderr
        assert (folder / f"s[1].{suffix}").is_file()


H = "id,budget,authority,need,timeline"
EDGES = {
    "headings only": (f"{H}\n", 0, []),
    "numbers and then a text as ids": (
        "\n".join([H, *(f"{number},4,4,4,4" for number in range(20_600)), "A1,5,5,5,5"]),
        20_601,
        [("A1", 100.0), ("0", 75.0), ("1", 75.0)],
    ),
    "unrated rows and then rated ones": (
        "\n".join([H, *(f"{number},,,," for number in range(20_600)), "x,5,5,5,5"]),
        20_601,
        [("x", 100.0), ("0", None)],
    ),
    "a heading with a line break": (f'{H},"note\n(free text)"\n1,5,5,5,5,"a\nb"\n', 1, [("1", 100.0)]),
    "mixed line ends": (f"{H}\r\n1,5,5,5,5\r\n2,4,4,4,4\n3,1,1,1,1\r\n", 3, [("1", 100.0), ("2", 75.0)]),
    "an unnamed first column": (f",{H}\n0,1,5,5,5,5\n", 1, [("1", 100.0)]),
}


@pytest.mark.parametrize(("text", "count", "best"), EDGES.values(), ids=EDGES)
def test_odd_files_are_scored(
    run_without_database: Run, tmp_path: Path, text: str, count: int, best: list[tuple[str, float | None]]
) -> None:
    (tmp_path / "a.csv").write_bytes(text.encode())
    done = run_without_database("score", "a.csv", "--set", "bant", "-o", "s.csv", "--no-summary")
    assert ("note (free text)" in done.stderr) == ("note" in text)
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        f"Scored {count:,} {'row' if count == 1 else 'rows'} with bant@1 into s.csv.",
    ), done.stderr
    with (tmp_path / "s.csv").open(newline="") as file:
        scores = {row["id"]: float(row["score"]) if row["score"] else None for row in csv.DictReader(file)}
    assert len(scores) == count
    assert {id_: scores[id_] for id_, _ in best} == dict(best)


def test_kept_columns_are_copied_and_not_ignored(run_without_database: Run, tmp_path: Path) -> None:
    """With what a spreadsheet shows, from a file of texts as from a Parquet file that DuckDB reads itself."""
    numbers = [Column(name, "integer") for name in ("id", "Owner id", "need")]
    columns = [numbers[0], Column("Name"), *numbers[1:]]
    for format_, options in (("xlsx", ()), ("parquet", ("--no-summary",))):
        write_table(tmp_path / f"a.{format_}", format_, columns, [(7, "Acme", 12, 4)])
        keep = ("--keep", "owner ID", "--missing-open")
        done = run_without_database("score", f"a.{format_}", "--set", "bant", *keep, *options, "-o", "s.xlsx")
        assert (done.returncode, done.stderr) == (0, "")
        with open_table(tmp_path / "s.xlsx") as table:
            (row,) = table.rows()
        assert table.headings[:3] == ("id", "Name", "Owner id")
        assert [str(cell) for cell in row.cells[:3]] == ["7", "Acme", "12"]
        done = run_without_database("score", f"a.{format_}", "--set", "bant", *options, "-o", "s.xlsx")
        assert done.stderr.startswith("Ignored columns that are not in bant@1: Owner id\n")


def test_rows_that_duckdb_reads_itself_are_rejected_as_a_whole(
    run_without_database: Run, tmp_path: Path
) -> None:
    columns = [Column("id"), Column("need", "number"), Column("note"), Column("employees", "number")]
    rows = [("a", 9.0, "x", None), ("b", 4.0, "y", None), ("c", 4.5, None, None)]
    write_table(tmp_path / "a.parquet", "parquet", columns, rows)
    options = ("--set", "bant", "--missing-open", "--no-summary", "--rejects", "r.csv")
    done = run_without_database("score", "a.parquet", *options, "-o", "s.csv")
    reason = "need: not a whole number from 1 to 5"
    assert done.stdout.splitlines()[:4] == [
        "Scored 1 row with bant@1 into s.csv.",
        "2 rows could not be scored. See r.csv.",
        f"  a: {reason}",
        f"  c: {reason}",
    ]
    with (tmp_path / "r.csv").open(newline="") as file:
        assert [tuple(row.values()) for row in csv.DictReader(file)] == [
            ("a", "9.0", "x", "", "2", reason, ""),
            ("c", "4.5", "", "", "4", reason, ""),
        ]
    assert [row["id"] for row in written(tmp_path / "s.csv")] == ["b"]
    with duckdb.connect() as connection:
        values = "('a', CAST('NaN' AS DOUBLE), 'Europe'), ('b', 50, 'Europe')"
        facts = f"FROM (VALUES {values}) AS facts (id, employees, region)"
        connection.execute(f"COPY ({facts}) TO '{tmp_path}/b.parquet'")
    done = run_without_database("score", "b.parquet", *SET, *options[2:], "-o", "s.ndjson")
    assert "1 cell was left out, because it cannot be read:\n  a: cannot be read: employees\n" in done.stdout
    assert [row["remarks"] for row in written(tmp_path / "s.ndjson")] == ["cannot be read: employees", None]
    with (tmp_path / "r.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["a"]


def test_a_file_that_is_not_a_table_is_refused_alike(run_without_database: Run, tmp_path: Path) -> None:
    for name in ("a.parquet", "a.xlsx", "a.xls"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        printed = run_without_database("score", name, "--set", "bant")
        for option in ("--summary", "--no-summary"):
            done = run_without_database("score", name, "--set", "bant", "-o", "s.csv", option)
            assert (done.returncode, done.stdout, done.stderr) == (1, "", printed.stderr)
        assert printed.stderr.count("\n") == 1
        assert not (tmp_path / "s.csv").exists()


def test_without_a_database_other_sets_are_refused(run_without_database: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"{H}\n")
    for name in ("nope", "bant@2"):
        done = run_without_database("score", "a.csv", "--set", name)
        reason = f"{name} is not a built-in question set. There is no database at {tmp_path}"
        assert (done.returncode, done.stdout, done.stderr.startswith(reason)) == (1, "", True)
    assert run_without_database("score", "a.csv", "--set", "bant@1").returncode == 0
