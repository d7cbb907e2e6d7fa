"""A question set as its authors write it: whole, or as a variant of another."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from app.question_sets.meaning import changed_meanings
from app.question_sets.variants import in_the_variant, is_variant, read_variant
from app.scoring import Flaw, Flawed, QuestionSet, read_question_set

# The set that "key@n" names; None if there is none.
FindBase = Callable[[str], QuestionSet | None]
# What was published before under a name, "key@n".
Named = tuple[str, QuestionSet]


def read_document(data: Any, find_base: FindBase, earlier: Iterable[Named] = ()) -> QuestionSet:
    """The whole set that a document tells; raises `Flawed` with pointers into the document.

    `earlier` are the versions that it would follow.
    """
    # A version that was made from none tells it as null.
    if not isinstance(data, Mapping) or data.get("extends") is None:
        return _keeping(earlier, read_question_set(data), None)
    name = data["extends"]
    base = find_base(name) if isinstance(name, str) else None
    if base is None:
        detail = "no such version is known: name one as key@version, and publish it before"
        raise Flawed([Flaw("/extends", detail, "unknown_question_set")])
    if is_variant(data):
        return _keeping(earlier, read_variant(data, base), data)
    return _keeping([(name, base), *earlier], read_question_set(data), None)


def _keeping(earlier: Iterable[Named], now: QuestionSet, variant: Mapping[str, Any] | None) -> QuestionSet:
    """The set, unless one of its questions had another meaning earlier."""
    flaws = [flaw for name, before in earlier for flaw in changed_meanings(now, name, before)]
    if flaws:
        raise Flawed([in_the_variant(flaw, now.canonical(), variant) for flaw in flaws] if variant else flaws)
    return now
