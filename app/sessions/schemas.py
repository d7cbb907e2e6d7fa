"""Sessions in responses, and the filters of lists."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import (
    AwareDatetime,
    ConfigDict,
    Field,
    TypeAdapter,
    model_validator,
)

from app.events.tables import EventType
from app.prospects.schemas import LinkOut
from app.question_sets.schemas import ChosenBy
from app.schemas import (
    MAX_LINE_LENGTH,
    Actor,
    Assessor,
    Day,
    Deal,
    ExternalId,
    In,
    Moment,
    Out,
    SetName,
    Source,
    excluding,
    filled,
    neither,
)
from app.scoring import (
    Blocker,
    Evidence,
    Indication,
    Leaning,
    Score,
    State,
    Subject,
    Verdict,
)
from app.sessions.tables import Change, DecisionWord, OutcomeWord, SideWord, Status

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
# The default of a filter is not a value, because it depends on whether a question set is named.
AskedSubject = Annotated[
    Subject | None,
    Field(
        description="what the question sets ask about; by default prospect, or the subject of the "
        "`question_set` that is sent"
    ),
]


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
            description="stale means that answers went stale, without a request; late means that the "
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
