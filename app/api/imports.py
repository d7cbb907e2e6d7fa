"""Import many prospects in one call, and report the progress as NDJSON."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from functools import partial
from typing import Annotated

from fastapi import Query, Request
from pydantic import Field

from app.edge.computing import Computing
from app.edge.ndjson import NDJSON_MEDIA_TYPE, BodyReader, NdjsonResponse, require_media_type
from app.edge.problem_responses import problem_out
from app.edge.routes import router
from app.edge.service import CallerDep, ServiceDep
from app.inbound.imports.reader import EXTERNAL_ID_COLUMN, NAME_COLUMN, ImportOptions, Reader, ReadRecord
from app.inbound.imports.schemas import ImportLineError, ImportProgress
from app.inbound.imports.service import Importer
from app.keys.schemas import Scope
from app.problems import TOO_MANY_ROWS, Problem
from app.schemas import In, Line, Source

writing = router("prospects", Scope.WRITE)
CSV_MEDIA_TYPE = "text/csv"
# How much is read at once. Between two turns, the import can be stopped.
MAX_BYTES_PER_TURN = 8192
COLUMN_PARAMETERS = {"id": EXTERNAL_ID_COLUMN, "name": NAME_COLUMN}
BODY_CONTENT = {
    "schema": {
        "type": "string",
        "description": "CSV: headings in the first line, then one prospect per row; NDJSON: one JSON object "
        "per line, with `external_id` and optionally `source`, `name` and `attributes`",
    }
}
IMPORT_BODY = {
    "requestBody": {
        "required": True,
        "content": {NDJSON_MEDIA_TYPE: BODY_CONTENT, CSV_MEDIA_TYPE: BODY_CONTENT},
    }
}


class ImportQuery(In):
    """Parameters that apply to every line."""

    source: Annotated[Source | None, Field(description="the source of lines that do not name one")] = None
    id: Annotated[
        Line | None, Field(description="the heading of the external ids; by default external_id")
    ] = None
    name: Annotated[Line | None, Field(description="the heading of the names; by default name")] = None
    after_line: Annotated[
        int,
        Field(
            ge=0,
            lt=2**53,
            description="continue after this line: the last `committed_to` of an earlier response",
        ),
    ] = 0
    notify: Annotated[
        bool, Field(description="send what the import changes to webhooks; by default, only the feed has it")
    ] = False

    def options(self, media_type: str) -> ImportOptions:
        """Return the parameters as options of the reader."""
        headings = {target: getattr(self, parameter) for parameter, target in COLUMN_PARAMETERS.items()}
        mapped = {target: heading for target, heading in headings.items() if heading is not None}
        return ImportOptions(
            "csv" if media_type == CSV_MEDIA_TYPE else "ndjson", self.source, mapped, self.after_line
        )


@writing.post(
    "/prospects/import",
    operation_id="import_prospects",
    response_class=NdjsonResponse,
    openapi_extra=IMPORT_BODY,
)
async def import_prospects(
    request: Request, service: ServiceDep, caller: CallerDep, query: Annotated[ImportQuery, Query()]
) -> NdjsonResponse:
    """Create or change a prospect for each line of CSV or NDJSON, by its external id.

    In CSV, each column except `source`, `external_id` and `name` is an attribute, named after its heading. An
    empty cell changes nothing. Read the response while you send: `{"line": 7, "problem": …}` reports a line
    that is not valid and writes nothing, and `{"committed_to": 100, "created": …, "done": false}` reports the
    progress. The last line has `"done": true`, or the `problem` that stopped the import: continue with
    `after_line`. It is safe to send the whole file again. One request imports at most 100,000 rows, unless
    the operator sets another limit. If a file has more, the last line has the problem `too-many-rows`.
    """
    options = query.options(require_media_type(request, CSV_MEDIA_TYPE))
    body = BodyReader(request)
    first_reads: list[ReadRecord] = []
    try:
        reader = Reader(options, service.settings.max_body_bytes)
        while not reader.knows_columns:
            first_reads += await _read(service.computing, reader, await body.next())
    except Problem as problem:
        raise _at_query_parameter(problem) from None
    importer = Importer(
        service.database,
        service.plans,
        caller.name,
        after_line=query.after_line,
        pauses=service.settings.workers > 1,
        notify=query.notify,
    )
    response = _ImportResponse(request, importer, service.computing, service.settings.import_rows)
    return NdjsonResponse(request, response.lines(reader, first_reads, body), response.last_line, body)


async def _read(computing: Computing, reader: Reader, chunk: bytes | None) -> list[ReadRecord]:
    """Read the records that end in a chunk, or with None the last record."""
    return await computing.run(reader.rest if chunk is None else partial(reader.feed, chunk))


def _at_query_parameter(problem: Problem) -> Problem:
    """Move errors about a column to the query parameter in which the caller named it."""
    parameters = {f"/{target}": f"/{parameter}" for parameter, target in COLUMN_PARAMETERS.items()}
    errors = [
        replace(error, where="query", pointer=parameters[error.pointer])
        if error.pointer in parameters
        else error
        for error in problem.errors
    ]
    return Problem(problem.kind, problem.detail, errors, problem.headers)


class _ImportResponse:
    """The response of one import. Every line that it reports is committed."""

    def __init__(self, request: Request, importer: Importer, computing: Computing, max_rows: int) -> None:
        self._request = request
        self._importer = importer
        self._computing = computing
        self._max_rows = self._rows_left = max_rows

    async def lines(
        self, reader: Reader, first_reads: list[ReadRecord], body: BodyReader
    ) -> AsyncGenerator[str, None]:
        """The lines of the response, one batch at a time."""
        async for lines in self._import(first_reads):
            yield lines
        while (chunk := await body.next()) is not None:
            for start in range(0, len(chunk), MAX_BYTES_PER_TURN):
                part = chunk[start : start + MAX_BYTES_PER_TURN]
                async for lines in self._import(await _read(self._computing, reader, part)):
                    yield lines
        async for lines in self._import(await _read(self._computing, reader, None)):
            yield lines
        yield self._progress(done=True)

    def last_line(self, problem: Problem) -> str:
        """Return the progress at which the import ends early."""
        return self._progress(problem=problem)

    async def _import(self, reads: list[ReadRecord]) -> AsyncGenerator[str, None]:
        allowed = reads[: self._rows_left]
        self._rows_left -= len(allowed)
        async for refused in self._importer.run(allowed):
            yield "".join(self._error_line(read, problem) for read, problem in refused) + self._progress()
        if len(allowed) < len(reads):
            raise Problem(TOO_MANY_ROWS, f"One request imports at most {self._max_rows} rows.")

    def _error_line(self, read: ReadRecord, problem: Problem) -> str:
        refused = ImportLineError(line=read.record.line, problem=problem_out(self._request, problem))
        return refused.model_dump_json() + "\n"

    def _progress(self, *, done: bool = False, problem: Problem | None = None) -> str:
        tally = self._importer.tally
        progress = ImportProgress(
            committed_to=tally.committed_to,
            created=tally.counts["created"],
            changed=tally.counts["changed"],
            unchanged=tally.counts["unchanged"],
            refused=tally.counts["refused"],
            done=done,
            problem=problem_out(self._request, problem) if problem else None,
        )
        return progress.model_dump_json() + "\n"
