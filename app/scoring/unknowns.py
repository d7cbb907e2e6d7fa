"""Unknown attributes: what each of them decides, and whether any can change the indication."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import product
from math import prod
from typing import NamedTuple

from app.scoring.answers import Answer, Answers
from app.scoring.attributes import Attributes, meets
from app.scoring.indication import indicate
from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, used_by
from app.scoring.planned_question import PlannedQuestion, QuestionState
from app.scoring.question_set import Condition, Question, Value
from app.scoring.result import Indication, MissingAttribute
from app.scoring.totals import Totals
from app.scoring.units import Units, units_of
from app.scoring.words import counted, is_or_are, listed

# Other requests wait meanwhile: limits of the combinations of values times questions, and of the sums.
MAX_TRIALS = 10_000
MAX_SUMS = 1000
NONE: frozenset[str] = frozenset()


def missing_attributes(
    plan: Plan, answers: Answers, states: Sequence[QuestionState], known: Attributes, as_of: datetime
) -> list[MissingAttribute]:
    """The unknown attributes that conditions and rules use, in the set's order, with what they decide."""
    unknown = [name for name in plan.users if name not in known]
    if not unknown:
        return []
    applying = {s.question.key for s in states}
    answered = {
        asked.key
        for name in unknown
        for asked in plan.users[name]
        if asked.is_answered(answers.get(asked.key), as_of)
    }
    return [
        _missing(name, [asked.question for asked in plan.users[name]], applying, answered, known)
        for name in unknown
    ]


def _missing(
    name: str, questions: Sequence[Question], applying: set[str], answered: set[str], known: Attributes
) -> MissingAttribute:
    """What one unknown attribute decides.

    It does not decide about questions that known attributes rule out, nor the rating of a question that a
    person has answered.
    """
    undecided = [q for q in questions if meets(_known_conditions(q, known), known)]
    conditional = [q for q in undecided if name in q.ask_when]
    more = [q for q in conditional if q.key not in applying]
    still = [q for q in conditional if q.key in applying]
    by_rule = [q for q in undecided if _is_rated_from(q, name) and q.key not in answered]
    parts = [
        *([f"whether {counted(len(more), 'more question')} {_apply(more)}"] if more else []),
        *([f"whether {counted(len(still), 'question')} still {_apply(still)}"] if still else []),
        *([_how_rated(by_rule)] if by_rule else []),
    ]
    affected = {q.key for q in (*conditional, *by_rule)}
    return {
        "attribute": name,
        "decides": listed(parts) if parts else "nothing right now",
        "questions": [q.key for q in undecided if q.key in affected],
    }


def _known_conditions(question: Question, known: Attributes) -> dict[str, Condition]:
    return {name: condition for name, condition in question.ask_when.items() if name in known}


def _is_rated_from(question: Question, name: str) -> bool:
    return question.rate_from is not None and question.rate_from.attribute == name


def _apply(questions: Sequence[Question]) -> str:
    return "applies" if len(questions) == 1 else "apply"


def _how_rated(questions: Sequence[Question]) -> str:
    if len(questions) > 3:
        return f"how {len(questions)} questions are rated"
    labels = [q.label for q in questions]
    return f"how {listed(labels)} {is_or_are(labels)} rated"


class _Sum(NamedTuple):
    """The tallies of the units and the must-reach questions, for a part of the questions."""

    units: Units
    must: MustReach

    def plus(self, other: "_Sum") -> "_Sum":
        units = [unit.plus(its.packed) for unit, its in zip(self.units, other.units, strict=True)]
        return _Sum(units_of(units), self.must.plus(other.must))


def holds_whatever_is_learned(
    indication: Indication | None,
    plan: Plan,
    answers: Answers,
    states: Sequence[QuestionState],
    known: Attributes,
    as_of: datetime,
) -> bool:
    """Whether a settled indication holds for every value that the unknown attributes can have.

    The result is exact, except that it is False if there are too many values to try. Nothing is tried if a
    knock-out is missed that no unknown attribute affects.
    """
    unknown = {name for name in plan.effects if name not in known}
    if plan.thresholds is None or not unknown:
        return True
    deciding = {
        asked.key: names
        for asked in plan.asked
        if not asked.step.gated
        and (names := unknown & _deciding_attributes(asked, known, answers.get(asked.key), as_of))
    }
    if not deciding:
        return True
    sums = [_add_up(plan, [s for s in states if not s.step.gated and s.asked.key not in deciding])]
    if sums[0].must.missed_knock_outs:
        return True
    for attributes, asked in _groups(plan, deciding):
        choices = [plan.effects[name] for name in attributes]
        tried = [choice for choice in choices if choice is not None]
        if len(tried) < len(choices) or prod(map(len, tried)) * len(asked) > MAX_TRIALS:
            return False
        learned = ({**known, **_values_of(attributes, values)} for values in product(*tried))
        parts = _distinct(_add_up(plan, plan.evaluate(answers, each, as_of, asked)) for each in learned)
        if len(sums) * len(parts) > MAX_SUMS:
            return False
        sums = _distinct(one.plus(part) for one in sums for part in parts)
    return all(indicate(one.units, one.must) == indication for one in sums)


def _add_up(plan: Plan, scored: list[QuestionState]) -> _Sum:
    totals = Totals(plan, scored)
    return _Sum(totals.units, totals.must)


def _distinct(sums: Iterable[_Sum]) -> list[_Sum]:
    """One of each group of sums that give the same indication with any other sum."""
    return list({(*(unit.packed for unit in one.units), one.must.flags): one for one in sums}.values())


def _deciding_attributes(
    asked: PlannedQuestion, known: Attributes, answer: Answer | None, as_of: datetime
) -> set[str]:
    """The attributes that decide whether a question applies and, if no person has answered it, its rating."""
    if not asked.question.ask_when and not asked.rule:
        return set()
    if not meets(_known_conditions(asked.question, known), known):
        return set()
    conditions = {*asked.question.ask_when}
    return conditions if asked.is_answered(answer, as_of) else used_by(asked.question)


def _groups(plan: Plan, deciding: Mapping[str, set[str]]) -> list[tuple[list[str], list[PlannedQuestion]]]:
    """Groups of unknown attributes that share questions, each with all questions that it decides."""
    parts: list[set[str]] = []
    for names in deciding.values():
        joined = [part for part in parts if part & names]
        parts = [*(part for part in parts if not part & names), names.union(*joined)]
    return [(sorted(part), [a for a in plan.asked if deciding.get(a.key, NONE) & part]) for part in parts]


def _values_of(names: Sequence[str], values: Iterable[Value | None]) -> dict[str, Value]:
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}
