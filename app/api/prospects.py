"""Prospects: create, find, change, link, merge and erase."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response

from app import prospect_lifecycle
from app.db import Transaction
from app.edge.paging import Page, PageQuery, next_page, position_after
from app.edge.revisions import IfMatch, set_etag, with_revision
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep, WriteResult
from app.keys.schemas import Scope
from app.prospects import queries as prospect_queries
from app.prospects import service as prospects
from app.prospects.queries import list_prospects
from app.prospects.schemas import (
    PROSPECT_POSITION,
    Link,
    MergeRequest,
    NewLink,
    NewProspect,
    ProspectChange,
    ProspectFilter,
    ProspectOut,
)
from app.schemas import ExternalId, Source
from app.sessions import service as sessions
from app.sessions.session_edit import UnitOfWork

reading = router("prospects", Scope.READ)
writing = router("prospects", Scope.WRITE)
SourceInPath = Annotated[Source, Path()]
ExternalIdInPath = Annotated[ExternalId, Path()]


class ProspectQuery(ProspectFilter, PageQuery):
    """Which prospects to return, and which page of them."""


class ProspectPage(Page[ProspectOut]):
    """A page of prospects."""


@writing.post("/prospects", operation_id="create_prospect", status_code=201, response_model=ProspectOut)
async def create_prospect(request: NewProspect, service: ServiceDep, call: WriteCallDep) -> Response:
    """Create a prospect. If you have an id of your own, upsert the prospect by that id instead."""
    return await service.write(
        call,
        lambda uow: WriteResult(
            prospect_queries.prospect_out(uow.tx, prospects.create(uow.tx, request, uow.author)), 201
        ),
    )


@reading.get("/prospects", operation_id="list_prospects")
async def get_prospects(
    request: Request, service: ServiceDep, query: Annotated[ProspectQuery, Query()]
) -> ProspectPage:
    """List prospects, newest first."""
    start = position_after(query.after, PROSPECT_POSITION)

    def load(tx: Transaction) -> ProspectPage:
        found = list_prospects(tx, query, after=start[0] if start else None, limit=query.limit + 1)
        shown = found[: query.limit]
        address = next_page(request, found, query.limit, [str(prospect.id) for prospect in shown[-1:]])
        return ProspectPage(items=prospect_queries.prospects_out(tx, shown), next=address)

    return await service.database.read(load)


@reading.get("/prospects/{prospect_id}", operation_id="get_prospect")
async def get_prospect(prospect_id: UUID, response: Response, service: ServiceDep) -> ProspectOut:
    """Read a prospect."""
    found = await service.database.read(
        lambda tx: prospect_queries.prospect_out(tx, prospect_queries.find_prospect(tx, prospect_id))
    )
    set_etag(response, found.revision)
    return found


@writing.patch("/prospects/{prospect_id}", operation_id="update_prospect", response_model=ProspectOut)
async def update_prospect(
    prospect_id: UUID,
    request: ProspectChange,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Change a prospect. Its open sessions are scored again with the new attributes."""
    change = with_revision(request, if_match)
    return await service.write(
        call,
        lambda uow: prospect_queries.prospect_out(uow.tx, sessions.update_prospect(uow, prospect_id, change)),
    )


@writing.delete("/prospects/{prospect_id}", operation_id="erase_prospect", status_code=204)
async def erase_prospect(prospect_id: UUID, service: ServiceDep) -> None:
    """Erase a prospect permanently, with its links, sessions and history.

    The payloads that intakes received about it are erased too.
    """
    await prospect_lifecycle.erase_prospect(service.database, prospect_id)


@reading.get("/prospects/by-external-id/{source}/{external_id}", operation_id="find_prospect")
async def find_prospect(
    source: SourceInPath, external_id: ExternalIdInPath, response: Response, service: ServiceDep
) -> ProspectOut:
    """Read the prospect that another system knows by this id."""
    link = Link(source=source, external_id=external_id)
    found = await service.database.read(
        lambda tx: prospect_queries.prospect_out(tx, prospect_queries.require_by_link(tx, link))
    )
    set_etag(response, found.revision)
    return found


@writing.put(
    "/prospects/by-external-id/{source}/{external_id}",
    operation_id="upsert_prospect",
    response_model=ProspectOut,
    responses={201: {"model": ProspectOut, "description": "Created"}},
)
async def upsert_prospect(
    source: SourceInPath,
    external_id: ExternalIdInPath,
    request: ProspectChange,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Create or change the prospect with this id in another system.

    The status is 201 if the prospect is new, or else 200.
    """
    link = Link(source=source, external_id=external_id)
    change = with_revision(request, if_match)

    def upsert(uow: UnitOfWork) -> WriteResult:
        prospect, created, _ = sessions.upsert_prospect(uow, link, change)
        return WriteResult(prospect_queries.prospect_out(uow.tx, prospect), 201 if created else 200)

    return await service.write(call, upsert)


@writing.post("/prospects/{prospect_id}/links", operation_id="add_link", response_model=ProspectOut)
async def add_link(prospect_id: UUID, request: NewLink, service: ServiceDep, call: WriteCallDep) -> Response:
    """Link a prospect to another system. Adding a link that it already has changes nothing."""

    def add(uow: UnitOfWork) -> ProspectOut:
        prospect = prospect_queries.find_prospect(uow.tx, prospect_id, lock=True)
        prospects.add_link(uow.tx, prospect, request)
        return prospect_queries.prospect_out(uow.tx, prospect)

    return await service.write(call, add)


@writing.delete("/prospects/{prospect_id}/links/{source}/{external_id}", operation_id="remove_link")
async def remove_link(
    prospect_id: UUID, source: SourceInPath, external_id: ExternalIdInPath, service: ServiceDep
) -> ProspectOut:
    """Remove a link from a prospect."""

    def remove(tx: Transaction) -> ProspectOut:
        prospect = prospect_queries.find_prospect(tx, prospect_id, lock=True)
        prospects.remove_link(tx, prospect, Link(source=source, external_id=external_id))
        return prospect_queries.prospect_out(tx, prospect)

    return await service.database.write(remove)


@writing.post("/prospects/{prospect_id}/merge", operation_id="merge_prospects", response_model=ProspectOut)
async def merge_prospects(
    prospect_id: UUID, request: MergeRequest, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Merge another prospect into this one. It gets links, sessions, and the attributes that it lacks.

    The other prospect no longer exists afterwards. If both have an attribute, this one keeps its value.
    """

    def merge(uow: UnitOfWork) -> ProspectOut:
        merged = prospect_lifecycle.merge_prospects(uow, prospect_id, request.prospect_id)
        return prospect_queries.prospect_out(uow.tx, merged)

    return await service.write(call, merge)
