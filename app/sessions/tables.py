"""The tables of sessions, their answers, revisions, decisions and outcomes."""

from datetime import date, datetime
from typing import Any, Literal, NamedTuple, get_args
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, ForeignKeyConstraint, Index, text

from app.db import Table, UtcDateTime
from app.scoring import Evidence, Indication, Leaning, State, Subject

Change = Literal["opened", "answered", "attributes", "stale", "moved", "decided", "outcome", "late"]
Status = Literal["open", "closed"]
DecisionWord = Literal["pursue", "nurture", "disqualify"]
SideWord = Literal["yes", "no", "unsure"]
OutcomeWord = Literal["won", "lost", "no_decision"]


def _is_one_of(column: str, words: Any, name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(map(repr, get_args(words)))})", name=name)


def _partial_index(name: str, columns: list[str], where: str, *, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


NO_REVISIT = date.max
# The place of each indication in a ranked list, best first.
RANKS = {"fit": 0, "undetermined": 1, "mixed": 2, "no_fit": 3, "unscorable": 4, None: 5}
# The columns of each order of the list but the newest and the name. The index continues with the columns that
# filters read, so that a filter in this order reads no row that it leaves out.
ORDERED = {
    "ranked": ("rank", "descending_lowest"),
    "updated_at": ("updated_at",),
    "revisit_on": ("revisit_on",),
}
IN_EVERY_ORDER = (
    *("status", "leaning", "decision", "outcome", "has_blocker", "subject", "question_set"),
    *("answered_by", "assessor"),
)
# The columns of filters with an index, and those whose index has only the rows that match a condition.
FILTERED = ("rank", "status")
FILTERED_IF_SET = {
    "decision": "IS NOT NULL",
    "outcome": "IS NOT NULL",
    "answered_by": "IS NOT NULL",
    "indication_changed_at": "IS NOT NULL",
    "deal": "<> ''",
    "assessor": "<> ''",
    "subject": "<> 'prospect'",
}
QUESTION_SET_VERSION_KEY = ForeignKeyConstraint(
    ["question_set", "version"], ["question_set_version.key", "question_set_version.version"]
)


class Session(Table, table=True):
    """A qualification session, with the figures of its current score and what else lists filter and sort by.

    `deal` and `assessor` are '' if there is none. `valid_until` is the time from which the figures are stale,
    because an answer goes stale. `rank` is the number of the indication in RANKS. `descending_lowest` is
    -`lowest`, or 1 if that is null: in ascending order, the highest is first and null last. `subject` is
    that of the question set. `answered_at` and `answered_by` are the time and the actor of the last answer.
    `former_indication` is the indication before it last changed, at `indication_changed_at`. `revisit_on` is
    that of the last decision, or NO_REVISIT, which sorts last. `revisit_pending_on` is the same day until its
    event is recorded. While the session is open, `next_expiry_at` is when the next answer goes stale that has
    no such event yet.
    """

    __tablename__ = "session"
    __table_args__ = (
        QUESTION_SET_VERSION_KEY,
        _is_one_of("status", Status, "ck_session_status"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="ck_session_closed_at"),
        CheckConstraint("revision >= 1", name="ck_session_revision"),
        CheckConstraint("rank BETWEEN 0 AND 5", name="ck_session_rank"),
        CheckConstraint("descending_lowest = -coalesce(lowest, -1)", name="ck_session_descending_lowest"),
        _is_one_of("indication", Indication, "ck_session_indication"),
        _is_one_of("leaning", Leaning, "ck_session_leaning"),
        _is_one_of("former_indication", Indication, "ck_session_former_indication"),
        _is_one_of("decision", DecisionWord, "ck_session_decision"),
        _is_one_of("outcome", OutcomeWord, "ck_session_outcome"),
        _is_one_of("subject", Subject, "ck_session_subject"),
        CheckConstraint(f"revisit_on = '{NO_REVISIT}' OR decision IS NOT NULL", name="ck_session_revisit_on"),
        CheckConstraint(
            "former_indication IS NULL OR indication_changed_at IS NOT NULL",
            name="ck_session_indication_changed_at",
        ),
        Index("ix_session_prospect_id", "prospect_id", "question_set"),
        *(Index(f"ix_session_{name}", *columns, "id", *IN_EVERY_ORDER) for name, columns in ORDERED.items()),
        *(Index(f"ix_session_{name}", name, "id") for name in FILTERED),
        # A fit leans to a fit and has no blocker: in a ranked list, the others are far from the beginning.
        Index("ix_session_leaning", "leaning", "rank", "descending_lowest", "id"),
        Index("ix_session_has_blocker", "has_blocker", "rank", "descending_lowest", "id"),
        Index("ix_session_question_set", "question_set", "id"),
        Index("ix_session_version", "question_set", "version", "id"),
        *(
            _partial_index(f"ix_session_{name}", [name, "id"], f"{name} {condition}")
            for name, condition in FILTERED_IF_SET.items()
        ),
        _partial_index("ix_session_next_expiry_at", ["next_expiry_at"], "next_expiry_at IS NOT NULL"),
        _partial_index(
            "ix_session_revisit_pending_on", ["revisit_pending_on"], "revisit_pending_on IS NOT NULL"
        ),
        # SQLite would read the index of the status if this one did not begin with it.
        _partial_index("ix_session_valid_until", ["status", "valid_until"], "status = 'open'"),
        _partial_index(
            "uq_session_open",
            ["prospect_id", "deal", "assessor", "question_set"],
            "status = 'open'",
            unique=True,
        ),
    )

    id: UUID = Field(primary_key=True)
    prospect_id: UUID = Field(foreign_key="prospect.id", ondelete="CASCADE")
    deal: str
    assessor: str
    question_set: str
    version: int
    subject: str = "prospect"
    status: str = "open"
    revision: int = 1
    attributes: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    opened_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    rank: int = 5
    indication: str | None = None
    settled: bool = False
    leaning: str | None = None
    score: float | None = None
    lowest: float | None = None
    descending_lowest: float = 1.0
    highest: float | None = None
    coverage: float | None = None
    grade: str | None = None
    valid_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    next_expiry_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    has_blocker: bool = False
    former_indication: str | None = None
    indication_changed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    answered_by: str | None = None
    decision: str | None = None
    revisit_on: date = NO_REVISIT
    revisit_pending_on: date | None = None
    outcome: str | None = None


# For tables with a composite key and mostly small rows. In SQLite they take a third less space without row
# ids and the second index.
WITHOUT_ROWID = {"sqlite_with_rowid": False}


def _session_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE")


def _revision_key() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["session_id", "revision"],
        ["session_revision.session_id", "session_revision.revision"],
        ondelete="CASCADE",
    )


