"""Read Parquet with DuckDB."""

import math
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from app.files.table import BadCell, Cell, Check, Row, TableFile, checked_headings, malformed, stripped
from app.problems import Problem

ROWS_AT_ONCE = 1000
NUL = "\0"
# Nothing is loaded from elsewhere, and nothing is written.
CONFIGURATION: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "1GB",
    "temp_directory": "",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
NUMBER_TYPES = {
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
    *("FLOAT", "DOUBLE", "DECIMAL"),
}
NESTED_MARKS = ("[", "STRUCT", "MAP", "UNION", "LIST")


class ParquetFile(TableFile):
    """A Parquet file. Its rows are numbered as in a workbook."""

    format = "parquet"

    def __init__(self, path: Path, check: Check) -> None:
        """Open a file and read its columns.

        Raises:
            Problem: MALFORMED_FILE if it is not Parquet.
            OSError: if the file cannot be opened.
        """
        super().__init__(check)
        path.open("rb").close()
        self._source = exact_path(path)
        with ExitStack() as opened, _as_problem():
            self._connection = opened.enter_context(duckdb.connect(config=CONFIGURATION))
            found = self._connection.execute("DESCRIBE SELECT * FROM read_parquet($1)", [self._source])
            columns = [(name, type_) for name, type_, *_ in found.fetchall()]
            self.headings = checked_headings((name for name, _ in columns), "The file")
            counted = self._connection.execute("SELECT COUNT(*) FROM read_parquet($1)", [self._source])
            self._row_count = counted.fetchall()[0][0] or 1
            self._select = ", ".join(_expression(name, type_) for name, type_ in columns)
            self._is_bad = [_reason(type_) for _, type_ in columns]
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def rows(self) -> Iterator[Row]:
        """Yield the rows that are not empty."""
        statement = f"SELECT {self._select} FROM read_parquet($1)"
        with _as_problem(), self._connection.cursor() as cursor:
            cursor.execute(statement, [self._source])
            number = 1
            while values := cursor.fetchmany(ROWS_AT_ONCE):
                self.check()
                self.share_read = (number - 1) / self._row_count
                for row in values:
                    number += 1
                    cells = tuple(map(_cell, row, self._is_bad))
                    if any(cell is not None for cell in cells):
                        yield Row(number, number, cells)


def exact_path(file: Path) -> str:
    """Return a path as DuckDB has to read it, so that it is no pattern: `leads[2].csv` is only this file."""
    return re.sub(r"[\[*?]", r"[\g<0>]", str(file))


@contextmanager
def _as_problem() -> Iterator[None]:
    try:
        yield
    except duckdb.Error:
        raise _broken() from None


def _broken() -> Problem:
    return malformed("The Parquet file is broken or cannot be read: write it again, or save it as CSV.")


def _expression(name: str, type_: str) -> str:
    """Return SQL for a column: numbers and booleans as they are, everything else as text."""
    column = '"' + name.replace('"', '""') + '"'
    if type_ == "BOOLEAN" or type_.partition("(")[0] in NUMBER_TYPES:
        return column
    if type_.startswith("TIMESTAMP"):
        has_zone = "ZONE" in type_
        # In UTC, whatever the time zone of this machine is.
        time = f"make_timestamp(epoch_us({column}))" if has_zone else column
        return f"replace(CAST({time} AS VARCHAR), ' ', 'T')" + (" || 'Z'" if has_zone else "")
    return f"CAST({column} AS VARCHAR)"


def _reason(type_: str) -> str | None:
    """Return why a cell cannot have values of a type, or None if it can."""
    if any(mark in type_ for mark in NESTED_MARKS):
        return "is a list or an object"
    return "is binary" if type_ == "BLOB" else None


def _cell(value: Any, reason: str | None) -> Cell:
    if value is None:
        return None
    if reason:
        return BadCell(str(value), reason)
    if isinstance(value, str):
        return (
            BadCell(value.replace(NUL, ""), "contains a NUL character") if NUL in value else stripped(value)
        )
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, float) and not math.isfinite(value):
        # How some programs write an empty cell of a column of numbers.
        return None if math.isnan(value) else BadCell(str(value), "is not a finite number")
    return value  # type: ignore[no-any-return]  # a number or a boolean
