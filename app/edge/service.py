"""What every operation has at hand, made once by `main.py`."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Annotated, TypeVar
from uuid import UUID

import anyio
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from app.clock import Clock
from app.db import Database, Transaction
from app.edge.authorise import KeyRing, secret_of
from app.events.service import FeedPublisher
from app.inbound.intake.worker import IntakeWorker
from app.keys.idempotency import StoredResponse, WriteCall, claim_key, fingerprint, store_response
from app.keys.schemas import Caller
from app.problems import invalid_field, unavailable
from app.prospects.schemas import ProspectOut
from app.question_sets.plans import Plans
from app.schemas import IdempotencyKey
from app.sessions.queries import StaleScores
from app.sessions.session_edit import SYSTEM_KEY_NAME, UnitOfWork, rescore_stale
from app.settings import Settings
from app.webhooks.sender import Sender

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WriteResult:
    """What a write has to say: with another status than 200, or with a secret that is stored nowhere."""

    body: BaseModel
    status: int = 200
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The running service."""

    settings: Settings
    database: Database
    plans: Plans
    keys: KeyRing
    feed: FeedPublisher
    sender: Sender
    intakes: IntakeWorker
    clock: Clock

    async def write(
        self, call: WriteCall, flow: Callable[[UnitOfWork], BaseModel | WriteResult], actor: str | None = None
    ) -> Response:
        """Run a flow in one transaction, and answer what it says; when this returns it is committed.

        Under an idempotency key it runs once, and then the same bytes are answered again.
        """

        def run(tx: Transaction) -> StoredResponse:
            if call.key and (stored := claim_key(tx, call)):
                return stored
            returned = flow(UnitOfWork(tx, self.plans, call.caller.name, actor))
            result = returned if isinstance(returned, WriteResult) else WriteResult(returned)
            body = result.body
            response = StoredResponse(
                result.status, body.model_dump_json(by_alias=True), getattr(body, "revision", None)
            )
            if call.key:
                store_response(tx, call, response.without(result.secret), _prospect_of(body))
            return response

        return _http_response(await self.database.write(run))

    async def read_scores(self, look: Callable[[Transaction], T]) -> T:
        """Read sessions with the scores of today: those that have aged are scored again before.

        Raises UNAVAILABLE when that takes longer than a request may wait; what is done stays done.
        """
        until = monotonic() + self.settings.wait_seconds
        while True:
            try:
                return await self.database.read(look)
            except StaleScores as error:
                stale = error.sessions
            if monotonic() > until:
                raise unavailable("Many answers have gone stale, and their scores are still made again.")
            rescored = await self.database.write(partial(self._rescore, stale))
            if rescored == 0:
                # Somebody else is at work on them.
                await anyio.sleep(0.05)

    def _rescore(self, stale: list[UUID] | None, tx: Transaction) -> int:
        return rescore_stale(UnitOfWork(tx, self.plans, SYSTEM_KEY_NAME), stale)


def _http_response(stored: StoredResponse) -> Response:
    headers = {} if stored.revision is None else {"ETag": f'"{stored.revision}"'}
    if stored.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(stored.body, stored.status, headers, media_type="application/json")


def _prospect_of(body: BaseModel) -> UUID | None:
    """The prospect that a response is about: the stored response is erased with it."""
    return body.id if isinstance(body, ProspectOut) else getattr(body, "prospect_id", None)


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
) -> WriteCall:
    body = getattr(request, "_json", None)
    said = dict(body) if isinstance(body, dict) else {}
    in_body = said.pop("idempotency_key", None)
    if idempotency_key and in_body and idempotency_key != in_body:
        raise invalid_field("/idempotency_key", "conflict", "the body and the header name two keys")
    return WriteCall(
        caller=request.state.caller,
        key=idempotency_key or in_body,
        # Without the host: who sends again may come by another name of the service.
        fingerprint=fingerprint(request.method, f"{request.url.path}?{request.url.query}", said),
        presented=secret_of(request),
    )


ServiceDep = Annotated[Service, Depends(_service)]
CallerDep = Annotated[Caller, Depends(_caller)]
WriteCallDep = Annotated[WriteCall, Depends(_call)]
