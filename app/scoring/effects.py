"""Representative values of an attribute: one for each effect that a value can have on the questions."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TypeGuard

from app.scoring.attributes import Rule, holds
from app.scoring.question_set import AttributeType, Condition, Number, Question, Value
from app.scoring.texts import folded

# Values times questions. Above this limit, a set has no representative values and stays usable.
MAX_TRIALS = 200_000


def values_by_effect(
    declared: AttributeType, name: str, questions: Sequence[Question]
) -> list[Value | None] | None:
    """One value for each effect on these questions; the first is None, for a missing attribute.

    None if there are more than `MAX_TRIALS` combinations of values and questions.
    """
    rules = [Rule(q.rate_from) if q.rate_from and q.rate_from.attribute == name else None for q in questions]
    compared = [value for question in questions for value in mentioned(name, question)]
    values: list[Value | None] = [None, *_candidates(declared, compared)]
    if len(values) * len(questions) > MAX_TRIALS:
        return None
    by_effect: dict[object, Value | None] = {}
    for value in values:
        applies = [name in q.ask_when and holds(q.ask_when[name], value) for q in questions]
        ratings = [rule.rate(value) if rule else None for rule in rules]
        by_effect.setdefault((*applies, *ratings), value)
    return list(by_effect.values())


def compared_with(condition: Condition | None) -> Iterator[Value]:
    """The values with which a condition compares an attribute."""
    if condition:
        single = (condition.equals, condition.at_least, condition.below)
        yield from (value for value in single if value is not None)
        yield from (*(condition.in_ or ()), *(condition.not_in or ()))


def mentioned(name: str, question: Question) -> Iterator[Value]:
    """The values with which the condition and the rule of a question compare an attribute."""
    yield from compared_with(question.ask_when.get(name))
    if (rule := question.rate_from) and rule.attribute == name:
        yield from (band.below for band in rule.bands or () if band.below is not None)
        yield from (rated.equals for rated in rule.values or ())


def _candidates(declared: AttributeType, compared: Sequence[Value]) -> Iterator[Value]:
    """Every mentioned value, and one value for each range or group of values between and beside them."""
    if declared == "boolean":
        yield from (True, False)
    elif declared == "text":
        texts = sorted({str(folded(value)) for value in compared})
        yield from texts
        yield "-".join(["other", *texts])
    else:
        bounds = sorted({value for value in compared if _is_number(value)})
        yield from bounds or [0]
        if bounds:
            yield from (bounds[0] - 1, bounds[-1] + 1)
            yield from ((low + high) / 2 for low, high in pairwise(bounds))


def _is_number(value: Value) -> TypeGuard[Number]:
    return isinstance(value, int | float) and not isinstance(value, bool)
