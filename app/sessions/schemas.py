"""Sessions in requests and responses."""

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, TypeAdapter, model_validator

from app.events.tables import EventType
from app.prospects.schemas import Link, LinkOut
from app.question_sets.schemas import ChosenBy
from app.schemas import (
    Actor,
    AttributesIn,
    Day,
    Deal,
    ExternalId,
    In,
    Line,
    Moment,
    Out,
    Prose,
    Revision,
    SetName,
    Source,
    WriteIn,
    at_most,
)
from app.scoring import (
    NAME,
    Answer,
    Blocker,
    Evidence,
    Indication,
    Leaning,
    Rating,
    Score,
    Sent,
    State,
    Verdict,
    form,
    ratings_sent,
)
from app.sessions.tables import Change, DecisionWord, OutcomeWord, SideWord, Status

MAX_ANSWERS = 500
# Room for the ten years after which an answer goes stale at the latest.
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)
Sort = Literal["newest", "ranked"]
# What a position in a list is made of, by its order.
SESSION_POSITIONS: Mapping[Sort, TypeAdapter[tuple[Any, ...]]] = {
    "newest": TypeAdapter(tuple[UUID]),
    "ranked": TypeAdapter(
        tuple[Annotated[int, Field(ge=0, le=5)], Annotated[float, Field(ge=-100, le=1)], UUID]
    ),
}


def _before_end_of_time(time: datetime) -> datetime:
    if time >= END_OF_TIME:
        raise ValueError("send a time before the year 9000")
    return time


Time = Annotated[Moment, AfterValidator(_before_end_of_time)]
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
        Field(max_length=MAX_ANSWERS, examples=[{"budget": 4, "timeline": 3}]),
        at_most(MAX_ANSWERS, "ratings"),
    ] = {}
    answers: Annotated[list[AnswerIn], Field(max_length=MAX_ANSWERS)] = []

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


class AnswerOut(Out):
    """The current answer to one question; `revision` is the session's that wrote it.

    The state open is an answer that was taken back.
    """

    question: str
    state: State
    rating: int | None
    text: str | None
    evidence: Evidence | None
    actor: str | None
    answered_at: datetime
    age_days: Annotated[int, Field(ge=0, description="whole days since it was answered")]
    carried_from: Annotated[
        UUID | None, Field(description="the earlier session that it was given in and carried over from")
    ]
    revision: int


class DecisionOut(Out):
    """A person's word, beside the figures as they stood; no later answer changes it."""

    decision: DecisionWord
    match: SideWord | None
    benefit: SideWord | None
    reason: str | None
    revisit_on: date | None
    actor: str | None
    decided_at: datetime
    revision: Annotated[int, Field(description="the revision that it was made on")]
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class OutcomeOut(Out):
    """What became of it."""

    outcome: OutcomeWord
    amount: float | None
    currency: str | None
    closed_on: date | None
    reason: str | None
    competitor: str | None
    actor: str | None
    recorded_at: datetime
    revision: Annotated[int, Field(description="the revision that it was recorded on")]


class SessionHead(Out):
    """What every view of a session begins with."""

    session_id: UUID
    prospect_id: UUID
    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    deal: str | None
    status: Status
    revision: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class SessionOut(SessionHead):
    """A qualification session with its answers and its score."""

    attributes: Annotated[dict[str, Any], Field(description="the attributes as used by the set's rules")]
    answers: list[AnswerOut]
    score: Score
    decision: Annotated[DecisionOut | None, Field(description="the last one")]
    outcome: Annotated[OutcomeOut | None, Field(description="the last one")]


class SessionOpened(SessionOut):
    """A session, and how its question set was chosen."""

    chosen_by: Annotated[
        ChosenBy,
        Field(
            description="request: it was named; for: the set is meant for such a prospect; session: none is, "
            "and one is open; default: neither"
        ),
    ]
    chosen_because: Annotated[str, Field(examples=["industry equals logistics; priority 10"])]


class SessionMoved(SessionOut):
    """A session that was moved to a newer version, and what that has no place for."""

    moved_from: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    dropped: Annotated[list[AnswerOut], Field(description="answers to questions that are gone")]


class QualifyResult(SessionOpened):
    """What `qualify` did, and the session as it is now."""

    prospect_created: bool
    session_opened: bool


class SessionSummary(SessionHead):
    """A session in a list."""

    indication: Indication | None
    settled: bool
    leaning: Annotated[Leaning | None, Field(description="the indication without the open questions")]
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    valid_until: Annotated[datetime | None, Field(description="when the first of the answers goes stale")]
    decision: DecisionWord | None
    outcome: OutcomeWord | None


