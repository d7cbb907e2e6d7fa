"""Read NDJSON: one JSON object on each line, flat or with its `attributes` and `ratings` as objects."""

import codecs
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import orjson

from app.files.table import (
    MAX_COLUMNS,
    MAX_ROW_LENGTH,
    NULL,
    BadCell,
    Cell,
    Check,
    Row,
    TableFile,
    malformed,
    stripped,
)
from app.problems import Problem
from app.strict_json import read_json

# Objects whose members are columns of their own.
NESTED = ("attributes", "ratings")
SKIPPED_AT_ONCE = 65_536
LINES_PER_CHECK = 200
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class _Line(NamedTuple):
    number: int
    content: bytes
    is_too_long: bool


class JsonLinesFile(TableFile):
    """An NDJSON file."""

    format = "ndjson"

    def __init__(self, path: Path, check: Check) -> None:
        """Read the names of all lines.

        Raises:
            Problem: MALFORMED_FILE if there are too many names or the file is UTF-16.
            OSError: if the file cannot be read.
        """
        super().__init__(check)
        self._path = path
        names: dict[str, None] = {}
        for line in self._lines():
            names |= dict.fromkeys(_names(line.content))
            if len(names) > MAX_COLUMNS:
                raise malformed(
                    f"The lines have more than {MAX_COLUMNS:,} different names: use the same names in all."
                )
        self.headings = tuple(names)

    def close(self) -> None:
        """Do nothing: the file is open only while it is read."""

    def rows(self) -> Iterator[Row]:
        """Yield a row for each line that is not blank."""
        self.share_read = 0.0
        for line in self._lines():
            try:
                cells = _cells(line)
            except Problem as problem:
                text = "" if line.is_too_long else line.content.decode("utf-8", "replace")
                yield Row(line.number, line.number, (), problem, text)
            else:
                yield Row(line.number, line.number, tuple(map(cells.get, self.headings)))

    def _lines(self) -> Iterator[_Line]:
        """Yield the lines that are not blank, without leading and trailing spaces."""
        size = self._path.stat().st_size
        with self._path.open("rb") as file:
            number = position = 0
            while content := file.readline(MAX_ROW_LENGTH + 1):
                number += 1
                position += len(content)
                if number % LINES_PER_CHECK == 0:
                    self.check()
                    self.share_read = position / size
                if number == 1:
                    content = _without_mark(content)
                is_too_long = len(content) > MAX_ROW_LENGTH
                if is_too_long:
                    _skip_rest(file, content)
                if content.strip():
                    yield _Line(number, content.strip(), is_too_long)


def _without_mark(content: bytes) -> bytes:
    if content.startswith(UTF_16_MARKS):
        raise malformed("The file is UTF-16: save it as UTF-8.")
    return content.removeprefix(codecs.BOM_UTF8)


def _skip_rest(file: BinaryIO, content: bytes) -> None:
    while content and not content.endswith(b"\n"):
        content = file.readline(SKIPPED_AT_ONCE)


def _names(content: bytes) -> Iterator[str]:
    """Yield the names on a line. Whether it is valid is checked when its row is read."""
    try:
        found = orjson.loads(content)
    except orjson.JSONDecodeError:
        return
    if isinstance(found, dict):
        for name, value in found.items():
            yield from value if _is_nested(name, value) else (name,)


def _cells(line: _Line) -> dict[str, Cell]:
    """Return the cells of a line by name.

    Raises:
        Problem: MALFORMED_FILE if the line is not a JSON object, or names something twice.
    """
    if line.is_too_long:
        raise _unreadable(f"it is longer than {MAX_ROW_LENGTH:,} bytes")
    try:
        content = read_json(line.content)
    except Problem as problem:
        raise _unreadable(problem.errors[0].detail) from None
    if not isinstance(content, dict):
        raise _unreadable("it is not a JSON object")
    cells: dict[str, Cell] = {}
    for name, value in content.items():
        members: Mapping[str, Any] = value if _is_nested(name, value) else {name: value}
        if repeated := cells.keys() & members.keys():
            raise _unreadable(f"it has {min(repeated)} twice")
        cells |= {key: _cell(member) for key, member in members.items()}
    return cells


def _is_nested(name: str, value: object) -> bool:
    return name in NESTED and isinstance(value, dict)


def _cell(value: Any) -> Cell:
    if value is None:
        return NULL
    if isinstance(value, str):
        return stripped(value)
    if isinstance(value, dict | list):
        return BadCell(orjson.dumps(value).decode(), "is a list or an object")
    return value  # type: ignore[no-any-return]  # a number or a boolean


def _unreadable(reason: str) -> Problem:
    return malformed(f"The row cannot be read: {reason}.")
