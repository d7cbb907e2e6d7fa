"""Read the rows of one sheet of a workbook from its XML."""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import IO, NamedTuple

from app.files.table import MAX_COLUMNS, MAX_ROW_LENGTH, Cell
from app.files.xml_stream import broken, parse, read_index

# The limits of Excel.
MAX_SHEET_ROWS, MAX_SHEET_COLUMNS = 1_048_576, 16_384
MAX_MERGED = 1000
COLUMN = re.compile("[A-Z]{1,3}")


class StoredCell(NamedTuple):
    """A cell as it is stored: its type, the number of its style, and the text of its value, if it has one."""

    type: str
    style: int
    text: str | None
    is_formula: bool


class SheetRow(NamedTuple):
    """The cells of a row by their column, from 0. `is_too_long` says that some are left out."""

    number: int
    cells: Mapping[int, Cell]
    is_too_long: bool


class SheetReader:
    """Collects the rows of a sheet while its XML is parsed. `merged` are the ranges of merged cells."""

    def __init__(self, read_cell: Callable[[StoredCell], Cell]) -> None:
        """Start a sheet. `read_cell` returns the value of a cell that is not empty."""
        self.merged: list[str] = []
        self._read_cell = read_cell
        self._rows: list[SheetRow] = []
        self._row_number, self._column, self._row_length = 0, -1, 0
        self._cells: dict[int, Cell] = {}
        self._type, self._style, self._is_formula = "n", 0, False
        self._texts: list[str] = []
        self._has_value = self._is_in_text = self._is_phonetic = False
        self._starts = {
            "row": self._start_row,
            "c": self._start_cell,
            "f": self._start_formula,
            "v": self._start_text,
            "t": self._start_text,
            "rPh": self._start_phonetic,
            "mergeCell": self._merge,
        }
        self._ends = {
            "row": self._end_row,
            "c": self._end_cell,
            "v": self._end_text,
            "t": self._end_text,
            "rPh": self._end_phonetic,
        }

    def read(self, source: IO[bytes]) -> Iterator[SheetRow]:
        """Yield the rows. Raises MALFORMED_FILE."""
        for _ in parse(source, self._start, self._end, self._text):
            rows, self._rows = self._rows, []
            yield from rows

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if handle := self._starts.get(name):
            handle(attributes)

    def _end(self, name: str) -> None:
        if handle := self._ends.get(name):
            handle()

    def _text(self, text: str) -> None:
        if self._is_in_text:
            self._row_length += len(text)
            if self._row_length <= MAX_ROW_LENGTH:
                self._texts.append(text)

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = read_index(attributes["r"]) if "r" in attributes else self._row_number + 1
        if not self._row_number < number <= MAX_SHEET_ROWS:
            raise broken()
        self._row_number, self._column, self._row_length, self._cells = number, -1, 0, {}

    def _end_row(self) -> None:
        is_too_long = self._row_length > MAX_ROW_LENGTH
        self._rows.append(SheetRow(self._row_number, self._cells, is_too_long))

    def _start_cell(self, attributes: dict[str, str]) -> None:
        reference = attributes.get("r")
        self._column = _column(reference) if reference else self._column + 1
        if self._column >= MAX_SHEET_COLUMNS:
            raise broken()
        self._type, self._style = attributes.get("t", "n"), read_index(attributes.get("s", "0"))
        self._texts = []
        self._has_value = self._is_formula = False

    def _end_cell(self) -> None:
        if self._has_value or self._is_formula:
            text = "".join(self._texts) if self._has_value else None
            cell = self._read_cell(StoredCell(self._type, self._style, text, self._is_formula))
            if isinstance(cell, str):
                self._row_length += len(cell)
            # One column more than a file can have shows that there are too many.
            if cell is not None and self._column <= MAX_COLUMNS and self._row_length <= MAX_ROW_LENGTH:
                self._cells[self._column] = cell

    def _start_formula(self, _: dict[str, str]) -> None:
        self._is_formula = True

    def _start_text(self, _: dict[str, str]) -> None:
        self._is_in_text = not self._is_phonetic
        self._has_value = self._has_value or self._is_in_text

    def _end_text(self) -> None:
        self._is_in_text = False

    def _start_phonetic(self, _: dict[str, str]) -> None:
        self._is_phonetic = True

    def _end_phonetic(self) -> None:
        self._is_phonetic = False

    def _merge(self, attributes: dict[str, str]) -> None:
        if len(self.merged) < MAX_MERGED:
            self.merged.append(attributes.get("ref", ""))


def _column(reference: str) -> int:
    """Return the column of a cell such as B7, from 0."""
    return _column_of(reference.rstrip("0123456789"))


@lru_cache(MAX_SHEET_COLUMNS)
def _column_of(letters: str) -> int:
    if not COLUMN.fullmatch(letters):
        raise broken()
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
