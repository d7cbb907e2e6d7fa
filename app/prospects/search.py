"""Find prospects by the beginnings of the words in their names."""

from collections.abc import Iterable
from typing import Any
from unicodedata import category, combining, normalize
from uuid import UUID

from sqlalchemy import ColumnElement, Select
from sqlmodel import SQLModel, and_, col, or_, select

from app.db import Transaction
from app.prospects.tables import Prospect, ProspectTerm
from app.schemas import UMLAUTS, normalized_id

TERM_TABLE = SQLModel.metadata.tables["prospect_term"]
INSERT_TERMS = TERM_TABLE.insert()
# A longer word is found by its beginning. PostgreSQL's indexes take at most 2,700 bytes.
MAX_TERM_LENGTH = 50
LAST_CHARACTER = "\U0010ffff"
# Letters that Unicode does not compose of a plain letter and an accent.
PLAIN_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ı": "i", "æ": "ae", "œ": "oe"})
# What words consist of, as the first letter of a Unicode category: letters, digits and marks.
WORD_CATEGORIES = {"L", "N", "M"}
Spellings = frozenset[str]


def words_of(text: str) -> list[Spellings]:
    """Return the words of a text in their order, each with its spellings without case and accents.

    Umlauts have two spellings: the word Müller is mueller and muller. Spaces and punctuation separate words.
    A part between spaces that has only symbols is a word too.
    """
    folded = normalize("NFC", normalize("NFKC", normalized_id(text)).casefold())
    words = (word for part in folded.split() for word in _split(part))
    return [spellings for word in words if (spellings := _spellings(word))]


def _split(part: str) -> list[str]:
    spaced = "".join(letter if category(letter)[0] in WORD_CATEGORIES else " " for letter in part)
    return spaced.split() or [part]


def _spellings(word: str) -> Spellings:
    if word.isascii():
        return frozenset((word[:MAX_TERM_LENGTH],))
    spelled = (_without_accents(text)[:MAX_TERM_LENGTH] for text in (word, word.translate(UMLAUTS)))
    return frozenset(filter(None, spelled))


def _without_accents(text: str) -> str:
    decomposed = normalize("NFKD", text).translate(PLAIN_LETTERS)
    return "".join(letter for letter in decomposed if not combining(letter))


def terms_of(name: str | None) -> frozenset[str]:
    """Return every spelling of every word of a name."""
    return frozenset().union(*words_of(name or ""))


def insert_terms(tx: Transaction, prospects: Iterable[Prospect]) -> None:
    """Insert the terms of new prospects, which are stored already."""
    _insert(tx, ((prospect.id, term) for prospect in prospects for term in terms_of(prospect.name)))


def replace_terms(tx: Transaction, prospect_id: UUID, former_name: str | None, name: str | None) -> None:
    """Replace the terms of a locked prospect whose name changes."""
    before, after = terms_of(former_name), terms_of(name)
    of_prospect = TERM_TABLE.c.prospect_id == prospect_id
    tx.sql.execute(TERM_TABLE.delete().where(of_prospect, TERM_TABLE.c.term.in_(before - after)))
    _insert(tx, ((prospect_id, term) for term in after - before))


def _insert(tx: Transaction, terms: Iterable[tuple[UUID, str]]) -> None:
    rows = [{"prospect_id": prospect_id, "term": term} for prospect_id, term in terms]
    if rows:
        tx.insert_rows(INSERT_TERMS, rows)


def prospects_with_word(word: Spellings) -> Select[Any]:
    """Return the statement for the ids of prospects with a word that begins so, by index.

    A prospect can occur several times.
    """
    return select(ProspectTerm.prospect_id).where(_begins(word)).order_by(col(ProspectTerm.term))


def has_word(word: Spellings) -> ColumnElement[bool]:
    """Return the condition that the name of a prospect has a word that begins so."""
    of_prospect = and_(ProspectTerm.prospect_id == Prospect.id, _begins(word))
    # Not EXISTS: for that, PostgreSQL may collect all prospects with the word first.
    return select(ProspectTerm.prospect_id).where(of_prospect).limit(1).scalar_subquery().is_not(None)


def _begins(word: Spellings) -> ColumnElement[bool]:
    term = col(ProspectTerm.term)
    return or_(*(and_(term >= start, term < start + LAST_CHARACTER) for start in sorted(word)))
