"""The one order of all events: positions given to committed rows, and pages read by position.

Were an event's place in the feed given when it is inserted, a reader could pass it before its
transaction commits, and never see it. So it is given afterwards, in a short transaction of its own,
by whoever reads. See docs/decisions/0012-events-get-their-position-after-commit.md.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func
from sqlmodel import SQLModel, col, select

from app.db import Transaction
from app.events.tables import Event, EventType, LastPosition

MOST_AT_ONCE = 1000

EVENT = SQLModel.metadata.tables["event"]
LAST = SQLModel.metadata.tables["event_last_position"]
WAITING = select(EVENT.c.seq).where(EVENT.c.position.is_(None)).order_by(EVENT.c.seq)
LOCKED = select(LAST.c.position).with_for_update()


@dataclass(frozen=True, slots=True)
class Stretch:
    """A stretch of the feed: events by position, where it ends, and whether more is there already."""

    events: Sequence[Event]
    end: int
    more: bool


def is_behind(tx: Transaction) -> bool:
    """Whether events wait for their position."""
    return tx.db.execute(WAITING.limit(1)).first() is not None


def last_position(tx: Transaction) -> int:
    """The last position that was given; 0 before the first."""
    return tx.db.exec(select(LastPosition.position)).one()


def keep_still(tx: Transaction) -> int:
    """Let nobody give positions until the transaction ends; returns the last position given."""
    position: int = tx.db.execute(LOCKED).scalar_one()
    return position


def give_positions(tx: Transaction) -> int:
    """Give the next positions to at most 1,000 committed events; to how many.

    Of two events of one session or prospect the later one was inserted when the earlier one was
    committed. Whoever sees it sees the earlier one too, which has the lower `seq`.
    """
    last = keep_still(tx)
    # A new statement sees all that was committed before it, which the one that waited for the lock may not.
    waiting = WAITING.limit(MOST_AT_ONCE).subquery()
    numbered = select(
        waiting.c.seq, (last + func.row_number().over(order_by=waiting.c.seq)).label("position")
    ).subquery()
    given = tx.db.exec(
        EVENT.update().values(position=numbered.c.position).where(EVENT.c.seq == numbered.c.seq)
    )
    tx.db.execute(LAST.update().values(position=last + given.rowcount))
    return given.rowcount


def read_after(tx: Transaction, after: int, limit: int, types: Collection[EventType]) -> Stretch:
    """At most `limit` events of these types (of any, if empty) after a position, oldest first."""
    statement = select(Event).where(col(Event.position) > after)
    if types:
        statement = statement.where(col(Event.type).in_(types))
    found = tx.db.exec(statement.order_by(col(Event.position)).limit(limit + 1)).all()
    if len(found) > limit:
        return Stretch(found[:limit], _position(found[limit - 1]), more=True)
    # All that was given a position so far was looked at, and left out if it is not here.
    return Stretch(found, max(after, last_position(tx)), more=is_behind(tx))


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


def newest_by_type(tx: Transaction, after: int) -> dict[str, int]:
    """The newest position of every type that was told after a position."""
    newest = select(EVENT.c.type, func.max(EVENT.c.position).label("position"))
    told = newest.where(EVENT.c.position > after).group_by(EVENT.c.type)
    return {row.type: row.position for row in tx.db.execute(told)}


def _position(event: Event) -> int:
    assert event.position is not None, "the feed reads only what has a position"
    return event.position
