"""A question set prepared for scoring: built once per version and used for every score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Literal, NamedTuple

from app.scoring.answers import ANSWERED, Answer, Answers, Evidence
from app.scoring.attributes import Attributes, Rule, meets
from app.scoring.effects import values_by_effect
from app.scoring.question_set import Dimension, Question, QuestionSet, Scale, Step, Value, weak
from app.scoring.reasons import blocker_line, gap_line, next_line, strength_line
from app.scoring.result import Blocker, NextQuestion, RatedBy, Reason
from app.scoring.tally import Counts, Limits, Tally, tally_of

# A line depends on the weight share, which has many values: limit the number of cached lines.
MAX_CACHED_LINES = 100
ScoredState = Literal["rated", "open", "not_applicable"]


class MustReachTerms(NamedTuple):
    """The terms of a must-reach question; `points` are those of the rating that it must reach."""

    weight: int
    points: int
    is_knock_out: bool


@dataclass(frozen=True, slots=True, eq=False)
class QuestionState:
    """The state of one question that applies, with its lines for the score.

    `rating` is None unless the question is rated. `packed` are the counts that it adds to a tally. `misses`
    says that the rating is below `must_reach`; `unreached`, that no rating reaches it; `is_answer`, that a
    person's answer counts; `stale`, that one is too old to count.
    """

    asked: "PlannedQuestion"
    step: Step
    question: Question
    state: ScoredState
    packed: int
    rating: int | None = None
    rated_by: RatedBy | None = None
    evidence: Evidence | None = None
    misses: bool = False
    unreached: bool = False
    strength: Reason | None = None
    gap: Reason | None = None
    blocker: Blocker | None = None
    answered_unknown: bool = False
    stale: bool = False
    is_answer: bool = False


class PlannedQuestion:
    """One question with its possible states; each state is built once and then looked up.

    `in_step`, `in_dimension` and `in_unit` are the indexes of its step, dimension and unit. A question of a
    gated step has no dimension: its index is the one after the last dimension. `matters` says that the
    question can change the score or the indication. `open` is its state with neither an answer nor a rating
    by the rule. `by_answer` are the states that depend on nothing but the answer, which `evaluate` has found.
    """

    __slots__ = (
        "_next_lines",
        "_not_applicable",
        "_rated",
        "_stale",
        "_unknown",
        "ask_when",
        "by_answer",
        "gated",
        "in_dimension",
        "in_step",
        "in_unit",
        "is_knock_out",
        "key",
        "label",
        "matters",
        "must_reach",
        "open",
        "question",
        "rule",
        "stale_after",
        "step",
        "weight",
    )  # fmt: skip

    def __init__(self, question_set: QuestionSet, in_step: int, question: Question) -> None:
        self.step = step = question_set.steps[in_step]
        keys = [dimension.key for dimension in question_set.dimensions]
        self.question = question
        self.key = question.key
        self.label = question.label
        self.weight = question.weight
        self.must_reach = _terms(question_set.scale, question)
        self.matters = question.weight > 0 or self.must_reach is not None
        self.is_knock_out = question.if_missed == "no_fit"
        self.gated = step.gated
        self.in_step = in_step
        self.in_dimension = len(keys) if step.gated else keys.index(question.dimension)
        self.in_unit = self.in_dimension if question_set.combine == "reciprocal" else 0
        self.ask_when = question.ask_when
        self.rule = Rule(question.rate_from) if question.rate_from else None
        days = question.stale_after_days
        self.stale_after = None if days is None else timedelta(days=days)
        packed = Counts(open_weight=self.weight, open=1).packed()
        unreached = self.must_reach is not None
        self.open = QuestionState(self, step, question, "open", packed, unreached=unreached)
        self._unknown = replace(self.open, answered_unknown=True)
        self._stale = replace(self.open, stale=True)
        packed = Counts(skipped_weight=self.weight, not_applicable=1).packed()
        blocker = blocker_line(question, None, [])
        self._not_applicable = QuestionState(
            self,
            step,
            question,
            "not_applicable",
            packed,
            unreached=unreached,
            blocker=blocker,
            is_answer=True,
        )
        self._rated = _RatedStates(self, question_set.scale)
        self._next_lines: dict[tuple[float | None, bool], NextQuestion] = {}
        self.by_answer: dict[Answer | None, QuestionState] = {}

    def evaluate(self, answer: Answer | None, attributes: Attributes, as_of: datetime) -> QuestionState:
        """The state that a person's answer gives, or without one the rule.

        An unknown or stale answer counts like no answer.
        """
        found = self._evaluate(answer, attributes, as_of)
        # An answer without a time counts as given now, so it is never stale. Few such answers are different.
        if self.rule is None and (answer is None or answer.answered_at is None):
            self.by_answer[answer] = found
        return found

    def _evaluate(self, answer: Answer | None, attributes: Attributes, as_of: datetime) -> QuestionState:
        if answer is None:
            return self._rated_by_rule(attributes, self.open)
        if answer.state not in ANSWERED:
            return self._rated_by_rule(attributes, self._unknown if answer.state == "unknown" else self.open)
        if self.stale_after is not None and self.valid_until(answer, as_of) <= as_of:
            return self._rated_by_rule(attributes, self._stale)
        if answer.rating is None:
            return self._not_applicable
        return self._rated[answer.rating, "person", answer.evidence]

    def line(self, weight_share: float | None, *, ask_again: bool) -> NextQuestion:
        """The line that proposes this question; `weight_share` is 0..100, None if nothing has a weight."""
        line = self._next_lines.get((weight_share, ask_again))
        if line is None:
            if len(self._next_lines) > MAX_CACHED_LINES:
                self._next_lines.clear()
            line = self._next_lines[weight_share, ask_again] = next_line(
                self.step, self.question, weight_share, ask_again=ask_again
            )
        return line

    def is_answered(self, answer: Answer | None, as_of: datetime) -> bool:
        """Whether a person's answer counts if the question applies."""
        if answer is None or answer.state not in ANSWERED:
            return False
        return self.stale_after is None or self.valid_until(answer, as_of) > as_of

    def valid_until(self, answer: Answer, as_of: datetime) -> datetime:
        """The time at which an answer goes stale; only for a question with `stale_after_days`."""
        assert self.stale_after is not None
        return (answer.answered_at or as_of) + self.stale_after

    def _rated_by_rule(self, attributes: Attributes, unrated: QuestionState) -> QuestionState:
        """The state that the rule gives; `unrated` if it gives no rating."""
        rating = self.rule.rate(attributes.get(self.rule.attribute)) if self.rule else None
        if rating is None:
            return unrated
        rated = self._rated[rating, "rule", None]
        return replace(rated, stale=True) if unrated.stale else rated


