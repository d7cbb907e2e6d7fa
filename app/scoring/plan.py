"""A question set made ready for scoring: built once per version, looked up for every score."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Literal, NamedTuple

from app.scoring.answers import Answer, Answers, Evidence
from app.scoring.attributes import Attributes, Rule, meets
from app.scoring.effects import values_by_effect
from app.scoring.question_set import Question, QuestionSet, Step, Value
from app.scoring.result import RatedBy
from app.scoring.tally import Tally

Asked = tuple[Step, Question]


class Standing(NamedTuple):
    """Where one question that applies stands. `rating` is there exactly when it is rated.

    A stale answer is not counted any more; `valid_until` is when the counted one goes stale.
    """

    step: Step
    question: Question
    state: Literal["rated", "open", "not_applicable"]
    rating: int | None = None
    rated_by: RatedBy | None = None
    evidence: Evidence | None = None
    answered_unknown: bool = False
    stale: bool = False
    valid_until: datetime | None = None

    @property
    def misses(self) -> bool:
        """Whether it is rated under its `must_reach`."""
        reach = self.question.must_reach
        return reach is not None and self.rating is not None and self.rating < reach


class Group(NamedTuple):
    """Questions that are added up together, and their sum."""

    standings: list[Standing]
    tally: Tally

    def open(self) -> list[Standing]:
        """Those without a rating."""
        return [s for s in self.standings if s.state == "open"]


class Plan:
    """A question set with the lines of its scores prepared; `name` is `key@version`."""

    def __init__(self, question_set: QuestionSet, name: str) -> None:
        self.question_set = question_set
        self.name = name
        self.reciprocal = question_set.combine == "reciprocal"
        self.asked = [(s, q) for s in question_set.steps for q in s.questions]
        self.questions = {question.key: question for _, question in self.asked}
        self.gated = {question.key for step, question in self.asked if step.gated}
        self._rules = {q.key: Rule(q.rate_from) for q in self.questions.values() if q.rate_from}
        # The questions whose conditions and rules use an attribute.
        self.users = {name: users for name in question_set.attributes if (users := self._users(name))}

    @property
    def version(self) -> int:
        """The number in `name`, which a draft has not."""
        return int(self.name.partition("@")[2])

    def _users(self, name: str) -> list[Asked]:
        return [(step, question) for step, question in self.asked if name in used_by(question)]

    @cached_property
    def effects(self) -> dict[str, list[Value | None] | None]:
        """Of each attribute that scored questions use, the values that stand for all others."""
        types = self.question_set.attributes
        scored = {name: [q for step, q in users if not step.gated] for name, users in self.users.items()}
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
        asked: Sequence[Asked] | None = None,
    ) -> list[Standing]:
        """Every question that applies to a prospect with these attributes, in the set's order.

        Of the questions `asked`, if given.
        """
        return [
            _stand(step, question, answers.get(question.key), self._by_rule(question, attributes), as_of)
            for step, question in (self.asked if asked is None else asked)
            if not question.ask_when or meets(question.ask_when, attributes)
        ]

    def _by_rule(self, question: Question, attributes: Attributes) -> int | None:
        rule = self._rules.get(question.key)
        return rule.rate(attributes.get(rule.attribute)) if rule else None

    def is_answered(self, question: Question, answers: Answers, as_of: datetime) -> bool:
        """Whether a person's answer to a question counts wherever the question applies."""
        answer = answers.get(question.key)
        if answer is None or answer.state not in ("rated", "not_applicable"):
            return False
        valid_until = _goes_stale(question, answer, as_of)
        return valid_until is None or valid_until > as_of

    def units(self, scored: list[Standing]) -> list[Group]:
        """What thresholds apply to: the sides of a reciprocal set, or the one pool."""
        return self.by_dimension(scored) if self.reciprocal else [self.group(scored)]

    def group(self, standings: list[Standing]) -> Group:
        """These questions with what they add up to."""
        scale = self.question_set.scale
        rated = [(s.question.weight, s.rating) for s in standings if s.rating is not None]
        opened = [s.question.weight for s in standings if s.state == "open"]
        skipped = [s.question.weight for s in standings if s.state == "not_applicable"]
        tally = Tally(
            scale.min,
            scale.max - scale.min,
            rated_weight=sum(weight for weight, _ in rated),
            open_weight=sum(opened),
            skipped_weight=sum(skipped),
            earned=sum(weight * (rating - scale.min) for weight, rating in rated),
            rated=len(rated),
            open=len(opened),
            not_applicable=len(skipped),
        )
        return Group(standings, tally)

    def by_dimension(self, scored: list[Standing]) -> list[Group]:
        """The scored questions of every dimension, in the set's order."""
        groups: dict[str, list[Standing]] = {d.key: [] for d in self.question_set.dimensions}
        for standing in scored:
            groups[standing.question.dimension].append(standing)
        return [self.group(standings) for standings in groups.values()]

    def by_step(self, standings: list[Standing]) -> list[tuple[Step, Group]]:
        """The questions of every step, gated ones too."""
        return [
            (step, self.group([s for s in standings if s.step is step])) for step in self.question_set.steps
        ]


def used_by(question: Question) -> set[str]:
    """The attributes that a question's conditions and its rule use."""
    return {*question.ask_when, *([question.rate_from.attribute] if question.rate_from else [])}


def _stand(
    step: Step, question: Question, answer: Answer | None, by_rule: int | None, as_of: datetime
) -> Standing:
    """A person's word goes before a rule's; unknown and stale are scored exactly as absent."""
    valid_until = _goes_stale(question, answer, as_of) if answer else None
    stale = valid_until is not None and valid_until <= as_of
    if answer and not stale:
        if answer.state == "not_applicable":
            return Standing(step, question, "not_applicable", valid_until=valid_until)
        if answer.state == "rated":
            return Standing(
                step, question, "rated", answer.rating, "person", answer.evidence, valid_until=valid_until
            )
    if by_rule is not None:
        return Standing(step, question, "rated", by_rule, "rule", stale=stale)
    unknown = answer is not None and answer.state == "unknown"
    return Standing(step, question, "open", answered_unknown=unknown, stale=stale)


def _goes_stale(question: Question, answer: Answer, as_of: datetime) -> datetime | None:
    """When an answer that says something stops counting; None if never."""
    if question.stale_after_days is None or answer.state not in ("rated", "not_applicable"):
        return None
    return (answer.answered_at or as_of) + timedelta(days=question.stale_after_days)
