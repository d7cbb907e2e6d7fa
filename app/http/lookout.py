"""Who keeps the change feed up to date, and looks out for news on behalf of all who wait for some."""

from collections.abc import Collection
from contextlib import suppress
from time import monotonic

import anyio
from starlette.requests import ClientDisconnect, Request

from app.db import Database, Transaction
from app.events.feed import MOST_AT_ONCE, is_behind, last_position, newest_by_type
from app.events.tables import EventType
from app.http.stopping import is_stopping
from app.problems import Problem, unavailable
from app.question_sets.plans import Plans
from app.sessions.ageing import any_has_aged, refresh
from app.sessions.case import ITSELF, Work
from app.webhooks.outbox import hand_out

# So long a look at the database is good enough for everybody who waits.
LOOK_SECONDS = 0.25
# So long one request gives positions, where nobody has read the feed for a long time.
CATCH_UP_SECONDS = 2


class Lookout:
    """The feed of one process. Who waits holds no thread, no connection and no transaction."""

    def __init__(self, database: Database, plans: Plans) -> None:
        self._database = database
        self._plans = plans
        self._looking = anyio.Lock()
        self._look_again_at = 0.0
        self._seen: int | None = None
        # Up to this position everybody looks for themselves; what came since is known by type.
        self._unknown_to = 0
        self._newest: dict[str, int] = {}

    async def catch_up(self, seconds: float = CATCH_UP_SECONDS) -> None:
        """Let time tell what it changes, of 200 sessions at most, and let events have their positions.

        Where others are too busy writing, or that takes longer, it waits for the next reader: what is told
        already can be read.
        """
        with suppress(Problem):
            aged, behind = await self._database.read(lambda tx: (any_has_aged(tx), is_behind(tx)))
            if aged:
                await self._database.write(lambda tx: refresh(Work(tx, self._plans, ITSELF), None))
            until = monotonic() + seconds
            while aged or behind:
                given = await self._database.write(hand_out)
                aged, behind = False, given == MOST_AT_ONCE and monotonic() < until

    async def catch_up_wholly(self) -> None:
        """Let all events that are committed have their positions; raises UNAVAILABLE if that is not done."""
        until = monotonic() + self._database.wait_seconds
        behind = await self._database.read(is_behind)
        while behind:
            behind = await self._database.write(hand_out) == MOST_AT_ONCE
            if behind and monotonic() > until:
                raise unavailable("A great many events are still given their places in the feed.")

    async def wait(self, request: Request, after: int, types: Collection[EventType], until: float) -> bool:
        """Wait until something of these types may be told after a position; whether that was in time.

        `until` is a time of `monotonic()`. A process that stops waits no longer. Raises
        `ClientDisconnect` when nobody waits for the answer.
        """
        with anyio.move_on_after(until - monotonic()):
            while not is_stopping(request):
                if await request.is_disconnected():
                    raise ClientDisconnect
                if await self._has_news(after, types):
                    return True
                await anyio.sleep(LOOK_SECONDS)
        return False

    async def _has_news(self, after: int, types: Collection[EventType]) -> bool:
        async with self._looking:
            if monotonic() >= self._look_again_at:
                await self._look()
        newest = [self._newest.get(type_, 0) for type_ in types or self._newest]
        return after < max(self._unknown_to, *newest, 0)

    async def _look(self) -> None:
        await self.catch_up()
        try:
            last, newest = await self._database.read(self._see)
        except Problem:
            # Who waits goes on waiting, and is told when the time is over and it is still so.
            return
        finally:
            self._look_again_at = monotonic() + LOOK_SECONDS
        self._seen = last
        if newest is None:
            self._unknown_to = last
        else:
            self._newest |= newest

    def _see(self, tx: Transaction) -> tuple[int, dict[str, int] | None]:
        """The end of the feed, and the newest position of every type since the last look, if it is near."""
        last = last_position(tx)
        if self._seen is None or last - self._seen > MOST_AT_ONCE:
            return last, None
        return last, newest_by_type(tx, self._seen)
