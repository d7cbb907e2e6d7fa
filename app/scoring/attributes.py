"""Typed facts about a prospect: read them, test a condition on them, rate from them."""

import re
from collections.abc import Mapping
from math import isfinite
from typing import Any

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

Attributes = Mapping[str, Value]

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
LARGEST_INTEGER = 2**53
IS_ABSENT = Condition(exists=False)


def read_attributes(
    question_set: QuestionSet, sent: Mapping[str, Any], at: str = "/attributes"
) -> dict[str, Value]:
    """The attributes that the set declares, with their declared types.

    A text that is exactly a JSON number is taken where a number is declared, and null is absent.
    What the set does not declare is left out. Raises `Flawed` for any other type.
    """
    read: dict[str, Value] = {}
    flaws = []
    for name, declared in question_set.attributes.items():
        value = sent.get(name)
        if value is None:
            continue
        if declared == "number":
            value = read_number(value)
        if value is None or not is_a(declared, value):
            flaws.append(Flaw(at + pointer(name), WANTED[declared], "wrong_type"))
        else:
            read[name] = value
    if flaws:
        raise Flawed(flaws)
    return read


WANTED: Mapping[AttributeType, str] = {
    "number": "send a number, at most 2⁵³ if it is an integer, or a text that is exactly a number",
    "text": "send a text",
    "boolean": "send true or false",
}


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
    """A missing attribute (None) makes every operator but `exists: false` false."""
    if value is None:
        return condition == IS_ABSENT
    return (
        condition.exists is not False
        and (condition.equals is None or value == condition.equals)
        and (condition.in_ is None or value in condition.in_)
        and (condition.not_in is None or value not in condition.not_in)
        and (condition.at_least is None or _of_number(value) >= condition.at_least)
        and (condition.below is None or _of_number(value) < condition.below)
    )


def rating_by_rule(rule: RateFrom, attributes: Attributes) -> int | None:
    """The rating that `rate_from` gives; None where the attribute is missing or has no rule."""
    value = attributes.get(rule.attribute)
    if value is None:
        return None
    for band in rule.bands or []:
        if band.below is None or _of_number(value) < band.below:
            return band.rating
    for rated in rule.values or []:
        if value == rated.equals:
            return rated.rating
    return rule.otherwise


def _of_number(value: Value) -> Number:
    assert isinstance(value, int | float), "rules.py lets only numbers be compared with numbers"
    return value
