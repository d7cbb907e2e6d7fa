"""What every operation has at hand, made once by `main.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from app.db import Database
from app.http.authorise import KeyRing
from app.keys.store import Caller
from app.question_sets.plans import Plans
from app.sessions.case import Work
from app.settings import Settings

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Service:
    """The running service."""

    settings: Settings
    database: Database
    plans: Plans
    keys: KeyRing

    async def work(self, caller: Caller, actor: str | None, flow: Callable[[Work], T]) -> T:
        """Run a flow in one transaction; when this returns it is committed."""
        return await self.database.write(lambda tx: flow(Work(tx, self.plans, caller.name, actor)))


# Both are `async def`, since FastAPI sends a plain function through a thread.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


ServiceHere = Annotated[Service, Depends(_service)]
CallerHere = Annotated[Caller, Depends(_caller)]
