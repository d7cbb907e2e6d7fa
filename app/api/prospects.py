"""Prospects: create, find, change, link, merge and erase."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query, Request, Response

from app.db import Transaction
from app.http.edge import router
from app.http.idempotency import follow
from app.http.paging import Page, PageQuery, next_page, position_after
from app.http.revisions import IfMatch, on_revision, tag
from app.http.service import CallHere, Done, Service, ServiceHere
from app.intake import erasure as receipts
from app.keys.store import Scope
from app.prospects import records
from app.prospects.search import POSITION, ProspectFilter, list_prospects
from app.prospects.wire import Link, MergeRequest, NewLink, NewProspect, ProspectChange, ProspectOut
from app.sessions import flow
from app.sessions.case import Work
from app.wire import ExternalId, Source

reading = router("prospects", Scope.READ)
writing = router("prospects", Scope.WRITE)

SourceInPath = Annotated[Source, Path()]
ExternalIdInPath = Annotated[ExternalId, Path()]


class ProspectQuery(ProspectFilter, PageQuery):
    """Which prospects, and which page of them."""


class ProspectPage(Page[ProspectOut]):
    """A page of prospects."""


@writing.post("/prospects", operation_id="create_prospect", status_code=201, response_model=ProspectOut)
async def create_prospect(request: NewProspect, service: ServiceHere, call: CallHere) -> Response:
    """Create a prospect. If you have an id of your own, upsert the prospect by that id instead."""
    return await service.write(
        call, lambda work: Done(records.show(work.tx, records.create(work.tx, request)), 201)
    )


@reading.get("/prospects", operation_id="list_prospects")
async def get_prospects(
    request: Request, service: ServiceHere, query: Annotated[ProspectQuery, Query()]
) -> ProspectPage:
    """List prospects, newest first."""
    start = position_after(query.after, POSITION)

    def work(tx: Transaction) -> ProspectPage:
        found = list_prospects(tx, query, after=start[0] if start else None, limit=query.limit + 1)
        shown = found[: query.limit]
        address = next_page(request, found, query.limit, [str(p.id) for p in shown[-1:]])
        return ProspectPage(items=records.show_all(tx, shown), next=address)

    return await service.database.read(work)


@reading.get("/prospects/{prospect_id}", operation_id="get_prospect")
async def get_prospect(prospect_id: UUID, response: Response, service: ServiceHere) -> ProspectOut:
    """Read a prospect."""
    found = await service.database.read(lambda tx: records.show(tx, records.find(tx, prospect_id)))
    tag(response, found.revision)
    return found


@writing.patch("/prospects/{prospect_id}", operation_id="update_prospect", response_model=ProspectOut)
async def update_prospect(
    prospect_id: UUID,
    request: ProspectChange,
    service: ServiceHere,
    call: CallHere,
    if_match: IfMatch = None,
) -> Response:
    """Change a prospect. Its open sessions are scored again with the new attributes."""
    change = on_revision(request, if_match)
    return await service.write(
        call, lambda work: records.show(work.tx, flow.change_prospect(work, prospect_id, change))
    )


@writing.delete("/prospects/{prospect_id}", operation_id="erase_prospect", status_code=204)
async def erase_prospect(prospect_id: UUID, service: ServiceHere) -> None:
    """Erase a prospect with its links, sessions, answers, decisions and history, for good.

    The payloads that intakes received about it are erased too.
    """
    found = await _receipts_of(service, prospect_id)

    def erase(tx: Transaction) -> None:
        # Receipts are locked before prospects.
        receipts.forget(tx, prospect_id, found)
        records.find(tx, prospect_id, lock=True)
        # What was processed while the prospect was waited for.
        receipts.forget(tx, prospect_id)
        flow.erase_prospect(tx, prospect_id)

    await service.database.write(erase)
    await service.database.erase_traces()


async def _receipts_of(service: Service, prospect_id: UUID) -> set[UUID]:
    """The receipts whose payloads are about a prospect, some at a time, as no write could wait for all."""
    found: set[UUID] = set()
    after: UUID | None = None
    while True:
        look = partial(receipts.look_for, prospect_id=prospect_id, after=after)
        some, after = await service.database.read(look)
        found |= some
        if after is None:
            return found


@reading.get("/prospects/by-external-id/{source}/{external_id}", operation_id="find_prospect")
async def find_prospect(
    source: SourceInPath, external_id: ExternalIdInPath, response: Response, service: ServiceHere
) -> ProspectOut:
    """Read the prospect that another system knows by this id."""
    link = Link(source=source, external_id=external_id)
    found = await service.database.read(lambda tx: records.show(tx, records.require_linked(tx, link)))
    tag(response, found.revision)
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
    service: ServiceHere,
    call: CallHere,
    if_match: IfMatch = None,
) -> Response:
    """Create the prospect that another system knows by this id (201), or change it (200)."""
    link = Link(source=source, external_id=external_id)
    change = on_revision(request, if_match)

    def upsert(work: Work) -> Done:
        prospect, created, _ = flow.upsert_prospect(work, link, change)
        return Done(records.show(work.tx, prospect), 201 if created else 200)

    return await service.write(call, upsert)


@writing.post("/prospects/{prospect_id}/links", operation_id="add_link", response_model=ProspectOut)
async def add_link(prospect_id: UUID, request: NewLink, service: ServiceHere, call: CallHere) -> Response:
    """Link a prospect to another system. Adding a link that it already has changes nothing."""

    def add(work: Work) -> ProspectOut:
        prospect = records.find(work.tx, prospect_id, lock=True)
        records.add_link(work.tx, prospect, request)
        return records.show(work.tx, prospect)

    return await service.write(call, add)


@writing.delete("/prospects/{prospect_id}/links/{source}/{external_id}", operation_id="remove_link")
async def remove_link(
    prospect_id: UUID, source: SourceInPath, external_id: ExternalIdInPath, service: ServiceHere
) -> ProspectOut:
    """Remove a link from a prospect."""

    def work(tx: Transaction) -> ProspectOut:
        prospect = records.find(tx, prospect_id, lock=True)
        records.remove_link(tx, prospect, source, external_id)
        return records.show(tx, prospect)

    return await service.database.write(work)


@writing.post("/prospects/{prospect_id}/merge", operation_id="merge_prospects", response_model=ProspectOut)
async def merge_prospects(
    prospect_id: UUID, request: MergeRequest, service: ServiceHere, call: CallHere
) -> Response:
    """Merge another prospect into this one: links, sessions, and the attributes that this one lacks.

    The other prospect no longer exists afterwards. If both have an attribute, this one keeps its value.
    """

    def merge(work: Work) -> ProspectOut:
        receipts.lock_receipts(work.tx, [prospect_id, request.prospect_id])
        kept, other = flow.merge_prospects(work, prospect_id, request.prospect_id)
        follow(work.tx, other.id, kept.id)
        receipts.follow(work.tx, other.id, kept.id)
        records.remove(work.tx, other)
        return records.show(work.tx, kept)

    return await service.write(call, merge)
