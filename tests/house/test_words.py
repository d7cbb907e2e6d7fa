"""One term for each thing: the words that docs/glossary.md does not use are not used anywhere."""

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

FOLDERS = ("app", "tools", "migrations")
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/crm/*.md",
    "docs/decisions/*.md",
)
# Of a name, between underscores and capitals.
IN_NAMES = {
    *("told", "tell", "tells", "telling", "lookout", "standing", "standings", "stood", "aged", "ageing"),
    *("wish", "rehearse", "rehearsed", "nowhere"),
}
IN_TEXTS = re.compile(
    r"\b(far end|lookout|standings?|aged|ageing|hand(s|ed)? out|take(s|n)? up(?! to)|"
    r"throw(s|n)? away|put away|rehears\w+|is told|are told|was told|were told|to be told|tells? of)\b",
    re.IGNORECASE,
)


def words(name: str) -> set[str]:
    return {part.lower() for part in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def sources() -> list[Path]:
    return sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))


def named(path: Path) -> Iterator[str]:
    """Every name in a file."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type == tokenize.NAME:
            yield token.string


def said(path: Path) -> Iterator[str]:
    """Every text and comment in a file, with its line breaks closed."""
    for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            yield re.sub(r"\s+", " ", token.string)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_name_and_no_text_of_the_code_has_another_word(path: Path) -> None:
    assert sorted({name for name in named(path) if words(name) & IN_NAMES}) == []
    assert [found[0] for text in said(path) for found in IN_TEXTS.finditer(text)] == []


@pytest.mark.parametrize("name", sorted({str(p.relative_to(ROOT)) for g in DOCUMENTS for p in ROOT.glob(g)}))
def test_no_document_has_another_word(name: str) -> None:
    text = (ROOT / name).read_text("utf-8").split("## Words that are not used")[0]
    assert [found[0] for found in IN_TEXTS.finditer(re.sub(r"\s+", " ", text))] == []
