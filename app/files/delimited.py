"""Read CSV: any common separator and line end, one bad row at a time."""

import csv
import itertools
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.files.encodings import (
    MARK_UNREADABLE,
    UNREADABLE,
    check_encoding,
    find_encoding,
    wrong_encoding_named,
)
from app.files.formulas import without_apostrophe
from app.files.headings import REJECT_COLUMNS
from app.files.table import MAX_ROW_LENGTH, Check, Row, TableFile, checked_headings, malformed
from app.files.text_lines import TextLines, TooLong
from app.problems import Problem

SEPARATORS = (",", ";", "\t", "|")
# A first line that tells Excel the separator.
SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
# How workbooks and Parquet files begin.
OTHER_FORMATS = (b"PK\x03\x04", bytes.fromhex("D0CF11E0"), b"PAR1")
NUL = "\0"
ROWS_PER_CHECK = 200


class DelimitedFile(TableFile):
    """A CSV file. A row in which a quote is never closed ends with its first line."""

    format = "csv"

    def __init__(self, path: Path, check: Check, encoding: str | None) -> None:
        """Read the headings. `encoding` is a name that Python knows, or None to find it.

        Raises:
            Problem: MALFORMED_FILE if there are no headings, INVALID_REQUEST if the encoding is unknown or
                wrong.
            OSError: if the file cannot be read.
        """
        super().__init__(check)
        self._path = path
        self._refuse_other_formats()
        self._encoding = encoding or self._found_encoding()
        check_encoding(self._encoding)
        with self._lines() as lines:
            named = _skip_to_headings(lines)
            self._lines_above = lines.number
        self._separator = named or max(SEPARATORS, key=self._count_headings)
        self.headings, self._heading_end = self._read_headings()
        # A file of rejects has apostrophes in front of formulas, which its writer put there.
        self._has_apostrophes = not set(REJECT_COLUMNS).isdisjoint(self.headings)

    def rows(self) -> Iterator[Row]:
        """Yield the rows below the headings. One that cannot be read has a problem."""
        with self._lines(self._heading_end) as lines:
            reader = self._reader(lines)
            for count in itertools.count():
                if count % ROWS_PER_CHECK == 0:
                    self.check()
                    self.share_read = lines.share_read
                lines.begin_row()
                try:
                    row = self._row(lines, next(reader))
                except StopIteration:
                    return
                except (csv.Error, TooLong) as error:
                    row = self._refused(lines, error)
                if row:
                    yield row

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""

    def _refuse_other_formats(self) -> None:
        with self._path.open("rb") as file:
            if file.read(4) in OTHER_FORMATS:
                raise malformed("The file is a workbook or a Parquet file: name that format instead of CSV.")

    def _found_encoding(self) -> str:
        with self._path.open("rb") as file:
            encoding, note = find_encoding(file, self.check)
        self.notes += [note] if note else []
        return encoding

    @contextmanager
    def _lines(self, skipped: int = 0) -> Iterator[TextLines]:
        """Open the file behind its first `skipped` lines."""
        with self._path.open(encoding=self._encoding, errors=MARK_UNREADABLE, newline="") as text:
            lines = TextLines(text)
            with wrong_encoding_named():
                for _ in range(skipped):
                    next(lines)
                    lines.begin_row()
                yield lines

    def _count_headings(self, separator: str) -> int:
        """Return the number of headings that a separator would give."""
        with self._lines(self._lines_above) as lines:
            try:
                return len(next(csv.reader(lines, delimiter=separator, skipinitialspace=True), []))
            except (csv.Error, TooLong):
                return 1 + lines.taken[0].count(separator)

    def _read_headings(self) -> tuple[tuple[str, ...], int]:
        """Return the headings, and the number of the last line that they take."""
        with self._lines(self._lines_above) as lines:
            try:
                headings = checked_headings(next(self._reader(lines), []), f"Line {lines.number or 1}")
            except (csv.Error, TooLong) as error:
                raise malformed(f"Line {lines.row_number}, the headings: {_reason(error, lines)}.") from None
            if text := _unreadable("".join(lines.taken)):
                raise malformed(f"Line {lines.row_number}, the headings: {text}.")
            return headings, lines.number

    def _values(self, cells: list[str]) -> tuple[str | None, ...]:
        if self._has_apostrophes:
            cells = list(map(without_apostrophe, cells))
        return tuple(cell.strip() or None for cell in cells)

    def _row(self, lines: TextLines, cells: list[str]) -> Row | None:
        """Return a row, or None if all of its cells are empty."""
        values = self._values(cells)
        if not any(values):
            return None
        width = len(self.headings)
        if len(values) != width:
            extra, values = values[width:], values[:width] + (None,) * (width - len(values))
            if any(extra):
                return _problem_row(lines, f"it has {len(cells)} cells for {width} columns")
        for line in lines.taken:
            if NUL in line or not line.isascii():
                reason = _unreadable(line)
                if reason:
                    return _problem_row(lines, reason)
        return Row(lines.row_number, lines.number, values)

    def _refused(self, lines: TextLines, error: Exception) -> Row:
        """Return the problem of a row. What a quote that is not closed takes of other rows is read again."""
        reason = _reason(error, lines)
        if _is_never_closed(error, lines) or (len(lines.taken) > 1 and self._is_row(lines.taken[-1])):
            lines.return_all_but_first()
        return _problem_row(lines, reason, keep_text=not isinstance(error, TooLong))

    def _is_row(self, line: str) -> bool:
        """Return whether a line is a row of its own, and so no part of a text with a line break."""
        try:
            return len(next(self._reader(iter([line])), [])) == len(self.headings)
        except csv.Error:
            return False

    def _reader(self, lines: Iterator[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._separator, strict=True, skipinitialspace=True)


def _skip_to_headings(lines: TextLines) -> str | None:
    """Skip what is above the headings: blank lines, and a line with the separator, which is returned."""
    separator = None
    # A line that is too long is no blank one. Whoever reads the headings refuses it.
    with suppress(TooLong):
        for line in lines:
            lines.begin_row()
            if match := SEPARATOR_LINE.fullmatch(line):
                separator = match[1]
            elif line.strip():
                break
        else:
            return separator
    lines.number -= 1
    return separator


def _unreadable(text: str) -> str | None:
    """Return why a text cannot be used, or None if it can."""
    if NUL in text:
        return "it contains a NUL character"
    if UNREADABLE in text:
        return "it contains bytes that are not in the encoding of the file"
    return None


def _is_never_closed(error: Exception, lines: TextLines) -> bool:
    """Return whether a quote stays open until the end of the file, or for longer than a row may be."""
    if isinstance(error, TooLong) or "field limit" in str(error):
        return len(lines.taken) > 1
    return "end of data" in str(error)


def _reason(error: Exception, lines: TextLines) -> str:
    if _is_never_closed(error, lines):
        return "a quote is never closed"
    if isinstance(error, TooLong):
        return f"it is longer than {MAX_ROW_LENGTH:,} characters"
    if "field limit" in str(error):
        return f"a cell is longer than {csv.field_size_limit():,} characters"
    return "a quote inside quotes has to be doubled"


def _problem_row(lines: TextLines, reason: str, *, keep_text: bool = True) -> Row:
    problem: Problem = malformed(f"The row cannot be read: {reason}.")
    text = "".join(lines.taken).rstrip("\r\n").replace(UNREADABLE, "\ufffd").replace(NUL, "\ufffd")
    return Row(lines.row_number, lines.number, (), problem, text if keep_text else "")
