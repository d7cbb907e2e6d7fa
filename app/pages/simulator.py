"""The simulator beside a draft: answers and attributes to try, and how the score is calculated from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from app.pages.facts import compared_values, entered_value, entry_error
from app.scoring import Answer, Judged, Plan, QuestionSet, QuestionState, Score, judge
from app.scoring.question_set import Value

STATES = ("not_applicable", "unknown")


@dataclass(frozen=True, slots=True)
class Share:
    """What a rated question adds to the estimate of its unit, and the most that it could add (0..100)."""

    state: QuestionState
    adds: float
    could_add: float


@dataclass(frozen=True, slots=True)
class UnitShares:
    """A unit with what its rated questions add; the sum is its estimate (0..100)."""

    title: str
    estimate: float
    shares: Sequence[Share]


@dataclass(frozen=True, slots=True)
class Simulation:
    """The score of the answers and attributes that were tried.

    `errors` says what is wrong with an attribute. `states` has each question that applies.
    """

    plan: Plan
    score: Score
    errors: Mapping[str, str]
    states: Mapping[str, QuestionState]
    units: Sequence[UnitShares]

    @property
    def shape(self) -> str:
        """A hash that differs if the set needs other inputs."""
        question_set = self.plan.question_set
        shown = question_set.model_dump_json(include={"scale", "attributes", "steps"})
        return sha256(shown.encode()).hexdigest()[:12]

    @property
    def suggestions(self) -> Mapping[str, Sequence[Value]]:
        """The values with which the set compares each attribute."""
        return {name: compared_values(self.plan, name) for name in self.plan.question_set.attributes}


def simulate(
    question_set: QuestionSet, answers: Mapping[str, str], attributes: Mapping[str, str], as_of: datetime
) -> Simulation:
    """Score the answers and attributes of a form, which are texts.

    Those that the set does not have are ignored, because the author may just have removed them.
    """
    plan = Plan(question_set, f"{question_set.key}@draft")
    tried = {key: answer for key in plan.questions if (answer := _answer(plan, answers.get(key, "")))}
    declared = {name: type_ for name, type_ in question_set.attributes.items() if name in attributes}
    found = {name: entry_error(type_, attributes[name]) for name, type_ in declared.items()}
    errors = {name: error for name, error in found.items() if error}
    known = {
        name: entered_value(type_, attributes[name]) for name, type_ in declared.items() if name not in errors
    }
    judged = judge(plan, tried, known, as_of=as_of)
    return Simulation(
        plan,
        judged.score(),
        errors,
        {state.question.key: state for state in judged.states},
        _units(judged),
    )


def _answer(plan: Plan, sent: str) -> Answer | None:
    """Return the answer; None if it is open, or a rating that is not on the scale any more."""
    if sent == "not_applicable":
        return Answer("not_applicable")
    if sent == "unknown":
        return Answer("unknown")
    return next((answer for rating, answer in plan.rated.items() if str(rating) == sent), None)


def _units(judged: Judged) -> list[UnitShares]:
    """Return the units that have an estimate, with the share of each rated question in it."""
    plan, question_set = judged.plan, judged.plan.question_set
    titles = [one.title for one in question_set.dimensions] if plan.reciprocal else [question_set.title]
    lo, span = question_set.scale.min, question_set.scale.max - question_set.scale.min
    units = []
    for index, (title, tally) in enumerate(zip(titles, judged.assessment.totals.units, strict=True)):
        if tally.estimate is None:
            continue
        rated = [
            state
            for state in judged.states
            if state.rating is not None and not state.step.gated and state.asked.in_unit == index
        ]
        shares = []
        for state in rated:
            most = 100 * state.question.weight / tally.rated_weight
            shares.append(Share(state, most * ((state.rating or 0) - lo) / span, most))
        units.append(UnitShares(title, tally.estimate, shares))
    return units
