"""Sessions and prospects as files, for spreadsheets and warehouses."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from pydantic import Field

from app.db import Transaction
from app.edge.routes import router
from app.edge.service import Service, ServiceDep
from app.edge.streams import FileStream
from app.files.formats import MEDIA_TYPES, Format
from app.files.writer import WRITTEN_ON_DISK, writer_of
from app.insights import win_probability
from app.insights.queries import newest_outcome
from app.keys.schemas import Scope
from app.prospects.exports import Export, Row, export_prospects
from app.prospects.schemas import ProspectFilter
from app.schemas import In
from app.sessions.exports import export_sessions
from app.sessions.schemas import SessionFilter

reading_sessions = router("sessions", Scope.READ)
reading_prospects = router("prospects", Scope.READ)
# Returns rows with further columns.
Complete = Callable[[list[Row]], Awaitable[list[Row]]]
FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}
FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file. If the connection closes before the end, the file is not complete.",
        "content": {media_types[0]: FILE for media_types in MEDIA_TYPES.values()},
    }
}


class FileQuery(In):
    """The format of a file."""

    format: Annotated[
        Format | None, Field(description="by default, the first media type of `Accept` that is known, or csv")
    ] = None


class SessionExportQuery(SessionFilter, FileQuery):
    """Which sessions to export, and in which format."""


class ProspectExportQuery(ProspectFilter, FileQuery):
    """Which prospects to export, and in which format."""


@reading_sessions.get(
    "/sessions/export", operation_id="export_sessions", response_class=FileStream, responses=FILE_RESPONSES
)
async def get_session_file(
    request: Request, service: ServiceDep, query: Annotated[SessionExportQuery, Query()]
) -> FileStream:
    """Export all sessions that match the filters. A file of CSV, XLSX, NDJSON or Parquet has a row for each.

    A row has the prospect, the figures, the estimate of each dimension, the blockers, the last decision and
    the last outcome, and the win probability if the outcomes of other deals show one. With `question_set`,
    each dimension has a column `…_estimate`. Otherwise, the column `estimates` has a JSON object. The export
    chooses the sessions when it begins, and reads each of them while it sends the file. It leaves out those
    that are erased in between.
    """

    def load(tx: Transaction) -> tuple[Export, UUID | None]:
        set_filter = service.plans.find_filter(tx, query.question_set, "query")
        return export_sessions(tx, service.plans, query, set_filter), newest_outcome(tx)

    export, newest = await service.read_scores(load)

    async def with_probabilities(rows: list[Row]) -> list[Row]:
        rated = win_probability.rated_rows(export.columns, rows)
        return win_probability.completed(rows, await service.win_curves.probabilities(rated, newest))

    extended = replace(export, columns=[*export.columns, *win_probability.COLUMNS])
    return _file(request, service, query, extended, "sessions", with_probabilities)


@reading_prospects.get(
    "/prospects/export", operation_id="export_prospects", response_class=FileStream, responses=FILE_RESPONSES
)
async def get_prospect_file(
    request: Request, service: ServiceDep, query: Annotated[ProspectExportQuery, Query()]
) -> FileStream:
    """Export all prospects that match the filters. A file of CSV, XLSX, NDJSON or Parquet has a row for each.

    Each attribute has a column. The export chooses the prospects when it begins, and reads each of them while
    it sends the file. It leaves out prospects that are erased in between.
    """
    export = await service.database.read(lambda tx: export_prospects(tx, query))
    return _file(request, service, query, export, "prospects")


async def _as_read(rows: list[Row]) -> list[Row]:
    return rows


def _file(
    request: Request,
    service: Service,
    query: FileQuery,
    export: Export,
    name: str,
    complete: Complete = _as_read,
) -> FileStream:
    format_ = query.format or _accepted_format(request)
    return FileStream(
        request,
        _chunks(service, export, format_, complete),
        name=f"{name}.{format_}",
        media_type=MEDIA_TYPES[format_][0],
    )


def _accepted_format(request: Request) -> Format:
    """Return the format of the first media type in `Accept` that is one; csv if there is none."""
    for accepted in request.headers.get("accept", "").lower().split(","):
        media_type = accepted.partition(";")[0].strip()
        for format_, media_types in MEDIA_TYPES.items():
            if media_type in media_types:
                return format_
    return "csv"


async def _chunks(
    service: Service, export: Export, format_: Format, complete: Complete
) -> AsyncGenerator[bytes, None]:
    # This can import a library.
    write_format = await service.computing.run(partial(writer_of, format_))
    folder = await service.computing.run(service.temporary.path) if format_ in WRITTEN_ON_DISK else None
    with closing(write_format(export.columns, folder)) as writer:
        for read in export.reads():
            rows = await complete(await service.database.read(read))
            yield await service.computing.run(partial(writer.write, rows))
        rest = writer.finish()
        while (chunk := await service.computing.run_long(partial(next, rest, None))) is not None:
            yield chunk