class SessionAnswer(Table, table=True):
    """The current answer to one question. The code works with its rows as `StoredAnswer`."""

    __tablename__ = "answer"
    __table_args__ = (
        _session_key(),
        _partial_index("ix_answer_carried_from", ["carried_from"], "carried_from IS NOT NULL"),
        CheckConstraint(
            "state IN ('rated', 'not_applicable', 'unknown', 'open')"
            " AND (state = 'rated') = (rating IS NOT NULL)",
            name="ck_answer_rating_or_state",
        ),
        _is_one_of("evidence", Evidence, "ck_answer_evidence"),
        WITHOUT_ROWID,
    )

    session_id: UUID = Field(primary_key=True)
    question: str = Field(primary_key=True)
    state: str
    rating: int | None = None
    text: str | None = None
    evidence: str | None = None
    actor: str | None = None
    answered_at: datetime = Field(sa_type=UtcDateTime)
    revision: int
    carried_from: UUID | None = Field(default=None, foreign_key="session.id", ondelete="SET NULL")
    expiry_announced: bool = False


class StoredAnswer(NamedTuple):
    """A row of `SessionAnswer`. Requests have many answers, and creating an object of the ORM takes long.

    `revision` is the revision of the session that recorded the answer. The state `open` means that the answer
    was withdrawn. `carried_from` is the session that the answer was given in, if it was carried over.
    `expiry_announced` is true when its `answer.stale_soon` is recorded.
    """

    session_id: UUID
    question: str
    state: State
    rating: int | None
    text: str | None
    evidence: Evidence | None
    actor: str | None
    answered_at: datetime
    revision: int
    carried_from: UUID | None = None
    expiry_announced: bool = False


