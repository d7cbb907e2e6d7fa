"""Record events, and publish them in one order."""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import bindparam, func
from sqlmodel import col, delete, select

from app.clock import new_id
from app.db import Database, Transaction
from app.events.queries import (
    ERASED_EVENT_TABLE,
    EVENT_TABLE,
    LAST_POSITION_TABLE,
    SELECT_PENDING_EVENTS,
    has_pending_events,
    is_current,
    newest_cursor,
    newest_positions,
)
from app.events.schemas import Cursor
from app.events.tables import Event, EventType
from app.problems import Problem, unavailable
from app.scoring import Subject

MAX_POSITIONS_PER_PASS = 1000
SELECT_LAST_POSITION_FOR_UPDATE = select(LAST_POSITION_TABLE.c.position).with_for_update()
INSERT_EVENTS = EVENT_TABLE.insert()
SET_SUBJECT = (
    EVENT_TABLE.update()
    .where(EVENT_TABLE.c.prospect_id == bindparam("about"))
    .values(subject=bindparam("subject"))
)
# All waiting readers of a process share one poll of the database, at this interval.
FEED_POLL_SECONDS = 0.25
# If nobody has read the feed for a long time, one reader spends at most this long on publishing.
MAX_PUBLISH_SECONDS = 2


def lock_feed(tx: Transaction) -> int:
    """Lock the feed until the transaction ends, and return the last position that was assigned.

    While the feed is locked, no other transaction can assign positions.
    """
    position: int = tx.sql.execute(SELECT_LAST_POSITION_FOR_UPDATE).scalar_one()
    return position


def assign_positions(tx: Transaction) -> int:
    """Assign the next positions to at most `MAX_POSITIONS_PER_PASS` committed events; return their number.

    The events of one session or prospect get positions in the order in which they happened: the later
    event is inserted after the earlier one is committed. A transaction that sees the later event also sees
    the earlier one, which has the lower `seq`.
    """
    last = lock_feed(tx)
    # This has to be a new statement: it sees everything that was committed before it starts. The statement
    # that waited for the lock may not.
    waiting = SELECT_PENDING_EVENTS.limit(MAX_POSITIONS_PER_PASS).subquery()
    numbered = select(
        waiting.c.seq, (last + func.row_number().over(order_by=waiting.c.seq)).label("position")
    ).subquery()
    updated = tx.db.exec(
        EVENT_TABLE.update().values(position=numbered.c.position).where(EVENT_TABLE.c.seq == numbered.c.seq)
    )
    tx.sql.execute(LAST_POSITION_TABLE.update().values(position=last + updated.rowcount))
    return updated.rowcount


def _publish_some(tx: Transaction) -> bool:
    """Assign positions, and return whether more events may be waiting for theirs."""
    return assign_positions(tx) == MAX_POSITIONS_PER_PASS


@dataclass(frozen=True, slots=True)
class EventSubject:
    """What an event is about. `data` holds only what `Event` allows."""

    prospect_id: UUID | None = None
    session_id: UUID | None = None
    question_set: str | None = None
    subject: str = "prospect"
    revision: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


def record_events(tx: Transaction, about: EventSubject, types: Iterable[EventType]) -> None:
    """Insert events of these types about one thing, in this order.

    The caller holds the lock of the prospect or session that they are about.
    """
    record_events_of_many(tx, [(about, type_) for type_ in types])


def record_events_of_many(tx: Transaction, events: Iterable[tuple[EventSubject, EventType]]) -> None:
    """Insert events about several things, in this order.

    The caller holds the locks of all prospects and sessions that they are about.
    """
    rows = [
        {
            "id": new_id(),
            "type": type_,
            "at": tx.at,
            "prospect_id": about.prospect_id,
            "session_id": about.session_id,
            "question_set": about.question_set,
            "subject": about.subject,
            "revision": about.revision,
            "silent": tx.silent,
            "data": about.data,
        }
        for about, type_ in events
    ]
    if rows:
        tx.insert_rows(INSERT_EVENTS, rows)


