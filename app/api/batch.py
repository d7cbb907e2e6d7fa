"""Score many lines of NDJSON in one call: one response line for each request line."""

from collections.abc import AsyncGenerator, Iterator
from functools import partial
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field, ValidationError

from app.api.plain_lines import PlainLine, parse_plain, read_plain
from app.edge.ndjson import BodyReader, NdjsonResponse, lines_body, require_format
from app.edge.problem_responses import problem_out
from app.edge.routes import router
from app.edge.service import Service, ServiceDep
from app.keys.schemas import Scope
from app.problems import Problem, invalid, too_large_line
from app.schemas import In, Out, ProblemOut, SetName, result_line
from app.scoring import Flawed, Plan, Score, read_answers, read_attributes, score, shape_flaws
from app.sessions.requests import ScoreRequest
from app.strict_json import read_json

scoring = router("scoring", Scope.SCORE)
# How much is scored at once. Between two turns, the call can be stopped.
MAX_LINES_PER_TURN = 100
MAX_BYTES_PER_TURN = 50_000
# The plans that one call keeps in memory, by the name of their set.
MAX_CACHED_PLANS = 1000


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
    """The response to a line that was refused."""

    line: int
    problem: ProblemOut


@scoring.post(
    "/score/batch",
    operation_id="score_batch",
    response_class=NdjsonResponse,
    openapi_extra=lines_body("one JSON object per line, each as for POST /v1/score"),
)
async def score_batch(
    request: Request, service: ServiceDep, query: Annotated[BatchQuery, Query()]
) -> NdjsonResponse:
    """Score lines of NDJSON. Each line gets `{"line": 1, "score": …}`, or a `problem` if it is not valid.

    The response keeps the order and leaves out blank lines. The service responds while it is still reading,
    so the number of lines has no limit, and the caller has to read while it sends. The newest version of
    a set is looked up once. If the service stops, it ends the response with a 503 for the next line; if the
    key is revoked, with a 401.
    """
    require_format(request, "ndjson")
    batch = _Batch(request, service, query.question_set)
    body = BodyReader(request)
    return NdjsonResponse(request, batch.responses(body), batch.last_line, body)


class _PlanNeeded(Exception):
    """The plan of a set is not known yet; it has to be read from the database."""

    def __init__(self, set_name: str | None) -> None:
        super().__init__()
        self.set_name = set_name


class _Batch:
    """One call. All of its lines are scored as of the same time and with the same versions."""

    def __init__(self, request: Request, service: Service, question_set: str | None) -> None:
        self._request = request
        self._service = service
        self._question_set = question_set
        self._as_of = service.clock()
        self._plans: dict[str | None, Plan | Problem] = {}
        self._lines_done = 0

    async def responses(self, body: BodyReader) -> AsyncGenerator[bytes, None]:
        """Yield the response lines, several at a time."""
        async for lines in body.lines(self._service.settings.max_body_bytes):
            for turn in turns(lines):
                responses: list[bytes] = []
                while len(responses) < len(turn):
                    rest = turn[len(responses) :]
                    try:
                        await self._service.computing.run(partial(self._score_lines, rest, responses))
                    except _PlanNeeded as needed:
                        await self._find_plan(needed.set_name)
                self._lines_done += len(turn)
                yield b"".join(responses)

    def last_line(self, problem: Problem) -> str:
        """Return the response to the line at which the call ends early."""
        return self._error_line(self._lines_done + 1, problem)

    def _score_lines(self, lines: list[bytes | None], responses: list[bytes]) -> None:
        """Append the responses to the lines. Raises `_PlanNeeded` before a line whose plan is not known."""
        for line in lines:
            responses.append(self._response(self._lines_done + len(responses) + 1, line))

    def _response(self, number: int, line: bytes | None) -> bytes:
        if line is not None and not line.strip():
            return b""
        try:
            return result_line({"line": number, "score": self._score(line)})
        except Problem as problem:
            return self._error_line(number, problem).encode()

    def _error_line(self, number: int, problem: Problem) -> str:
        return BatchError(line=number, problem=problem_out(self._request, problem)).model_dump_json() + "\n"

    def _score(self, line: bytes | None) -> Score:
        if line is None:
            raise too_large_line(self._service.settings.max_body_bytes)
        plain = self._plain(line)
        sent = None if plain else read_json(line)
        try:
            if plain:
                attributes = plain.attributes and read_attributes(plain.plan.question_set, plain.attributes)
                return score(plain.plan, plain.answers, attributes, as_of=self._as_of, states=plain.states)
            request = ScoreRequest.model_validate(sent)
            plan = self._plan(request.question_set or self._question_set)
            answers = read_answers(plan.question_set, request.sent())
            attributes = read_attributes(plan.question_set, request.attributes)
        except ValidationError as error:
            raise invalid(shape_flaws(error, sent)) from None
        except Flawed as error:
            raise invalid(error.flaws) from None
        return score(plan, answers, attributes, as_of=request.as_of or self._as_of)

    def _plain(self, line: bytes) -> PlainLine | None:
        """Return the content of a plain line; None if it is not plain, or if its plan is not known yet."""
        sent = parse_plain(line)
        if sent is None:
            return None
        name = sent.get("question_set")
        if name is None:
            name = self._question_set
        elif type(name) is not str:
            return None
        plan = self._plans.get(name)
        return read_plain(plan, sent) if isinstance(plan, Plan) else None

    def _plan(self, set_name: str | None) -> Plan:
        plan = self._plans.get(set_name)
        if plan is None:
            raise _PlanNeeded(set_name)
        if isinstance(plan, Problem):
            raise plan
        return plan

    async def _find_plan(self, set_name: str | None) -> None:
        if len(self._plans) == MAX_CACHED_PLANS:
            self._plans.clear()
        try:
            self._plans[set_name] = await self._service.plans.get(set_name)
        except Problem as problem:
            self._plans[set_name] = problem


def turns(lines: list[bytes | None]) -> Iterator[list[bytes | None]]:
    """Split lines into parts of at most MAX_LINES_PER_TURN, and MAX_BYTES_PER_TURN or one line."""
    turn: list[bytes | None] = []
    size = 0
    for line in lines:
        length = len(line or b"")
        if turn and (len(turn) == MAX_LINES_PER_TURN or size + length > MAX_BYTES_PER_TURN):
            yield turn
            turn, size = [], 0
        turn.append(line)
        size += length
    if turn:
        yield turn
