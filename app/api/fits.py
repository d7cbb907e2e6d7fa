"""The fit that other tools embed: small, by id, by link, or for many at once."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field, model_validator

from app.db import Transaction
from app.http.edge import router
from app.http.service import ServiceHere
from app.keys.store import Scope
from app.prospects import records
from app.prospects.many import find_ids
from app.prospects.wire import Link
from app.sessions.lists import FitOut, fit_of, fits_of
from app.wire import Deal, ExternalId, In, Out, SetName, Source

reading = router("fits", Scope.READ)

SetHere = Annotated[
    SetName | None, Query(description="of this question set: key for any version, or key@version")
]
DealHere = Annotated[Deal | None, Query(description="of this deal only")]


class FitWanted(In):
    """A prospect: its id, or source and external_id."""

    prospect_id: UUID | None = None
    source: Source | None = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _is_one_prospect(self) -> "FitWanted":
        linked = self.source is not None and self.external_id is not None
        partly = self.source is not None or self.external_id is not None
        if (self.prospect_id is None) != linked or partly != linked:
            raise ValueError("send either prospect_id, or source and external_id")
        return self


class FitsRequest(In):
    """The prospects to look up."""

    prospects: Annotated[list[FitWanted], Field(min_length=1, max_length=200)]
    question_set: SetName | None = None


class FitAnswer(Out):
    """One of the fits asked for; 404 where the prospect or its session is unknown."""

    status: Annotated[int, Field(examples=[200])]
    prospect_id: UUID | None
    source: str | None
    external_id: str | None
    fit: FitOut | None


class FitsOut(Out):
    items: Annotated[list[FitAnswer], Field(description="in the order asked")]


@reading.get("/prospects/{prospect_id}/fit", operation_id="get_fit")
async def get_fit(
    prospect_id: UUID, service: ServiceHere, question_set: SetHere = None, deal: DealHere = None
) -> FitOut:
    """Read the fit of a prospect: from its open session, or else from its last one."""

    def work(tx: Transaction) -> FitOut:
        wanted = service.plans.require(tx, question_set, "query")
        return fit_of(tx, service.plans, records.find(tx, prospect_id).id, wanted, deal)

    return await service.read_scores(work)


@reading.get("/prospects/by-external-id/{source}/{external_id}/fit", operation_id="find_fit")
async def find_fit(
    source: Annotated[Source, Path()],
    external_id: Annotated[ExternalId, Path()],
    service: ServiceHere,
    question_set: SetHere = None,
    deal: DealHere = None,
) -> FitOut:
    """Read the fit of the prospect that another system knows by this id."""
    link = Link(source=source, external_id=external_id)

    def work(tx: Transaction) -> FitOut:
        wanted = service.plans.require(tx, question_set, "query")
        return fit_of(tx, service.plans, records.require_linked(tx, link).id, wanted, deal)

    return await service.read_scores(work)


@reading.post("/fits", operation_id="get_fits")
async def get_fits(request: FitsRequest, service: ServiceHere) -> FitsOut:
    """Read the fits of up to 200 prospects at once, each with its own status."""

    def work(tx: Transaction) -> FitsOut:
        wanted = service.plans.require(tx, request.question_set, "body")
        ids = _ids(tx, request.prospects)
        fits = fits_of(tx, service.plans, [i for i in ids if i], wanted)
        return FitsOut(
            items=[
                _answer(wanted, fits.get(prospect_id) if prospect_id else None)
                for wanted, prospect_id in zip(request.prospects, ids, strict=True)
            ]
        )

    return await service.read_scores(work)


def _ids(tx: Transaction, wanted: list[FitWanted]) -> list[UUID | None]:
    """The id of every prospect asked for; None where a link is unknown."""
    links = {(w.source, w.external_id) for w in wanted if w.source and w.external_id}
    known = find_ids(tx, links)
    return [w.prospect_id or known.get((w.source or "", w.external_id or "")) for w in wanted]


def _answer(wanted: FitWanted, fit: FitOut | None) -> FitAnswer:
    return FitAnswer(
        status=200 if fit else 404,
        prospect_id=fit.prospect_id if fit else wanted.prospect_id,
        source=wanted.source,
        external_id=wanted.external_id,
        fit=fit,
    )
