"""A question set made ready for scoring: built once per version, looked up for every score."""

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from app.scoring.answers import Answer, Answers, Evidence
from app.scoring.attributes import Attributes, meets, rating_by_rule
from app.scoring.effects import values_by_effect
from app.scoring.question_set import Question, QuestionSet, Step
from app.scoring.result import RatedBy
from app.scoring.tally import Tally


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
        self._gated = {question.key for step, question in self.asked if step.gated}
        # The questions whose conditions and rules use an attribute, and its values by their effect.
        self.users = {name: users for name in question_set.attributes if (users := self._users(name))}
        self.effects = {
            name: values_by_effect(
                question_set.attributes[name], name, [q for q in users if not self.is_gated(q)]
            )
            for name, users in self.users.items()
        }

    @property
    def version(self) -> int:
        """The number in `name`, which a draft has not."""
        return int(self.name.partition("@")[2])

    def is_gated(self, question: Question) -> bool:
        """Whether a question comes after the decision to pursue and is not scored."""
        return question.key in self._gated

    def _users(self, name: str) -> list[Question]:
        return [
            question
            for _, question in self.asked
            if name in question.ask_when or (question.rate_from and question.rate_from.attribute == name)
        ]

    def means_the_same(self, other: "Plan", question: str) -> bool:
        """Whether both ask a question of that key, of the same dimension and on the same scale."""
        here, there = self.questions.get(question), other.questions.get(question)
        scales = [(plan.question_set.scale.min, plan.question_set.scale.max) for plan in (self, other)]
        return bool(here and there and here.dimension == there.dimension and scales[0] == scales[1])

    def stand(self, answers: Answers, attributes: Attributes, as_of: datetime) -> list[Standing]:
        """Every question that applies to a prospect with these attributes, in the set's order."""
        return [
            _stand(step, question, answers.get(question.key), attributes, as_of)
            for step, question in self.asked
            if not question.ask_when or meets(question.ask_when, attributes)
        ]

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


def _stand(
    step: Step, question: Question, answer: Answer | None, attributes: Attributes, as_of: datetime
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
    if question.rate_from:
        rating = rating_by_rule(question.rate_from, attributes)
        if rating is not None:
            return Standing(step, question, "rated", rating, "rule", stale=stale)
    unknown = answer is not None and answer.state == "unknown"
    return Standing(step, question, "open", answered_unknown=unknown, stale=stale)


def _goes_stale(question: Question, answer: Answer, as_of: datetime) -> datetime | None:
    """When an answer that says something stops counting; None if never."""
    if question.stale_after_days is None or answer.state not in ("rated", "not_applicable"):
        return None
    return (answer.answered_at or as_of) + timedelta(days=question.stale_after_days)
