"""Qualify many prospects in one call: one response line for each request line."""

from collections.abc import AsyncGenerator
from functools import partial
from typing import Any

from fastapi import Request
from pydantic import ValidationError

from app.api.batch import BatchError, turns
from app.edge.ndjson import BodyReader, NdjsonResponse, lines_body, require_format
from app.edge.problem_responses import problem_out
from app.edge.routes import router
from app.edge.service import CallerDep, Service, ServiceDep
from app.keys.idempotency import WriteCall, fingerprint
from app.keys.schemas import Caller, Scope
from app.problems import DATABASE_FAILURES, TOO_MANY_ROWS, Problem, invalid, too_large_line
from app.scoring import Flawed, shape_flaws
from app.sessions.qualification import qualify
from app.sessions.requests import QualifyRequest
from app.strict_json import read_json

writing = router("sessions", Scope.WRITE)


@writing.post(
    "/qualify/batch",
    operation_id="qualify_batch",
    response_class=NdjsonResponse,
    openapi_extra=lines_body("one JSON object per line, each as for POST /v1/qualify"),
)
async def qualify_batch(request: Request, service: ServiceDep, caller: CallerDep) -> NdjsonResponse:
    """Qualify many prospects with NDJSON. Each line gets `{"line": 1, "result": …}`, or a `problem` instead.

    A line has the fields of `POST /v1/qualify`, and its `result` is the response of that operation. Each line
    is one transaction: a line that is refused writes nothing, and does not affect the others. A line with an
    `idempotency_key` is safe to send again, here or to `POST /v1/qualify`. The response has the order of the
    lines and leaves out blank ones. Read it while you send. If the call ends early, the last line has the
    problem and the number of the first line that was not carried out: send the lines again from there. A call
    ends early if the service stops, the database fails, the key is revoked or expires, or the call has more
    than 100,000 lines, unless the operator sets another limit.
    """
    require_format(request, "ndjson")
    batch = _Batch(request, service, caller)
    body = BodyReader(request)
    return NdjsonResponse(request, batch.responses(body), batch.last_line, body)


class _Batch:
    """One call. Its lines are carried out one after the other."""

    def __init__(self, request: Request, service: Service, caller: Caller) -> None:
        self._request = request
        self._service = service
        self._caller = caller
        # A line is the same request as a call of this address.
        self._qualify_address = request.url.path.removesuffix("/batch") + "?"
        self._lines_done = 0

    async def responses(self, body: BodyReader) -> AsyncGenerator[str, None]:
        """Yield one response line after the other."""
        async for lines in body.lines(self._service.settings.max_body_bytes):
            for turn in turns(lines):
                for read in await self._service.computing.run(partial(self._read_lines, turn)):
                    response = "" if read is None else await self._response(read)
                    self._lines_done += 1
                    yield response

    def last_line(self, problem: Problem) -> str:
        """Return the response to the line at which the call ends early."""
        error = BatchError(line=self._lines_done + 1, problem=problem_out(self._request, problem))
        return error.model_dump_json() + "\n"

    async def _response(self, read: "_Line | Problem") -> str:
        max_lines = self._service.settings.import_rows
        if self._lines_done >= max_lines:
            raise Problem(TOO_MANY_ROWS, f"One request qualifies with at most {max_lines} lines.")
        try:
            result = await self._carry_out(read)
        except Flawed as error:
            return self.last_line(invalid(error.flaws))
        except Problem as problem:
            if problem.kind in DATABASE_FAILURES:
                raise
            return self.last_line(problem)
        return f'{{"line":{self._lines_done + 1},"result":{result}}}\n'

    async def _carry_out(self, read: "_Line | Problem") -> str:
        if isinstance(read, Problem):
            raise read
        call, request = read
        work = partial(qualify, request=request)
        return (await self._service.store(call, work, request.actor)).body

    def _read_lines(self, lines: list[bytes | None]) -> list["_Line | Problem | None"]:
        return [self._read(line) for line in lines]

    def _read(self, line: bytes | None) -> "_Line | Problem | None":
        """Return the content of a line, or the problem why it cannot be used; None for a blank line."""
        if line is None:
            return too_large_line(self._service.settings.max_body_bytes)
        if not line.strip():
            return None
        sent: Any = None
        try:
            sent = read_json(line)
            request = QualifyRequest.model_validate(sent)
        except ValidationError as error:
            return invalid(shape_flaws(error, sent))
        except Problem as problem:
            return problem
        key = request.idempotency_key
        rest = {name: value for name, value in sent.items() if name != "idempotency_key"}
        digest = fingerprint("POST", self._qualify_address, rest) if key else ""
        return WriteCall(self._caller, key, digest), request


_Line = tuple[WriteCall, QualifyRequest]
