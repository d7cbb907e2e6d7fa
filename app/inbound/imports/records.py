"""Split bytes into records: a line of NDJSON, or a CSV row whose quoted cells can contain line breaks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.problems import BODY_TOO_LARGE, MALFORMED_FILE, Problem

SEPARATORS = (",", ";", "\t")
# More columns could not be used, and would be slow to check.
MAX_COLUMNS = 1000
UTF_8_BOM = b"\xef\xbb\xbf"
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
QUOTE = b'"'


class Lines:
    """Splits chunks of bytes into lines, without their line ends.

    A line longer than `max_bytes` is None.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial_line, self._too_long = bytearray(), False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """Return the lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        lines = [self._line(end) for end in ends]
        self._add(rest)
        return lines

    def rest(self) -> list[bytes | None]:
        """Return what follows the last line end, at the end of the input: at most one line."""
        return [self._line(b"")] if self._partial_line or self._too_long else []

    def _line(self, end: bytes) -> bytes | None:
        self._add(end)
        line = None if self._too_long else bytes(self._partial_line)
        self._partial_line, self._too_long = bytearray(), False
        return line

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._partial_line) + len(part) > self._max_bytes
        if self._too_long:
            self._partial_line.clear()
        else:
            self._partial_line += part


def find_separator(first_line: str, is_known: Callable[[str], bool]) -> str:
    """Return the separator that splits the line of headings into the most known headings."""

    def count_known(separator: str) -> int:
        parts = first_line.split(separator, MAX_COLUMNS)[:MAX_COLUMNS]
        headings = {part.strip(' "\r\n') for part in parts}
        return sum(map(is_known, headings))

    return max(SEPARATORS, key=count_known)


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of one record, from line `line` to line `end`, without the last line end.

    `flaw` says why the record is not valid. `raw` does not contain the bytes of a line that is too long.
    """

    line: int
    end: int
    raw: bytes
    flaw: Problem | None = None


class Records:
    """Splits chunks of bytes into records. It does not matter where the input is cut into chunks.

    A record longer than `max_bytes` has a flaw. `detect_separator` finds the separator of a CSV file in its
    first line; it is None for NDJSON.
    """

    def __init__(self, max_bytes: int, detect_separator: Callable[[bytes], bytes] | None) -> None:
        self._lines = Lines(max_bytes)
        self._max_bytes = max_bytes
        self._detect_separator = detect_separator
        self._separator = b""
        self._line_number = self._first_line_number = 0
        self._pending_lines: list[bytes] = []
        self._pending_size = 0

    def feed(self, chunk: bytes) -> Iterator[Record]:
        """Return the records that end in this chunk. Raises MALFORMED_FILE if the file is UTF-16."""
        return self._records(self._lines.feed(chunk))

    def rest(self) -> Iterator[Record]:
        """Return the records that are left at the end of the input."""
        yield from self._records(self._lines.rest())
        if self._pending_lines:
            yield self._record(Problem(MALFORMED_FILE, "A quote is never closed."))

    def _records(self, lines: list[bytes | None]) -> Iterator[Record]:
        for line in lines:
            self._line_number += 1
            self._first_line_number = self._first_line_number if self._pending_lines else self._line_number
            if line is None:
                detail = f"The line is longer than {self._max_bytes} bytes."
                yield self._record(Problem(BODY_TOO_LARGE, detail))
                continue
            self._pending_lines.append(self._read_first(line) if self._line_number == 1 else line)
            self._pending_size += len(line) + 1
            if not self._is_open(self._pending_lines[-1]):
                yield self._record(None)
            elif self._pending_size > self._max_bytes:
                detail = (
                    f"A quote is never closed: everything up to line {self._line_number} is read as one text."
                )
                yield self._record(Problem(MALFORMED_FILE, detail))

    def _record(self, flaw: Problem | None) -> Record:
        """Return the pending lines as one record that ends with the current line."""
        raw = b"\n".join(self._pending_lines)
        record = Record(self._first_line_number, self._line_number, raw, flaw)
        self._pending_lines, self._pending_size = [], 0
        return record

    def _read_first(self, line: bytes) -> bytes:
        if line.startswith(UTF_16_BOMS):
            raise not_utf_8()
        line = line.removeprefix(UTF_8_BOM)
        if self._detect_separator:
            self._separator = self._detect_separator(line)
        return line

    def _is_open(self, line: bytes) -> bool:
        """Return whether a quote is open at the end of the last pending line, `line`.

        If there are earlier pending lines, a quote is already open at its start.
        """
        if not self._separator:
            return False
        quoted = len(self._pending_lines) > 1
        return (quoted or QUOTE in line) and _ends_in_quotes(line, self._separator, quoted=quoted)


def not_utf_8() -> Problem:
    """Return a MALFORMED_FILE problem for a whole file."""
    return Problem(MALFORMED_FILE, "The file is not UTF-8: save it as UTF-8 (in Excel, as 'CSV UTF-8').")


def _ends_in_quotes(line: bytes, separator: bytes, *, quoted: bool) -> bool:
    """Return whether a quote is open at the end of a line, by the rules of Python's csv module.

    A quote opens only at the start of a cell. In a quoted text, two quotes stand for one. `quoted` says
    whether a quote is open at the start of the line.
    """
    position = 0
    while True:
        if not quoted and line[position : position + 1] == QUOTE:
            quoted, position = True, position + 1
        if quoted:
            position = line.find(QUOTE, position)
            if position < 0:
                return True
            quoted = line[position + 1 : position + 2] == QUOTE
            position += 2 if quoted else 1
        else:
            position = line.find(separator, position) + 1
            if position == 0:
                return False
