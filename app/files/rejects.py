"""Write the rows of a file that could not be read, or not as a whole, with the reason."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from app.files.cells import read_text
from app.files.columns import Column
from app.files.formats import Format
from app.files.headings import REJECT_COLUMNS
from app.files.table import BadCell, Cell, Null, Row
from app.files.writer import WRITERS

# Rows are collected before they are written, because each write costs time.
ROWS_PER_WRITE = 500


class RejectsFile:
    """A file with whole rows as they were, the numbers of their lines and the reasons.

    A row whose cells cannot be read is in `rejected_text`. The file appears when it is closed, if it was
    closed without an exception, and replaces an existing one. It can be read again once it is corrected.
    """

    def __init__(self, file: Path, format_: Format, headings: Sequence[str]) -> None:
        self._file = file
        self._kept = [index for index, heading in enumerate(headings) if heading not in REJECT_COLUMNS]
        names = _unique([headings[index] for index in self._kept], keep=format_ == "csv")
        self._writer = WRITERS[format_]([*map(Column, names), *map(Column, REJECT_COLUMNS)])
        self._folder = TemporaryDirectory(dir=file.parent, prefix=".prospect-fit-")
        self._unfinished = (Path(self._folder.name) / "unfinished").open("wb")
        self._rows: list[list[str | None]] = []

    def add(self, row: Row, reasons: Sequence[str]) -> None:
        """Write a row."""
        cells = [shown_text(row.cells[index]) if row.cells else None for index in self._kept]
        self._rows.append([*cells, str(row.number), "; ".join(reasons), row.text or None])
        if len(self._rows) == ROWS_PER_WRITE:
            self._write()

    def _write(self) -> None:
        self._unfinished.write(self._writer.write(self._rows))
        self._rows = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        try:
            if failure is None:
                self._write()
                self._unfinished.writelines(self._writer.finish())
                self._unfinished.close()
                os.replace(self._unfinished.name, self._file)  # noqa: PTH105  # atomic
        finally:
            self._writer.close()
            self._unfinished.close()
            self._folder.cleanup()


def _unique(headings: Sequence[str], *, keep: bool) -> Iterator[str]:
    """Yield the headings; if not `keep`, with a name for those that are empty or repeated."""
    seen: set[str] = set()
    for number, heading in enumerate(headings, 1):
        name = heading
        if not keep and (not heading or heading.lower() in seen):
            name = f"{heading or 'column'} ({number})"
        seen.add(name.lower())
        yield name


def shown_text(cell: Cell) -> str | None:
    """Return a cell as people see it; None if it is empty."""
    if isinstance(cell, BadCell):
        return cell.shown
    return None if cell is None or isinstance(cell, Null) else read_text(cell)
