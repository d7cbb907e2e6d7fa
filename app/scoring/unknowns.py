"""Attributes that are not known: what each would decide, and whether any could change the indication."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product
from math import prod

from app.scoring.answers import Answers
from app.scoring.attributes import Attributes, meets
from app.scoring.indication import MustReach, indicated
from app.scoring.plan import Plan, Standing
from app.scoring.question_set import Condition, Question, Value
from app.scoring.result import MissingAttribute
from app.scoring.words import be, counted, listed

# Of more unknown attributes, or more combinations of their values, none is tried.
MOST_UNKNOWN = 3
MOST_COMBINATIONS = 10_000


def missing_attributes(
    plan: Plan, standings: Sequence[Standing], known: Attributes
) -> list[MissingAttribute]:
    """The attributes that conditions and rules use and that are unknown, in the set's order."""
    applying = {s.question.key: s for s in standings}
    return [
        _missing(name, questions, applying, known)
        for name, questions in plan.users.items()
        if name not in known
    ]


def _missing(
    name: str, questions: Sequence[Question], applying: Mapping[str, Standing], known: Attributes
) -> MissingAttribute:
    """Only questions that known attributes do not rule out are still to be decided."""
    undecided = [q for q in questions if meets(_on_known(q, known), known)]
    conditional = [q for q in undecided if name in q.ask_when]
    more = [q for q in conditional if q.key not in applying]
    still = [q for q in conditional if q.key in applying]
    by_rule = [q for q in undecided if _is_rated_from(q, name) and not _is_answered(applying.get(q.key))]
    parts = [
        *([f"whether {counted(len(more), 'more question')} {_apply(more)}"] if more else []),
        *([f"whether {counted(len(still), 'question')} still {_apply(still)}"] if still else []),
        *([_how_rated(by_rule)] if by_rule else []),
    ]
    concerned = [q.key for q in undecided if q in conditional or q in by_rule]
    return MissingAttribute(
        attribute=name, decides=listed(parts) if parts else "nothing right now", questions=concerned
    )


def _on_known(question: Question, known: Attributes) -> dict[str, Condition]:
    return {name: condition for name, condition in question.ask_when.items() if name in known}


def _is_rated_from(question: Question, name: str) -> bool:
    return question.rate_from is not None and question.rate_from.attribute == name


def _is_answered(standing: Standing | None) -> bool:
    """Whether a person's answer goes before the rule."""
    return standing is not None and (standing.rated_by == "person" or standing.state == "not_applicable")


def _apply(questions: Sequence[Question]) -> str:
    return "applies" if len(questions) == 1 else "apply"


def _how_rated(questions: Sequence[Question]) -> str:
    if len(questions) > 3:
        return f"how {len(questions)} questions are rated"
    labels = [q.label for q in questions]
    return f"how {listed(labels)} {be(labels)} rated"


def is_settled_whatever_is_learned(
    plan: Plan, answers: Answers, standings: Sequence[Standing], known: Attributes, as_of: datetime
) -> bool:
    """Whether a settled indication stays as it is, whichever unknown attributes become known, as whatever.

    Exact while at most three unknown attributes bear on it; with more only a missed knock-out that none
    of them concerns is taken for certain.
    """
    unknown = [name for name in plan.users if name not in known and _bears(plan, name, standings, known)]
    if not unknown:
        return True
    out = MustReach.of([s for s in standings if not s.step.gated]).knocked_out
    if any(s.rated_by == "person" and not set(unknown) & set(s.question.ask_when) for s in out):
        return True
    choices = [plan.effects[name] for name in unknown]
    if len(unknown) > MOST_UNKNOWN or prod(map(len, choices)) > MOST_COMBINATIONS:
        return False
    now = indicated(plan, standings)
    return all(
        indicated(plan, plan.stand(answers, {**known, **_given(unknown, values)}, as_of)) == now
        for values in product(*choices)
    )


def _bears(plan: Plan, name: str, standings: Sequence[Standing], known: Attributes) -> bool:
    """Whether an attribute can change what counts: by a condition or by a rule that may still hold."""
    applying = {s.question.key: s for s in standings}
    return any(
        (question.weight or question.must_reach is not None)
        and meets(_on_known(question, known), known)
        and (name in question.ask_when or not _is_answered(applying.get(question.key)))
        for question in plan.users[name]
        if not plan.is_gated(question)
    )


def _given(names: Sequence[str], values: Iterable[Value | None]) -> dict[str, Value]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