class RevisionOut(Out):
    """One step of a session's history, with the verdict after it."""

    revision: int
    at: datetime
    key_name: Annotated[str, Field(description="the API key's name; prospect-fit where nobody asked for it")]
    actor: str | None
    change: Annotated[Change, Field(description="aged: answers went stale, and nobody did anything")]
    changed: Annotated[dict[str, Any], Field(description="what this step set; never an answer's text")]
    verdict: Verdict


class HistoryOut(Out):
    """All that happened to a session, oldest first."""

    session_id: UUID
    revisions: list[RevisionOut]
    decisions: list[DecisionOut]
    outcomes: list[OutcomeOut]


class SessionFilter(In):
    """Which sessions: those that match every filter given."""

    prospect_id: UUID | None = None
    deal: Deal | None = None
    status: Status | None = None
    indication: Indication | None = None
    leaning: Leaning | None = None
    decision: DecisionWord | None = None
    outcome: OutcomeWord | None = None
    question_set: Annotated[SetName | None, Field(description='"key" or "key@version"')] = None
    sort: Annotated[
        Sort, Field(description="ranked: by indication from fit down, then by lowest, nulls last")
    ] = "newest"


class FitOut(SessionSummary):
    """A prospect's fit, small enough to embed: of its open session, or else of its last."""

    summary: str
    weaker_side: str | None
    blockers: list[Blocker]


class FitQuery(In):
    """A prospect: its id, or source and external_id."""

    prospect_id: UUID | None = None
    source: Source | None = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _is_one_prospect(self) -> "FitQuery":
        linked = self.source is not None and self.external_id is not None
        partly = self.source is not None or self.external_id is not None
        if (self.prospect_id is None) != linked or partly != linked:
            raise ValueError("send either prospect_id, or source and external_id")
        return self


class FitsRequest(In):
    """The prospects to look up."""

    prospects: Annotated[list[FitQuery], Field(min_length=1, max_length=200)]
    question_set: SetName | None = None


class FitResult(Out):
    """One of the fits asked for; 404 where the prospect or its session is unknown."""

    status: Annotated[int, Field(examples=[200])]
    prospect_id: UUID | None
    source: str | None
    external_id: str | None
    fit: FitOut | None


class FitList(Out):
    items: Annotated[list[FitResult], Field(description="in the order asked")]


class EventOut(Out):
    """One thing that happened, with ids and figures; read the rest where they lead.

    An event about a session holds its figures as they stood after it.
    """

    id: Annotated[UUID, Field(description="the same whenever the event is told")]
    position: Annotated[int, Field(ge=1, description="its place in the one order of all events")]
    type: EventType
    at: datetime
    prospect_id: UUID | None
    session_id: UUID | None
    question_set: Annotated[str | None, Field(examples=["qualifying-a-sale@1"])]
    deal: Annotated[str | None, Field(description="the session's, as it is now; null once erased")]
    revision: Annotated[int | None, Field(description="of the session, or else of the prospect")]
    links: Annotated[list[LinkOut], Field(description="the prospect's, as they are now; none once erased")]
    change: Annotated[Change | None, Field(description="what happened to the session, as its history has it")]
    indication: Indication | None
    settled: bool | None
    leaning: Leaning | None
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    decision: Annotated[DecisionWord | None, Field(description="the session's last one")]
    outcome: Annotated[OutcomeWord | None, Field(description="the session's last one")]
    merged_prospect_id: Annotated[
        UUID | None, Field(description="the prospect that was merged into this one, and is gone")
    ]


class ImpactFigures(Out):
    """What a session says with the one set or the other."""

    question_set: str
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class ImpactReason(Out):
    """One thing that is different for this session; `question` is null for what is of the whole set."""

    question: str | None
    before: Annotated[str | None, Field(examples=["rated 2, weight 1"])]
    after: Annotated[str | None, Field(examples=["rated 2, weight 3, must reach 3"])]


class ImpactChange(Out):
    """A session whose indication would change, and why."""

    kind: Literal["changed"]
    session_id: UUID
    prospect_id: UUID
    status: Status
    before: ImpactFigures
    after: ImpactFigures
    why: list[ImpactReason]


class ImpactProgress(Out):
    """A sign of life in a long stream."""

    kind: Literal["progress"]
    sessions: int


class ImpactTransition(Out):
    """How many sessions would change from one indication to another."""

    before: Indication | None
    after: Indication | None
    sessions: int


class ImpactSummary(Out):
    """The last line. Without it the stream was cut off."""

    kind: Literal["summary"]
    sessions: Annotated[int, Field(description="scored again")]
    changed: int
    turns: Annotated[list[ImpactTransition], Field(description="most sessions first")]


ImpactLine = ImpactChange | ImpactProgress | ImpactSummary
