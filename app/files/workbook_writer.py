"""Write XLSX, row by row into a compressed stream.

The libraries that write workbooks finish a file on the disk before its first byte can be sent. All texts are
inline strings, which a spreadsheet never reads as formulas.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

from app.files.columns import Column, Value, as_text

# The limits of Excel. Further rows go to further sheets.
MAX_ROWS = 1_048_576
MAX_TEXT_LENGTH = 32_767
# A sheet in a ZIP archive without extensions has less than 4 GiB. Not all readers know the extensions.
MAX_SHEET_BYTES = 1_000_000_000
# Larger integers are texts, because a spreadsheet would round them.
MAX_EXACT_INTEGER = 2**53
# Day 0 of a spreadsheet. Days before March 1900 are texts, because spreadsheets number them differently.
DAY_0 = datetime(1899, 12, 30, tzinfo=UTC)
FIRST_DAY = date(1900, 3, 1)
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
# The numbers of formats in STYLES.
DAY_STYLE, TIME_STYLE, HEADING_STYLE = 1, 2, 3

DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
SHEET_START = (
    f'{DECLARATION}<worksheet {MAIN}><sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
    "<sheetData>"
)
SHEET_END = "</sheetData></worksheet>"
STYLES = (
    f'{DECLARATION}<styleSheet {MAIN}><numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>'
    '<numFmt numFmtId="165" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss"/></numFmts>'
    '<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>'
    '<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="164" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="165" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1"/>'
    '<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs></styleSheet>'
)


class WorkbookWriter:
    """Writes a workbook with one sheet, or more if there are too many rows for one."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._letters = [_letters(index) for index in range(1, len(columns) + 1)]
        self._headings = [column.name for column in columns]
        self._stream = _Stream()
        self._archive = ZipFile(self._stream, "w", ZIP_DEFLATED)
        self._sheet_count = 0
        self._begin_sheet()

    def write(self, rows: Iterable[Sequence[Value]]) -> bytes:
        for row in rows:
            if self._row_count == MAX_ROWS or self._size > MAX_SHEET_BYTES:
                self._end_sheet()
                self._begin_sheet()
            self._write_row([_cell(value) for value in row])
        return self._stream.take()

    def finish(self) -> Iterator[bytes]:
        self._end_sheet()
        for part in _parts(self._sheet_count):
            self._archive.writestr(part.name, part.content)
        self._archive.close()
        yield self._stream.take()

    def close(self) -> None:
        """Do nothing: there is no temporary file."""

    def _begin_sheet(self) -> None:
        self._sheet_count += 1
        self._sheet = self._archive.open(_sheet_name(self._sheet_count), "w")
        self._sheet.write(SHEET_START.encode())
        self._row_count = self._size = 0
        self._write_row([_text(heading, HEADING_STYLE) for heading in self._headings])

    def _end_sheet(self) -> None:
        self._sheet.write(SHEET_END.encode())
        self._sheet.close()

    def _write_row(self, cells: Iterable[str]) -> None:
        self._row_count += 1
        number = self._row_count
        filled = (
            f'<c r="{letters}{number}"{cell}</c>'
            for letters, cell in zip(self._letters, cells, strict=True)
            if cell
        )
        content = f'<row r="{number}">{"".join(filled)}</row>'.encode()
        self._size += len(content)
        self._sheet.write(content)


class _Stream:
    """Collects what the archive writes. It cannot seek, so the archive writes everything once, in order."""

    def __init__(self) -> None:
        self._content = bytearray()

    def write(self, content: bytes) -> int:
        self._content += content
        return len(content)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        """Return what was written since the last call."""
        taken = bytes(self._content)
        self._content.clear()
        return taken


def _letters(index: int) -> str:
    """Return the name of a column: A for 1, AA for 27."""
    letters = ""
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def _cell(value: Value) -> str:
    """Return the attributes and the content of a cell, or an empty text for an empty cell."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return f' t="b"><v>{int(value)}</v>'
    if isinstance(value, float) or (isinstance(value, int) and abs(value) <= MAX_EXACT_INTEGER):
        return f"><v>{value!r}</v>"
    if isinstance(value, datetime) and value.date() >= FIRST_DAY:
        return f' s="{TIME_STYLE}"><v>{(value - DAY_0).total_seconds() / 86400!r}</v>'
    if isinstance(value, date) and value >= FIRST_DAY:
        return f' s="{DAY_STYLE}"><v>{(value - DAY_0.date()).days}</v>'
    return _text(as_text(value))


def _text(text: str, style: int = 0) -> str:
    content = escape(NOT_IN_XML.sub("", text[:MAX_TEXT_LENGTH]))
    return f' t="inlineStr" s="{style}"><is><t xml:space="preserve">{content}</t></is>'


class _Part(NamedTuple):
    """One file in the archive of a workbook."""

    name: str
    content: str


def _sheet_name(number: int) -> str:
    return f"xl/worksheets/sheet{number}.xml"


def _parts(sheet_count: int) -> Iterator[_Part]:
    """Yield the parts of a workbook besides its sheets."""
    numbers = range(1, sheet_count + 1)
    sheets = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    types = "".join(_override(_sheet_name(n), "worksheet") for n in numbers)
    types += _override("xl/workbook.xml", "sheet.main") + _override("xl/styles.xml", "styles")
    links = "".join(_relationship(n, "worksheet", f"worksheets/sheet{n}.xml") for n in numbers)
    links += _relationship(sheet_count + 1, "styles", "styles.xml")
    yield _Part("xl/styles.xml", STYLES)
    yield _Part(
        "xl/workbook.xml",
        f'{DECLARATION}<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{sheets}</sheets></workbook>',
    )
    yield _Part("xl/_rels/workbook.xml.rels", _relationships(links))
    root = _relationship(1, "officeDocument", "xl/workbook.xml")
    yield _Part("_rels/.rels", _relationships(root))
    yield _Part(
        "[Content_Types].xml",
        f'{DECLARATION}<Types xmlns="{PACKAGE}/content-types"><Default Extension="rels"'
        f' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{types}</Types>',
    )


def _override(name: str, kind: str) -> str:
    return f'<Override PartName="/{name}" ContentType="{SHEET_TYPE}.{kind}+xml"/>'


def _relationship(number: int, kind: str, target: str) -> str:
    return f'<Relationship Id="rId{number}" Type="{OFFICE}/{kind}" Target="{target}"/>'


def _relationships(content: str) -> str:
    return f'{DECLARATION}<Relationships xmlns="{PACKAGE}/relationships">{content}</Relationships>'
