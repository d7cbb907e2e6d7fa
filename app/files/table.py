"""What every reader of a file gives: headings and rows of cells."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Self

from app.files.formats import Format
from app.problems import MALFORMED_FILE, Problem

# More columns could not be used, and would be slow to check.
MAX_COLUMNS = 1000
# A longer row is refused, so that a file without line ends does not fill the memory.
MAX_ROW_LENGTH = 1_000_000


Check = Callable[[], None]


class BadCell(NamedTuple):
    """A cell that has no value: its text as people see it, and why: "has a formula without a value"."""

    shown: str
    reason: str


class Null(Enum):
    """The `null` of JSON, which removes a value. An empty cell says nothing."""

    NULL = None


NULL = Null.NULL
# None is an empty cell. CSV has only texts. A day or time of a workbook or Parquet file is an ISO text.
Cell = str | int | float | bool | BadCell | Null | None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    `number` is the number of its first line, or of the row in a workbook or Parquet file: row 2 is the first
    one below the headings. `end` is the number of its last line. There are as many `cells` as headings. If
    the row cannot be read, `problem` says why, `cells` are empty and `text` is the row as it is in the file.
    """

    number: int
    end: int
    cells: tuple[Cell, ...]
    problem: Problem | None = None
    text: str = ""


def never_stop() -> None:
    """Let a file be read to its end."""


class TableFile(ABC):
    """An open data file.

    `headings` have no leading and trailing spaces. `sheets` are the names of the sheets of a workbook.
    `notes` are sentences about what was detected; reading the rows can add some. `share_read` is the part of
    the file that `rows` has read, from 0 to 1. `check` is called often while the file is read, and can raise
    an exception to stop that.
    """

    format: Format
    headings: tuple[str, ...]

    def __init__(self, check: Check) -> None:
        self.notes: list[str] = []
        self.sheets: tuple[str, ...] = ()
        self.share_read = 0.0
        self.check = check

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """Yield the rows that are not empty, from the first one. It can be called again.

        Raises:
            Problem: MALFORMED_FILE if the rest of the file cannot be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Close the file, and delete temporary files."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def malformed(detail: str) -> Problem:
    """Return a MALFORMED_FILE problem. `detail` says what is wrong, and what to do."""
    return Problem(MALFORMED_FILE, detail)


def stripped(text: str) -> str | None:
    """Return a text without leading and trailing spaces, also U+00A0 and U+3000; None if nothing is left."""
    return text.strip() or None


def checked_headings(headings: Iterable[str], place: str) -> tuple[str, ...]:
    """Return the headings without leading and trailing spaces. `place` is where they are: "Line 1".

    Raises:
        Problem: MALFORMED_FILE if there are none, or too many.
    """
    texts = tuple(heading.strip() for heading in headings)
    if not any(texts):
        raise malformed(f"{place} has no headings: add a heading for every column.")
    if len(texts) > MAX_COLUMNS:
        raise malformed(f"{place} has {len(texts):,} headings: a file has at most {MAX_COLUMNS:,} columns.")
    return texts
