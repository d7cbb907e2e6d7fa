"""The search by words, compared with a plain Python implementation of what it promises."""

from contextlib import suppress
from itertools import groupby
from unicodedata import category, combining, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.main import open_database
from app.migrate import migrate
from app.prospects import service as prospects
from app.prospects.queries import list_prospects
from app.prospects.schemas import NewProspect, ProspectFilter
from app.prospects.search import MAX_TERM_LENGTH
from app.schemas import INVISIBLE
from tests.conftest import settings_for
from tests.scoring.strategies import effort

FRAGMENTS = [
    *(
        "har",
        "Harbour",
        "Works",
        "wor",
        "Müller",
        "Mueller",
        "muller",
        "mü",
        "Ä",
        "ae",
        "é",
        "e\u0301",
        "Éclair",
    ),
    *(
        "Straße",
        "STRASSE",
        "ss",
        "Łódź",
        "lodz",
        "œuvre",
        "İstanbul",
        "ΟΔΟΣ",
        "ος",
        "й",
        "и",
        "हिन्दी",
        "한국",
        "하",
    ),
    *("ﬁ", "Ⅻ", "１２", "12", "x" * 70, "%", "_", "&", "👩", "O'Brien", "-", "\u200d", "\u00ad"),
]
TEXTS = st.lists(st.sampled_from([*FRAGMENTS, " ", " "]) | st.text(max_size=3), min_size=1, max_size=8).map(
    "".join
)


@pytest.fixture(scope="module")
def alone(new_database):
    """A database that no service uses."""
    database = open_database(settings_for(new_database()))
    migrate(database)
    yield database
    database.close()


def reference_words(text):
    """The spellings of each word of a text."""
    words = []
    for part in normalize("NFKC", INVISIBLE.sub("", text)).casefold().split():
        whole = normalize("NFC", part)
        runs = ["".join(run) for is_word, run in groupby(whole, lambda c: category(c)[0] in "LNM") if is_word]
        words += runs or [whole]
    return [spelled for word in words if (spelled := {plain(word, True), plain(word, False)} - {""})]


def plain(word, has_long_umlauts):
    if has_long_umlauts:
        for umlaut, both in (("ä", "ae"), ("ö", "oe"), ("ü", "ue")):
            word = word.replace(umlaut, both)
    kept = [letter for letter in normalize("NFKD", word) if not combining(letter)]
    for letter, both in (
        ("ø", "o"),
        ("ł", "l"),
        ("đ", "d"),
        ("ħ", "h"),
        ("ı", "i"),
        ("æ", "ae"),
        ("œ", "oe"),
    ):
        kept = [both if one == letter else one for one in kept]
    return "".join(kept)[:MAX_TERM_LENGTH]


def is_found(name, q):
    """Whether every word of `q` begins a word of the name, in any of their spellings."""
    terms = [term for spelled in reference_words(name) for term in spelled]
    words = reference_words(q)
    return bool(words) and all(
        any(term.startswith(begin) for term in terms for begin in spelled) for spelled in words
    )


class _Undo(Exception):
    """Ends a transaction without a commit."""


@effort(40)
@given(names=st.lists(TEXTS, min_size=1, max_size=4), texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_every_word_of_the_search_begins_a_word_of_the_name(alone, names, texts):
    """Half of the searches are parts of the names, so that many are found."""
    usable = [name for name in map(_accepted, names) if name]
    searches = [q for q in map(_accepted, [*texts, *(name[: len(name) // 2 + 1] for name in usable)]) if q]

    def compare(tx):
        made = {prospects.create(tx, NewProspect(name=name), "test").id: name for name in usable}
        for q in searches:
            found = {one.id for one in list_prospects(tx, ProspectFilter(q=q), after=None, limit=100)}
            assert found == {id_ for id_, name in made.items() if is_found(name, q)}, q
        raise _Undo

    with suppress(_Undo):
        alone.write_sync(compare)


def _accepted(text):
    """A text as a request may contain it, or None if it may not."""
    try:
        return ProspectFilter(q=text).q
    except ValueError:
        return None
