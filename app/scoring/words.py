"""Numbers, plurals and lists in English."""

from collections.abc import Collection, Sequence
from functools import lru_cache
from math import floor

MAX_NAMED = 3
# The noun stands before the first of these: "access to decision makers" is singular.
PREPOSITIONS = frozenset(
    {"about", "across", "against", "around", "at", "before", "behind", "between", "beyond", "by", "for"}
    | {"from", "in", "into", "of", "on", "outside", "over", "per", "to", "towards", "under", "with"}
    | {"within", "without"}
)
QUESTION_WORDS = frozenset({"how", "what", "when", "where", "whether", "which", "who", "why"})
PLURALS_WITHOUT_S = frozenset({"criteria", "people"})
# Endings of singular nouns that end in s: process, status, analysis.
SINGULAR_ENDINGS = ("ss", "us", "is", "news", "S")
# First words of sentences that are no names.
FIRST_WORDS = frozenset(
    (  # noqa: SIM905  # seventy words, each in quotes, would be harder to read
        "a all an and any anyone anything as at because before both but by each either every everyone "
        "everything few for from half he her here his how if in it its little many more most much my neither "
        "no nobody none nothing of on one only or our part people she since so some somebody someone "
        "something that the their there these they this those three to two under unless we what when where "
        "whether which who with without you your"
    ).split()
)


def counted(count: int, noun: str) -> str:
    """The number with its noun: "1 question", "3 questions"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: Sequence[str], limit: int = MAX_NAMED) -> str:
    """At most `limit` names in a sentence: "budget", "budget and timeline", "budget, timeline and 2 more"."""
    if len(names) > limit:
        names = [*names[: limit - 1], f"{len(names) - limit + 1} more"]
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def all_listed(names: Sequence[str]) -> str:
    """Every name, however many there are."""
    return listed(names, len(names))


def joined(clauses: Sequence[str]) -> str:
    """Clauses in one sentence, set off by commas: each can contain an "and" or an "or" of its own."""
    *first, last = clauses
    return f"{', '.join(first)}, and {last}" if first else last


def is_or_are(names: Sequence[str]) -> str:
    """The verb for names as the subject: "is" for one singular name, else "are"."""
    return "are" if len(names) > 1 or is_plural(names[0]) else "is"


@lru_cache(maxsize=1000)
def is_plural(name: str) -> bool:
    """Whether a name is plural: "decision makers", "cost and effort"."""
    words = name.split()
    if not words or words[0].lower() in QUESTION_WORDS:
        return False
    if "and" in words:
        return True
    of_what = next((i for i, word in enumerate(words) if i and word.lower() in PREPOSITIONS), len(words))
    noun = words[of_what - 1]
    return noun.lower() in PLURALS_WITHOUT_S or (noun.endswith("s") and not noun.endswith(SINGULAR_ENDINGS))


def lower_first(sentence: str) -> str:
    """A sentence as it reads after a colon: no full stop, and a capital only if it may be a name."""
    first = sentence.split(" ", 1)[0].rstrip(",")
    is_ordinary = first.lower() in FIRST_WORDS and first in (first.capitalize(), first.lower())
    return (sentence[:1].lower() + sentence[1:] if is_ordinary else sentence).removesuffix(".")


def capitalised(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def rounded(figure: float, cuts: Collection[int] = ()) -> int:
    """The figure, rounded to an integer, but never up to a cut that it does not reach.

    69.968 is 70, but 69 if 70 is one of the `cuts`.
    """
    nearest = floor(figure + 0.5)
    return nearest - 1 if figure < nearest and nearest in cuts else nearest


# The same figures occur often.
@lru_cache(maxsize=5000)
def out_of_100(figure: float, cuts: frozenset[int]) -> str:
    """The figure, rounded like that, as people read it: "69 out of 100"."""
    return f"{rounded(figure, cuts)} out of 100"
