"""Read XLSX: one sheet, row by row, in constant memory, without running anything.

The libraries that read workbooks hold a whole sheet in memory or keep something of every row, and none of
them tells a formula without a value from an empty cell.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from app.files.number_formats import PLAIN, NumberFormat, number_formats, read_number
from app.files.package import Package, open_package
from app.files.shared_strings import SharedStrings
from app.files.table import (
    MAX_ROW_LENGTH,
    BadCell,
    Cell,
    Row,
    TableFile,
    checked_headings,
    malformed,
    stripped,
)
from app.files.worksheet import SheetReader, SheetRow, StoredCell
from app.files.xml_stream import broken, parse, read_index
from app.problems import invalid_field

MAX_STYLES = 100_000
MAX_SHOWN = 5
# How XLSX writes control characters, and the underscore of a text that looks like that.
ESCAPED = re.compile(r"_x(000[9AD]|005F)_", re.IGNORECASE)
NO_VALUE = "is a formula without a value: open the file in a spreadsheet program, and save it"


class Sheet(NamedTuple):
    """A sheet: its name, the part that holds it, and whether people see it."""

    name: str
    part: str
    is_visible: bool


class WorkbookFile(TableFile):
    """A sheet of a workbook."""

    format = "xlsx"

    def __init__(self, path: Path, sheet: str | None) -> None:
        """Open a workbook and read the headings of a sheet: the named one, or the first one.

        Raises:
            Problem: MALFORMED_FILE if the workbook cannot be read, INVALID_REQUEST if it has no such sheet.
            OSError: if the file cannot be opened.
        """
        self.notes = []
        with ExitStack() as opened:
            self._package = open_package(opened.enter_context(path.open("rb")))
            self._read_parts()
            opened.callback(self._strings.close)
            self._sheet = self._chosen(sheet)
            self.headings, self._heading_row = self._read_headings()
            self._opened = opened.pop_all()

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the headings."""
        reader = SheetReader(self._read_cell)
        with self._package.open(self._sheet.part) as source:
            for row in reader.read(source):
                found = self._row(row) if row.number > self._heading_row else None
                if found:
                    yield found
        if reader.merged:
            self._add_note(_merged_note(reader.merged))

    def _read_parts(self) -> None:
        """Read the list of the sheets, the formats and the shared texts."""
        package = self._package
        by_type = {found.type: found.part for found in package.relationships("").values()}
        workbook = by_type.get("officeDocument", "")
        if not workbook.endswith(".xml"):
            raise malformed("The file is no XLSX workbook: open it, and save it as XLSX or CSV.")
        related = package.relationships(workbook)
        self._sheets, self._from_1904 = _read_sheets(package, workbook)
        parts = {found.type: found.part for found in related.values()}
        self._formats = _read_formats(package, parts["styles"]) if "styles" in parts else []
        if "sharedStrings" in parts:
            with package.open(parts["sharedStrings"]) as source:
                self._strings = SharedStrings(source)
        else:
            self._strings = SharedStrings(None)

    def _chosen(self, name: str | None) -> Sheet:
        names = [sheet.name for sheet in self._sheets]
        if not names:
            raise malformed("The workbook has no sheet with cells: save the rows as XLSX or CSV.")
        if name is None:
            found = next((sheet for sheet in self._sheets if sheet.is_visible), self._sheets[0])
            if len(names) > 1:
                self._add_note(_other_sheets_note(found.name, names))
            return found
        wanted = name.strip().casefold()
        for sheet in self._sheets:
            if sheet.name.strip().casefold() == wanted:
                return sheet
        detail = f"the workbook has no sheet of this name: name one of {_listed(names)}"
        raise invalid_field("/sheet", "unknown", detail)

    def _read_headings(self) -> tuple[tuple[str, ...], int]:
        """Return the headings, which are in the first row with cells, and the number of that row."""
        reader = SheetReader(self._read_cell)
        with self._package.open(self._sheet.part) as source:
            for row in reader.read(source):
                if row.is_too_long:
                    raise malformed(f"Row {row.number}, the headings: {_too_long()}.")
                if row.cells:
                    cells = [row.cells.get(column) for column in range(max(row.cells) + 1)]
                    headings = checked_headings(map(_heading, cells), f"Row {row.number}")
                    return headings, row.number
        raise malformed(f"The sheet {self._sheet.name} has no headings: add a heading for every column.")

    def _row(self, row: SheetRow) -> Row | None:
        """Return a row, or None if it has no cells below headings."""
        if row.is_too_long:
            problem = malformed(f"The row cannot be read: {_too_long()}.")
            return Row(row.number, row.number, (), problem)
        width = len(self.headings)
        if max(row.cells, default=0) >= width:
            self._add_note("Cells to the right of the headings are not read.")
        cells = tuple(map(row.cells.get, range(width)))
        return Row(row.number, row.number, cells) if any(cell is not None for cell in cells) else None

    def _add_note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _read_cell(self, cell: StoredCell) -> Cell:
        if cell.text is None or (cell.is_formula and not cell.text and cell.type != "str"):
            return BadCell("", NO_VALUE) if cell.is_formula else None
        if cell.type == "s":
            return _text(self._strings.get(read_index(cell.text)))
        if cell.type == "b":
            return cell.text.strip() in ("1", "true")
        if cell.type != "n":
            return _text(cell.text)
        text = cell.text.strip()
        return read_number(text, self._format(cell.style), from_1904=self._from_1904) if text else None

    def _format(self, style: int) -> NumberFormat:
        return self._formats[style] if style < len(self._formats) else PLAIN


