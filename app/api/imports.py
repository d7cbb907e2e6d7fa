"""Import many prospects in one call, and report the progress as NDJSON."""

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import Field

from app.edge.ending import require_running
from app.edge.ndjson import NdjsonResponse, require_format
from app.edge.problem_responses import problem_out
from app.edge.routes import router
from app.edge.service import CallerDep, Service, ServiceDep
from app.edge.spooling import spool
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME
from app.files.formats import FORMATS, MEDIA_TYPES, Format
from app.files.opening import open_table
from app.inbound.imports.reader import ImportOptions, ImportRow, NamedSet, ProspectReader
from app.inbound.imports.schemas import ImportLineError, ImportLineRemarks, ImportProgress
from app.inbound.imports.service import Importer, ReportedRow
from app.keys.schemas import Scope
from app.problems import TOO_MANY_ROWS, Problem, invalid
from app.schemas import PLAIN_DIGITS, In, Line, SetName, Source
from app.scoring import Flaw
from app.scoring.question_set import AttributeType

writing = router("prospects", Scope.WRITE)
# How many rows are read at once. Between two turns, the import can be stopped.
MAX_ROWS_PER_TURN = 100
COLUMN_PARAMETERS = {"id": ID, "name": NAME}
# The parameters about which the reader of a file reports problems.
POINTERS = {f"/{target}": f"/{parameter}" for parameter, target in COLUMN_PARAMETERS.items()}
POINTERS |= {"/encoding": "/encoding", "/sheet": "/sheet"}
BODY_CONTENT = {
    "schema": {
        "type": "string",
        "format": "binary",
        "description": "CSV, XLSX or Parquet: headings, then one prospect per row; NDJSON: one JSON object "
        "per line, with attributes as fields or in an object `attributes`",
    }
}
IMPORT_BODY = {
    "requestBody": {
        "required": True,
        "content": dict.fromkeys(sorted(MEDIA_TYPES[format_][0] for format_ in FORMATS), BODY_CONTENT),
    }
}


class ImportQuery(In):
    """Parameters that apply to every row."""

    source: Annotated[Source | None, Field(description="the source of rows that do not name one")] = None
    id: Annotated[
        Line | None, Field(description="the heading of the external ids; by default external_id or id")
    ] = None
    name: Annotated[Line | None, Field(description="the heading of the names; by default name")] = None
    question_set: Annotated[
        SetName | None,
        Field(
            description="the set that declares the types of the attributes; by default, the newest versions "
            "of all sets do"
        ),
    ] = None
    qualify: Annotated[
        SetName | None,
        Field(
            description="the set to qualify each prospect with: columns named after its questions are "
            "ratings, and its attributes have the types that it declares"
        ),
    ] = None
    encoding: Annotated[
        Line | None, Field(description="the encoding of a CSV file; by default detected", examples=["utf-8"])
    ] = None
    decimal: Annotated[
        DecimalSign | None, Field(description="the decimal sign of numbers; by default detected")
    ] = None
    sheet: Annotated[Line | None, Field(description="the sheet of a workbook; by default the first one")] = (
        None
    )
    after_line: Annotated[
        int,
        Field(
            ge=0,
            lt=2**53,
            description="continue after this line: the last `committed_to` of an earlier response",
        ),
        PLAIN_DIGITS,
    ] = 0
    notify: Annotated[
        bool, Field(description="send the changes to webhooks too; by default, only the feed has them")
    ] = False

    def options(self, types: Mapping[str, AttributeType], qualify: NamedSet | None) -> ImportOptions:
        """Return the parameters as options of the reader."""
        headings = {target: getattr(self, parameter) for parameter, target in COLUMN_PARAMETERS.items()}
        named = {target: heading for target, heading in headings.items() if heading is not None}
        return ImportOptions(self.source, named, types, self.decimal, self.after_line, qualify)


