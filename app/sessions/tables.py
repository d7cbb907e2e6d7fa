"""What is stored of a qualification session."""

from datetime import date, datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlmodel import JSON, CheckConstraint, Column, Field, ForeignKeyConstraint, Index, SQLModel, text

from app.db import UtcDateTime
from app.scoring import Evidence, Indication, Leaning

Change = Literal["opened", "answered", "attributes", "aged", "moved", "decided", "outcome"]
Status = Literal["open", "closed"]
DecisionWord = Literal["pursue", "nurture", "disqualify"]
SideWord = Literal["yes", "no", "unsure"]
OutcomeWord = Literal["won", "lost", "no_decision"]


def _is_one_of(column: str, words: Any, name: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(map(repr, get_args(words)))})", name=name)


OF_A_QUESTION_SET_VERSION = ForeignKeyConstraint(
    ["question_set", "version"], ["question_set_version.key", "question_set_version.version"]
)


class Session(SQLModel, table=True):
    """`deal` is '' where none was given; the figures are the current score's, for lists.

    `valid_until` is when they stop to be true, since an answer goes stale.
    """

    __tablename__ = "session"
    __table_args__ = (
        OF_A_QUESTION_SET_VERSION,
        _is_one_of("status", Status, "ck_session_status"),
        CheckConstraint("(status = 'closed') = (closed_at IS NOT NULL)", name="ck_session_closed_at"),
        CheckConstraint("revision >= 1", name="ck_session_revision"),
        CheckConstraint("rank BETWEEN 0 AND 5", name="ck_session_rank"),
        _is_one_of("indication", Indication, "ck_session_indication"),
        _is_one_of("leaning", Leaning, "ck_session_leaning"),
        _is_one_of("decision", DecisionWord, "ck_session_decision"),
        _is_one_of("outcome", OutcomeWord, "ck_session_outcome"),
        Index("ix_session_prospect_id", "prospect_id", "question_set"),
        Index("ix_session_ranked", "rank", "lowest"),
        Index("ix_session_question_set", "question_set", "id"),
        Index(
            "ix_session_valid_until",
            "valid_until",
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
        Index(
            "uq_session_open",
            "prospect_id",
            "deal",
            "question_set",
            unique=True,
            sqlite_where=text("status = 'open'"),
            postgresql_where=text("status = 'open'"),
        ),
    )

    id: UUID = Field(primary_key=True)
    prospect_id: UUID = Field(foreign_key="prospect.id", ondelete="CASCADE")
    deal: str
    question_set: str
    version: int
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
    highest: float | None = None
    coverage: float | None = None
    grade: str | None = None
    valid_until: datetime | None = Field(default=None, sa_type=UtcDateTime)
    decision: str | None = None
    outcome: str | None = None


# Mostly small rows with a composite key: in SQLite they take a third less without row ids and a second index.
KEPT_BY_KEY = {"sqlite_with_rowid": False}


def _of_a_session() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE")


def _on_a_revision() -> ForeignKeyConstraint:
    return ForeignKeyConstraint(
        ["session_id", "revision"],
        ["session_revision.session_id", "session_revision.revision"],
        ondelete="CASCADE",
    )


class StoredAnswer(SQLModel, table=True):
    """The current answer to one question; `revision` is the session's that wrote it.

    `open` is an answer that was taken back. `carried_from` is the session that it was given in.
    """

    __tablename__ = "answer"
    __table_args__ = (
        _of_a_session(),
        Index(
            "ix_answer_carried_from",
            "carried_from",
            sqlite_where=text("carried_from IS NOT NULL"),
            postgresql_where=text("carried_from IS NOT NULL"),
        ),
        CheckConstraint(
            "state IN ('rated', 'not_applicable', 'unknown', 'open')"
            " AND (state = 'rated') = (rating IS NOT NULL)",
            name="ck_answer_rating_or_state",
        ),
        _is_one_of("evidence", Evidence, "ck_answer_evidence"),
        KEPT_BY_KEY,
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


class SessionRevision(SQLModel, table=True):
    """Append-only: what changed, by whom, and the verdict after it, a `VerdictRecord`.

    Of an answer, `changed` leaves out what is null, and the time if it is the revision's. The whole score
    can be computed again from the changes up to a revision: see `scores.score_at`.
    """

    __tablename__ = "session_revision"
    __table_args__ = (_of_a_session(), KEPT_BY_KEY)

    session_id: UUID = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcDateTime)
    key_name: str
    actor: str | None = None
    change: str
    changed: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    verdict: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class Decision(SQLModel, table=True):
    """Append-only: a person's word, on the revision they saw."""

    __tablename__ = "decision"
    __table_args__ = (
        _on_a_revision(),
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
    actor: str | None = None
    key_name: str
    decided_at: datetime = Field(sa_type=UtcDateTime)


class Outcome(SQLModel, table=True):
    """Append-only: what happened later; a correction is one more row, and the last one counts."""

    __tablename__ = "outcome"
    __table_args__ = (
        _on_a_revision(),
        Index("ix_outcome_session_id", "session_id"),
        _is_one_of("outcome", OutcomeWord, "ck_outcome_outcome"),
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
    actor: str | None = None
    key_name: str
    recorded_at: datetime = Field(sa_type=UtcDateTime)
