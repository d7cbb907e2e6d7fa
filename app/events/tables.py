"""What is stored of an event."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import BigInteger, Integer
from sqlmodel import JSON, CheckConstraint, Column, Field, Index, SQLModel, text

from app.db import UtcDateTime

EventType = Literal[
    "prospect.created",
    "prospect.updated",
    "prospect.linked",
    "prospect.unlinked",
    "prospect.merged",
    "prospect.erased",
    "session.opened",
    "session.answered",
    "session.moved",
    "score.changed",
    "indication.settled",
    "indication.reopened",
    "decision.recorded",
    "outcome.recorded",
    "question_set.published",
    "question_set.retired",
]
TYPES: tuple[EventType, ...] = get_args(EventType)
MEANINGS: Mapping[EventType, str] = {
    "prospect.created": "A prospect was created.",
    "prospect.updated": "The name or an attribute of the prospect changed.",
    "prospect.linked": "A link to another system was added.",
    "prospect.unlinked": "A link to another system was removed.",
    "prospect.merged": "Another prospect was merged into this one: `merged_prospect_id` no longer exists.",
    "prospect.erased": "The prospect was erased, together with its earlier events.",
    "session.opened": "A session was opened.",
    "session.answered": "Answers were given, changed or taken back.",
    "session.moved": "The session was moved to another version of its question set.",
    "score.changed": "The indication, leaning, score, range, coverage or grade changed.",
    "indication.settled": "The indication is settled: no open question can change it.",
    "indication.reopened": "The indication is no longer settled.",
    "decision.recorded": "A person made a decision.",
    "outcome.recorded": "The outcome was recorded, and the session is closed.",
    "question_set.published": "A version of a question set was published.",
    "question_set.retired": "A version of a question set was retired: new sessions cannot use it.",
}
# prospect.* is every type that begins so.
GROUPS = tuple(dict.fromkeys(type_.partition(".")[0] + ".*" for type_ in TYPES))
NAMES = (*GROUPS, *TYPES)
# SQLite numbers rows by itself only where the column is an INTEGER.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def types_named(names: Collection[str]) -> list[EventType]:
    """The types that some `NAMES` stand for."""
    return [type_ for type_ in TYPES if type_ in names or type_.partition(".")[0] + ".*" in names]


class Event(SQLModel, table=True):
    """Thin: `data` holds ids, decisions and outcomes, never texts, names, deals or another system's ids.

    `seq` is given at insert, while the prospect or session is locked; `position` after the commit, see
    `feed`. `revision` is the session's, or else the prospect's. Nothing refers to the prospect by a
    foreign key: that it was erased is told of one that is gone.
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(f"type IN ({', '.join(map(repr, TYPES))})", name="ck_event_type"),
        Index("uq_event_id", "id", unique=True),
        Index("uq_event_position", "position", unique=True),
        Index("ix_event_type", "type", "position"),
        Index("ix_event_prospect_id", "prospect_id"),
        Index(
            "ix_event_without_position",
            "seq",
            sqlite_where=text("position IS NULL"),
            postgresql_where=text("position IS NULL"),
        ),
    )

    seq: int | None = Field(default=None, sa_column=Column(NUMBER, primary_key=True))
    id: UUID
    position: int | None = Field(default=None, sa_column=Column(NUMBER))
    type: str
    at: datetime = Field(sa_type=UtcDateTime)
    prospect_id: UUID | None = None
    session_id: UUID | None = None
    question_set: str | None = None
    revision: int | None = None
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class LastPosition(SQLModel, table=True):
    """One row: the last position that was given. The newest events may be erased, their positions not."""

    __tablename__ = "event_last_position"
    __table_args__ = (CheckConstraint("id = 1", name="ck_event_last_position_id"),)

    id: int = Field(primary_key=True)
    position: int = Field(sa_column=Column(NUMBER, nullable=False))