def _terms(scale: Scale, question: Question) -> MustReachTerms | None:
    if question.must_reach is None:
        return None
    points = question.weight * (question.must_reach - scale.min)
    return MustReachTerms(question.weight, points, question.if_missed == "no_fit")


class _RatedStates(dict[tuple[int, RatedBy, Evidence | None], QuestionState]):
    """The rated states of a question by rating, who rated it and evidence; each is built on its first use."""

    def __init__(self, asked: PlannedQuestion, scale: Scale) -> None:
        self._asked = asked
        self._scale = scale

    def __missing__(self, rated: tuple[int, RatedBy, Evidence | None]) -> QuestionState:
        asked, scale, (rating, rated_by, evidence) = self._asked, self._scale, rated
        step, question, weight = asked.step, asked.question, asked.weight
        misses = question.must_reach is not None and rating < question.must_reach
        strength = strength_line(scale, step, question, rating, rated_by, misses=misses)
        gap = gap_line(scale, step, question, rating, rated_by, misses=misses)
        question_state = self[rated] = QuestionState(
            asked,
            step,
            question,
            "rated",
            Counts(rated_weight=weight, earned=weight * (rating - scale.min), rated=1).packed(),
            rating,
            rated_by,
            evidence,
            misses,
            misses,
            strength,
            gap,
            blocker_line(question, rating, gap["anchors"]) if misses and gap else None,
            is_answer=rated_by == "person",
        )
        return question_state


