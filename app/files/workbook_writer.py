"""Write XLSX with XlsxWriter, row by row in constant memory. No text becomes a formula or a link."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import xlsxwriter
from xlsxwriter.worksheet import Worksheet

from app.files.columns import Column, Value, as_text
from app.files.finished import chunks_of

# The limits of Excel.
MAX_ROWS = 1_048_576
MAX_TEXT_LENGTH = 32_767
# Larger integers are texts, because a spreadsheet would round them.
MAX_EXACT_INTEGER = 2**53
# Earlier days are texts, because spreadsheets number them differently.
FIRST_DAY = date(1900, 3, 1)


class WorkbookWriter:
    """Writes a workbook with one sheet, or more if there are too many rows for one."""

    def __init__(self, columns: Sequence[Column], folder: Path | None = None) -> None:
        self._headings = [column.name for column in columns]
        self._folder = TemporaryDirectory(dir=folder, prefix="prospect-fit-")
        self._file = Path(self._folder.name) / "rows.xlsx"
        options = {"constant_memory": True, "tmpdir": self._folder.name, "remove_timezone": True}
        self._book = xlsxwriter.Workbook(str(self._file), options)
        self._book.use_zip64()
        self._heading = self._book.add_format({"bold": True})
        self._day = self._book.add_format({"num_format": "yyyy-mm-dd"})
        self._time = self._book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        self._sheet, self._row_count = self._next_sheet(), 1

    def write(self, rows: Iterable[Sequence[Value]]) -> bytes:
        for row in rows:
            if self._row_count == MAX_ROWS:
                self._sheet, self._row_count = self._next_sheet(), 1
            for index, value in enumerate(row):
                self._write_cell(index, value)
            self._row_count += 1
        return b""

    def finish(self) -> Iterator[bytes]:
        self._book.close()
        yield from chunks_of(self._file)

    def close(self) -> None:
        """Delete the temporary files."""
        if not self._book.fileclosed:
            # XlsxWriter would write the file when the workbook is collected as garbage.
            self._book.fileclosed = True
            for sheet in self._book.worksheets():
                sheet.row_data_fh.close()
        self._folder.cleanup()

    def _next_sheet(self) -> Worksheet:
        sheet = self._book.add_worksheet()
        sheet.freeze_panes(1, 0)
        for index, heading in enumerate(self._headings):
            sheet.write_string(0, index, heading[:MAX_TEXT_LENGTH], self._heading)
        return sheet

    def _write_cell(self, index: int, value: Value) -> None:
        place = self._row_count, index
        if value is None or value == "":
            return
        if isinstance(value, bool):
            self._sheet.write_boolean(*place, value)
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= MAX_EXACT_INTEGER):
            self._sheet.write_number(*place, value)
        elif isinstance(value, datetime) and value.date() >= FIRST_DAY:
            self._sheet.write_datetime(*place, value, self._time)
        elif isinstance(value, date) and value >= FIRST_DAY:
            self._sheet.write_datetime(*place, value, self._day)
        else:
            self._sheet.write_string(*place, as_text(value)[:MAX_TEXT_LENGTH])
