"""Read the change feed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import SQLModel, col, select

from app.db import Transaction
from app.events.tables import Event, EventType, LastPosition

EVENT_TABLE = SQLModel.metadata.tables["event"]
SELECT_PENDING_EVENTS = (
    select(EVENT_TABLE.c.seq).where(EVENT_TABLE.c.position.is_(None)).order_by(EVENT_TABLE.c.seq)
)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of the feed: its events by position, the position it reaches, and whether more follow now."""

    events: Sequence[Event]
    end: int
    more: bool


def has_pending_events(tx: Transaction) -> bool:
    """Whether committed events have no position yet."""
    return tx.db.execute(SELECT_PENDING_EVENTS.limit(1)).first() is not None


def last_position(tx: Transaction) -> int:
    """Return the last position that was assigned; 0 before the first event."""
    return tx.db.exec(select(LastPosition.position)).one()


def read_after(tx: Transaction, after: int, limit: int, types: Collection[EventType]) -> FeedPage:
    """Return at most `limit` events after a position, oldest first. Without `types`, any type is returned."""
    statement = select(Event).where(col(Event.position) > after)
    if types:
        statement = statement.where(col(Event.type).in_(types))
    found = tx.db.exec(statement.order_by(col(Event.position)).limit(limit + 1)).all()
    if len(found) > limit:
        return FeedPage(found[:limit], _position(found[limit - 1]), more=True)
    # Every event with a position was examined, so the next reader can skip the ones of other types.
    return FeedPage(found, max(after, last_position(tx)), more=has_pending_events(tx))


def read_latest(
    tx: Transaction, limit: int, types: Collection[EventType], question_set: str | None = None
) -> Sequence[Event]:
    """Return the newest `limit` events, newest first.

    `question_set` is the key of a set. Without `types` or `question_set`, that filter does not apply.
    """
    statement = select(Event).where(col(Event.position).is_not(None))
    if types:
        statement = statement.where(col(Event.type).in_(types))
    if question_set:
        statement = statement.where(col(Event.question_set).startswith(f"{question_set}@", autoescape=True))
    return tx.db.exec(statement.order_by(col(Event.position).desc()).limit(limit)).all()


def newest_positions(tx: Transaction, after: int) -> dict[str, int]:
    """Return the newest position of every event type that occurs after a position."""
    newest = select(EVENT_TABLE.c.type, func.max(EVENT_TABLE.c.position).label("position"))
    statement = newest.where(EVENT_TABLE.c.position > after).group_by(EVENT_TABLE.c.type)
    return {row.type: row.position for row in tx.db.execute(statement)}


def _position(event: Event) -> int:
    assert event.position is not None, "the feed only reads events that have a position"
    return event.position
