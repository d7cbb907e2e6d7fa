"""Sessions in requests and responses."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    model_validator,
)

from app.events.tables import EventType
from app.prospects.schemas import Link, LinkOut
from app.question_sets.schemas import ChosenBy
from app.schemas import (
    MAX_LINE_LENGTH,
    Actor,
    Assessor,
    AttributesIn,
    Day,
    Deal,
    ExternalId,
    In,
    Line,
    Moment,
    Out,
    ProblemOut,
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
    Blocker,
    Evidence,
    Indication,
    Leaning,
    RatedBy,
    Rating,
    Score,
    ScoredState,
    Sent,
    State,
    Subject,
    Verdict,
    form,
    ratings_sent,
)
from app.sessions.tables import Change, DecisionWord, OutcomeWord, SideWord, Status

MAX_ANSWERS = 500
# Times have to be before this one. An answer goes stale after at most ten years, and that time has to fit
# into a datetime, which ends with the year 9999.
END_OF_TIME = datetime(9000, 1, 1, tzinfo=UTC)
Sort = Literal["newest", "ranked", "revisit_on", "updated_at", "name"]
# Folding the case of a name makes at most three characters of one.
MAX_SEARCHABLE_LENGTH = 3 * MAX_LINE_LENGTH
# The type of a position in the list of sessions, for each order.
SESSION_POSITIONS: Mapping[Sort, TypeAdapter[tuple[Any, ...]]] = {
    "newest": TypeAdapter(tuple[UUID]),
    "ranked": TypeAdapter(
        tuple[Annotated[int, Field(ge=0, le=5)], Annotated[float, Field(ge=-100, le=1)], UUID]
    ),
    "revisit_on": TypeAdapter(tuple[date, UUID]),
    "updated_at": TypeAdapter(tuple[AwareDatetime, UUID]),
    "name": TypeAdapter(tuple[Annotated[str, Field(max_length=MAX_SEARCHABLE_LENGTH)], UUID, UUID]),
}


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
# The default of a filter is not a value, because it depends on whether a question set is named.
AskedSubject = Annotated[
    Subject | None,
    Field(
        description="what the question sets ask about; by default prospect, or the subject of the "
        "`question_set` that is sent"
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
            raise ValueError("leave out text and evidence: the state open takes the answer back")
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
        """The link of the prospect in the CRM."""
        return Link(source=self.source, external_id=self.external_id)

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


class AnswerOut(Out):
    """The current answer to one question. `revision` is the revision of the session that recorded it.

    The state open means that the answer was withdrawn.
    """

    question: str
    state: State
    rating: int | None
    text: str | None
    evidence: Evidence | None
    actor: str | None
    answered_at: datetime
    age_days: Annotated[int, Field(ge=0, description="whole days since the answer was given")]
    carried_from: Annotated[
        UUID | None, Field(description="the earlier session that the answer was carried over from")
    ]
    revision: int


class DecisionOut(Out):
    """What a person decided, with the figures at that time. Later answers do not change it."""

    decision: DecisionWord
    match: SideWord | None
    benefit: SideWord | None
    reason: str | None
    revisit_on: date | None
    actor: str
    decided_at: datetime
    revision: Annotated[int, Field(description="the revision that the decision was made on")]
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class OutcomeOut(Out):
    """What happened in the end."""

    outcome: OutcomeWord
    amount: float | None
    currency: str | None
    closed_on: date | None
    reason: str | None
    competitor: str | None
    hindsight: Annotated[
        bool,
        Field(
            description="whether the request that recorded the first outcome also brought the ratings: "
            "whoever gave them knew how the deal ended"
        ),
    ]
    actor: str | None
    recorded_at: datetime
    revision: Annotated[int, Field(description="the revision that the outcome was recorded on")]


class SessionHead(Out):
    """The fields that every representation of a session has."""

    session_id: UUID
    prospect_id: UUID
    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    deal: str | None
    assessor: Annotated[str | None, Field(description="the person who gave the ratings, if named")]
    status: Status
    revision: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class SessionOut(SessionHead):
    """A qualification session with its answers and its score."""

    attributes: Annotated[
        dict[str, Any], Field(description="the attributes as the rules of the question set use them")
    ]
    answers: list[AnswerOut]
    score: Score
    decision: Annotated[DecisionOut | None, Field(description="the last decision")]
    outcome: Annotated[OutcomeOut | None, Field(description="the last outcome")]


class SessionOpened(SessionOut):
    """A session, and how its question set was chosen."""

    chosen_by: Annotated[
        ChosenBy,
        Field(
            description="request: the request names the set; for: the set is meant for such a prospect; "
            "session: it is the set of the only open session of the deal and the assessor; default: it is "
            "the default set of the service"
        ),
    ]
    chosen_because: Annotated[str, Field(examples=["industry equals logistics; priority 10"])]


class SessionMoved(SessionOut):
    """A session that was moved to a newer version of its question set, and the answers that it lost."""

    moved_from: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    dropped: Annotated[
        list[AnswerOut], Field(description="answers to questions that the newer version lacks")
    ]


class QualifyResult(SessionOpened):
    """What the call created, and the session as it is now."""

    prospect_created: bool
    session_opened: bool


class SessionSummary(SessionHead):
    """The figures of a session, and what happened to it last."""

    subject: Annotated[Subject, Field(description="what the question set asks about")]
    indication: Indication | None
    settled: bool
    leaning: Annotated[Leaning | None, Field(description="the indication without the open questions")]
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    valid_until: Annotated[datetime | None, Field(description="when the next answer goes stale")]
    former_indication: Annotated[
        Indication | None, Field(description="the indication before it last changed")
    ]
    indication_changed_at: Annotated[
        datetime | None, Field(description="null if the indication never changed")
    ]
    answered_at: Annotated[datetime | None, Field(description="when the last answer was given")]
    answered_by: Annotated[str | None, Field(description="the actor of the last answer")]
    decision: DecisionWord | None
    revisit_on: Annotated[date | None, Field(description="from the last decision")]
    outcome: OutcomeWord | None


class VerdictBefore(Out):
    """The figures of a session before it changed."""

    indication: Indication | None
    settled: bool
    leaning: Leaning | None
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    blockers: Annotated[list[str], Field(description="keys of questions")]


class SessionChanges(Out):
    """What changed in a session at or after `changes_since`. Its other fields are the figures now."""

    before: Annotated[
        VerdictBefore | None, Field(description="as of `changes_since`; null if the session is newer")
    ]
    decision: Annotated[DecisionWord | None, Field(description="the last decision, if made since then")]
    decided_by: str | None
    outcome: Annotated[OutcomeWord | None, Field(description="the last outcome, if recorded since then")]


class SessionLine(SessionSummary):
    """A session in a list, with its prospect."""

    name: Annotated[str | None, Field(description="the current name of the prospect")]
    links: list[LinkOut]
    summary: str
    blockers: Annotated[
        list[str], Field(description="the keys of the must-reach questions that prevent a fit now")
    ]
    amount: Annotated[float | None, Field(description="from the last outcome")]
    currency: str | None
    changes: Annotated[
        SessionChanges | None, Field(description="null without `changes_since`, and if nothing changed")
    ]


class RevisionOut(Out):
    """One change of a session, with the verdict after it."""

    revision: int
    at: datetime
    key_name: Annotated[
        str, Field(description="the name of the API key, or prospect-fit for a change without a request")
    ]
    actor: str | None
    change: Annotated[
        Change,
        Field(
            description="aged means that answers went stale, without a request; late means that the "
            "request had answers that are older than the stored ones"
        ),
    ]
    changed: Annotated[dict[str, Any], Field(description="what changed, without the texts of answers")]
    verdict: Verdict


class HistoryOut(Out):
    """The history of a session, oldest first."""

    session_id: UUID
    revisions: list[RevisionOut]
    decisions: list[DecisionOut]
    outcomes: list[OutcomeOut]


class SessionFilter(In):
    """The sessions to list: those that match every filter."""

    prospect_id: UUID | None = None
    deal: Deal | None = None
    assessor: Assessor | None = None
    status: Status | None = None
    indication: Indication | None = None
    leaning: Leaning | None = None
    decision: DecisionWord | None = None
    outcome: OutcomeWord | None = None
    question_set: Annotated[SetName | None, Field(description='"key" or "key@version"')] = None
    subject: AskedSubject = None
    has_blocker: Annotated[
        bool | None, Field(description="whether a must-reach question prevents a fit now")
    ] = None
    actor: Annotated[Actor | None, Field(description="the actor of the last answer")] = None
    revisit_before: Annotated[Day | None, Field(description="the day to revisit is before this day")] = None
    changed_since: Annotated[Moment | None, Field(description="changed at or after this time")] = None
    indication_changed_since: Annotated[
        Moment | None,
        Field(description="the indication changed at or after this time; `former_indication` shows it"),
    ] = None
    sort: Annotated[
        Sort,
        Field(
            description="newest: opened last, first; ranked: by indication, fit first, and then by lowest in "
            "descending order, nulls last; revisit_on: earliest first, nulls last; updated_at: changed last, "
            "first; name: by the current name of the prospect, in any case, without a name first"
        ),
    ] = "newest"


class SessionListFilter(SessionFilter):
    """The sessions to list, and what to show of them."""

    changes_since: Annotated[
        Moment | None,
        Field(
            description="also return what changed in each session at or after this time, as `changes`; this "
            "leaves out no session, and `changed_since` does"
        ),
    ] = None


class FitOut(SessionSummary):
    """The fit of a prospect, small enough to embed, from its newest open session or else its last one."""

    summary: str
    weaker_side: str | None
    blockers: list[Blocker]


class ComparisonQuery(In):
    """Which sessions of a prospect to compare."""

    question_set: Annotated[
        SetName | None,
        Field(description='"key" or "key@version"; without it, the set of the newest session'),
    ] = None
    deal: Annotated[
        Deal | None, Field(description="only for this deal; without it, that of the newest session")
    ] = None
    subject: AskedSubject = None


class AssessorRating(Out):
    """How one session counts a question. `rated_by` is null if it is not rated."""

    assessor: str | None
    session_id: UUID
    state: ScoredState
    rating: int | None
    rated_by: RatedBy | None


class ComparedQuestion(Out):
    """One question with the rating of each assessor whom it applies to."""

    question: str
    label: str
    text: str
    spread: Annotated[
        int | None, Field(ge=0, description="highest minus lowest rating; null with fewer than two ratings")
    ]
    ratings: list[AssessorRating]


class ComparisonOut(Out):
    """What each assessor says about a prospect: one session of each, on one question set and one deal."""

    prospect_id: UUID
    question_set: Annotated[str, Field(description="the key of the set", examples=["qualifying-a-sale"])]
    deal: str | None
    assessors: Annotated[list[FitOut], Field(description="the verdict of each assessor, in order of name")]
    questions: Annotated[list[ComparedQuestion], Field(description="widest spread first")]


class FitQuery(In):
    """One prospect, by its id or by source and external_id."""

    model_config = ConfigDict(
        json_schema_extra=excluding(
            neither(filled("prospect_id"), filled("source", "external_id")),
            {"allOf": [filled("prospect_id"), {"anyOf": [filled("source"), filled("external_id")]}]},
        )
    )

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
    question_set: Annotated[
        SetName | None,
        Field(description="only for this question set: key (any version) or key@version"),
    ] = None
    deal: Annotated[Deal | None, Field(description="only for this deal")] = None
    assessor: Annotated[Assessor | None, Field(description="only of this assessor")] = None


class EventOut(Out):
    """One entry of the change feed, with ids and figures. Use the ids to read the rest.

    An event about a session has the figures of the session after the event.
    """

    id: Annotated[UUID, Field(description="the same every time the event is read or delivered")]
    position: Annotated[int, Field(ge=1, description="its place in the order of all events")]
    type: EventType
    at: datetime
    silent: Annotated[
        bool,
        Field(description="whether webhooks skip the event, because an import or a move recorded it"),
    ]
    prospect_id: UUID | None
    session_id: UUID | None
    question_set: Annotated[str | None, Field(examples=["qualifying-a-sale@1"])]
    deal: Annotated[
        str | None, Field(description="the current deal of the session; null after it was erased")
    ]
    assessor: Annotated[
        str | None, Field(description="the assessor of the session; null after it was erased")
    ]
    revision: Annotated[int | None, Field(description="the revision of the session, or else of the prospect")]
    links: Annotated[
        list[LinkOut], Field(description="the current links of the prospect; none after it was erased")
    ]
    change: Annotated[Change | None, Field(description="what happened to the session, as in its history")]
    indication: Indication | None
    settled: bool | None
    leaning: Leaning | None
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    decision: Annotated[DecisionWord | None, Field(description="the last decision on the session")]
    outcome: Annotated[OutcomeWord | None, Field(description="the last outcome of the session")]
    merged_prospect_id: Annotated[
        UUID | None,
        Field(description="the prospect that was merged into this one and no longer exists"),
    ]
    question: Annotated[str | None, Field(description="the question, in an `answer.stale_soon` event")]
    stale_at: Annotated[datetime | None, Field(description="when the answer to this question goes stale")]
    revisit_on: Annotated[date | None, Field(description="the day to revisit, in a `revisit.due` event")]


class ImpactFigures(Out):
    """The figures of a session with one of the two question sets."""

    question_set: str
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class ImpactReason(Out):
    """One difference that affects this session. `question` is null if it concerns the whole set."""

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
    """How many sessions have been scored so far. It also shows that the stream is still alive."""

    kind: Literal["progress"]
    sessions: int


class ImpactTransition(Out):
    """The number of sessions that would change from one indication to another."""

    before: Indication | None
    after: Indication | None
    sessions: int


class ImpactSummary(Out):
    """The last line, if everything was scored. Without this line or a problem, the response is incomplete."""

    kind: Literal["summary"]
    sessions: Annotated[int, Field(description="the number of sessions that were scored again")]
    changed: int
    turns: Annotated[list[ImpactTransition], Field(description="the most frequent change first")]


class ImpactProblem(Out):
    """The last line, if the preview could not be finished."""

    kind: Literal["problem"]
    problem: ProblemOut


ImpactLine = ImpactChange | ImpactProgress | ImpactSummary | ImpactProblem
