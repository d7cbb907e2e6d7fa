"""Record events, and publish them in one order."""

from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import anyio
from sqlalchemy import func
from sqlmodel import SQLModel, col, delete, select

from app.clock import new_id
from app.db import Database, Transaction
from app.events.queries import EVENT, PENDING, has_pending_events, last_position, newest_positions
from app.events.tables import Event, EventType
from app.problems import Problem, unavailable

MAX_POSITIONS_PER_PASS = 1000
LAST = SQLModel.metadata.tables["event_last_position"]
LOCKED = select(LAST.c.position).with_for_update()
INSERT_EVENTS = SQLModel.metadata.tables["event"].insert()
# All waiting readers share one look at the database for so long.
POLL_SECONDS = 0.25
# One reader publishes for so long at most, if nobody has read the feed for a long time.
MAX_PUBLISH_SECONDS = 2


def lock_feed(tx: Transaction) -> int:
    """Let nobody give positions until the transaction ends; returns the last position given."""
    position: int = tx.db.execute(LOCKED).scalar_one()
    return position


def assign_positions(tx: Transaction) -> int:
    """Give the next positions to at most 1,000 committed events; to how many.

    Of two events of one session or prospect the later one was inserted when the earlier one was
    committed. Whoever sees it sees the earlier one too, which has the lower `seq`.
    """
    last = lock_feed(tx)
    # A new statement sees all that was committed before it, which the one that waited for the lock may not.
    waiting = PENDING.limit(MAX_POSITIONS_PER_PASS).subquery()
    numbered = select(
        waiting.c.seq, (last + func.row_number().over(order_by=waiting.c.seq)).label("position")
    ).subquery()
    given = tx.db.exec(
        EVENT.update().values(position=numbered.c.position).where(EVENT.c.seq == numbered.c.seq)
    )
    tx.db.execute(LAST.update().values(position=last + given.rowcount))
    return given.rowcount


@dataclass(frozen=True, slots=True)
class EventSubject:
    """What an event is about; `data` holds ids, decisions and outcomes only."""

    prospect_id: UUID | None = None
    session_id: UUID | None = None
    question_set: str | None = None
    revision: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


def record_events(tx: Transaction, about: EventSubject, types: Iterable[EventType]) -> None:
    """Tell events of these types, in this order. The prospect or session they are about is locked."""
    record_events_of_many(tx, [(about, type_) for type_ in types])


def record_events_of_many(tx: Transaction, events: Iterable[tuple[EventSubject, EventType]]) -> None:
    """Tell events about several, in this order; all that they are about is locked."""
    rows = [
        {
            "id": new_id(),
            "type": type_,
            "at": tx.at,
            "prospect_id": about.prospect_id,
            "session_id": about.session_id,
            "question_set": about.question_set,
            "revision": about.revision,
            "data": about.data,
        }
        for about, type_ in events
    ]
    if rows:
        tx.db.execute(INSERT_EVENTS, rows)


def erase_events(tx: Transaction, prospect_id: UUID) -> None:
    """Delete all that was told of a prospect, its sessions, and the prospects that were merged into it.

    The prospect is deleted already: nothing more is told of its sessions meanwhile.
    """
    lock_feed(tx)
    ids = [prospect_id]
    for known in ids:
        merged = select(Event.data).where(Event.prospect_id == known, Event.type == "prospect.merged")
        ids += [UUID(data["merged_prospect_id"]) for data in tx.db.exec(merged)]
    tx.db.exec(delete(Event).where(col(Event.prospect_id).in_(ids)))


class FeedPublisher:
    """Publishes committed events in one process, and knows whether there is anything new to read.

    `publish` assigns positions to at most `MAX_POSITIONS_PER_PASS` events and returns their number.
    `any_stale` and `rescore` belong to sessions: scores that became stale are computed again first, so that
    their events are published too.
    """

    def __init__(
        self,
        database: Database,
        publish: Callable[[Transaction], int],
        any_stale: Callable[[Transaction], bool],
        rescore: Callable[[Transaction], object],
    ) -> None:
        self._database = database
        self._publish = publish
        self._any_stale = any_stale
        self._rescore = rescore
        self._polling = anyio.Lock()
        self._next_poll = 0.0
        self._last_seen: int | None = None
        # Types are not known up to this position, so every reader has to look there.
        self._unknown_to = 0
        self._newest: dict[str, int] = {}

    async def publish_pending(self, seconds: float = MAX_PUBLISH_SECONDS) -> None:
        """Rescore stale sessions and publish committed events, for so many seconds at most.

        If the database is busy or there is not enough time, the next reader continues: events that are
        published already can be read.
        """
        with suppress(Problem):
            stale, pending = await self._database.read(
                lambda tx: (self._any_stale(tx), has_pending_events(tx))
            )
            if stale:
                await self._database.write(self._rescore)
            until = monotonic() + seconds
            while stale or pending:
                published = await self._database.write(self._publish)
                stale, pending = False, published == MAX_POSITIONS_PER_PASS and monotonic() < until

    async def publish_all(self) -> None:
        """Publish every committed event; raises UNAVAILABLE if that takes too long."""
        until = monotonic() + self._database.wait_seconds
        pending = await self._database.read(has_pending_events)
        while pending:
            pending = await self._database.write(self._publish) == MAX_POSITIONS_PER_PASS
            if pending and monotonic() > until:
                raise unavailable("Many events are still being published.")

    async def has_news(self, after: int, types: Collection[EventType]) -> bool:
        """Whether there may be events of these types (of any, if empty) after a position.

        All readers of the process share one look at the database every `POLL_SECONDS`.
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
            # Readers continue to wait, and get the problem when their time is over.
            return
        finally:
            self._next_poll = monotonic() + POLL_SECONDS
        self._last_seen = last
        if newest is None:
            self._unknown_to = last
        else:
            self._newest |= newest

    def _read_newest(self, tx: Transaction) -> tuple[int, dict[str, int] | None]:
        """The last position, and the newest position of every type since the last poll, if it is near."""
        last = last_position(tx)
        if self._last_seen is None or last - self._last_seen > MAX_POSITIONS_PER_PASS:
            return last, None
        return last, newest_positions(tx, self._last_seen)