def _read_sheets(package: Package, workbook: str) -> tuple[list[Sheet], bool]:
    """Return the sheets with cells, and whether days are numbered from 1904 on."""
    related = package.relationships(workbook)
    sheets, from_1904 = [], []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "workbookPr":
            from_1904.append(attributes.get("date1904") in ("1", "true"))
        elif name == "sheet":
            ids = (value for key, value in attributes.items() if key.rpartition(":")[2] == "id")
            found = next((related[id_] for id_ in ids if id_ in related), None)
            if found and found.type == "worksheet":
                is_visible = attributes.get("state", "visible") == "visible"
                sheets.append(Sheet(attributes.get("name", ""), found.part, is_visible))

    with package.open(workbook) as source:
        for _ in parse(source, start):
            pass
    return sheets, any(from_1904)


def _read_formats(package: Package, part: str) -> list[NumberFormat]:
    """Return the number format of each style."""
    numbers: list[int] = []
    codes: dict[int, str] = {}
    open_elements: list[str] = []

    def start(name: str, attributes: dict[str, str]) -> None:
        if name == "numFmt":
            codes[read_index(attributes.get("numFmtId", "0"))] = attributes.get("formatCode", "")
        elif name == "xf" and open_elements[-1:] == ["cellXfs"]:
            numbers.append(read_index(attributes.get("numFmtId", "0")))
        if len(numbers) + len(codes) > MAX_STYLES or len(open_elements) > MAX_STYLES:
            raise broken()
        open_elements.append(name)

    with package.open(part) as source:
        for _ in parse(source, start, lambda _: open_elements.pop()):
            pass
    return number_formats(numbers, codes)


def _text(text: str) -> str | None:
    return stripped(ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text)


def _heading(cell: Cell) -> str:
    return "" if cell is None or isinstance(cell, BadCell) else str(cell)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MAX_SHOWN} more" if len(names) > MAX_SHOWN else ""
    return ", ".join(names[:MAX_SHOWN]) + more


def _other_sheets_note(name: str, names: list[str]) -> str:
    others = _listed([other for other in names if other != name])
    return f"The sheet {name} is read. To read another one, name it with the option sheet: {others}."


def _merged_note(ranges: list[str]) -> str:
    return f"Only the first one of merged cells has a value, and the others are empty: {_listed(ranges)}."


def _too_long() -> str:
    return f"it is longer than {MAX_ROW_LENGTH:,} characters"
