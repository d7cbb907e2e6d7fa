"""A question set made ready for scoring: built once per version, looked up for every score."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from operator import itemgetter
from typing import Literal, NamedTuple, cast

from app.scoring.answers import Answer, Answers, Evidence
from app.scoring.attributes import Attributes, Rule, meets
from app.scoring.effects import values_by_effect
from app.scoring.question_set import Question, QuestionSet, Scale, Step, Value
from app.scoring.reasons import gap_line, next_line, strength_line
from app.scoring.result import NextQuestion, RatedBy, Reason
from app.scoring.tally import NOTHING, Counts, Tally

# The share of a question depends on what else counts, so the number of its cached lines is limited.
MOST_LINES = 100
Given = Literal["rated", "open", "not_applicable"]


class Standing(NamedTuple):
    """Where one question that applies stands, with what it counts for and its ready lines.

    `rating` is there exactly when it is rated. A stale answer is not counted any more; `valid_until` is
    when the counted one goes stale. `strength` and `gap` are None where the rating is neither.
    """

    asked: "Asked"
    step: Step
    question: Question
    state: Given
    counts: Counts
    rating: int | None = None
    rated_by: RatedBy | None = None
    evidence: Evidence | None = None
    misses: bool = False
    strength: Reason | None = None
    gap: Reason | None = None
    answered_unknown: bool = False
    stale: bool = False
    valid_until: datetime | None = None


class Group(NamedTuple):
    """Questions that are added up together, and their sum."""

    standings: Sequence[Standing]
    tally: Tally

    def open(self) -> list[Standing]:
        """Those without a rating."""
        return [s for s in self.standings if s.state == "open"]


class Asked:
    """One question, with every way in which it can stand built once and then looked up."""

    def __init__(self, scale: Scale, step: Step, question: Question) -> None:
        self.step = step
        self.question = question
        self.key = question.key
        self.ask_when = question.ask_when
        self.rule = Rule(question.rate_from) if question.rate_from else None
        self.goes_stale = question.stale_after_days is not None
        self._to_ask: dict[tuple[float | None, bool], NextQuestion] = {}
        self._scale = scale
        weight = question.weight
        self._open = Standing(self, step, question, "open", (0, weight, 0, 0, 0, 1, 0))
        self._unknown = self._open._replace(answered_unknown=True)
        self._skipped = Standing(self, step, question, "not_applicable", (0, 0, weight, 0, 0, 0, 1))
        self._rated: dict[tuple[int, RatedBy, Evidence | None], Standing] = {}

    def stand(self, answer: Answer | None, attributes: Attributes, as_of: datetime) -> Standing:
        """A person's word goes before a rule's; unknown and stale are scored exactly as absent."""
        if answer is None:
            return self._without_answer(attributes, unknown=False)
        if self.goes_stale and answer.state in ("rated", "not_applicable"):
            return self._with_age(answer, attributes, as_of)
        if answer.rating is not None:
            return self._rate(answer.rating, "person", answer.evidence)
        if answer.state == "not_applicable":
            return self._skipped
        return self._without_answer(attributes, unknown=answer.state == "unknown")

    def line(self, weight_share: float | None, *, ask_again: bool) -> NextQuestion:
        """The line that proposes this question."""
        if len(self._to_ask) > MOST_LINES:
            self._to_ask.clear()
        known = self._to_ask.get((weight_share, ask_again))
        if known is None:
            known = self._to_ask[weight_share, ask_again] = next_line(
                self.step, self.question, weight_share, ask_again=ask_again
            )
        return known

    def is_answered(self, answer: Answer | None, as_of: datetime) -> bool:
        """Whether a person's answer counts wherever the question applies."""
        if answer is None or answer.state not in ("rated", "not_applicable"):
            return False
        return not self.goes_stale or self._valid_until(answer, as_of) > as_of

    def _valid_until(self, answer: Answer, as_of: datetime) -> datetime:
        assert self.question.stale_after_days is not None
        return (answer.answered_at or as_of) + timedelta(days=self.question.stale_after_days)

    def _with_age(self, answer: Answer, attributes: Attributes, as_of: datetime) -> Standing:
        valid_until = self._valid_until(answer, as_of)
        if valid_until <= as_of:
            return self._without_answer(attributes, unknown=False)._replace(stale=True)
        if answer.rating is None:
            return self._skipped._replace(valid_until=valid_until)
        return self._rate(answer.rating, "person", answer.evidence)._replace(valid_until=valid_until)

    def _without_answer(self, attributes: Attributes, *, unknown: bool) -> Standing:
        if self.rule:
            rating = self.rule.rate(attributes.get(self.rule.attribute))
            if rating is not None:
                return self._rate(rating, "rule", None)
        return self._unknown if unknown else self._open

    def _rate(self, rating: int, rated_by: RatedBy, evidence: Evidence | None) -> Standing:
        known = self._rated.get((rating, rated_by, evidence))
        if known is None:
            known = self._rated[rating, rated_by, evidence] = self._built(rating, rated_by, evidence)
        return known

    def _built(self, rating: int, rated_by: RatedBy, evidence: Evidence | None) -> Standing:
        question, scale = self.question, self._scale
        misses = question.must_reach is not None and rating < question.must_reach
        earned = question.weight * (rating - scale.min)
        return Standing(
            self,
            self.step,
            question,
            "rated",
            (question.weight, 0, 0, earned, 1, 0, 0),
            rating,
            rated_by,
            evidence,
            misses,
            strength_line(scale, self.step, question, rating, rated_by, misses=misses),
            gap_line(scale, self.step, question, rating, rated_by, misses=misses),
        )


