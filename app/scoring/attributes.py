"""Typed facts about a prospect: read them, test a condition on them, rate from them."""

import re
from bisect import bisect_right
from collections.abc import Mapping
from math import isfinite
from typing import Any, NamedTuple

from app.scoring.flaws import Flaw, Flawed, pointer
from app.scoring.question_set import (
    AttributeType,
    Condition,
    Number,
    QuestionSet,
    RateFrom,
    Value,
)
from app.scoring.rules import is_a
from app.scoring.texts import folded, is_blank

Attributes = Mapping[str, Value]

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
LARGEST_INTEGER = 2**53
IS_ABSENT = Condition(exists=False)

WANTED: Mapping[AttributeType, str] = {
    "number": "a number, at most 2⁵³ if it is an integer, or a text that is exactly a number",
    "text": "a text",
    "boolean": "true or false",
}
UNREAD: Mapping[AttributeType, str] = {
    "number": "not a number",
    "text": "not a text",
    "boolean": "not true or false",
}


class ReadAttributes(NamedTuple):
    """The attributes that a set declares: those that it can read, and those that it cannot, by type."""

    known: Attributes
    unread: Mapping[str, AttributeType]


def read_stored(question_set: QuestionSet, stored: Mapping[str, Any]) -> ReadAttributes:
    """The attributes that the set declares, with their declared types; what it cannot read is missing.

    A text that is exactly a JSON number is read where a number is declared. Null and a text of nothing
    but white space are absent. What the set does not declare is left out.
    """
    known: dict[str, Value] = {}
    unread: dict[str, AttributeType] = {}
    for name, declared in question_set.attributes.items():
        value = stored.get(name)
        if value is None or is_blank(value):
            continue
        if declared == "number":
            value = read_number(value)
        if value is None or not is_a(declared, value):
            unread[name] = declared
        else:
            known[name] = value
    return ReadAttributes(known, unread)


def read_attributes(
    question_set: QuestionSet, sent: Mapping[str, Any], at: str = "/attributes"
) -> dict[str, Value]:
    """The attributes of a request, as `read_stored` reads them; raises `Flawed` for what it cannot read."""
    known, unread = read_stored(question_set, sent)
    if unread:
        raise Flawed(
            Flaw(at + pointer(name), f"send {WANTED[declared]}", "wrong_type")
            for name, declared in unread.items()
        )
    return dict(known)


def read_number(value: Any) -> Number | None:
    """A finite number, with 4.0 as 4; None if `value` is none."""
    if isinstance(value, str):
        if not JSON_NUMBER.fullmatch(value) or len(value) > 400:
            return None
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if abs(value) <= LARGEST_INTEGER else None


def meets(conditions: Mapping[str, Condition], attributes: Attributes) -> bool:
    """Whether every condition holds: those of `ask_when`, or those of `for`."""
    return all(holds(condition, attributes.get(name)) for name, condition in conditions.items())


def holds(condition: Condition, value: Value | None) -> bool:
    """A missing attribute (None) makes every operator but `exists: false` false.

    Texts are compared as `folded` has them.
    """
    if value is None:
        return condition == IS_ABSENT
    value = folded(value)
    return (
        condition.exists is not False
        and (condition.equals is None or value == folded(condition.equals))
        and (condition.in_ is None or value in map(folded, condition.in_))
        and (condition.not_in is None or value not in map(folded, condition.not_in))
        and (condition.at_least is None or _of_number(value) >= condition.at_least)
        and (condition.below is None or _of_number(value) < condition.below)
    )


class Rule:
    """A `rate_from` made ready: what it rates a value is looked up."""

    def __init__(self, rate_from: RateFrom) -> None:
        self.attribute = rate_from.attribute
        self._bands = rate_from.bands
        self._bounds = [band.below for band in rate_from.bands or () if band.below is not None]
        self._ratings = {folded(rated.equals): rated.rating for rated in rate_from.values or ()}
        self._otherwise = rate_from.otherwise

    def rate(self, value: Value | None) -> int | None:
        """The rating of a value; None where it is missing (None) or has no rating."""
        if value is None:
            return None
        if self._bands:
            return self._bands[bisect_right(self._bounds, _of_number(value))].rating
        return self._ratings.get(folded(value), self._otherwise)


def _of_number(value: Value) -> Number:
    assert isinstance(value, int | float), "rules.py lets only numbers be compared with numbers"
    return value
