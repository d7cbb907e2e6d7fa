"""The texts of a workbook, which its cells name by number."""

from array import array
from functools import lru_cache
from tempfile import SpooledTemporaryFile
from typing import IO

from app.files.table import MAX_ROW_LENGTH
from app.files.xml_stream import broken, parse

# Up to this size the texts are in memory, and from there on in a temporary file without a name.
MAX_MEMORY_BYTES = 16 * 1024 * 1024
MAX_STRINGS = 16_000_000
MAX_CACHED = 10_000


class SharedStrings:
    """The texts by their numbers, from 0."""

    def __init__(self, source: IO[bytes] | None) -> None:
        """Read the texts from their XML, if a workbook has any. Raises MALFORMED_FILE."""
        self._file = SpooledTemporaryFile(MAX_MEMORY_BYTES)  # noqa: SIM115  # `close` closes it
        self._ends = array("Q", [0])
        self._texts: list[str] = []
        self._length = 0
        self._is_in_text = self._is_phonetic = False
        self.get = lru_cache(MAX_CACHED)(self._get)
        if source:
            for _ in parse(source, self._start, self._end, self._text):
                pass

    def close(self) -> None:
        """Delete the temporary file."""
        self._file.close()

    def _get(self, number: int) -> str:
        """Return the text with a number. Raises MALFORMED_FILE if there is none."""
        if not 0 <= number < len(self._ends) - 1:
            raise broken()
        start, end = self._ends[number : number + 2]
        self._file.seek(start)
        return self._file.read(end - start).decode("utf-8", "surrogatepass")

    def _start(self, name: str, _: dict[str, str]) -> None:
        if name == "si":
            self._texts, self._length = [], 0
        elif name == "rPh":
            self._is_phonetic = True
        elif name == "t":
            self._is_in_text = not self._is_phonetic

    def _end(self, name: str) -> None:
        if name == "t":
            self._is_in_text = False
        elif name == "rPh":
            self._is_phonetic = False
        elif name == "si":
            self._add("".join(self._texts))

    def _text(self, text: str) -> None:
        # A text that is cut here is still longer than a row may be.
        if self._is_in_text and self._length <= MAX_ROW_LENGTH:
            self._texts.append(text)
            self._length += len(text)

    def _add(self, text: str) -> None:
        if len(self._ends) > MAX_STRINGS:
            raise broken()
        content = text.encode("utf-8", "surrogatepass")
        self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))
