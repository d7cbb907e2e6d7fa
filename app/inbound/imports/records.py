"""Split bytes into records: a line of NDJSON, or a CSV row whose quoted cells can contain line breaks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from app.problems import BODY_TOO_LARGE, MALFORMED_FILE, Problem

SEPARATORS = (",", ";", "\t")
# More could not be used, and would take long to look at.
MOST_COLUMNS = 1000
UTF_8_BOM = b"\xef\xbb\xbf"
UTF_16_BOMS = (b"\xff\xfe", b"\xfe\xff")
QUOTE = b'"'


class Lines:
    """The lines of what is fed, without their ends; None for one longer than `most_bytes`."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._begun, self._too_long = bytearray(), False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """The lines that end in this chunk."""
        *ends, rest = chunk.split(b"\n")
        lines = [self._line(end) for end in ends]
        self._add(rest)
        return lines

    def rest(self) -> list[bytes | None]:
        """What stands behind the last line end, at the end of all: at most one line."""
        return [self._line(b"")] if self._begun or self._too_long else []

    def _line(self, end: bytes) -> bytes | None:
        self._add(end)
        line = None if self._too_long else bytes(self._begun)
        self._begun, self._too_long = bytearray(), False
        return line

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._begun) + len(part) > self._most_bytes
        if self._too_long:
            self._begun.clear()
        else:
            self._begun += part


def find_separator(first_line: str, is_known: Callable[[str], bool]) -> str:
    """The one that makes the most known columns of the line of headings."""

    def made(separator: str) -> int:
        parts = first_line.split(separator, MOST_COLUMNS)[:MOST_COLUMNS]
        headings = {part.strip(' "\r\n') for part in parts}
        return sum(map(is_known, headings))

    return max(SEPARATORS, key=made)


@dataclass(frozen=True, slots=True)
class Record:
    """The bytes of one record, from line `line` to line `end`, without the last line's end.

    `flaw` says why it is none; the bytes of a line that is too long are left out.
    """

    line: int
    end: int
    raw: bytes
    flaw: Problem | None = None


class Records:
    """The records of what is fed, none longer than `most_bytes`, whatever the chunks are.

    `separator_of` finds the separator of a CSV file in its first line; NDJSON has none.
    """

    def __init__(self, most_bytes: int, separator_of: Callable[[bytes], bytes] | None) -> None:
        self._lines = Lines(most_bytes)
        self._most_bytes = most_bytes
        self._separator_of = separator_of
        self._separator = b""
        self._number = self._start = 0
        self._begun: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[Record]:
        """The records that end in this chunk. Raises MALFORMED_FILE if it is UTF-16."""
        return self._records(self._lines.feed(chunk))

    def rest(self) -> Iterator[Record]:
        """What is left at the end of all."""
        yield from self._records(self._lines.rest())
        if self._begun:
            yield self._record(Problem(MALFORMED_FILE, "A quote is never closed."))

    def _records(self, lines: list[bytes | None]) -> Iterator[Record]:
        for line in lines:
            self._number += 1
            self._start = self._start if self._begun else self._number
            if line is None:
                detail = f"The line is longer than {self._most_bytes} bytes."
                yield self._record(Problem(BODY_TOO_LARGE, detail))
                continue
            self._begun.append(self._first(line) if self._number == 1 else line)
            self._size += len(line) + 1
            if not self._is_open(self._begun[-1]):
                yield self._record(None)
            elif self._size > self._most_bytes:
                detail = (
                    f"A quote is never closed: what follows, up to line {self._number}, is taken for a text."
                )
                yield self._record(Problem(MALFORMED_FILE, detail))

    def _record(self, flaw: Problem | None) -> Record:
        """All that has begun, as one record that ends here."""
        record = Record(self._start, self._number, b"\n".join(self._begun), flaw)
        self._begun, self._size = [], 0
        return record

    def _first(self, line: bytes) -> bytes:
        if line.startswith(UTF_16_BOMS):
            raise not_utf_8()
        line = line.removeprefix(UTF_8_BOM)
        if self._separator_of:
            self._separator = self._separator_of(line)
        return line

    def _is_open(self, line: bytes) -> bool:
        """Whether a quote is open behind this line, where the lines begun before it left one open."""
        if not self._separator:
            return False
        quoted = len(self._begun) > 1
        return (quoted or QUOTE in line) and _ends_in_quotes(line, self._separator, quoted=quoted)


def not_utf_8() -> Problem:
    """A MALFORMED_FILE problem of a whole file."""
    return Problem(MALFORMED_FILE, "It is not UTF-8: save it as UTF-8 (in Excel, as 'CSV UTF-8').")


def _ends_in_quotes(line: bytes, separator: bytes, *, quoted: bool) -> bool:
    """Whether a quote is open at the end of a line, as Python's csv module sees it.

    A quote opens at the beginning of a cell only; in a quoted text two are one.
    """
    place = 0
    while True:
        if not quoted and line[place : place + 1] == QUOTE:
            quoted, place = True, place + 1
        if quoted:
            place = line.find(QUOTE, place)
            if place < 0:
                return True
            quoted = line[place + 1 : place + 2] == QUOTE
            place += 2 if quoted else 1
        else:
            place = line.find(separator, place) + 1
            if place == 0:
                return False
