"""Which question set a prospect is asked when the caller names none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.problems import SEVERAL_SETS_MATCH, Problem
from app.scoring import Condition, Plan, QuestionSet, meets, read_stored

ChosenBy = Literal["request", "session", "for", "default"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The name of a set, "key" or "key@n", who chose it, and why."""

    name: str
    by: ChosenBy
    because: str


def choose(candidates: Iterable[Plan], attributes: Mapping[str, Any], default: str) -> Choice:
    """The candidate with the highest priority of those meant for such a prospect, or the default.

    Raises SEVERAL_SETS_MATCH rather than choosing between equals.
    """
    meant = [plan.question_set for plan in candidates if _is_meant_for(plan.question_set, attributes)]
    if not meant:
        return Choice(default, "default", "no question set is meant for such a prospect")
    highest = max(map(_priority, meant))
    first, *others = sorted((s for s in meant if _priority(s) == highest), key=lambda s: s.key)
    if others:
        names = " and ".join(one.key for one in (first, *others))
        raise Problem(
            SEVERAL_SETS_MATCH, f"{names} are meant for such a prospect, all with priority {highest}."
        )
    return Choice(first.key, "for", f"{_told(first.for_ or {})}; priority {highest}")


def _is_meant_for(question_set: QuestionSet, attributes: Mapping[str, Any]) -> bool:
    """An attribute that the set cannot read is missing."""
    conditions = question_set.for_ or {}
    return bool(conditions) and meets(conditions, read_stored(question_set, attributes).known)


def _priority(question_set: QuestionSet) -> int:
    return question_set.priority or 0


def _told(conditions: Mapping[str, Condition]) -> str:
    """The conditions in words: "industry in logistics, retail and employees at least 50"."""
    return " and ".join(
        f"{name} {operator.replace('_', ' ')} {_value(value)}"
        for name, condition in conditions.items()
        for operator, value in condition.model_dump(by_alias=True, exclude_none=True).items()
    )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
