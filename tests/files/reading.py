"""Files for the tests of readers, and what they give."""

from pathlib import Path

from app.files.opening import open_table
from app.files.table import Cell, Row


def read(path: Path, **options: str) -> tuple[tuple[str, ...], list[Row], list[str]]:
    """The headings, rows and notes of a file."""
    with open_table(path, **options) as table:
        rows = list(table.rows())
        assert list(map(repr, table.rows())) == list(map(repr, rows)), "it can be read twice"
        return table.headings, rows, table.notes


def cells(rows: list[Row]) -> list[tuple[Cell, ...]]:
    """The cells of rows that have no problem."""
    assert [row.problem.detail for row in rows if row.problem] == []
    return [row.cells for row in rows]


def refused(rows: list[Row]) -> dict[int, str]:
    """The reason for each row that cannot be read, by its number."""
    return {row.number: row.problem.detail for row in rows if row.problem}
