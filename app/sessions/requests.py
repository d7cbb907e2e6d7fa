"""What callers send about sessions."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.prospects.wire import Link
from app.scoring import NAME, Answer, Evidence, Rating, Sent, State, form, ratings_sent
from app.sessions.tables import DecisionWord, OutcomeWord, SideWord
from app.wire import (
    Actor,
    AttributesIn,
    Day,
    Deal,
    ExternalId,
    In,
    Line,
    Moment,
    Prose,
    Revision,
    SetName,
    Source,
    WriteIn,
    at_most,
)

MOST_ANSWERS = 500
# Room for the ten years after which an answer goes stale at the latest.
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)


def _in_time(time: datetime) -> datetime:
    if time >= END_OF_TIME:
        raise ValueError("send a time before the year 9000")
    return time


Time = Annotated[Moment, AfterValidator(_in_time)]
QuestionKey = Annotated[str, Field(strict=True, max_length=48)]
# What the amount is in; amounts in different currencies, or in none, are never added up.
Currency = Annotated[
    str,
    StringConstraints(strict=True, pattern=form(r"^[A-Z]{3}$", "send an ISO 4217 code: EUR")),
    Field(examples=["EUR"]),
]
OutcomeReason = Annotated[str, StringConstraints(strict=True, pattern=NAME), Field(examples=["price"])]
ChosenSet = Annotated[
    SetName | None,
    Field(
        description='"key" for the newest version, or "key@version"; without it the set is chosen that is '
        "meant for such a prospect, or else the default of the service"
    ),
]
CarryOver = Annotated[
    bool,
    Field(strict=True, description="start a new session from the answers of the prospect's last one"),
]


class AnswerIn(In):
    """One answer: a rating, or the state not_applicable (its text says why), unknown or open.

    Open takes an answer back. An answer's text and evidence stay as long as its rating does, unless
    new ones are sent.
    """

    question: QuestionKey
    state: Annotated[State | None, Field(description="may be left out beside a rating")] = None
    rating: Rating | None = None
    text: Prose | None = None
    evidence: Evidence | None = None
    answered_at: Annotated[Time | None, Field(description="when it was answered, if not now")] = None
    actor: Actor | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "AnswerIn":
        if self.state is None and self.rating is None:
            raise ValueError("send a rating, or the state not_applicable, unknown or open")
        if self.state == "open" and (self.text is not None or self.evidence is not None):
            raise ValueError("an answer that is taken back has no text and no evidence")
        return self

    def as_answer(self) -> Answer:
        """What scoring takes of it."""
        return Answer(self.state or "rated", self.rating, self.answered_at, self.evidence)


class AnswersIn(In):
    """Answers as a map of ratings (handy in curl), as a list (handy in typed clients), or both."""

    ratings: Annotated[
        dict[QuestionKey, Rating],
        Field(max_length=MOST_ANSWERS, examples=[{"budget": 4, "timeline": 3}]),
        at_most(MOST_ANSWERS, "ratings"),
    ] = {}
    answers: Annotated[list[AnswerIn], Field(max_length=MOST_ANSWERS)] = []

    def sent(self) -> Iterator[Sent]:
        """Every answer as `read_answers` takes it."""
        yield from ratings_sent(self.ratings)
        for index, answer in enumerate(self.answers):
            yield Sent(f"/answers/{index}", answer.question, answer.as_answer(), item=True)

    def details(self) -> dict[str, AnswerIn]:
        """The answers with all they say, by question."""
        of_ratings = {key: AnswerIn(question=key, rating=r) for key, r in self.ratings.items()}
        return of_ratings | {answer.question: answer for answer in self.answers}


class ScoreRequest(AnswersIn):
    """Answers to score; nothing is stored."""

    question_set: SetName | None = None
    attributes: AttributesIn = {}
    as_of: Annotated[Time | None, Field(description="the time to count answers' ages to, if not now")] = None


class NewSession(AnswersIn, WriteIn):
    """A session to open for a prospect, with its first answers if there are any."""

    prospect_id: UUID
    question_set: ChosenSet = None
    deal: Deal | None = None
    carry_over: CarryOver = False
    actor: Actor | None = None


class MoveRequest(WriteIn):
    """The version to move an open session to: a newer one of the same question set."""

    question_set: Annotated[SetName, Field(description='"key" for the newest version, or "key@version"')]
    revision: Annotated[
        Revision | None, Field(description="refuse to move a session that has changed since")
    ] = None
    actor: Actor | None = None


class AnswersPatch(AnswersIn, WriteIn):
    """Answers to record; questions that are not sent stay as they are."""

    revision: Annotated[
        Revision | None,
        Field(description="refuse to overwrite an answer that is newer than this revision of the session"),
    ] = None
    actor: Actor | None = None


class DecisionIn(In):
    """A person's word on a session."""

    decision: Annotated[DecisionWord, Field(description="disqualify closes the session")]
    match: Annotated[SideWord | None, Field(description="is our offer right for them?")] = None
    benefit: Annotated[SideWord | None, Field(description="would they benefit?")] = None
    reason: Prose | None = None
    revisit_on: Day | None = None
    actor: Actor | None = None


class NewDecision(DecisionIn, WriteIn):
    """A person's word on the revision they saw."""

    revision: Annotated[Revision | None, Field(description="or as If-Match; one of them is needed")] = None


class OutcomeIn(In):
    """What became of it. It closes the session; sent again it corrects the one before."""

    outcome: OutcomeWord
    amount: Annotated[float | None, Field(strict=True, allow_inf_nan=False, ge=0)] = None
    currency: Currency | None = None
    closed_on: Day | None = None
    reason: Annotated[OutcomeReason | None, Field(description="why, as a word to count by")] = None
    competitor: Annotated[Line | None, Field(description="who won it, or whom it was won from")] = None
    actor: Actor | None = None


# What an outcome says; two that say the same are the same.
OUTCOME_FACTS = frozenset(OutcomeIn.model_fields) - {"actor"}


class NewOutcome(OutcomeIn, WriteIn):
    """An outcome to record."""


class QualifyRequest(AnswersIn, WriteIn):
    """All a CRM knows, in one call."""

    source: Source
    external_id: ExternalId
    name: Line | None = None
    attributes: AttributesIn = {}
    question_set: ChosenSet = None
    deal: Deal | None = None
    carry_over: CarryOver = False
    decision: DecisionIn | None = None
    outcome: OutcomeIn | None = None
    actor: Actor | None = None

    @property
    def link(self) -> Link:
        """How the CRM knows the prospect."""
        return Link(source=self.source, external_id=self.external_id)

    @property
    def only_concludes(self) -> bool:
        """Whether it brings a decision or an outcome, and no answers."""
        return not (self.ratings or self.answers) and bool(self.decision or self.outcome)

    @property
    def begins_anew(self) -> bool:
        """Whether it brings something that a new session could begin with."""
        return bool(self.ratings or self.answers or self.carry_over)
