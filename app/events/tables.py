"""What is stored of an event."""

from collections.abc import Collection
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
# prospect.* is every type that begins so.
GROUPS = tuple(dict.fromkeys(type_.partition(".")[0] + ".*" for type_ in TYPES))
NAMES = (*GROUPS, *TYPES)

# SQLite numbers rows by itself only where the column is an INTEGER.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def types_named(names: Collection[str]) -> list[EventType]:
    """The types that some `NAMES` stand for."""
    return [type_ for type_ in TYPES if type_ in names or type_.partition(".")[0] + ".*" in names]


class Event(SQLModel, table=True):
    """Thin: ids and figures in `data`, never texts, names, deals or another system's ids.

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
