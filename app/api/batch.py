"""Score many lines of NDJSON in one call: one response line for each request line."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated

import anyio.lowlevel
from fastapi import Query, Request
from pydantic import Field, ValidationError

from app.edge.ndjson import NDJSON_MEDIA_TYPE, BodyReader, StreamingNdjsonResponse, require_media_type
from app.edge.problem_responses import problem_out
from app.edge.routes import router
from app.edge.service import Service, ServiceDep
from app.keys.schemas import Scope
from app.problems import BODY_TOO_LARGE, Problem, invalid
from app.schemas import In, Out, ProblemOut, SetName, result_json
from app.scoring import Flawed, Plan, Score, read_answers, read_attributes, score, shape_flaws
from app.sessions.schemas import ScoreRequest
from app.strict_json import read_json

scoring = router("scoring", Scope.SCORE)
# Other requests wait while these lines are scored, for some ten milliseconds.
MAX_LINES_PER_TURN = 20
# The plans that one call keeps in memory, by the name of their set.
MAX_CACHED_PLANS = 1000
BATCH_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON_MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "description": "one JSON object per line, each as for POST /v1/score",
                }
            }
        },
    }
}


class BatchQuery(In):
    """Parameters that apply to every line."""

    question_set: Annotated[
        SetName | None,
        Field(
            description="the set for lines that do not name one; by default, the default set of the service"
        ),
    ] = None


class BatchScore(Out):
    """The response to a line that was scored."""

    line: int
    score: Score


class BatchError(Out):
    """The response to a line that could not be scored."""

    line: int
    problem: ProblemOut


@scoring.post(
    "/score/batch",
    operation_id="score_batch",
    response_class=StreamingNdjsonResponse,
    openapi_extra=BATCH_BODY,
)
async def score_batch(
    request: Request, service: ServiceDep, query: Annotated[BatchQuery, Query()]
) -> StreamingNdjsonResponse:
    """Score lines of NDJSON. Each line gets `{"line": 1, "score": …}`, or a `problem` if it is not valid.

    The response keeps the order and leaves out blank lines. The service responds while it is still reading,
    so the number of lines has no limit, and the caller has to read while it sends. The newest version of
    a set is looked up once. If the service stops, it ends the response with a 503 for the next line.
    """
    require_media_type(request)
    batch = _Batch(request, service, query.question_set)
    return StreamingNdjsonResponse(batch.responses())


class _Batch:
    """One call. All of its lines are scored as of the same time and with the same versions."""

    def __init__(self, request: Request, service: Service, question_set: str | None) -> None:
        self._request = request
        self._service = service
        self._question_set = question_set
        self._as_of = service.clock()
        self._plans: dict[str | None, Plan | Problem] = {}

    async def responses(self) -> AsyncIterator[str]:
        """Yield the response lines, several at a time."""
        number, body = 0, BodyReader(self._request)
        try:
            async for lines in body.lines(self._service.settings.max_body_bytes):
                for chunk in _chunks(MAX_LINES_PER_TURN, lines):
                    responses = [
                        await self._response(number + place, line) for place, line in enumerate(chunk, 1)
                    ]
                    number += len(chunk)
                    yield "".join(responses)
                    await anyio.lowlevel.checkpoint()
        except Problem as problem:
            yield self._error_line(number + 1, problem)
            await body.drain()

    async def _response(self, number: int, line: bytes | None) -> str:
        if line is not None and not line.strip():
            return ""
        try:
            return result_json({"line": number, "score": await self._score(line)}).decode() + "\n"
        except Problem as problem:
            return self._error_line(number, problem)

    def _error_line(self, number: int, problem: Problem) -> str:
        return BatchError(line=number, problem=problem_out(self._request, problem)).model_dump_json() + "\n"

    async def _score(self, line: bytes | None) -> Score:
        if line is None:
            max_bytes = self._service.settings.max_body_bytes
            raise Problem(BODY_TOO_LARGE, f"The line is longer than {max_bytes} bytes.")
        sent = read_json(line)
        try:
            request = ScoreRequest.model_validate(sent)
            plan = await self._plan(request.question_set or self._question_set)
            answers = read_answers(plan.question_set, request.sent())
            attributes = read_attributes(plan.question_set, request.attributes)
        except ValidationError as error:
            raise invalid(shape_flaws(error, sent)) from None
        except Flawed as error:
            raise invalid(error.flaws) from None
        return score(plan, answers, attributes, as_of=request.as_of or self._as_of)

    async def _plan(self, set_name: str | None) -> Plan:
        if set_name not in self._plans:
            if len(self._plans) == MAX_CACHED_PLANS:
                self._plans.clear()
            try:
                self._plans[set_name] = await self._service.plans.get(set_name)
            except Problem as problem:
                self._plans[set_name] = problem
        plan = self._plans[set_name]
        if isinstance(plan, Problem):
            raise plan
        return plan


def _chunks(size: int, lines: list[bytes | None]) -> Iterator[list[bytes | None]]:
    return (lines[start : start + size] for start in range(0, len(lines), size))
