"""Many prospects in one call: lines in, and what became of them out."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import anyio
from anyio import to_thread
from fastapi import Query, Request
from pydantic import Field

from app.http.edge import router
from app.http.lines import MEDIA_TYPE, Arriving, DialogueResponse, require_lines
from app.http.problem_responses import ProblemOut, told
from app.http.service import CallerHere, Service, ServiceHere
from app.http.stopping import is_stopping
from app.imports.columns import CALLED, EXTERNAL_ID
from app.imports.flow import Outcome, Pace, Tally, import_some
from app.imports.reading import Read, Reader, Wanted
from app.keys.store import Caller, Scope
from app.problems import Problem, unavailable
from app.sessions.case import Work
from app.wire import In, Line, Out, Source

writing = router("prospects", Scope.WRITE)

CSV = "text/csv"
NAMED_COLUMNS = {"id": EXTERNAL_ID, "name": CALLED}
LINES = {
    "schema": {
        "type": "string",
        "description": "CSV: headings in the first line, then a prospect a row; NDJSON: a JSON object a "
        "line, with `external_id` and, if need be, `source`, `name` and `attributes`",
    }
}
BODY = {"requestBody": {"required": True, "content": {MEDIA_TYPE: LINES, CSV: LINES}}}


class ImportQuery(In):
    """What holds for every line."""

    source: Annotated[Source | None, Field(description="for the lines that name none")] = None
    id: Annotated[Line | None, Field(description="the heading of the external ids, if another")] = None
    name: Annotated[Line | None, Field(description="the heading of the names, if another")] = None
    after_line: Annotated[
        int, Field(ge=0, lt=2**53, description="go on after this line: the last `committed_to` that was told")
    ] = 0

    def wanted(self, media_type: str) -> Wanted:
        """The same for the reader."""
        named = {target: getattr(self, name) for name, target in NAMED_COLUMNS.items()}
        mapped = {target: heading for target, heading in named.items() if heading is not None}
        return Wanted("csv" if media_type == CSV else "ndjson", self.source, mapped, self.after_line)


class NotImported(Out):
    """What is wrong with one line."""

    line: int
    problem: ProblemOut


class ImportProgress(Out):
    """How far it is: all up to line `committed_to` is committed."""

    committed_to: int
    created: int
    changed: int
    unchanged: int
    refused: int
    done: bool
    problem: ProblemOut | None


@writing.post(
    "/prospects/import",
    operation_id="import_prospects",
    response_class=DialogueResponse,
    openapi_extra=BODY,
)
async def import_prospects(
    request: Request, service: ServiceHere, caller: CallerHere, query: Annotated[ImportQuery, Query()]
) -> DialogueResponse:
    """Create or change a prospect for each line of CSV or NDJSON, by its external id.

    In CSV, each column except `source`, `external_id` and `name` is an attribute, named after its heading. An
    empty cell changes nothing. Read the response while you send: `{"line": 7, "problem": …}` reports a line
    that is not valid and writes nothing, and `{"committed_to": 100, "created": …, "done": false}` reports the
    progress. The last line has `"done": true`, or the `problem` that stopped the import: continue with
    `after_line`. It is safe to send the whole file again.
    """
    wanted = query.wanted(require_lines(request, CSV))
    body = Arriving(request)
    first: list[Read] = []
    try:
        reader = Reader(wanted, service.settings.max_body_bytes)
        while not reader.knows_columns:
            first += await _read(reader, await body.next())
    except Problem as problem:
        raise _of_the_query(problem) from None
    return DialogueResponse(_Import(request, service, caller, query).answers(reader, first, body))


async def _read(reader: Reader, chunk: bytes | None) -> list[Read]:
    """What ends in a chunk, or is left at the end of all. In a thread: lines may be many and bad."""
    return await to_thread.run_sync(reader.rest if chunk is None else partial(reader.feed, chunk))


def _of_the_query(problem: Problem) -> Problem:
    """A problem of the whole, where the caller named a column."""
    named = {f"/{target}": f"/{name}" for name, target in NAMED_COLUMNS.items()}
    errors = [
        replace(error, where="query", pointer=named[error.pointer]) if error.pointer in named else error
        for error in problem.errors
    ]
    return Problem(problem.kind, problem.detail, errors, problem.headers)


class _Import:
    """One call. What it tells is committed."""

    def __init__(self, request: Request, service: Service, caller: Caller, query: ImportQuery) -> None:
        self._request = request
        self._service = service
        self._caller = caller
        self._tally = Tally(query.after_line)
        self._pace = Pace()

    async def answers(self, reader: Reader, first: list[Read], body: Arriving) -> AsyncIterator[str]:
        """The answers, some lines at a time."""
        try:
            async for some in self._import(first):
                yield some
            while (chunk := await body.next()) is not None:
                async for some in self._import(await _read(reader, chunk)):
                    yield some
            async for some in self._import(await _read(reader, None)):
                yield some
        except Problem as problem:
            yield self._progress(problem=problem)
            await body.linger()
        else:
            yield self._progress(done=True)

    async def _import(self, reads: list[Read]) -> AsyncIterator[str]:
        while reads:
            if is_stopping(self._request):
                raise unavailable("The service stops.")
            some = reads[: self._pace.lines]
            outcomes = await self._commit(some)
            if outcomes is not None:
                reads = reads[len(some) :]
                refused = self._tally.add(some, outcomes)
                yield "".join(self._refusal(read, problem) for read, problem in refused) + self._progress()

    async def _commit(self, some: Sequence[Read]) -> list[Outcome] | None:
        """What became of some lines; None if the same or fewer are to be tried again."""
        self._pace.start()
        try:
            outcomes = await self._service.database.write(
                lambda tx: import_some(Work(tx, self._service.plans, self._caller.name), some)
            )
        except Problem as problem:
            await anyio.sleep(self._pace.failed(problem))
            return None
        pause = self._pace.done(len(some))
        if self._service.database.is_sqlite and self._service.settings.workers > 1:
            await anyio.sleep(pause)
        return outcomes

    def _refusal(self, read: Read, problem: Problem) -> str:
        refused = NotImported(line=read.record.line, problem=told(self._request, problem))
        return refused.model_dump_json() + "\n"

    def _progress(self, *, done: bool = False, problem: Problem | None = None) -> str:
        counts = self._tally.counts
        progress = ImportProgress(
            committed_to=self._tally.committed_to,
            created=counts["created"],
            changed=counts["changed"],
            unchanged=counts["unchanged"],
            refused=counts["refused"],
            done=done,
            problem=told(self._request, problem) if problem else None,
        )
        return progress.model_dump_json() + "\n"
