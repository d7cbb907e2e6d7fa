"""What every operation has at hand, made once by `main.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, TypeVar
from uuid import UUID

import anyio
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from app.clock import Clock
from app.db import Database, Transaction
from app.http.authorise import KeyRing, secret_of
from app.http.idempotency import Answer, Call, claim, fingerprint, keep
from app.http.lookout import Lookout
from app.intake.worker import Worker
from app.keys.store import Caller
from app.problems import invalid_field, unavailable
from app.prospects.wire import ProspectOut
from app.question_sets.plans import Plans
from app.sessions.ageing import ScoresHaveAged, refresh
from app.sessions.case import ITSELF, Work
from app.settings import Settings
from app.webhooks.sending import Sender
from app.wire import IdempotencyKey

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done:
    """What a write has to say: with another status than 200, or with a secret that is stored nowhere."""

    out: BaseModel
    status: int = 200
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The running service."""

    settings: Settings
    database: Database
    plans: Plans
    keys: KeyRing
    lookout: Lookout
    sender: Sender
    intakes: Worker
    clock: Clock

    async def write(
        self, call: Call, flow: Callable[[Work], BaseModel | Done], actor: str | None = None
    ) -> Response:
        """Run a flow in one transaction, and answer what it says; when this returns it is committed.

        Under an idempotency key it runs once, and then the same bytes are answered again.
        """

        def work(tx: Transaction) -> Answer:
            if call.key and (kept := claim(tx, call)):
                return kept
            said = flow(Work(tx, self.plans, call.caller.name, actor))
            done = said if isinstance(said, Done) else Done(said)
            answer = Answer(
                done.status, done.out.model_dump_json(by_alias=True), getattr(done.out, "revision", None)
            )
            if call.key:
                keep(tx, call, answer.without(done.secret), _prospect_of(done.out))
            return answer

        return (await self.database.write(work)).response()

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
            done = await self.database.write(lambda tx: refresh(Work(tx, self.plans, ITSELF), aged))  # noqa: B023
            if done == 0:
                # Somebody else is at work on them.
                await anyio.sleep(0.05)


def _prospect_of(out: BaseModel) -> UUID | None:
    """The prospect that an answer is about: with it the kept answer is erased."""
    return out.id if isinstance(out, ProspectOut) else getattr(out, "prospect_id", None)


# All are `async def`, since FastAPI sends a plain function through a thread.
async def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _call(
    request: Request,
    idempotency_key: Annotated[IdempotencyKey | None, Header()] = None,
) -> Call:
    body = getattr(request, "_json", None)
    said = dict(body) if isinstance(body, dict) else {}
    in_body = said.pop("idempotency_key", None)
    if idempotency_key and in_body and idempotency_key != in_body:
        raise invalid_field("/idempotency_key", "conflict", "the body and the header name two keys")
    return Call(
        caller=request.state.caller,
        key=idempotency_key or in_body,
        # Without the host: who sends again may come by another name of the service.
        fingerprint=fingerprint(request.method, f"{request.url.path}?{request.url.query}", said),
        presented=secret_of(request),
    )


ServiceHere = Annotated[Service, Depends(_service)]
CallerHere = Annotated[Caller, Depends(_caller)]
CallHere = Annotated[Call, Depends(_call)]
