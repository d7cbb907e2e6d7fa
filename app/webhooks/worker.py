"""The delivery worker. Every serving process runs one, and all of them share one outbox."""

import logging
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from time import monotonic
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
from anyio.abc import TaskGroup

from app.db import Database, Transaction
from app.encryption.service import Cipher
from app.events.tables import Event
from app.problems import WRONG_ENCRYPTION_KEY, Problem
from app.question_sets.plans import Plans
from app.webhooks import outbox
from app.webhooks.message import outgoing_request
from app.webhooks.outbox import AttemptResult
from app.webhooks.queries import Lease, any_active, find_due, find_leased, find_rooms
from app.webhooks.record_updates.message import NothingToSendError, OutgoingRequest
from app.webhooks.tables import Delivery, Webhook

if TYPE_CHECKING:
    # It imports an HTTP client, which takes long. A service that sends nothing does not need it.
    from app.webhooks.sender import Sender

log = logging.getLogger(__name__)
# How often to look for due deliveries, and while no webhook is active, for active webhooks.
DELIVERY_POLL_SECONDS = 0.25
IDLE_POLL_SECONDS = 1.0
# After an attempt ends, wait this long for others to end, so that one transaction stores all their results.
RESULT_BATCH_SECONDS = 0.005
# The pause after a failure of the service itself, such as a database that is down.
ERROR_PAUSE_SECONDS = 1.0
DELIVERY_CLEANUP_SECONDS = 3600
# Limits how long deliveries that exist already wait for events that have no position yet.
MAX_PUBLISH_SECONDS_PER_PASS = 0.1
# The same for events that have no deliveries yet.
MAX_QUEUE_SECONDS_PER_PASS = 0.1
# How much longer the pause is than the search for webhooks that events wait for. The search counts all the
# pending deliveries of webhooks that are full.
QUEUE_PAUSE_RATIO = 4
# This limits how long one transaction holds its locks.
MAX_RESULTS_PER_TRANSACTION = 50
# Sending needs the processor and database connections that the requests of callers need too. So a process has
# at most this many attempts that began less than `YOUNG_SECONDS` ago. Older ones wait for their receivers,
# need nothing meanwhile, and must not keep the attempts for other webhooks waiting.
MAX_YOUNG_ATTEMPTS = 48
YOUNG_SECONDS = 0.5
# How many webhooks have their next requests prepared at the same time.
MAX_PREPARING = 2
# How much longer a lease lasts than the attempt may take: the time to store the result.
LEASE_MARGIN_SECONDS = 5
SERVICE_FAILED = "the service failed; its log says why"
Prepared = OutgoingRequest | AttemptResult | None
Result = tuple[Lease, AttemptResult]
ReadScores = Callable[[Callable[[Transaction], list[Prepared]]], Awaitable[list[Prepared]]]


