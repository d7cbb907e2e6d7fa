"""Read the change feed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, literal_column, union_all
from sqlmodel import SQLModel, col, select

from app.db import Transaction
from app.events.schemas import BEGINNING, Cursor
from app.events.tables import Event, EventType, LastPosition
from app.problems import CURSOR_GONE, Problem
from app.scoring import Subject

EVENT_TABLE = SQLModel.metadata.tables["event"]
ERASED_EVENT_TABLE = SQLModel.metadata.tables["erased_event"]
LAST_POSITION_TABLE = SQLModel.metadata.tables["event_last_position"]
SELECT_PENDING_EVENTS = (
    select(EVENT_TABLE.c.seq).where(EVENT_TABLE.c.position.is_(None)).order_by(EVENT_TABLE.c.seq)
)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of the feed: its events by position, the cursor after it, and whether more follow now."""

    events: Sequence[Event]
    end: Cursor
    more: bool


def has_pending_events(tx: Transaction) -> bool:
    """Whether committed events have no position yet."""
    return tx.db.execute(SELECT_PENDING_EVENTS.limit(1)).first() is not None


def newest_cursor(tx: Transaction) -> Cursor:
    """Return the cursor after the last event that has a position."""
    last = LAST_POSITION_TABLE.c.position
    # Not joins: without statistics, PostgreSQL expects many rows in the table of one, and reads all events.
    ids = (
        select(table.c.id).where(table.c.position == last).scalar_subquery()
        for table in (EVENT_TABLE, ERASED_EVENT_TABLE)
    )
    return Cursor(*tx.db.execute(select(last, func.coalesce(*ids))).one())


def last_position(tx: Transaction) -> int:
    """Return the last position that was assigned; 0 before the first event."""
    return tx.db.exec(select(LastPosition.position)).one()


def is_current(tx: Transaction, cursor: Cursor) -> bool:
    """Return whether the event that a cursor names is at its position, or was there before its erasure."""
    if cursor.event_id is None:
        return cursor == BEGINNING
    return any(
        tx.db.execute(
            select(table.c.position).where(table.c.position == cursor.position, table.c.id == cursor.event_id)
        ).first()
        for table in (EVENT_TABLE, ERASED_EVENT_TABLE)
    )


def _require_current(tx: Transaction, cursor: Cursor) -> None:
    if is_current(tx, cursor):
        return
    if cursor.event_id is None:
        raise Problem(CURSOR_GONE, "The cursor is only a position, without the id of the event.")
    raise Problem(
        CURSOR_GONE,
        "The database does not have the event of the cursor at that position. It was restored from a backup, "
        "or it is another database.",
    )


def read_after(
    tx: Transaction,
    after: Cursor,
    limit: int,
    types: Collection[EventType],
    subject: Subject = "prospect",
) -> FeedPage:
    """Return at most `limit` events after a cursor, oldest first. `types` and `subject`: see `filters`.

    Raises:
        Problem: CURSOR_GONE if the database does not have the event that the cursor names.
    """
    _require_current(tx, after)
    position = col(Event.position)
    conditions = [position > after.position, *filters(subject=subject)]
    found = _read(tx, types, conditions, position, limit + 1)
    if len(found) > limit:
        return FeedPage(found[:limit], _cursor(found[limit - 1]), more=True)
    # Every event with a position was examined, so the next reader can skip those that the filter leaves out.
    return FeedPage(found, newest_cursor(tx), more=has_pending_events(tx))


def read_latest(
    tx: Transaction,
    limit: int,
    types: Collection[EventType],
    question_set: str | None = None,
    subject: Subject = "prospect",
) -> Sequence[Event]:
    """Return the newest `limit` events, newest first.

    `types`, `question_set` and `subject`: see `filters`.
    """
    position = col(Event.position)
    conditions = [position.is_not(None), *filters((), question_set, subject)]
    return _read(tx, types, conditions, position.desc(), limit)


def _read(
    tx: Transaction, types: Collection[EventType], conditions: Sequence[Any], order: Any, limit: int
) -> Sequence[Event]:
    """Return the first `limit` events in an order of positions. Without `types`, any type is returned.

    For a type, the index has its events by position. For several types, the first ones of each are read.
    """
    if len(types) > 1:
        ordered = select(Event.position).where(*conditions).order_by(order).limit(limit)
        firsts = [ordered.where(Event.type == type_).subquery() for type_ in types]
        positions = union_all(*(select(first.c.position) for first in firsts))
        conditions, types = [col(Event.position).in_(positions)], ()
    of_type = [col(Event.type).in_(types)] if types else []
    statement = select(Event).where(*conditions, *of_type)
    return tx.db.exec(statement.order_by(order).limit(limit)).all()


def filters(
    types: Collection[EventType] = (), question_set: str | None = None, subject: Subject = "prospect"
) -> list[ColumnElement[bool]]:
    """Return the conditions for events of these types; without `types`, of any type.

    `question_set` is a key: the events are about this set and its sessions, whatever their subject. Without
    it, they are about anything with this subject.
    """
    conditions: list[ColumnElement[bool]] = [col(Event.type).in_(types)] if types else []
    if question_set:
        return [*conditions, col(Event.question_set).startswith(f"{question_set}@", autoescape=True)]
    conditions.append(col(Event.subject) == subject)
    if subject != "prospect":
        # A literal: a parameter would keep the database from using the partial index.
        conditions.append(col(Event.subject) != literal_column("'prospect'"))
    return conditions


def newest_positions(tx: Transaction, after: int) -> dict[str, int]:
    """Return the newest position of every event type that occurs after a position."""
    newest = select(EVENT_TABLE.c.type, func.max(EVENT_TABLE.c.position).label("position"))
    statement = newest.where(EVENT_TABLE.c.position > after).group_by(EVENT_TABLE.c.type)
    return {row.type: row.position for row in tx.db.execute(statement)}


def _cursor(event: Event) -> Cursor:
    assert event.position is not None, "the feed only reads events that have a position"
    return Cursor(event.position, event.id)