@writing.post(
    "/prospects/import",
    operation_id="import_prospects",
    response_class=NdjsonResponse,
    openapi_extra=IMPORT_BODY,
)
async def import_prospects(
    request: Request, service: ServiceDep, caller: CallerDep, query: Annotated[ImportQuery, Query()]
) -> NdjsonResponse:
    """Create or change a prospect for each row of a file, by its external id.

    Each column except `source`, `external_id` and `name` is an attribute, named after its heading. An empty
    cell changes nothing. The import begins after the whole file has arrived. `{"line": 7, "remarks": …}`
    names cells that cannot be read and are left out. `{"line": 8, "problem": …}` reports a row that is
    refused. The last line has `"done": true`, or the `problem` that stopped the import: continue with
    `after_line`, or send the whole file again. One request imports at most 100,000 rows, unless the operator
    sets another limit.

    With `qualify`, each prospect is also qualified: columns that are named after questions have ratings, and
    `deal`, `assessor`, `actor`, `opened_on`, `decision`, `outcome` and their details are the fields of the
    flat form. Webhooks get the changes only with `notify`.
    """
    format_ = require_format(request, *FORMATS)
    types, qualify = await _types(service, query.question_set), await _named_set(service, query.qualify)
    options = query.options(types, qualify)
    with ExitStack() as opened:
        sent = await spool(request, service.settings.import_bytes, service.computing, service.temporary)
        file = opened.enter_context(sent)
        open_file = partial(_open, opened, request, Path(file.name), format_, query, options)
        try:
            reader = await service.computing.run_reading(open_file)
        except Problem as problem:
            raise _at_query_parameter(problem) from None
        importer = Importer(
            service.database,
            service.plans,
            caller.name,
            actor=caller.person or f"import:{caller.name}",
            after_line=query.after_line,
            pauses=service.settings.workers > 1,
            notify=query.notify,
        )
        response = _ImportResponse(request, service, importer, reader)
        close = opened.pop_all().close
    return NdjsonResponse(request, response.lines(), response.last_line, close=close)


async def _types(service: Service, question_set: str | None) -> Mapping[str, AttributeType]:
    if question_set is None:
        return await service.database.read(service.plans.declared_types)
    plan = await service.plans.get(question_set, "query")
    return plan.question_set.attributes


async def _named_set(service: Service, name: str | None) -> NamedSet | None:
    """Return the set that an import qualifies with."""
    if name is None:
        return None
    try:
        plan = await service.database.read(lambda tx: service.plans.find_to_open(tx, name))
    except Problem as problem:
        raise invalid((Flaw("/qualify", e.detail, e.code) for e in problem.errors), "query") from None
    return NamedSet(name, plan)


def _open(
    opened: ExitStack,
    request: Request,
    file: Path,
    format_: Format,
    query: ImportQuery,
    options: ImportOptions,
) -> ProspectReader:
    """Open a file, and close it with the stack. It takes as long as reading the whole file."""
    check = partial(require_running, request)
    table = open_table(file, format_, encoding=query.encoding, sheet=query.sheet, check=check)
    return ProspectReader(opened.enter_context(table), options)


def _at_query_parameter(problem: Problem) -> Problem:
    """Move errors about a column or the file to the query parameter in which the caller named it."""
    errors = [
        replace(error, where="query", pointer=POINTERS[error.pointer]) if error.pointer in POINTERS else error
        for error in problem.errors
    ]
    return Problem(problem.kind, problem.detail, errors, problem.headers)


class _ImportResponse:
    """The response of one import. Every line that it reports is committed."""

    def __init__(
        self, request: Request, service: Service, importer: Importer, reader: ProspectReader
    ) -> None:
        self._request = request
        self._importer = importer
        self._computing = service.computing
        self._max_rows = self._rows_left = service.settings.import_rows
        self._reader = reader

    async def lines(self) -> AsyncGenerator[str, None]:
        """The lines of the response, one batch at a time."""
        remaining = self._reader.rows()
        while rows := await self._computing.run_reading(partial(_take, remaining)):
            async for lines in self._import(rows):
                yield lines
        yield self._progress(done=True)

    def last_line(self, problem: Problem) -> str:
        """Return the progress at which the import ends early."""
        return self._progress(problem=problem)

    async def _import(self, rows: list[ImportRow]) -> AsyncGenerator[str, None]:
        allowed = rows[: self._rows_left]
        self._rows_left -= len(allowed)
        async for reported in self._importer.run(allowed):
            yield "".join(map(self._line, reported)) + self._progress()
        if len(allowed) < len(rows):
            raise Problem(TOO_MANY_ROWS, f"One request imports at most {self._max_rows} rows.")

    def _line(self, reported: ReportedRow) -> str:
        line = reported.row.number
        out: Any = (
            ImportLineError(line=line, problem=problem_out(self._request, reported.problem))
            if reported.problem
            else ImportLineRemarks(line=line, remarks=list(reported.reasons))
        )
        return f"{out.model_dump_json()}\n"

    def _progress(self, *, done: bool = False, problem: Problem | None = None) -> str:
        tally = self._importer.tally
        progress = ImportProgress(
            committed_to=tally.committed_to,
            created=tally.counts["created"],
            changed=tally.counts["changed"],
            unchanged=tally.counts["unchanged"],
            refused=tally.counts["refused"],
            qualified=tally.counts["qualified"],
            sessions_opened=tally.counts["sessions_opened"],
            indications=dict(tally.indications),
            cells_left_out=tally.counts["cells_left_out"],
            notes=self._reader.notes if done or problem else [],
            done=done,
            problem=problem_out(self._request, problem) if problem else None,
        )
        return progress.model_dump_json() + "\n"


def _take(rows: Iterator[ImportRow]) -> list[ImportRow]:
    return list(islice(rows, MAX_ROWS_PER_TURN))
