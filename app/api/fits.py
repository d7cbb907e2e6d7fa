"""The fit that other tools embed: small, by id, by link, or for many at once."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query

from app.db import Transaction
from app.edge.routes import router
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.prospects.queries import find_ids_by_link, find_prospect, require_by_link
from app.prospects.schemas import Link
from app.schemas import Deal, ExternalId, SetName, Source
from app.sessions.responses import fit_of, fits_of
from app.sessions.schemas import FitList, FitOut, FitQuery, FitResult, FitsRequest

reading = router("fits", Scope.READ)
SetHere = Annotated[
    SetName | None, Query(description="of this question set: key for any version, or key@version")
]
DealHere = Annotated[Deal | None, Query(description="of this deal only")]


@reading.get("/prospects/{prospect_id}/fit", operation_id="get_fit")
async def get_fit(
    prospect_id: UUID, service: ServiceDep, question_set: SetHere = None, deal: DealHere = None
) -> FitOut:
    """Read the fit of a prospect: from its open session, or else from its last one."""

    def load(tx: Transaction) -> FitOut:
        wanted = service.plans.require_version(tx, question_set, "query")
        return fit_of(tx, service.plans, find_prospect(tx, prospect_id).id, wanted, deal)

    return await service.read_scores(load)


@reading.get("/prospects/by-external-id/{source}/{external_id}/fit", operation_id="find_fit")
async def find_fit(
    source: Annotated[Source, Path()],
    external_id: Annotated[ExternalId, Path()],
    service: ServiceDep,
    question_set: SetHere = None,
    deal: DealHere = None,
) -> FitOut:
    """Read the fit of the prospect that another system knows by this id."""
    link = Link(source=source, external_id=external_id)

    def load(tx: Transaction) -> FitOut:
        wanted = service.plans.require_version(tx, question_set, "query")
        return fit_of(tx, service.plans, require_by_link(tx, link).id, wanted, deal)

    return await service.read_scores(load)


@reading.post("/fits", operation_id="get_fits")
async def get_fits(request: FitsRequest, service: ServiceDep) -> FitList:
    """Read the fits of up to 200 prospects at once, each with its own status."""

    def load(tx: Transaction) -> FitList:
        wanted = service.plans.require_version(tx, request.question_set, "body")
        ids = _ids(tx, request.prospects)
        fits = fits_of(tx, service.plans, [i for i in ids if i], wanted)
        return FitList(
            items=[
                _answer(wanted, fits.get(prospect_id) if prospect_id else None)
                for wanted, prospect_id in zip(request.prospects, ids, strict=True)
            ]
        )

    return await service.read_scores(load)


def _ids(tx: Transaction, wanted: list[FitQuery]) -> list[UUID | None]:
    """The id of every prospect asked for; None where a link is unknown."""
    links = {(w.source, w.external_id) for w in wanted if w.source and w.external_id}
    known = find_ids_by_link(tx, links)
    return [w.prospect_id or known.get((w.source or "", w.external_id or "")) for w in wanted]


def _answer(wanted: FitQuery, fit: FitOut | None) -> FitResult:
    return FitResult(
        status=200 if fit else 404,
        prospect_id=fit.prospect_id if fit else wanted.prospect_id,
        source=wanted.source,
        external_id=wanted.external_id,
        fit=fit,
    )
