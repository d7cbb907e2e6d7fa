"""What every operation has at hand, made once by `main.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from app.clock import Clock
from app.db import Database, Transaction
from app.http.authorise import KeyRing
from app.keys.store import Caller
from app.problems import unavailable
from app.question_sets.plans import Plans
from app.sessions.ageing import ScoresHaveAged, refresh
from app.sessions.case import ITSELF, Work
from app.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """The running service."""

    settings: Settings
    database: Database
    plans: Plans
    keys: KeyRing
    clock: Clock

    async def work(self, caller: Caller, actor: str | None, flow: Callable[[Work], T]) -> T:
        """Run a flow in one transaction; when this returns it is committed."""
        return await self.database.write(lambda tx: flow(Work(tx, self.plans, caller.name, actor)))

    async def read_scores(self, look: Callable[[Transaction], T]) -> T:
        """Read sessions with the scores of today: those that have aged are scored again before.

        Raises UNAVAILABLE when that takes longer than a request may wait; what is done stays done.
        """
        until = monotonic() + self.settings.wait_seconds
        while True:
            try:
                return await self.database.read(look)
            except ScoresHaveAged as error:
                aged = error.sessions
            if monotonic() > until:
                raise unavailable("Many answers have gone stale, and their scores are still made again.")
            await self.database.write(lambda tx: refresh(Work(tx, self.plans, ITSELF), aged))  # noqa: B023


# Both are `async def`, since FastAPI sends a plain function through a thread.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


ServiceHere = Annotated[Service, Depends(_service)]
CallerHere = Annotated[Caller, Depends(_caller)]
