"""The tables of the change feed, and the types of events."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from sqlalchemy import BigInteger, Integer
from sqlmodel import JSON, CheckConstraint, Column, Field, Index, text

from app.db import Table, UtcDateTime
from app.scoring import Subject

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
    "revisit.due",
    "answer.stale_soon",
    "question_set.published",
    "question_set.retired",
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
EVENT_DESCRIPTIONS: Mapping[EventType, str] = {
    "prospect.created": "A prospect was created.",
    "prospect.updated": "The name or an attribute of the prospect changed.",
    "prospect.linked": "A link to another system was added.",
    "prospect.unlinked": "A link to another system was removed.",
    "prospect.merged": "The prospect `merged_prospect_id` was merged into this one and no longer exists.",
    "prospect.erased": "The prospect was erased, together with its earlier events.",
    "session.opened": "A session was opened.",
    "session.answered": "Answers were given, changed or withdrawn.",
    "session.moved": "The session was moved to another version of its question set.",
    "score.changed": "The indication, leaning, score, range, coverage or grade changed.",
    "indication.settled": "The indication is settled: no open question can change it.",
    "indication.reopened": "The indication is no longer settled.",
    "decision.recorded": "A person made a decision.",
    "outcome.recorded": "The outcome was recorded, and the session is closed.",
    "revisit.due": "The day to revisit, from the last decision, has come (in UTC). There is no outcome yet.",
    "answer.stale_soon": "The answer to `question` goes stale at `stale_at`, in at most 7 days. The "
    "setting `stale_notice_days` changes this number.",
    "question_set.published": "A version of a question set was published.",
    "question_set.retired": "A version of a question set was retired: new sessions cannot use it.",
}
# "prospect.*" stands for every type that begins with "prospect.".
EVENT_TYPE_GROUPS = tuple(dict.fromkeys(type_.partition(".")[0] + ".*" for type_ in EVENT_TYPES))
EVENT_TYPE_FILTERS = (*EVENT_TYPE_GROUPS, *EVENT_TYPES)
# SQLite assigns row numbers only to an INTEGER column, not to a BIGINT.
BIG_INTEGER = BigInteger().with_variant(Integer(), "sqlite")


def types_named(names: Collection[str]) -> list[EventType]:
    """Return the event types that these `EVENT_TYPE_FILTERS` stand for, in the order of `EVENT_TYPES`."""
    return [type_ for type_ in EVENT_TYPES if type_ in names or type_.partition(".")[0] + ".*" in names]


# Only events of these types have a session.
SESSION_EVENT_TYPES = types_named(
    ["session.*", "score.*", "indication.*", "decision.*", "outcome.*", "revisit.*", "answer.*"]
)


class Event(Table, table=True):
    """One entry of the change feed.

    `data` holds ids, keys of questions, times, decisions and outcomes, and never texts, names, deals or the
    ids of other systems.
    `seq` is assigned at insert, while the prospect or session is locked. `position` is assigned after the
    commit, see `service.assign_positions`. `revision` is that of the session, or else of the prospect. A
    `silent` event is in the feed, but no webhook delivers it. `subject` is that of the session, or else of
    the prospect. Events about question sets have the subject "prospect".
    `prospect_id` is not a foreign key, because the event `prospect.erased` is about a prospect that no
    longer exists.
    """

    __tablename__ = "event"
    __table_args__ = (
        CheckConstraint(f"type IN ({', '.join(map(repr, EVENT_TYPES))})", name="ck_event_type"),
        CheckConstraint(f"subject IN ({', '.join(map(repr, get_args(Subject)))})", name="ck_event_subject"),
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
        Index(
            "ix_event_other_subject",
            "subject",
            "position",
            sqlite_where=text("subject <> 'prospect'"),
            postgresql_where=text("subject <> 'prospect'"),
        ),
    )

    seq: int | None = Field(default=None, sa_column=Column(BIG_INTEGER, primary_key=True))
    id: UUID
    position: int | None = Field(default=None, sa_column=Column(BIG_INTEGER))
    type: str
    at: datetime = Field(sa_type=UtcDateTime)
    prospect_id: UUID | None = None
    session_id: UUID | None = None
    question_set: str | None = None
    subject: str = Field(default="prospect", sa_column_kwargs={"server_default": "prospect"})
    revision: int | None = None
    silent: bool = False
    data: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))


class ErasedEvent(Table, table=True):
    """The position and the id of an erased event, which cursors may still name."""

    __tablename__ = "erased_event"
    __table_args__ = (Index("uq_erased_event_id", "id", unique=True),)

    position: int = Field(sa_column=Column(BIG_INTEGER, primary_key=True, autoincrement=False))
    id: UUID


class LastPosition(Table, table=True):
    """The last position that was assigned, in one row. To assign positions or erase events, lock this row."""

    __tablename__ = "event_last_position"
    __table_args__ = (CheckConstraint("id = 1", name="ck_event_last_position_id"),)

    id: int = Field(primary_key=True)
    position: int = Field(sa_column=Column(BIG_INTEGER, nullable=False))
