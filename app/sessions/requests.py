"""Requests that change a session or are scored: answers, decisions and outcomes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from app.prospects.schemas import Link, ProspectChange
from app.schemas import (
    Actor,
    Assessor,
    AttributesIn,
    Day,
    Deal,
    ExternalId,
    In,
    Line,
    Moment,
    Prose,
    Revision,
    Schema,
    SetName,
    Source,
    WriteIn,
    at_most,
    excluding,
    filled,
    neither,
)
from app.scoring import (
    NAME,
    Answer,
    Evidence,
    Rating,
    Sent,
    State,
    form,
    ratings_sent,
)
from app.sessions.tables import DecisionWord, OutcomeWord, SideWord

MAX_ANSWERS = 500
# Times have to be before this one. An answer goes stale after at most ten years, and that time has to fit
# into a datetime, which ends with the year 9999.
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)


def _before_end_of_time(time: datetime) -> datetime:
    if time >= END_OF_TIME:
        raise ValueError("send a time before the year 9000")
    return time


Time = Annotated[Moment, AfterValidator(_before_end_of_time)]
# A key that does not have this pattern is unknown to every question set.
QuestionKey = Annotated[str, Field(strict=True, max_length=48, json_schema_extra={"pattern": NAME})]
# The currency of an amount. Amounts in different currencies, or without one, are never added up.
Currency = Annotated[
    str,
    StringConstraints(strict=True, pattern=form(r"^[A-Z]{3}$", "send an ISO 4217 code, such as EUR")),
    Field(examples=["EUR"]),
]
OutcomeReason = Annotated[str, StringConstraints(strict=True, pattern=NAME), Field(examples=["price"])]
ChosenSet = Annotated[
    SetName | None,
    Field(
        description='"key" for the newest version, or "key@version"; without it, the service uses the set '
        "that is meant for such a prospect, or else its default set"
    ),
]
OpenedOn = Annotated[
    Day | None,
    Field(
        description="the day on which the session was opened, if it was in the past; it has no effect on a "
        "session that is open already"
    ),
]
CarryOver = Annotated[
    bool,
    Field(
        strict=True,
        description="start a new session with the answers of the assessor's last session on the prospect",
    ),
]
NOT_RATED: tuple[State, ...] = ("not_applicable", "unknown", "open")


def _state_is(*states: State) -> Schema:
    return {"required": ["state"], "properties": {"state": {"enum": [*states]}}}


class AnswerIn(In):
    """One answer: a rating, or the state not_applicable (with a text that says why), unknown or open.

    The state open withdraws an answer. If the rating stays the same, its text and evidence are kept,
    unless new ones are sent.
    """

    model_config = ConfigDict(
        json_schema_extra=excluding(
            neither(_state_is(*NOT_RATED), filled("rating")),
            {"allOf": [_state_is(*NOT_RATED), filled("rating")]},
            {"allOf": [_state_is("open"), {"anyOf": [filled("text"), filled("evidence")]}]},
        )
    )

    question: QuestionKey
    state: Annotated[State | None, Field(description="can be left out if there is a rating")] = None
    rating: Rating | None = None
    text: Prose | None = None
    evidence: Evidence | None = None
    answered_at: Annotated[Time | None, Field(description="when the answer was given, if not now")] = None
    actor: Actor | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> "AnswerIn":
        if self.state is None and self.rating is None:
            raise ValueError("send a rating, or the state not_applicable, unknown or open")
        if self.state == "open" and (self.text is not None or self.evidence is not None):
            raise ValueError("leave out text and evidence: the state open withdraws the answer")
        return self

    def as_answer(self) -> Answer:
        """Return the answer as scoring takes it."""
        return Answer(self.state or "rated", self.rating, self.answered_at, self.evidence)


class AnswersIn(In):
    """Answers as a map of ratings (convenient in curl), as a list (convenient in typed clients), or both."""

    ratings: Annotated[
        dict[QuestionKey, Rating],
        Field(max_length=MAX_ANSWERS, examples=[{"budget": 4, "timeline": 3}]),
        at_most(MAX_ANSWERS, "ratings"),
    ] = {}
    answers: Annotated[list[AnswerIn], Field(max_length=MAX_ANSWERS)] = []

    def sent(self) -> Iterator[Sent]:
        """Yield every answer as `read_answers` takes it."""
        yield from ratings_sent(self.ratings)
        for index, answer in enumerate(self.answers):
            yield Sent(f"/answers/{index}", answer.question, answer.as_answer(), item=True)

    def answers_by_question(self) -> dict[str, AnswerIn]:
        """Return all answers with all their fields, by question."""
        from_ratings = {key: _rated(key, rating) for key, rating in self.ratings.items()}
        return from_ratings | {answer.question: answer for answer in self.answers}


@lru_cache(maxsize=10_000)
def _rated(question: str, rating: int) -> AnswerIn:
    """Return a shared answer, whose key and rating are validated already: it is immutable."""
    return AnswerIn.model_construct(question=question, rating=rating)


class ScoreRequest(AnswersIn):
    """Answers to score; nothing is stored."""

    question_set: SetName | None = None
    attributes: AttributesIn = {}
    as_of: Annotated[
        Time | None, Field(description="the time at which the age of the answers is measured, if not now")
    ] = None


@dataclass(frozen=True, slots=True)
class SessionIdentity:
    """What identifies a session of a prospect on a question set. A field is '' if it has no value."""

    deal: str
    assessor: str

    @classmethod
    def named(cls, deal: str | None, assessor: str | None) -> "SessionIdentity":
        """Return the identity of a request, in which a field that is not sent is None."""
        return cls(deal or "", assessor or "")


class NewSession(AnswersIn, WriteIn):
    """A session to open for a prospect, with its first answers if you have any."""

    prospect_id: UUID
    question_set: ChosenSet = None
    deal: Deal | None = None
    assessor: Assessor | None = None
    opened_on: OpenedOn = None
    carry_over: CarryOver = False
    actor: Actor | None = None

    @property
    def identity(self) -> SessionIdentity:
        """The deal and the assessor of the session."""
        return SessionIdentity.named(self.deal, self.assessor)


class MoveRequest(WriteIn):
    """The version to move an open session to: a newer one of the same question set."""

    question_set: Annotated[SetName, Field(description='"key" for the newest version, or "key@version"')]
    revision: Annotated[
        Revision | None, Field(description="the move is refused if the session has a newer revision")
    ] = None
    actor: Actor | None = None


class AnswersPatch(AnswersIn, WriteIn):
    """Answers to record. Questions that are not sent keep their answers."""

    revision: Annotated[
        Revision | None,
        Field(
            description="the request is refused if it would overwrite an answer that is newer than this "
            "revision of the session"
        ),
    ] = None
    actor: Actor | None = None


class DecisionIn(In):
    """What a person decides about a session. It needs an `actor`, or an API key that belongs to a person."""

    decision: Annotated[DecisionWord, Field(description="disqualify closes the session")]
    match: Annotated[SideWord | None, Field(description="is our offer right for them?")] = None
    benefit: Annotated[SideWord | None, Field(description="would they benefit?")] = None
    reason: Prose | None = None
    revisit_on: Day | None = None
    actor: Actor | None = None


class NewDecision(DecisionIn, WriteIn):
    """What a person decides about a session, based on the revision that they saw."""

    revision: Annotated[
        Revision | None, Field(description="the revision that the person saw; required, here or as If-Match")
    ] = None


class OutcomeIn(In):
    """What happened in the end. It closes the session. A later outcome corrects the earlier one."""

    outcome: OutcomeWord
    amount: Annotated[float | None, Field(strict=True, allow_inf_nan=False, ge=0)] = None
    currency: Currency | None = None
    closed_on: Day | None = None
    reason: Annotated[
        OutcomeReason | None, Field(description="the reason as one keyword, by which outcomes can be grouped")
    ] = None
    competitor: Annotated[Line | None, Field(description="who won the deal, or who lost it to you")] = None
    actor: Actor | None = None


# The content of an outcome. Two outcomes are the same if they are equal in these fields.
OUTCOME_FIELDS = frozenset(OutcomeIn.model_fields) - {"actor"}


class NewOutcome(OutcomeIn, WriteIn):
    """An outcome to record."""


class QualifyRequest(AnswersIn, WriteIn):
    """Everything that a CRM knows about a prospect, in one call.

    A value that the link repeats changes nothing.
    """

    source: Source
    external_id: ExternalId
    name: Line | None = None
    attributes: AttributesIn = {}
    question_set: ChosenSet = None
    deal: Deal | None = None
    assessor: Assessor | None = None
    opened_on: OpenedOn = None
    carry_over: CarryOver = False
    decision: DecisionIn | None = None
    outcome: OutcomeIn | None = None
    actor: Actor | None = None

    @property
    def link(self) -> Link:
        """The link of the prospect. Its fields are already validated."""
        return Link.model_construct(source=self.source, external_id=self.external_id)

    @property
    def change(self) -> ProspectChange:
        """What to change in the prospect. The fields are already validated."""
        sent = self.model_fields_set & {"name", "attributes"}
        return ProspectChange.model_construct(sent, **{name: getattr(self, name) for name in sent})

    @property
    def identity(self) -> SessionIdentity:
        """The deal and the assessor of the session."""
        return SessionIdentity.named(self.deal, self.assessor)

    @property
    def only_concludes(self) -> bool:
        """Whether the request has a decision or an outcome, and no answers."""
        return self.concludes and not (self.ratings or self.answers)

    @property
    def concludes(self) -> bool:
        """Whether the request has a decision or an outcome."""
        return bool(self.decision or self.outcome)


class ClearingRequest(QualifyRequest):
    """A request of a source that can also clear answers, which `POST /v1/qualify` cannot.

    Its value aliases are translated already. `cleared` withdraws those answers that the link
    itself has given.
    """

    cleared: list[AnswerIn] = []