class DeliveryWorker:
    """Sends due deliveries. If a process ends, its leases expire and another process sends again.

    Args:
        find_sender: returns the sender, always the same.
        publish_pending: gives committed events their positions, in at most the given number of seconds.
        read_scores: runs a function in a read transaction in which all scores are up to date.
        attempt_seconds: the time-out of the sender.
        max_pending: how many pending deliveries a webhook may have. Further events wait in the feed.
    """

    def __init__(
        self,
        database: Database,
        plans: Plans,
        cipher: Cipher,
        find_sender: "Callable[[], Sender]",
        publish_pending: Callable[[float], Awaitable[None]],
        read_scores: ReadScores,
        *,
        attempt_seconds: float,
        max_pending: int,
    ) -> None:
        self._database = database
        self._plans = plans
        self._cipher = cipher
        self._find_sender = find_sender
        self._publish_pending = publish_pending
        self._read_scores = read_scores
        self._max_pending = max_pending
        self._lease_duration = timedelta(seconds=attempt_seconds + LEASE_MARGIN_SECONDS)
        self._started_at: dict[Lease, float] = {}
        self._last_turn = UUID(int=0)
        self._preparing = anyio.CapacityLimiter(MAX_PREPARING)
        self._cleanup_at = self._publish_at = self._queue_at = 0.0
        self._results: list[Result] = []
        self._result_available = anyio.Event()

    async def run(self) -> None:
        """Send due deliveries until cancelled."""
        async with anyio.create_task_group() as sending:
            while True:
                self._result_available = anyio.Event()
                pause = await self._run_pass(sending)
                with anyio.move_on_after(pause):
                    await self._result_available.wait()
                    await anyio.sleep(RESULT_BATCH_SECONDS)

    async def _run_pass(self, sending: TaskGroup) -> float:
        """Store results and start sending what is due. Return the seconds until the next pass."""
        results, self._results = self._results, []
        try:
            await self._clean_up()
            if monotonic() >= self._publish_at:
                if not results and not await self._database.read(any_active):
                    return IDLE_POLL_SECONDS
                await self._publish_pending(MAX_PUBLISH_SECONDS_PER_PASS)
                await self._queue_deliveries()
                self._publish_at = monotonic() + DELIVERY_POLL_SECONDS
            await self._record_and_claim(results, await self._database.read(find_due), sending)
        except Problem:
            # If the results cannot be stored in time, the leases expire and the deliveries are sent again.
            self._results = results + self._results
            return ERROR_PAUSE_SECONDS
        except Exception:  # the worker must survive any failure, to send later deliveries
            log.exception("webhook deliveries pause after a failure")
            await self._record_each(results)
            return ERROR_PAUSE_SECONDS
        return DELIVERY_POLL_SECONDS

    async def _queue_deliveries(self) -> None:
        """Create deliveries for events that wait. If it takes long to find them, this happens less often."""
        if monotonic() < self._queue_at:
            return
        started = monotonic()
        rooms = await self._database.read(partial(find_rooms, max_pending=self._max_pending))
        self._queue_at = monotonic() + QUEUE_PAUSE_RATIO * (monotonic() - started)
        if rooms:
            queue = partial(outbox.queue_deliveries, webhook_ids=list(rooms), max_pending=self._max_pending)
            await self._database.write_in_batches(queue, MAX_QUEUE_SECONDS_PER_PASS)

    async def _record_and_claim(
        self, results: Sequence[Result], due: Sequence[UUID], sending: TaskGroup
    ) -> None:
        """Store results, lease due deliveries and start sending them, in transactions of limited size.

        If a process cannot send to all due webhooks now, the others have their turn in the next passes.
        """
        due = self._next_webhooks(due)
        batches = _batches(results)
        while batches or due:
            started = monotonic()
            record_and_claim = partial(
                self._record_and_claim_some, results=batches[0] if batches else (), due=due
            )
            leases = await self._database.write(record_and_claim)
            self._started_at |= dict.fromkeys(leases, monotonic())
            for _, webhook_leases in groupby(leases, attrgetter("webhook_id")):
                sending.start_soon(self._send, list(webhook_leases))
            batches, due = batches[1:], ()
            # Also after the last transaction: the next pass may follow at once.
            await self._database.pause_for_others(started)

    def _next_webhooks(self, due: Sequence[UUID]) -> Sequence[UUID]:
        """Return as many of the due webhooks as can be sent to now. They take turns, ordered by id."""
        now = monotonic()
        young = sum(now - started_at < YOUNG_SECONDS for started_at in self._started_at.values())
        room = max(0, MAX_YOUNG_ATTEMPTS - young) // outbox.MAX_IN_FLIGHT_PER_WEBHOOK
        after_last = bisect_right(due, self._last_turn)
        turns = [*due[after_last:], *due[:after_last]][:room]
        self._last_turn = turns[-1] if turns else self._last_turn
        return turns

    async def _record_each(self, results: Sequence[Result]) -> None:
        """Store each result in its own transaction, so that one that fails does not affect the others."""
        for lease, result in results:
            with suppress(Exception):
                await self._database.write(lambda tx: outbox.record_results(tx, [(lease, result)]))  # noqa: B023

    def _record_and_claim_some(
        self, tx: Transaction, results: Sequence[Result], due: Sequence[UUID]
    ) -> list[Lease]:
        outbox.record_results(tx, results)
        return [
            lease for webhook_id in due for lease in outbox.claim_due(tx, webhook_id, self._lease_duration)
        ]

    async def _clean_up(self) -> None:
        if monotonic() >= self._cleanup_at:
            more = await self._database.write(outbox.delete_expired)
            self._cleanup_at = monotonic() + (IDLE_POLL_SECONDS if more else DELIVERY_CLEANUP_SECONDS)

    async def _send(self, leases: Sequence[Lease]) -> None:
        """Send the leased deliveries of one webhook. If it waits for a session, the other webhooks do not."""
        async with self._preparing:
            prepared = await self._prepare(leases)
        async with anyio.create_task_group() as sending:
            for lease, outgoing in zip(leases, prepared, strict=True):
                sending.start_soon(self._deliver, lease, outgoing)

    async def _prepare(self, leases: Sequence[Lease]) -> list[Prepared]:
        """Return what to send for each lease: from one read, or from a read for each if that fails."""
        try:
            return await self._read_scores(lambda tx: _prepare_all(tx, self._plans, self._cipher, leases))
        except Problem:
            return [None] * len(leases)
        except Exception:  # a delivery that fails must not prevent the others
            log.exception("a webhook delivery cannot be prepared")
            if len(leases) == 1:
                return [AttemptResult(error=SERVICE_FAILED)]
            return [prepared for lease in leases for prepared in await self._prepare([lease])]

    async def _deliver(self, lease: Lease, outgoing: Prepared) -> None:
        """Make one attempt. If there is nothing to send, let the lease expire."""
        try:
            if outgoing is None:
                return
            if isinstance(outgoing, AttemptResult):
                result = outgoing
            else:
                result = await self._find_sender().send(outgoing)
        except Exception:  # it would cancel all other attempts
            log.exception("a webhook attempt failed")
            result = AttemptResult(error=SERVICE_FAILED)
        finally:
            del self._started_at[lease]
        self._results.append((lease, result))
        self._result_available.set()


def _batches(results: Sequence[Result]) -> list[Sequence[Result]]:
    """Return the results that can be stored together. Those that lock a prospect are stored one by one."""
    alone = [[one] for one in results if one[1].written]
    others = [one for one in results if not one[1].written]
    starts = range(0, len(others), MAX_RESULTS_PER_TRANSACTION)
    return [*(others[start : start + MAX_RESULTS_PER_TRANSACTION] for start in starts), *alone]


def _prepare_all(tx: Transaction, plans: Plans, cipher: Cipher, leases: Sequence[Lease]) -> list[Prepared]:
    """Return what to send for each lease; None if the lease is no longer valid."""
    valid = find_leased(tx, leases)
    return [_prepare(tx, plans, cipher, *valid[lease]) if lease in valid else None for lease in leases]


def _prepare(
    tx: Transaction, plans: Plans, cipher: Cipher, webhook: Webhook, event: Event, delivery: Delivery
) -> OutgoingRequest | AttemptResult:
    """Return the request to send, or the result of the attempt if no request can be made."""
    try:
        external_id = delivery.external_id or None
        return outgoing_request(tx, plans, cipher, webhook, event, external_id=external_id)
    except NothingToSendError as error:
        return AttemptResult(error=str(error), skipped=True)
    except Problem as problem:
        if problem.kind is not WRONG_ENCRYPTION_KEY:
            raise
        return AttemptResult(error=problem.detail)
