"""Lines of text for a reader that takes several at a time and can give some back."""

import os
from collections import deque
from collections.abc import Iterator
from io import TextIOWrapper

from app.files.table import MAX_ROW_LENGTH

SKIPPED_AT_ONCE = 65_536


class TooLong(Exception):
    """A line or row is longer than MAX_ROW_LENGTH."""


class TextLines(Iterator[str]):
    """The lines of a text, with their ends: LF, CRLF or CR.

    `taken` are the lines since `begin_row`, and `number` is the number of the last one.
    """

    def __init__(self, text: TextIOWrapper) -> None:
        """Start at the first line of a text that was opened with `newline=""`."""
        self._text = text
        self._returned: deque[str] = deque()
        self._size = 0
        self._file_size = os.fstat(text.fileno()).st_size or 1
        self.taken: list[str] = []
        self.number = 0

    def __next__(self) -> str:
        """Return the next line. Raises TooLong; a single line that is too long is skipped to its end."""
        line = self._returned.popleft() if self._returned else self._text.readline(MAX_ROW_LENGTH + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self.taken.append(line)
        self._size += len(line)
        if self._size > MAX_ROW_LENGTH:
            if len(self.taken) == 1:
                self._skip_rest(line)
            raise TooLong
        return line

    @property
    def share_read(self) -> float:
        """The part of the file that is read, from 0 to 1."""
        return os.lseek(self._text.fileno(), 0, os.SEEK_CUR) / self._file_size

    @property
    def row_number(self) -> int:
        """The number of the first line that is taken."""
        return self.number - len(self.taken) + 1

    def begin_row(self) -> None:
        """Note that the next line begins a row."""
        self.taken, self._size = [], 0

    def return_all_but_first(self) -> None:
        """Read the lines after the first one of this row again."""
        self._returned.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        del self.taken[1:]

    def _skip_rest(self, line: str) -> None:
        while line and not line.endswith(("\r", "\n")):
            line = self._text.readline(SKIPPED_AT_ONCE)
