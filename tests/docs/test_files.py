"""docs/files.md: what it says of cells, headings and words."""

import re

from app.files.cells import FALSE_WORDS, TRUE_WORDS, read_number
from app.files.headings import ALIASES
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "files.md").read_text("utf-8")


def row(kind: str) -> str:
    """The cell behind the first one of a table."""
    return re.search(rf"^\| {kind} \| (.*) \|$", PAGE, re.MULTILINE)[1]


def test_every_number_is_one() -> None:
    numbers = re.findall(r"`([^`]+)`", row("number"))
    assert len(numbers) == 12
    assert [one for one in numbers if read_number(one, ".") is None and read_number(one, ",") is None] == []


def test_every_boolean_is_one_and_every_word_is_listed() -> None:
    words = set(re.findall(r"`([^`]+)`", row("boolean")))
    assert words == (TRUE_WORDS | FALSE_WORDS) - {"✓", "✔"}


def test_the_other_names_are_listed() -> None:
    assert dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", PAGE, re.MULTILINE)) == ALIASES
