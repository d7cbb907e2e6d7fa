"""Import many prospects in one call, and report the progress as NDJSON."""

from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Annotated

from anyio import to_thread
from fastapi import Query, Request
from pydantic import Field

from app.edge.ndjson import NDJSON_MEDIA_TYPE, BodyReader, StreamingNdjsonResponse, require_media_type
from app.edge.problem_responses import problem_out
from app.edge.routes import router
from app.edge.service import CallerDep, ServiceDep
from app.edge.stopping import is_stopping
from app.inbound.imports.reader import EXTERNAL_ID_COLUMN, NAME_COLUMN, ImportOptions, Reader, ReadRecord
from app.inbound.imports.schemas import ImportLineError, ImportProgress
from app.inbound.imports.service import Importer
from app.keys.schemas import Scope
from app.problems import TOO_MANY_ROWS, Problem, unavailable
from app.schemas import In, Line, Source

writing = router("prospects", Scope.WRITE)
CSV_MEDIA_TYPE = "text/csv"
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
    response_class=StreamingNdjsonResponse,
    openapi_extra=IMPORT_BODY,
)
async def import_prospects(
    request: Request, service: ServiceDep, caller: CallerDep, query: Annotated[ImportQuery, Query()]
) -> StreamingNdjsonResponse:
    """Create or change a prospect for each line of CSV or NDJSON, by its external id.

    In CSV, each column except `source`, `external_id` and `name` is an attribute, named after its heading. An
    empty cell changes nothing. Read the response while you send: `{"line": 7, "problem": …}` reports a line
    that is not valid and writes nothing, and `{"committed_to": 100, "created": …, "done": false}` reports the
    progress. The last line has `"done": true`, or the `problem` that stopped the import: continue with
    `after_line`. It is safe to send the whole file again. One request imports at most 100,000 rows, or what
    the operator has set: then the last line has the problem too-many-rows.
    """
    options = query.options(require_media_type(request, CSV_MEDIA_TYPE))
    body = BodyReader(request)
    first_reads: list[ReadRecord] = []
    try:
        reader = Reader(options, service.settings.max_body_bytes)
        while not reader.knows_columns:
            first_reads += await _read(reader, await body.next())
    except Problem as problem:
        raise _at_query_parameter(problem) from None
    importer = Importer(
        service.database,
        service.plans,
        caller.name,
        after_line=query.after_line,
        pauses=service.settings.workers > 1,
    )
    response = _ImportResponse(request, importer, service.settings.import_rows)
    return StreamingNdjsonResponse(response.lines(reader, first_reads, body))


async def _read(reader: Reader, chunk: bytes | None) -> list[ReadRecord]:
    """Read the records that end in a chunk, or with None the last record.

    Runs in a thread, because many lines, or lines that are not valid, can take long.
    """
    return await to_thread.run_sync(reader.rest if chunk is None else partial(reader.feed, chunk))


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

    def __init__(self, request: Request, importer: Importer, max_rows: int) -> None:
        self._request = request
        self._importer = importer
        self._max_rows = self._rows_left = max_rows

    async def lines(
        self, reader: Reader, first_reads: list[ReadRecord], body: BodyReader
    ) -> AsyncIterator[str]:
        """The lines of the response, one batch at a time."""
        try:
            async for lines in self._import(first_reads):
                yield lines
            while (chunk := await body.next()) is not None:
                async for lines in self._import(await _read(reader, chunk)):
                    yield lines
            async for lines in self._import(await _read(reader, None)):
                yield lines
        except Problem as problem:
            yield self._progress(problem=problem)
            await body.drain()
        else:
            yield self._progress(done=True)

    async def _import(self, reads: list[ReadRecord]) -> AsyncIterator[str]:
        if reads:
            self._require_running()
        allowed = reads[: self._rows_left]
        self._rows_left -= len(allowed)
        async for refused in self._importer.run(allowed):
            yield "".join(self._error_line(read, problem) for read, problem in refused) + self._progress()
            self._require_running()
        if len(allowed) < len(reads):
            raise Problem(TOO_MANY_ROWS, f"One request imports at most {self._max_rows} rows.")

    def _require_running(self) -> None:
        if is_stopping(self._request):
            raise unavailable("The service is stopping.")

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