class Plan:
    """A question set with the lines of its scores prepared; `name` is `key@version`."""

    def __init__(self, question_set: QuestionSet, name: str) -> None:
        scale = question_set.scale
        self.question_set = question_set
        self.name = name
        self.reciprocal = question_set.combine == "reciprocal"
        self.asked = [Asked(scale, step, q) for step in question_set.steps for q in step.questions]
        self.questions = {asked.key: asked.question for asked in self.asked}
        self.gated = {asked.key for asked in self.asked if asked.step.gated}
        self.goes_stale = any(asked.goes_stale for asked in self.asked)
        self._lo, self._span = scale.min, scale.max - scale.min
        # Where all questions apply, those of a step or a dimension stand at the same places each time.
        scored = [asked.question.dimension for asked in self.asked if not asked.step.gated]
        self._scored_count = len(scored)
        self._dimensions = [_picking(scored, dimension.key) for dimension in question_set.dimensions]
        steps = [asked.step.key for asked in self.asked]
        self._steps = [(step, _picking(steps, step.key)) for step in question_set.steps]
        # The questions whose conditions and rules use an attribute.
        self.users = {name: users for name in question_set.attributes if (users := self._users(name))}

    @property
    def version(self) -> int:
        """The number in `name`, which a draft has not."""
        return int(self.name.partition("@")[2])

    def _users(self, name: str) -> list[Asked]:
        return [asked for asked in self.asked if name in used_by(asked.question)]

    @cached_property
    def effects(self) -> dict[str, list[Value | None] | None]:
        """Of each attribute that scored questions use, the values that stand for all others."""
        types = self.question_set.attributes
        scored = {name: [a.question for a in users if not a.step.gated] for name, users in self.users.items()}
        return {name: values_by_effect(types[name], name, asked) for name, asked in scored.items() if asked}

    def means_the_same(self, other: "Plan", question: str) -> bool:
        """Whether both ask a question of that key, of the same dimension and on the same scale."""
        here, there = self.questions.get(question), other.questions.get(question)
        scales = [(plan.question_set.scale.min, plan.question_set.scale.max) for plan in (self, other)]
        return bool(here and there and here.dimension == there.dimension and scales[0] == scales[1])

    def stand(
        self,
        answers: Answers,
        attributes: Attributes,
        as_of: datetime,
        asked: Iterable[Asked] | None = None,
    ) -> list[Standing]:
        """Every question that applies to a prospect with these attributes, in the set's order.

        Of the questions `asked`, if given.
        """
        return [
            one.stand(answers.get(one.key), attributes, as_of)
            for one in (self.asked if asked is None else asked)
            if not one.ask_when or meets(one.ask_when, attributes)
        ]

    def group(self, standings: Sequence[Standing]) -> Group:
        """These questions with what they add up to."""
        counts = zip(*[s.counts for s in standings], strict=True)
        return Group(standings, self.tally(cast("Counts", tuple(map(sum, counts))) or NOTHING))

    def tally(self, counts: Counts) -> Tally:
        """Counts on the scale of this set."""
        return Tally(self._lo, self._span, counts)

    def by_dimension(self, scored: Sequence[Standing]) -> list[Group]:
        """The scored questions of every dimension, in the set's order."""
        if len(scored) == self._scored_count:
            return [self.group(pick(scored)) for pick in self._dimensions]
        groups: dict[str, list[Standing]] = {d.key: [] for d in self.question_set.dimensions}
        for standing in scored:
            groups[standing.question.dimension].append(standing)
        return [self.group(standings) for standings in groups.values()]

    def by_step(self, standings: Sequence[Standing]) -> list[tuple[Step, Group]]:
        """The questions of every step, gated ones too."""
        if len(standings) == len(self.asked):
            return [(step, self.group(pick(standings))) for step, pick in self._steps]
        groups: dict[str, list[Standing]] = {step.key: [] for step in self.question_set.steps}
        for standing in standings:
            groups[standing.step.key].append(standing)
        return [(step, self.group(groups[step.key])) for step in self.question_set.steps]

    def units(self, scored: list[Standing]) -> list[Group]:
        """What thresholds apply to: the sides of a reciprocal set, or the one pool."""
        return self.by_dimension(scored) if self.reciprocal else [self.group(scored)]


def _picking(keys: Sequence[str], wanted: str) -> Callable[[Sequence[Standing]], Sequence[Standing]]:
    """Takes those at the places where a key is the wanted one."""
    places = [place for place, key in enumerate(keys) if key == wanted]
    if len(places) < 2:
        return lambda standings: [standings[place] for place in places]
    return itemgetter(*places)


def used_by(question: Question) -> set[str]:
    """The attributes that a question's conditions and its rule use."""
    return {*question.ask_when, *([question.rate_from.attribute] if question.rate_from else [])}
