"""Read the change feed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import SQLModel, col, select

from app.db import Transaction
from app.events.tables import Event, EventType, LastPosition

EVENT = SQLModel.metadata.tables["event"]
PENDING = select(EVENT.c.seq).where(EVENT.c.position.is_(None)).order_by(EVENT.c.seq)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """A stretch of the feed: events by position, where it ends, and whether more is there already."""

    events: Sequence[Event]
    end: int
    more: bool


def has_pending_events(tx: Transaction) -> bool:
    """Whether events wait for their position."""
    return tx.db.execute(PENDING.limit(1)).first() is not None


def last_position(tx: Transaction) -> int:
    """The last position that was given; 0 before the first."""
    return tx.db.exec(select(LastPosition.position)).one()


def read_after(tx: Transaction, after: int, limit: int, types: Collection[EventType]) -> FeedPage:
    """At most `limit` events of these types (of any, if empty) after a position, oldest first."""
    statement = select(Event).where(col(Event.position) > after)
    if types:
        statement = statement.where(col(Event.type).in_(types))
    found = tx.db.exec(statement.order_by(col(Event.position)).limit(limit + 1)).all()
    if len(found) > limit:
        return FeedPage(found[:limit], _position(found[limit - 1]), more=True)
    # All that was given a position so far was looked at, and left out if it is not here.
    return FeedPage(found, max(after, last_position(tx)), more=has_pending_events(tx))


def read_latest(
    tx: Transaction, limit: int, types: Collection[EventType], question_set: str | None = None
) -> Sequence[Event]:
    """The newest `limit` events of these types (of any, if empty) and that set (its key), newest first."""
    statement = select(Event).where(col(Event.position).is_not(None))
    if types:
        statement = statement.where(col(Event.type).in_(types))
    if question_set:
        statement = statement.where(col(Event.question_set).startswith(f"{question_set}@", autoescape=True))
    return tx.db.exec(statement.order_by(col(Event.position).desc()).limit(limit)).all()


def newest_positions(tx: Transaction, after: int) -> dict[str, int]:
    """The newest position of every type that was told after a position."""
    newest = select(EVENT.c.type, func.max(EVENT.c.position).label("position"))
    told = newest.where(EVENT.c.position > after).group_by(EVENT.c.type)
    return {row.type: row.position for row in tx.db.execute(told)}


def _position(event: Event) -> int:
    assert event.position is not None, "the feed reads only what has a position"
    return event.position
