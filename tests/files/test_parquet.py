"""Parquet as other programs write it."""

from pathlib import Path

import duckdb
import pytest

from app.files.table import BadCell, Cell
from app.problems import MALFORMED_FILE, Problem
from tests.files.reading import cells, read


def write(file: Path, select: str) -> Path:
    # DuckDB reads some characters of a name as a pattern, also where it writes.
    written = file.parent / "written"
    duckdb.sql(f"COPY ({select}) TO '{written}' (FORMAT parquet)")
    return written.rename(file)


VALUES: dict[str, Cell] = {
    "' Acme '": "Acme",
    "''": None,
    "4::UTINYINT": 4,
    "4.0::DOUBLE": 4.0,
    "0.1::DOUBLE": 0.1,
    "12.50::DECIMAL(10, 2)": 12.5,
    "12.00::DECIMAL(10, 2)": 12,
    "9007199254740993": 9007199254740993,
    "true": True,
    "DATE '2026-01-31'": "2026-01-31",
    "TIME '09:05:00'": "09:05:00",
    "TIMESTAMP '2026-01-31 12:30:00'": "2026-01-31T12:30:00",
    "TIMESTAMPTZ '2026-01-31 12:30:00+02'": "2026-01-31T10:30:00Z",
    "'nan'::DOUBLE": None,
    "'inf'::DOUBLE": BadCell("inf", "is not a finite number"),
    "['a', 'b']": BadCell("[a, b]", "is a list or an object"),
    "{'a': 1}": BadCell("{'a': 1}", "is a list or an object"),
    "'a'::BLOB": BadCell("a", "is binary"),
    "'a' || chr(0)": BadCell("a", "contains a NUL character"),
    "NULL::INTEGER": None,
}


@pytest.mark.parametrize(("value", "cell"), VALUES.items(), ids=list(VALUES))
def test_a_value_keeps_its_type(tmp_path, value, cell):
    file = write(tmp_path / "a.parquet", f"SELECT 'x' AS id, {value} AS value")
    headings, rows, _ = read(file)
    assert headings == ("id", "value")
    ((_, found),) = cells(rows)
    assert (found, type(found)) == (cell, type(cell))


def test_rows_are_numbered_as_in_a_workbook_and_empty_ones_left_out(tmp_path):
    select = "SELECT i AS id FROM (VALUES (1), (NULL), (3)) AS rows (i)"
    _, rows, _ = read(write(tmp_path / "a.parquet", select))
    assert [(row.number, row.end, row.cells) for row in rows] == [(2, 2, (1,)), (4, 4, (3,))]


def test_exactly_the_named_file_is_opened(tmp_path):
    write(tmp_path / "leads2.parquet", "SELECT 'wrong' AS id")
    write(tmp_path / "leads[2].parquet", "SELECT 'right' AS id")
    assert cells(read(tmp_path / "leads[2].parquet")[1]) == [("right",)]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"id,name\n1,Acme\n", b"PAR1" + bytes(100) + b"PAR1"])
def test_a_file_that_is_not_parquet_is_refused(tmp_path, content):
    file = tmp_path / "a.parquet"
    file.write_bytes(content)
    with pytest.raises(Problem, match="The Parquet file is broken") as raised:
        read(file)
    assert raised.value.kind is MALFORMED_FILE
