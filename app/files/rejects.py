"""Write the rows of a file that could not be read, or not as a whole, with the reason."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from app.files.cells import read_text
from app.files.columns import Column
from app.files.formats import Format
from app.files.headings import REJECT_COLUMNS
from app.files.opening import open_table
from app.files.table import NULL, BadCell, Cell, Null, Row
from app.files.text_writers import NdjsonWriter
from app.files.writer import writer_of

# Rows are collected before they are written, because each write costs time.
ROWS_PER_WRITE = 500


class RejectsFile:
    """A file with whole rows as they were, the numbers of their lines and the reasons.

    A row whose cells cannot be read is in `rejected_text`. The file appears when it is closed, if it was
    closed without an exception, and replaces an existing one. It can be read again once it is corrected.
    """

    def __init__(self, file: Path, format_: Format, headings: Sequence[str], *, keep: bool = False) -> None:
        """Begin a file. With `keep`, the rows of an existing file with the same columns stay in front."""
        self._file = file
        self._is_typed = format_ == "ndjson"
        self._kept = [index for index, heading in enumerate(headings) if heading not in REJECT_COLUMNS]
        names = [*_unique([headings[index] for index in self._kept], keep=format_ == "csv")]
        self._names = [*names, *REJECT_COLUMNS]
        writer = _SparseWriter if self._is_typed else writer_of(format_)
        self._writer = writer([*map(Column, self._names)])
        self._folder = TemporaryDirectory(dir=file.parent, prefix=".prospect-fit-")
        self._unfinished = (Path(self._folder.name) / "unfinished").open("wb")
        self._rows: list[list[Any]] = []
        if keep and file.exists():
            self._keep(format_)

    def add(self, row: Row, reasons: Sequence[str]) -> None:
        """Write a row."""
        cells = [self._shown(row.cells[index]) if row.cells else None for index in self._kept]
        self._add([*cells, str(row.number), "; ".join(reasons), row.text or None])

    def _keep(self, format_: Format) -> None:
        with open_table(self._file, format_) as kept:
            if set(kept.headings) <= set(self._names):
                for row in kept.rows():
                    cells = dict(zip(kept.headings, map(self._shown, row.cells), strict=True))
                    self._add([cells.get(name) for name in self._names])

    def _add(self, cells: list[Any]) -> None:
        self._rows.append(cells)
        if len(self._rows) == ROWS_PER_WRITE:
            self._write()

    def _shown(self, cell: Cell) -> Any:
        return cell if self._is_typed and not isinstance(cell, BadCell) else shown_text(cell)

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


class _SparseWriter(NdjsonWriter):
    """Writes NDJSON without empty cells, because a null would remove a value when it is read again."""

    def _line(self, row: Sequence[Any]) -> str:
        pairs = zip(self._names, row, strict=True)
        fields = {name: None if value is NULL else value for name, value in pairs if value is not None}
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n"


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
