"""Write CSV and NDJSON."""

import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from io import StringIO
from pathlib import Path

from app.files.columns import Column, Value, as_text
from app.files.formulas import without_formula

# Without it, Excel does not read a CSV file as UTF-8.
BYTE_ORDER_MARK = "\ufeff"


class CsvWriter:
    """Writes CSV (RFC 4180) in UTF-8 with a byte order mark, and without formulas."""

    def __init__(self, columns: Sequence[Column], _folder: Path | None = None) -> None:
        heading = _csv_lines([[column.name for column in columns]])
        self._unwritten = BYTE_ORDER_MARK + heading

    def write(self, rows: Iterable[Sequence[Value]]) -> bytes:
        text, self._unwritten = self._unwritten + _csv_lines(rows), ""
        return _encoded(text)

    def finish(self) -> Iterator[bytes]:
        yield self.write(())

    def close(self) -> None:
        """Do nothing: there is no temporary file."""


def _csv_lines(rows: Iterable[Sequence[Value]]) -> str:
    text = StringIO()
    csv.writer(text).writerows([_csv_cell(value) for value in row] for row in rows)
    return text.getvalue()


def _csv_cell(value: Value) -> str:
    return without_formula(value) if isinstance(value, str) else as_text(value)


class NdjsonWriter:
    """Writes one JSON object for each row, with a field for every column."""

    def __init__(self, columns: Sequence[Column], _folder: Path | None = None) -> None:
        self._names = [column.name for column in columns]

    def write(self, rows: Iterable[Sequence[Value]]) -> bytes:
        return _encoded("".join(self._line(row) for row in rows))

    def finish(self) -> Iterator[bytes]:
        yield b""

    def close(self) -> None:
        """Do nothing: there is no temporary file."""

    def _line(self, row: Sequence[Value]) -> str:
        values = [as_text(value) if isinstance(value, date) else value for value in row]
        fields = dict(zip(self._names, values, strict=True))
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


def _encoded(text: str) -> bytes:
    """Return the text in UTF-8. Half surrogates, which UTF-8 does not have, become question marks."""
    return text.encode("utf-8", "replace")