def set_event_subject(tx: Transaction, prospect_id: UUID, subject: Subject) -> None:
    """Set the subject of the events about a new prospect."""
    tx.run(SET_SUBJECT, {"about": prospect_id, "subject": subject})


def erase_events(tx: Transaction, prospect_id: UUID) -> None:
    """Delete the events about a prospect, its sessions, and the prospects that were merged into it.

    Their positions and ids remain, so that the cursors that name them stay valid.
    The caller has deleted the prospect already, so no new events about its sessions can appear meanwhile.
    """
    lock_feed(tx)
    ids = [prospect_id]
    # The list grows while it is read: a merged prospect may itself have absorbed others.
    for merged_into in ids:
        merged = select(Event.data).where(Event.prospect_id == merged_into, Event.type == "prospect.merged")
        ids += [UUID(data["merged_prospect_id"]) for data in tx.db.exec(merged)]
    about_them = col(Event.prospect_id).in_(ids)
    places = select(Event.position, Event.id).where(about_them, col(Event.position).is_not(None))
    tx.sql.execute(ERASED_EVENT_TABLE.insert().from_select(["position", "id"], places))
    tx.db.exec(delete(Event).where(about_them))


class FeedPublisher:
    """Publishes committed events for one process, and answers whether there are new events to read.

    `any_due` and `record_due` come from `sessions`: what is due is recorded first, so that its events are
    published too.
    """

    def __init__(
        self,
        database: Database,
        any_due: Callable[[Transaction], bool],
        record_due: Callable[[Transaction], object],
    ) -> None:
        self._database = database
        self._any_due = any_due
        self._record_due = record_due
        self._polling = anyio.Lock()
        self._next_poll = 0.0
        self._last_seen: Cursor | None = None
        # The types of the events up to this position are not known, so every reader has to query them.
        self._unknown_to = 0
        self._newest: dict[str, int] = {}

    async def publish_pending(self, seconds: float = MAX_PUBLISH_SECONDS) -> None:
        """Record what is due and publish committed events, for at most `seconds`.

        If the database is busy or the time is up, the next reader continues. The events that are published
        so far can be read.
        """
        with suppress(Problem):
            due, pending = await self._database.read(lambda tx: (self._any_due(tx), has_pending_events(tx)))
            if due:
                await self._database.write(self._record_due)
            if due or pending:
                await self._database.write_in_batches(_publish_some, seconds)

    async def publish_all(self) -> None:
        """Publish every committed event. Raises UNAVAILABLE if that takes longer than a request may wait."""
        pending = await self._database.read(has_pending_events)
        if pending and await self._database.write_in_batches(_publish_some, self._database.wait_seconds):
            raise unavailable("Many events are still being published.")

    async def may_have_events(self, after: int, types: Collection[EventType]) -> bool:
        """Whether there may be events of these types after a position. Without `types`, any type counts.

        All readers of the process share one poll of the database every `FEED_POLL_SECONDS`.
        """
        async with self._polling:
            if monotonic() >= self._next_poll:
                await self._poll()
        newest = [self._newest.get(type_, 0) for type_ in types or self._newest]
        return after < max(self._unknown_to, *newest, 0)

    async def _poll(self) -> None:
        await self.publish_pending()
        try:
            last, newest = await self._database.read(self._read_newest)
        except Problem:
            # The readers keep waiting, and get the problem when their time is up.
            return
        finally:
            self._next_poll = monotonic() + FEED_POLL_SECONDS
        self._last_seen = last
        if newest is None:
            self._unknown_to, self._newest = last.position, {}
        else:
            self._newest |= newest

    def _read_newest(self, tx: Transaction) -> tuple[Cursor, dict[str, int] | None]:
        """Return the newest cursor, and the newest position of every type since the last poll.

        The types are None on the first poll, if too many events were published since the last one, and if a
        backup was restored meanwhile.
        """
        last, seen = newest_cursor(tx), self._last_seen
        if seen is None or not is_current(tx, seen) or last.position - seen.position > MAX_POSITIONS_PER_PASS:
            return last, None
        return last, newest_positions(tx, seen.position)
