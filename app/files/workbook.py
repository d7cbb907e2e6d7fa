"""Read XLSX with openpyxl: one sheet, row by row, without running anything."""

import re
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from io import FileIO
from itertools import repeat
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from zipfile import BadZipFile
from zlib import error as ZlibError  # noqa: N812

from openpyxl import Workbook, load_workbook
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from app.files.number_formats import read_value
from app.files.package import MAX_SHEET_ROWS, SheetContent, broken, check_package, scan_sheet
from app.files.table import (
    MAX_ROW_LENGTH,
    BadCell,
    Cell,
    Check,
    Row,
    TableFile,
    checked_headings,
    malformed,
    stripped,
)
from app.problems import invalid_field

MAX_SHOWN = 5
# How XLSX writes control characters, and the underscore of a text that looks like that.
ESCAPED = re.compile(r"_x(000[9AD]|005F)_", re.IGNORECASE)
NO_VALUE = "is a formula without a value: open the file in a spreadsheet program, and save it"
# What openpyxl raises for a workbook that is broken in one way or another.
FAILURES = (
    *(AttributeError, BadZipFile, EOFError, IndexError, InvalidFileException, KeyError, NotImplementedError),
    *(OSError, OverflowError, ParseError, TypeError, ValueError, ZlibError),
)
# It warns of parts that it does not read, such as rules for the input.
warnings.filterwarnings("ignore", category=UserWarning, module="openpyxl")


class _CheckedFile(FileIO):
    """A file whose reading can be stopped, also while openpyxl reads all texts of a workbook."""

    def __init__(self, path: Path, check: Check) -> None:
        super().__init__(path)
        self._check = check

    def read(self, size: int | None = -1) -> bytes:
        """Read as a file does. Raises what `check` raises."""
        self._check()
        return super().read(size)


