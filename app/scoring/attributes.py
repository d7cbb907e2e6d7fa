"""Attributes of a prospect: how to read them, test conditions on them and rate questions from them."""

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
from app.scoring.texts import BLANKS, folded, is_blank

Attributes = Mapping[str, Value]

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
MAX_INTEGER = 2**53
IS_ABSENT = Condition(exists=False)

EXPECTED: Mapping[AttributeType, str] = {
    "number": "a number, at most 2⁵³ if it is an integer, or a text that is only a number",
    "text": "a text",
    "boolean": "true or false",
}
UNREAD_REASONS: Mapping[AttributeType, str] = {
    "number": "not a number",
    "text": "not a text",
    "boolean": "not true or false",
}


class ReadAttributes(NamedTuple):
    """The attributes that a set declares: the values that it can read, and the types of those it cannot."""

    known: Attributes
    unread: Mapping[str, AttributeType]


def read_stored(question_set: QuestionSet, stored: Mapping[str, Any]) -> ReadAttributes:
    """Stored attributes that the set declares, with their declared types.

    A text that `read_number` can read is a number if the set declares one. Null and a blank text are
    absent. Attributes that the set does not declare are left out.
    """
    known: dict[str, Value] = {}
    unread: dict[str, AttributeType] = {}
    if not stored:
        return ReadAttributes(known, unread)
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
    """The attributes of a request, as in `read_stored`; raises `Flawed` for a value that it cannot read."""
    known, unread = read_stored(question_set, sent)
    if unread:
        raise Flawed(
            Flaw(at + pointer(name), f"send {EXPECTED[declared]}", "wrong_type")
            for name, declared in unread.items()
        )
    return dict(known)


def read_number(value: Any) -> Number | None:
    """A finite number, with 4.0 as 4, at most 2⁵³ if it is an integer; None if `value` is not one.

    A text that is a JSON number, with or without blanks at its ends, is that number.
    """
    if isinstance(value, str):
        value = value.strip(BLANKS)
        if not JSON_NUMBER.fullmatch(value) or len(value) > 400:
            return None
        value = float(value) if re.search(r"[.eE]", value) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if abs(value) <= MAX_INTEGER else None


def meets(conditions: Mapping[str, Condition], attributes: Attributes) -> bool:
    """Whether every condition of `ask_when` or `for` holds; `conditions` are by attribute."""
    return all(holds(condition, attributes.get(name)) for name, condition in conditions.items())


def holds(condition: Condition, value: Value | None) -> bool:
    """Whether a condition holds for the value of its attribute, None if the attribute is missing.

    Of a missing attribute only `exists: false` holds. Texts are compared as `folded` returns them.
    """
    if value is None:
        return condition == IS_ABSENT
    value = folded(value)
    return (
        condition.exists is not False
        and (condition.equals is None or value == folded(condition.equals))
        and (condition.in_ is None or value in map(folded, condition.in_))
        and (condition.not_in is None or value not in map(folded, condition.not_in))
        and (condition.at_least is None or _number(value) >= condition.at_least)
        and (condition.below is None or _number(value) < condition.below)
    )


class Rule:
    """A `rate_from` rule, prepared for fast look-ups."""

    def __init__(self, rate_from: RateFrom) -> None:
        self.attribute = rate_from.attribute
        self._bands = rate_from.bands
        self._bounds = [band.below for band in rate_from.bands or () if band.below is not None]
        self._ratings = {folded(rated.equals): rated.rating for rated in rate_from.values or ()}
        self._otherwise = rate_from.otherwise

    def rate(self, value: Value | None) -> int | None:
        """The rating of a value, on the set's scale; None if the value is missing (None) or has no rating."""
        if value is None:
            return None
        if self._bands:
            return self._bands[bisect_right(self._bounds, _number(value))].rating
        return self._ratings.get(folded(value), self._otherwise)


def _number(value: Value) -> Number:
    assert isinstance(value, int | float), "rules.py refuses a number in a condition or rule on another type"
    return value
