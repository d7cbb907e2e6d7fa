"""A question set prepared for scoring: built once per version and used for every score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any

from app.scoring.answers import Answer, Answers
from app.scoring.attributes import Attributes, meets
from app.scoring.effects import values_by_effect
from app.scoring.must_reach import MustReach
from app.scoring.planned_question import PlannedQuestion, QuestionState
from app.scoring.question_set import Dimension, Question, QuestionSet, Value, weak
from app.scoring.tally import Counts, Limits, Tally, tally_of
from app.scoring.units import Layout

# Each entry of the cache can hold hundreds of questions.
MAX_SHARED_MUST_REACH = 1000


@dataclass(frozen=True, slots=True, eq=False)
class PlannedStep:
    """One step, and the limits that its tallies are compared with."""

    key: str
    title: str
    gated: bool
    limits: Limits

    def tally(self, packed: int) -> Tally:
        """The tally of the step, from its packed counts."""
        return tally_of(self.limits, packed)


class Plan:
    """A question set prepared for scoring; `name` is `key@version`."""

    def __init__(self, question_set: QuestionSet, name: str) -> None:
        self.question_set = question_set
        self.name = name
        self.layout = layout_of(question_set)
        self.reciprocal = self.layout.reciprocal
        self.asked = [
            PlannedQuestion(question_set, self.layout, index, question)
            for index, step in enumerate(question_set.steps)
            for question in step.questions
        ]
        self._open = [asked.open for asked in self.asked]
        self._rated = {asked.key: (place, asked.by_rating) for place, asked in enumerate(self.asked)}
        self.questions = {asked.key: asked.question for asked in self.asked}
        # By rating, the answer of a person that says nothing else.
        scale = question_set.scale
        self.rated = {rating: Answer("rated", rating) for rating in range(scale.min, scale.max + 1)}
        # Whether half of the weight is always half of the questions, whichever of them apply.
        self.weighs_the_same = len({asked.weight for asked in self.asked if not asked.gated}) == 1
        self.gated = {asked.key for asked in self.asked if asked.step.gated}
        lifetimes = [asked.stale_after for asked in self.asked if asked.stale_after is not None]
        self.goes_stale = bool(lifetimes)
        # No answer that is younger is stale.
        self.shortest_lifetime = min(lifetimes, default=timedelta.max)
        self.cuts = frozenset(question_set.cuts)
        limits = self.layout.limits
        self.steps = [PlannedStep(step.key, step.title, step.gated, limits) for step in question_set.steps]
        self.titles = [f"“{dimension.title}”" for dimension in question_set.dimensions]
        self.weak_clauses = [weak_clause(dimension) for dimension in question_set.dimensions]
        self.thresholds = question_set.thresholds
        self.grades = [grade.grade for grade in question_set.grades]
        self.best_if_blocked = best_if_blocked(question_set)
        # Scores of one set often have the same unreached questions.
        self.must_reach = lru_cache(MAX_SHARED_MUST_REACH)(MustReach)
        # By attribute, the questions whose conditions or rule use it.
        self.users = {name: users for name in question_set.attributes if (users := self._users(name))}

    @property
    def version(self) -> int:
        """The version number in `name`; a draft has none."""
        return int(self.name.partition("@")[2])

    def _users(self, name: str) -> list[PlannedQuestion]:
        return [asked for asked in self.asked if name in used_by(asked.question)]

    @cached_property
    def effects(self) -> dict[str, list[Value | None] | None]:
        """The representative values of each attribute of scored questions; None if there are too many."""
        types = self.question_set.attributes
        scored = {name: [a.question for a in users if not a.step.gated] for name, users in self.users.items()}
        return {name: values_by_effect(types[name], name, asked) for name, asked in scored.items() if asked}

    def means_the_same(self, other: "Plan", question: str) -> bool:
        """Whether both sets have a question of that key, with the same dimension and scale."""
        here, there = self.questions.get(question), other.questions.get(question)
        scales = [(plan.question_set.scale.min, plan.question_set.scale.max) for plan in (self, other)]
        return bool(here and there and here.dimension == there.dimension and scales[0] == scales[1])

    def read_ratings(self, ratings: Mapping[str, Any]) -> dict[str, Answer] | None:
        """The answers of ratings by question key; None unless all of them are integers on the scale."""
        questions, rated = self.questions, self.rated
        # A copy has room for all answers at once.
        answers: dict[str, Any] = {**ratings}
        for key, rating in ratings.items():
            if key not in questions or type(rating) is not int or rating not in rated:
                return None
            answers[key] = rated[rating]
        return answers

    def rated_states(self, ratings: Mapping[str, Any]) -> list[QuestionState] | None:
        """The states that `evaluate` gives for these ratings alone, in a set that uses no attributes.

        None unless all of them are integers on the scale, by known keys, as in `read_ratings`.
        """
        states, rated = [*self._open], self._rated
        try:
            for key, rating in ratings.items():
                place, by_rating = rated[key]
                if type(rating) is not int:
                    return None
                states[place] = by_rating[rating]
        except KeyError:
            return None
        return states

    def evaluate(
        self,
        answers: Answers,
        attributes: Attributes,
        as_of: datetime,
        asked: Sequence[PlannedQuestion] | None = None,
    ) -> list[QuestionState]:
        """The states of the questions that apply to a prospect with these attributes, in the set's order.

        If `asked` is given, only of those questions.
        """
        return [
            one.by_answer.get(answer := answers.get(one.key)) or one.evaluate(answer, attributes, as_of)
            for one in (self.asked if asked is None else asked)
            if not one.ask_when or meets(one.ask_when, attributes)
        ]

    def tally(self, counts: Counts) -> Tally:
        """The tally of these counts, with the limits of this set."""
        limits = self.layout.limits
        return tally_of(limits, counts.packed(limits.bits))


def weak_clause(dimension: Dimension) -> str:
    """What a weak dimension means: "they would gain too little"."""
    if dimension.if_weak == weak(dimension.title):
        return f"“{dimension.title}” is weak"
    return dimension.if_weak.rstrip(". ")


def layout_of(question_set: QuestionSet) -> Layout:
    """The groups of a question set, and the limits that their tallies are compared with."""
    scale, thresholds = question_set.scale, question_set.thresholds
    span = scale.max - scale.min
    questions = [question for step in question_set.steps for question in step.questions]
    most = max(len(questions), span * sum(question.weight for question in questions))
    limits = Limits(
        lo=scale.min,
        span=span,
        fit_at=thresholds.fit_at if thresholds else 0,
        no_fit_below=thresholds.no_fit_below if thresholds else 0,
        grades=tuple(grade.at for grade in question_set.grades),
        bits=most.bit_length(),
    )
    dimensions = [(dimension.key, dimension.title) for dimension in question_set.dimensions]
    return Layout(limits, dimensions, len(question_set.steps), question_set.combine == "reciprocal")


def best_if_blocked(question_set: QuestionSet) -> int:
    """The index of the best grade that starts below `fit_at`; 0 without thresholds."""
    thresholds = question_set.thresholds
    return sum(grade.at >= thresholds.fit_at for grade in question_set.grades) if thresholds else 0


def used_by(question: Question) -> set[str]:
    """The names of the attributes that the conditions and the rule of a question use."""
    return {*question.ask_when, *([question.rate_from.attribute] if question.rate_from else [])}
