"""Who sends: one in every serving process, all from one outbox."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from time import monotonic
from uuid import UUID

import anyio
from anyio.abc import TaskGroup

from app.db import Database, Transaction
from app.events.tables import Event
from app.problems import Problem
from app.question_sets.plans import Plans
from app.webhooks import outbox
from app.webhooks.message import NothingToSendError, OutgoingRequest, outgoing_request
from app.webhooks.outbox import AttemptResult
from app.webhooks.queries import Lease, any_active, find_due, find_leased
from app.webhooks.sender import Sender
from app.webhooks.tables import Webhook

log = logging.getLogger(__name__)
# So often somebody looks whether there is something to send, or anybody to send to.
POLL_SECONDS = 0.25
IDLE_SECONDS = 1.0
# After an attempt so long for others to end as well, and be written down with it.
GATHER_SECONDS = 0.005
# After a failure that is not the far end's: the database is down, say.
ERROR_PAUSE_SECONDS = 1.0
CLEANUP_SECONDS = 3600
# What has a position already is not kept waiting for what has none.
CATCH_UP_SECONDS = 0.1
# Of a lease that much is left when the time for sending is over, to write down what came of it.
LEASE_MARGIN_SECONDS = 5
FAILED = "the service failed; its log says why"
Rendered = OutgoingRequest | AttemptResult | None
ReadScores = Callable[[Callable[[Transaction], list[Rendered]]], Awaitable[list[Rendered]]]


class DeliveryWorker:
    """Sends what is due. A process that is gone leaves its leases to run out, and others send again.

    `catch_up` lets events have their positions; `read_scores` reads sessions with the scores of today.
    """

    def __init__(
        self,
        database: Database,
        plans: Plans,
        sender: Sender,
        catch_up: Callable[[float], Awaitable[None]],
        read_scores: ReadScores,
    ) -> None:
        self._database = database
        self._plans = plans
        self._sender = sender
        self._catch_up = catch_up
        self._read_scores = read_scores
        self._lease = timedelta(seconds=sender.timeout + LEASE_MARGIN_SECONDS)
        self._sweep_at = self._catch_up_at = 0.0
        self._results: list[tuple[Lease, AttemptResult]] = []
        self._done = anyio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as sending:
            while True:
                self._done = anyio.Event()
                rest = await self._look(sending)
                with anyio.move_on_after(rest):
                    await self._done.wait()
                    await anyio.sleep(GATHER_SECONDS)

    async def _look(self, sending: TaskGroup) -> float:
        """Write down what was sent, and begin to send what is due; after how many seconds to look again."""
        results, self._results = self._results, []
        try:
            await self._sweep()
            if monotonic() >= self._catch_up_at:
                if not results and not await self._database.read(any_active):
                    return IDLE_SECONDS
                await self._catch_up(CATCH_UP_SECONDS)
                self._catch_up_at = monotonic() + POLL_SECONDS
            due = await self._database.read(find_due)
            turn = partial(self._turn, results=results, due=due)
            held = await self._database.write(turn) if due or results else []
        except Problem:
            # If it cannot be written down in time, the leases run out, and it is sent again.
            self._results = results + self._results
            return ERROR_PAUSE_SECONDS
        except Exception:  # whatever it is, what comes later still has to be sent
            log.exception("webhooks are not sent for a moment")
            await self._write_down_each(results)
            return ERROR_PAUSE_SECONDS
        for _, some in groupby(held, attrgetter("webhook_id")):
            sending.start_soon(self._send, list(some))
        return POLL_SECONDS

    async def _write_down_each(self, results: Sequence[tuple[Lease, AttemptResult]]) -> None:
        """One that cannot be written down keeps no other from it."""
        for held, result in results:
            with suppress(Exception):
                await self._database.write(lambda tx: outbox.record_results(tx, [(held, result)]))  # noqa: B023

    def _turn(
        self, tx: Transaction, results: Sequence[tuple[Lease, AttemptResult]], due: Sequence[UUID]
    ) -> list[Lease]:
        outbox.record_results(tx, results)
        return [held for webhook_id in due for held in outbox.claim_due(tx, webhook_id, self._lease)]

    async def _sweep(self) -> None:
        if monotonic() >= self._sweep_at:
            more = await self._database.write(outbox.delete_expired)
            self._sweep_at = monotonic() + (IDLE_SECONDS if more else CLEANUP_SECONDS)

    async def _send(self, held: Sequence[Lease]) -> None:
        """Send what is held for one webhook; another that has to wait for a session waits by itself."""
        rendered = await self._render(held)
        async with anyio.create_task_group() as sending:
            for one, outgoing in zip(held, rendered, strict=True):
                sending.start_soon(self._deliver, one, outgoing)

    async def _render(self, held: Sequence[Lease]) -> list[Rendered]:
        """What to send of each; all in one read, or each in its own if one of them fails."""
        try:
            return await self._read_scores(lambda tx: _render_all(tx, self._plans, held))
        except Problem:
            return [None] * len(held)
        except Exception:  # a delivery that fails in a new way keeps no other from being sent
            log.exception("an event cannot be told")
            if len(held) == 1:
                return [AttemptResult(error=FAILED)]
            return [rendered for one in held for rendered in await self._render([one])]

    async def _deliver(self, held: Lease, outgoing: Rendered) -> None:
        """Make one attempt; without anything to send the lease runs out."""
        if outgoing is None:
            return
        try:
            result = outgoing if isinstance(outgoing, AttemptResult) else await self._sender.send(outgoing)
        except Exception:  # it would end the sending of all others
            log.exception("an attempt failed")
            result = AttemptResult(error=FAILED)
        self._results.append((held, result))
        self._done.set()


def _render_all(tx: Transaction, plans: Plans, held: Sequence[Lease]) -> list[Rendered]:
    """What to send of each; None for what is not the holder's any more."""
    found = find_leased(tx, held)
    return [_render(tx, plans, *found[one]) if one in found else None for one in held]


def _render(tx: Transaction, plans: Plans, webhook: Webhook, event: Event) -> OutgoingRequest | AttemptResult:
    """What to send, or what comes of it if there is nothing to."""
    try:
        return outgoing_request(tx, plans, webhook, event)
    except NothingToSendError as error:
        return AttemptResult(error=str(error), skipped=True)
