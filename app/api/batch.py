"""Many scores in one call: a line in, a line out."""

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
# Other requests wait while so many lines are scored: some ten milliseconds.
AT_ONCE = 20
# So many sets by name are remembered within one call.
MOST_NAMES = 1000
BODY = {
    "requestBody": {
        "required": True,
        "content": {
            NDJSON_MEDIA_TYPE: {
                "schema": {
                    "type": "string",
                    "description": "a JSON object a line, each as for POST /v1/score",
                }
            }
        },
    }
}


class BatchQuery(In):
    """What holds for every line."""

    question_set: Annotated[
        SetName | None, Field(description="for the lines that name none; else the default of the service")
    ] = None


class BatchScore(Out):
    """The answer to a line that could be scored."""

    line: int
    score: Score


class BatchError(Out):
    """The answer to a line that could not be scored."""

    line: int
    problem: ProblemOut


@scoring.post(
    "/score/batch", operation_id="score_batch", response_class=StreamingNdjsonResponse, openapi_extra=BODY
)
async def score_batch(
    request: Request, service: ServiceDep, query: Annotated[BatchQuery, Query()]
) -> StreamingNdjsonResponse:
    """Score lines of NDJSON. Each line gets `{"line": 1, "score": …}`, or a `problem` if it is not valid.

    The response keeps the order and leaves out blank lines. The service responds while it still reads, so the
    number of lines has no limit, and the caller has to read while it sends. The newest version of a set is
    looked up once. If the service stops, it ends the response with a 503 for the next line.
    """
    require_media_type(request)
    batch = _Batch(request, service, query.question_set)
    return StreamingNdjsonResponse(batch.answers())


class _Batch:
    """One call; every line of it is scored at the same time, by the same versions."""

    def __init__(self, request: Request, service: Service, question_set: str | None) -> None:
        self._request = request
        self._service = service
        self._question_set = question_set
        self._as_of = service.clock()
        self._plans: dict[str | None, Plan | Problem] = {}

    async def answers(self) -> AsyncIterator[str]:
        """The answers, some lines at a time."""
        number, body = 0, BodyReader(self._request)
        try:
            async for lines in body.lines(self._service.settings.max_body_bytes):
                for some in _by(AT_ONCE, lines):
                    said = [await self._answer(number + place, line) for place, line in enumerate(some, 1)]
                    number += len(some)
                    yield "".join(said)
                    await anyio.lowlevel.checkpoint()
        except Problem as problem:
            yield self._refusal(number + 1, problem)
            await body.drain()

    async def _answer(self, number: int, line: bytes | None) -> str:
        if line is not None and not line.strip():
            return ""
        try:
            return result_json({"line": number, "score": await self._score(line)}).decode() + "\n"
        except Problem as problem:
            return self._refusal(number, problem)

    def _refusal(self, number: int, problem: Problem) -> str:
        return BatchError(line=number, problem=problem_out(self._request, problem)).model_dump_json() + "\n"

    async def _score(self, line: bytes | None) -> Score:
        if line is None:
            most = self._service.settings.max_body_bytes
            raise Problem(BODY_TOO_LARGE, f"The line is longer than {most} bytes.")
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

    async def _plan(self, named: str | None) -> Plan:
        if named not in self._plans:
            if len(self._plans) == MOST_NAMES:
                self._plans.clear()
            try:
                self._plans[named] = await self._service.plans.get(named)
            except Problem as problem:
                self._plans[named] = problem
        found = self._plans[named]
        if isinstance(found, Problem):
            raise found
        return found


def _by(count: int, lines: list[bytes | None]) -> Iterator[list[bytes | None]]:
    return (lines[start : start + count] for start in range(0, len(lines), count))