class SessionRevision(Table, table=True):
    """One change of a session: what changed, who changed it, and the verdict after it. Append-only.

    `verdict` is a `VerdictRecord`. In `changed`, an answer omits nulls, and its time if that is the time of
    the revision. `scores.score_at` computes the whole score again from the changes up to a revision.
    """

    __tablename__ = "session_revision"
    __table_args__ = (
        _is_one_of("change", Change, "ck_session_revision_change"),
        _session_key(),
        WITHOUT_ROWID,
    )

    session_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    key_name: str
    actor: str | None = None
    change: str
    changed: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    verdict: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Decision(Table, table=True):
    """What a person decided, based on the revision that they saw. Append-only.

    `attributes` are those of the prospect at that time, also those that the question set does not declare.
    """

    __tablename__ = "decision"
    __table_args__ = (
        _revision_key(),
        Index("ix_decision_session_id", "session_id"),
        _is_one_of("decision", DecisionWord, "ck_decision_decision"),
        _is_one_of("match_word", SideWord, "ck_decision_match"),
        _is_one_of("benefit_word", SideWord, "ck_decision_benefit"),
    )

    id: UUID = Field(primary_key=True)
    session_id: UUID
    revision: int
    decision: str
    match_word: str | None = None
    benefit_word: str | None = None
    reason: str | None = None
    revisit_on: date | None = None
    attributes: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    actor: str
    key_name: str
    decided_at: datetime = Field(sa_type=UtcDateTime)


class Outcome(Table, table=True):
    """What happened in the end. Append-only: a correction is another row, and the last one counts.

    `hindsight` says whether whoever gave the ratings already knew how the deal ended: `conclusions` has the
    rule.
    """

    __tablename__ = "outcome"
    __table_args__ = (
        _revision_key(),
        Index("ix_outcome_session_id", "session_id", "revision"),
        _is_one_of("outcome", OutcomeWord, "ck_outcome_outcome"),
        CheckConstraint("amount >= 0", name="ck_outcome_amount"),
        CheckConstraint("length(currency) = 3 AND currency = upper(currency)", name="ck_outcome_currency"),
    )

    id: UUID = Field(primary_key=True)
    session_id: UUID
    revision: int
    outcome: str
    amount: float | None = None
    currency: str | None = None
    closed_on: date | None = None
    reason: str | None = None
    competitor: str | None = None
    hindsight: bool = False
    actor: str | None = None
    key_name: str
    recorded_at: datetime = Field(sa_type=UtcDateTime)


class FrozenVerdict(Table, table=True):
    """The verdict that counts for a session with an outcome. Stored with the first outcome, never changed.

    `revision` is the last revision before the request that recorded the first outcome, without revisions that
    only made answers stale or late. If the outcome is hindsight, it is the last one before the outcome.
    `score` is null if it is not reportable, and if a knock-out is missed, which `knocked_out` says. `ratings`
    has the `rating_codes` of the questions at that revision. `attributes` are those of the prospect when the
    outcome was recorded; those that the question set declares are as they were at that revision.
    """

    __tablename__ = "frozen_verdict"
    __table_args__ = (
        _session_key(),
        _revision_key(),
        CheckConstraint("NOT knocked_out OR score IS NULL", name="ck_frozen_verdict_score"),
        WITHOUT_ROWID,
    )

    session_id: UUID = Field(primary_key=True)
    revision: int
    score: float | None = None
    knocked_out: bool
    ratings: str
    attributes: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
