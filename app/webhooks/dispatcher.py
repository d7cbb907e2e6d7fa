"""Who sends: one in every serving process, all from one outbox."""

import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from time import monotonic
from uuid import UUID

import anyio
from anyio.abc import TaskGroup

from app.db import Database, Transaction
from app.problems import Problem
from app.webhooks import outbox
from app.webhooks.message import NothingToSendError, Outgoing, render
from app.webhooks.outbox import Held
from app.webhooks.sending import Sender

log = logging.getLogger(__name__)

# So often somebody looks whether there is something to send, or anybody to send to.
LOOK_SECONDS = 0.25
IDLE_SECONDS = 1.0
# After a failure that is not the far end's: the database is down, say.
REST_SECONDS = 5.0
SWEEP_SECONDS = 3600
# Of a lease that much is left when the time for sending is over, to write down what came of it.
SPARE_SECONDS = 5

Rendered = Outgoing | str | None


class Dispatcher:
    """Sends what is due. A process that is gone leaves its leases to run out, and others send again.

    `catch_up` lets events have their positions; `read_scores` reads sessions with the scores of today.
    """

    def __init__(
        self,
        database: Database,
        sender: Sender,
        catch_up: Callable[[], Awaitable[None]],
        read_scores: Callable[[Callable[[Transaction], Rendered]], Awaitable[Rendered]],
    ) -> None:
        self._database = database
        self._sender = sender
        self._catch_up = catch_up
        self._read_scores = read_scores
        self._lease = timedelta(seconds=sender.timeout + SPARE_SECONDS)
        self._sweep_at = 0.0
        self._done = anyio.Event()

    async def run(self) -> None:
        """Send until cancelled."""
        async with anyio.create_task_group() as sending:
            while True:
                self._done = anyio.Event()
                rest = await self._look(sending)
                with anyio.move_on_after(rest):
                    await self._done.wait()

    async def _look(self, sending: TaskGroup) -> float:
        """Begin to send what is due; after how many seconds to look again."""
        try:
            if not await self._database.read(outbox.any_active):
                return IDLE_SECONDS
            await self._catch_up()
            for webhook_id in await self._database.read(outbox.find_due):
                for held in await self._hold(webhook_id):
                    sending.start_soon(self._deliver, held)
            if monotonic() >= self._sweep_at:
                await self._database.write(outbox.forget_outdated)
                self._sweep_at = monotonic() + SWEEP_SECONDS
        except Problem:
            return REST_SECONDS
        except Exception:  # whatever it is, what comes later still has to be sent
            log.exception("webhooks are not sent for a moment")
            return REST_SECONDS
        return LOOK_SECONDS

    async def _hold(self, webhook_id: UUID) -> list[Held]:
        return await self._database.write(lambda tx: outbox.hold(tx, webhook_id, self._lease))

    async def _deliver(self, held: Held) -> None:
        """Make one attempt; if it cannot be written down, the lease runs out and it is made again."""
        try:
            outgoing = await self._read_scores(lambda tx: _render(tx, held))
            if isinstance(outgoing, str):
                await self._database.write(lambda tx: outbox.skip(tx, held, outgoing))
            elif outgoing:
                result = await self._sender.send(outgoing)
                await self._database.write(lambda tx: outbox.settle(tx, held, result))
        except Problem:
            log.warning("an attempt to send was not written down, and is made again")
        except Exception:  # one delivery that fails in a new way keeps no other from being sent
            log.exception("an attempt to send failed")
        self._done.set()


def _render(tx: Transaction, held: Held) -> Rendered:
    """What to send; why there is nothing to; or None, if it is not the holder's any more."""
    found = outbox.find_held(tx, held)
    if found is None:
        return None
    _, webhook, event = found
    try:
        return render(tx, webhook, event)
    except NothingToSendError as error:
        return str(error)