class WorkbookFile(TableFile):
    """A sheet of a workbook."""

    format = "xlsx"

    def __init__(self, path: Path, check: Check, sheet: str | None) -> None:
        """Open a workbook and read the headings of a sheet: the named one, or the first one.

        Raises:
            Problem: MALFORMED_FILE if the workbook cannot be read, INVALID_REQUEST if it has no such sheet.
            OSError: if the file cannot be opened.
        """
        super().__init__(check)
        with ExitStack() as opened:
            file = opened.enter_context(_CheckedFile(path, check))
            check_package(file)
            self._sheet = self._chosen(opened.enter_context(_opened(file, data_only=True)), sheet)
            content = _scanned(self._sheet)
            self._row_count = max(1, content.row_count)
            self._formulas: ReadOnlyWorksheet | None = None
            if content.has_formulas:
                book = opened.enter_context(_opened(file, data_only=False))
                self._formulas = _sheets(book)[self._sheet.title]
            self.headings, self._heading_row = self._read_headings()
            if content.merged:
                self.notes.append(_merged_note(content.merged))
            self._close = opened.pop_all().close

    def close(self) -> None:
        """Close the file."""
        self._close()

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the headings."""
        for number, cells in self._read_rows():
            self.share_read = min(1.0, number / self._row_count)
            row = self._row(number, cells) if number > self._heading_row else None
            if row:
                yield row

    def _chosen(self, book: Workbook, name: str | None) -> ReadOnlyWorksheet:
        sheets = _sheets(book)
        self.sheets = tuple(sheets)
        if not sheets:
            raise malformed("The workbook has no sheet with cells: save the rows as XLSX or CSV.")
        if name is None:
            visible = (sheet for sheet in sheets.values() if sheet.sheet_state == "visible")
            chosen = next(visible, next(iter(sheets.values())))
            if len(sheets) > 1:
                self.notes.append(_other_sheets_note(chosen.title, list(sheets)))
            return chosen
        wanted = name.strip().casefold()
        for sheet_name, sheet in sheets.items():
            if sheet_name.strip().casefold() == wanted:
                return sheet
        detail = f"the workbook has no sheet of this name: name one of {_listed(list(sheets))}"
        raise invalid_field("/sheet", "unknown", detail)

    def _read_headings(self) -> tuple[tuple[str, ...], int]:
        """Return the headings, which are in the first row with cells, and the number of that row."""
        for number, cells in self._read_rows():
            if _length(cells) > MAX_ROW_LENGTH:
                raise malformed(f"Row {number}, the headings: {_too_long()}.")
            if cells:
                return checked_headings(map(_heading, cells), f"Row {number}"), number
        raise malformed(f"The sheet {self._sheet.title} has no headings: add a heading for every column.")

    def _read_rows(self) -> Iterator[tuple[int, list[Cell]]]:
        """Yield the number and the cells of each row, without the empty cells at its end."""
        with _failures_named():
            formulas = _rows(self._formulas) if self._formulas else repeat(())
            for number, (cells, sources) in enumerate(zip(_rows(self._sheet), formulas, strict=False), 1):
                if number > MAX_SHEET_ROWS:
                    raise broken()
                values = [_value(cell) for cell in cells]
                for index, source in enumerate(sources):
                    if source.data_type == "f" and cells[index].value is None:
                        values[index] = BadCell("", NO_VALUE)
                while values and values[-1] is None:
                    values.pop()
                yield number, values

    def _row(self, number: int, cells: list[Cell]) -> Row | None:
        """Return a row, or None if it has no cells below headings."""
        if _length(cells) > MAX_ROW_LENGTH:
            return Row(number, number, (), malformed(f"The row cannot be read: {_too_long()}."))
        width = len(self.headings)
        if len(cells) > width:
            self._add_note("Cells to the right of the headings are not read.")
        values = (*cells[:width], *repeat(None, width - len(cells)))
        return Row(number, number, values) if any(cell is not None for cell in values) else None

    def _add_note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


@contextmanager
def _failures_named() -> Iterator[None]:
    """Raise MALFORMED_FILE for what openpyxl raises."""
    try:
        yield
    except FAILURES:
        raise broken() from None


@contextmanager
def _opened(file: FileIO, *, data_only: bool) -> Iterator[Workbook]:
    """Open a workbook: with the values of its formulas, or with the formulas."""
    with _failures_named():
        book = load_workbook(file, read_only=True, data_only=data_only, keep_links=False)
    with closing(book):
        yield book


def _sheets(book: Workbook) -> dict[str, ReadOnlyWorksheet]:
    return {sheet.title: sheet for sheet in book.worksheets}


def _scanned(sheet: ReadOnlyWorksheet) -> SheetContent:
    # openpyxl has no public way to the XML of a sheet.
    with _failures_named(), sheet._get_source() as source:  # type: ignore[attr-defined]  # noqa: SLF001
        return scan_sheet(source)


def _rows(sheet: ReadOnlyWorksheet) -> Iterator[tuple[Any, ...]]:
    # The dimension that a workbook states can be wrong.
    sheet.reset_dimensions()
    return iter(sheet.rows)


def _value(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return None
    if isinstance(value, str):
        return _text(value)
    return read_value(value, cell.number_format)


def _text(text: str) -> str | None:
    return stripped(ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text)


def _length(cells: list[Cell]) -> int:
    return sum(len(cell) for cell in cells if isinstance(cell, str))


def _heading(cell: Cell) -> str:
    return "" if cell is None or isinstance(cell, BadCell) else str(cell)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _other_sheets_note(name: str, names: list[str]) -> str:
    others = _listed([other for other in names if other != name])
    return f"The sheet {name} is read. To read another one, name it with the option sheet: {others}."


def _merged_note(ranges: list[str]) -> str:
    return f"In merged cells, only the first cell has a value, and the others are empty: {_listed(ranges)}."


def _too_long() -> str:
    return f"it is longer than {MAX_ROW_LENGTH:,} characters"
