"""One question of a plan, and the states that it can be in."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from app.scoring.answers import ANSWERED, Answer, Evidence
from app.scoring.attributes import Attributes, Rule
from app.scoring.question_set import Question, QuestionSet, Scale, Step
from app.scoring.reasons import blocker_line, gap_line, next_line, strength_line
from app.scoring.result import Blocker, NextQuestion, RatedBy, Reason
from app.scoring.tally import Counts
from app.scoring.units import Layout

# A line depends on the weight of its side, which has many values: limit the number of cached lines.
MAX_CACHED_LINES = 100
ScoredState = Literal["rated", "open", "not_applicable"]
# Totals keep these groups of question states apart: by state, and whether the step is gated.
STATES: tuple[ScoredState, ...] = ("rated", "open", "not_applicable")
STATE_GROUPS = [(gated, state) for gated in (False, True) for state in STATES]


class MustReachTerms(NamedTuple):
    """The terms of a must-reach question; `points` are those of the rating that it must reach."""

    weight: int
    points: int
    is_knock_out: bool


@dataclass(frozen=True, slots=True, eq=False)
class QuestionState:
    """The state of one question that applies, with its lines for the score.

    `rating` is None unless the question is rated. `packed` are the counts that it adds to a tally, and
    `spread` are the same counts in the places of its dimension and its step. `group` is an index of
    `STATE_GROUPS`. `misses` says that the rating is below `must_reach`; `unreached`, that no rating reaches
    it; `is_answer`, that a person's answer counts; `stale`, that one is too old to count.
    """

    asked: "PlannedQuestion"
    step: Step
    question: Question
    state: ScoredState
    packed: int
    spread: int
    group: int
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


def unknown_last(opened: list[QuestionState]) -> list[QuestionState]:
    """The states of open questions in the same order, but those answered unknown at the end."""
    unknown = [s for s in opened if s.answered_unknown]
    return [s for s in opened if not s.answered_unknown] + unknown if unknown else opened


class PlannedQuestion:
    """One question with its possible states; each state is built once and then looked up.

    `in_step` and `in_unit` are the indexes of its step and unit. A question of a gated step has no unit: its
    index is the one after the last unit. `matters` says that the question can change the score or the
    indication. `open` is its state with neither an answer nor a rating by the rule. `by_answer` are the
    states that `evaluate` has found and that depend on the answer alone.
    """

    __slots__ = (
        "_in_groups",
        "_layout",
        "_next_lines",
        "_not_applicable",
        "_rated",
        "_stale",
        "_unknown",
        "ask_when",
        "by_answer",
        "by_rating",
        "gated",
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

    def __init__(self, question_set: QuestionSet, layout: Layout, in_step: int, question: Question) -> None:
        self.step = step = question_set.steps[in_step]
        self.question = question
        self.key = question.key
        self.label = question.label
        self.weight = question.weight
        self.must_reach = _terms(question_set.scale, question)
        self.matters = question.weight > 0 or self.must_reach is not None
        self.is_knock_out = question.if_missed == "no_fit"
        self.gated = step.gated
        self.in_step = in_step
        keys = [dimension.key for dimension in question_set.dimensions]
        in_dimension = len(keys) if step.gated else keys.index(question.dimension)
        self.in_unit = in_dimension if layout.reciprocal else 0
        self._layout = layout
        self._in_groups = [len(keys) + in_step, *([] if step.gated else [in_dimension])]
        self.ask_when = question.ask_when
        self.rule = Rule(question.rate_from) if question.rate_from else None
        days = question.stale_after_days
        self.stale_after = None if days is None else timedelta(days=days)
        unreached = self.must_reach is not None
        self.open = self.in_state("open", Counts(open_weight=self.weight, open=1), unreached=unreached)
        self._unknown = replace(self.open, answered_unknown=True)
        self._stale = replace(self.open, stale=True)
        self._not_applicable = self.in_state(
            "not_applicable",
            Counts(skipped_weight=self.weight, not_applicable=1),
            unreached=unreached,
            blocker=blocker_line(question, None, []),
            is_answer=True,
        )
        self._rated = _RatedStates(self, question_set.scale)
        self.by_rating = _StatesByRating(self._rated, question_set.scale)
        self._next_lines: dict[tuple[int, bool], NextQuestion] = {}
        self.by_answer: dict[Answer | None, QuestionState] = {}

    def in_state(self, state: ScoredState, counts: Counts, **fields: Any) -> QuestionState:
        """This question in a state with these counts and further fields."""
        packed = counts.packed(self._layout.limits.bits)
        spread = self._layout.spread(packed, self._in_groups)
        group = STATE_GROUPS.index((self.gated, state))
        return QuestionState(self, self.step, self.question, state, packed, spread, group, **fields)

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

    def line(self, weight: int, *, ask_again: bool) -> NextQuestion:
        """The line that proposes this question; `weight` is that of all questions that count on its side."""
        line = self._next_lines.get((weight, ask_again))
        if line is None:
            if len(self._next_lines) > MAX_CACHED_LINES:
                self._next_lines.clear()
            share = 100 * self.weight / weight if weight else None
            line = next_line(self.step, self.question, share, ask_again=ask_again)
            self._next_lines[weight, ask_again] = line
        return line

    def is_answered(self, answer: Answer | None, as_of: datetime) -> bool:
        """Whether a person's answer counts if the question applies."""
        if answer is None or answer.state not in ANSWERED:
            return False
        return self.stale_after is None or self.valid_until(answer, as_of) > as_of

    def valid_until(self, answer: Answer | None, as_of: datetime) -> datetime:
        """The time at which an answer goes stale; only for a question with `stale_after_days`."""
        assert self.stale_after is not None
        return ((answer and answer.answered_at) or as_of) + self.stale_after

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


class _StatesByRating(dict[int, QuestionState]):
    """The states of a question that a person rated without evidence, by rating. KeyError off the scale."""

    def __init__(self, rated: "_RatedStates", scale: Scale) -> None:
        self._rated = rated
        self._scale = scale

    def __missing__(self, rating: int) -> QuestionState:
        if not self._scale.min <= rating <= self._scale.max:
            raise KeyError(rating)
        question_state = self[rating] = self._rated[rating, "person", None]
        return question_state


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
        question_state = self[rated] = asked.in_state(
            "rated",
            Counts(rated_weight=weight, earned=weight * (rating - scale.min), rated=1),
            rating=rating,
            rated_by=rated_by,
            evidence=evidence,
            misses=misses,
            unreached=misses,
            strength=strength,
            gap=gap,
            blocker=blocker_line(question, rating, gap["anchors"]) if misses and gap else None,
            is_answer=rated_by == "person",
        )
        return question_state