class Plan:
    """A question set prepared for scoring; `name` is `key@version`."""

    def __init__(self, question_set: QuestionSet, name: str) -> None:
        self.question_set = question_set
        self.name = name
        self.reciprocal = question_set.combine == "reciprocal"
        self.asked = [
            PlannedQuestion(question_set, index, question)
            for index, step in enumerate(question_set.steps)
            for question in step.questions
        ]
        self.keys = [asked.key for asked in self.asked]
        self.questions = {asked.key: asked.question for asked in self.asked}
        # By rating, the answer of a person that says nothing else.
        scale = question_set.scale
        self.rated = {rating: Answer("rated", rating) for rating in range(scale.min, scale.max + 1)}
        self.gated = {asked.key for asked in self.asked if asked.step.gated}
        lifetimes = [asked.stale_after for asked in self.asked if asked.stale_after is not None]
        self.goes_stale = bool(lifetimes)
        # No answer that is younger is stale.
        self.shortest_lifetime = min(lifetimes, default=timedelta.max)
        self.cuts = frozenset(question_set.cuts)
        self.dimensions = [(dimension.key, dimension.title) for dimension in question_set.dimensions]
        self.steps = [(step.key, step.title, step.gated) for step in question_set.steps]
        self.titles = [f"“{dimension.title}”" for dimension in question_set.dimensions]
        self.weak_clauses = [weak_clause(dimension) for dimension in question_set.dimensions]
        self.thresholds = question_set.thresholds
        self.grades = [grade.grade for grade in question_set.grades]
        self.best_if_blocked = best_if_blocked(question_set)
        self._limits = limits_of(question_set)
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
        if not ratings.keys() <= self.questions.keys() or not {*map(type, ratings.values())} <= {int}:
            return None
        try:
            return {key: self.rated[rating] for key, rating in ratings.items()}
        except KeyError:
            return None

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
        if asked is None:
            asked, keys = self.asked, self.keys
        else:
            keys = [one.key for one in asked]
        return [
            one.by_answer.get(answer) or one.evaluate(answer, attributes, as_of)
            for one, answer in zip(asked, map(answers.get, keys), strict=True)
            if not one.ask_when or meets(one.ask_when, attributes)
        ]

    def tally(self, packed: int) -> Tally:
        """The tally of packed counts, on the scale of this set."""
        return tally_of(self._limits, packed)


def weak_clause(dimension: Dimension) -> str:
    """What a weak dimension means: "they would gain too little"."""
    if dimension.if_weak == weak(dimension.title):
        return f"“{dimension.title}” is weak"
    return dimension.if_weak.rstrip(". ")


def limits_of(question_set: QuestionSet) -> Limits:
    """The limits that the tallies of a question set are compared with."""
    scale, thresholds = question_set.scale, question_set.thresholds
    return Limits(
        lo=scale.min,
        span=scale.max - scale.min,
        fit_at=thresholds.fit_at if thresholds else 0,
        no_fit_below=thresholds.no_fit_below if thresholds else 0,
        grades=tuple(grade.at for grade in question_set.grades),
    )


def best_if_blocked(question_set: QuestionSet) -> int:
    """The index of the best grade that starts below `fit_at`; 0 without thresholds."""
    thresholds = question_set.thresholds
    return sum(grade.at >= thresholds.fit_at for grade in question_set.grades) if thresholds else 0


def used_by(question: Question) -> set[str]:
    """The names of the attributes that the conditions and the rule of a question use."""
    return {*question.ask_when, *([question.rate_from.attribute] if question.rate_from else [])}
