"""The service object that every operation uses. `main.py` creates it once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import anyio
from fastapi import Depends, Header, Request, Response
from pydantic import BaseModel

from app.clock import Clock
from app.db import Database, Transaction
from app.edge.authorise import KeyRing
from app.edge.bodies import IncompleteBodies
from app.edge.computing import Computing
from app.edge.key_watch import KeyWatch
from app.edge.process_folder import ProcessFolder
from app.edge.readiness import ReadinessCheck
from app.encryption.service import Cipher
from app.events.service import FeedPublisher
from app.inbound.imports.worker import ImportRuns
from app.inbound.intake.worker import IntakeWorker
from app.insights.win_probability import WinCurves
from app.keys.idempotency import StoredResponse, WriteCall, claim_key, fingerprint, store_response
from app.keys.schemas import Caller
from app.problems import invalid_field, unavailable
from app.prospects.schemas import ProspectOut
from app.question_sets.plans import Plans
from app.schemas import IdempotencyKey, result_json
from app.sessions.queries import StaleScores
from app.sessions.session_edit import SYSTEM_KEY_NAME, UnitOfWork, rescore_stale
from app.settings import Settings

if TYPE_CHECKING:
    from app.webhooks.sender import Sender

T = TypeVar("T")
# The body of a response: an object of its class, or its fields.
Body = BaseModel | dict[str, Any]


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The result of a write that has a status other than 200, or a secret that must not be stored."""

    body: Body
    status: int = 200
    secret: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Service:
    """The running service: its settings, database and background workers."""

    settings: Settings
    database: Database
    plans: Plans
    cipher: Cipher
    keys: KeyRing
    key_watch: KeyWatch
    bodies: IncompleteBodies
    computing: Computing
    temporary: ProcessFolder
    feed: FeedPublisher
    find_sender: "Callable[[], Sender]"
    intakes: IntakeWorker
    imports: ImportRuns
    readiness: ReadinessCheck
    win_curves: WinCurves
    clock: Clock

    async def write(
        self, call: WriteCall, work: Callable[[UnitOfWork], Body | WriteResult], actor: str | None = None
    ) -> Response:
        """Do the same as `store`, and return the HTTP response."""
        return _http_response(await self.store(call, work, actor))

    async def store(
        self, call: WriteCall, work: Callable[[UnitOfWork], Body | WriteResult], actor: str | None = None
    ) -> StoredResponse:
        """Run `work` in one transaction, commit it and return the response.

        With an idempotency key, `work` runs only once: later calls return the bytes of the first response.
        `actor` is the person that the history names; without it, it is the person whom the key belongs to.
        """

        def run(tx: Transaction) -> StoredResponse:
            if call.key and (stored := claim_key(tx, call)):
                return stored
            returned = work(UnitOfWork(tx, self.plans, call.caller.name, actor or call.caller.person))
            result = returned if isinstance(returned, WriteResult) else WriteResult(returned)
            body = result.body
            response = StoredResponse(result.status, _json_of(body), _field(body, "revision"))
            if call.key:
                store_response(tx, call, response.masked(result.secret), _prospect_id_of(body))
            return response

        return await self.database.write(run)

    async def read_scores(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read transaction, after computing again the stale scores that it would read.

        Raises:
            Problem: UNAVAILABLE if that takes longer than a request may wait. Scores that were computed by
                then stay stored.
        """
        deadline = monotonic() + self.settings.wait_seconds
        while True:
            try:
                return await self.database.read(work)
            except StaleScores as error:
                session_ids = error.sessions
            if monotonic() > deadline:
                raise unavailable("Many answers have gone stale, and their scores are still being computed.")
            rescored = await self.database.write(partial(self._rescore, session_ids))
            if rescored == 0:
                # Another process is computing them.
                await anyio.sleep(0.05)

    def _rescore(self, session_ids: list[UUID] | None, tx: Transaction) -> int:
        return rescore_stale(UnitOfWork(tx, self.plans, SYSTEM_KEY_NAME), session_ids)


def _http_response(stored: StoredResponse) -> Response:
    headers = {} if stored.revision is None else {"ETag": f'"{stored.revision}"'}
    if stored.replayed:
        headers["Idempotent-Replayed"] = "true"
    return Response(stored.body, stored.status, headers, media_type="application/json")


def _json_of(body: Body) -> str:
    return result_json(body).decode() if isinstance(body, dict) else body.model_dump_json(by_alias=True)


def _field(body: Body, name: str) -> Any:
    return body.get(name) if isinstance(body, dict) else getattr(body, name, None)


def _prospect_id_of(body: Body) -> UUID | None:
    """Return the id of the prospect that a response is about: the stored response is erased with it."""
    prospect_id: UUID | None = _field(body, "id" if isinstance(body, ProspectOut) else "prospect_id")
    return prospect_id


# These functions are `async def`, because FastAPI runs plain functions in a thread.
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
    body = getattr(request, "sent", None)
    sent_values = dict(body) if isinstance(body, dict) else {}
    key_in_body = sent_values.pop("idempotency_key", None)
    if idempotency_key and key_in_body and idempotency_key != key_in_body:
        raise invalid_field(
            "/idempotency_key", "conflict", "the body and the header contain different keys: send only one"
        )
    key = idempotency_key or key_in_body
    if not key:
        return WriteCall(request.state.caller, None, "")
    # Without the host: a caller may use another host name of the service to send the request again.
    address = f"{request.url.path}?{request.url.query}"
    service: Service = request.app.state.service
    digest = await service.computing.run_if_large(
        getattr(request, "size", 0), lambda: fingerprint(request.method, address, sent_values)
    )
    return WriteCall(request.state.caller, key, digest)


ServiceDep = Annotated[Service, Depends(_service)]
CallerDep = Annotated[Caller, Depends(_caller)]
WriteCallDep = Annotated[WriteCall, Depends(_call)]
