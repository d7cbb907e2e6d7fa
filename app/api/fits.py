"""The fit that other tools embed: by prospect id, by link, or for many prospects at once."""

from collections.abc import Callable
from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field

from app.db import Transaction
from app.edge.routes import router
from app.edge.service import Service, ServiceDep
from app.insights.queries import newest_outcome
from app.insights.schemas import WinProbability
from app.keys.schemas import Scope
from app.prospects.queries import find_ids_by_link, find_prospect, require_by_link
from app.prospects.schemas import Link
from app.schemas import Assessor, Deal, ExternalId, Out, SetName, Source
from app.sessions.comparison.queries import compare
from app.sessions.comparison.schemas import ComparisonOut, ComparisonQuery
from app.sessions.presenters import fit_of, fits_of
from app.sessions.schemas import FitOut, FitQuery, FitsRequest

reading = router("fits", Scope.READ)
SetHere = Annotated[
    SetName | None, Query(description="only for this question set: key (any version) or key@version")
]
DealHere = Annotated[Deal | None, Query(description="only for this deal")]
AssessorHere = Annotated[Assessor | None, Query(description="only of this assessor")]


class Fit(FitOut):
    """The fit of a prospect, with the win probability."""

    win_probability: Annotated[
        WinProbability | None,
        Field(
            description="null if the session has an outcome or no score, or if the outcomes on this version "
            "of the question set do not show that winning depends on the score"
        ),
    ]


class FitResult(Out):
    """The fit of one prospect; the status is 404 if the prospect or its session does not exist."""

    status: Annotated[int, Field(examples=[200])]
    prospect_id: UUID | None
    source: str | None
    external_id: str | None
    fit: Fit | None


class FitList(Out):
    items: Annotated[list[FitResult], Field(description="in the order of the request")]


@reading.get("/prospects/{prospect_id}/fit", operation_id="get_fit")
async def get_fit(
    prospect_id: UUID,
    service: ServiceDep,
    question_set: SetHere = None,
    deal: DealHere = None,
    assessor: AssessorHere = None,
) -> Fit:
    """Read the fit of a prospect, from its newest open session or else its last one.

    Without `question_set`, the session can be on any set that asks about prospects. Without `assessor`, it
    can be that of any assessor. The response names the `question_set` and the `assessor` of the session.
    """

    def load(tx: Transaction) -> FitOut:
        set_filter = service.plans.find_filter(tx, question_set, "query")
        return fit_of(tx, service.plans, find_prospect(tx, prospect_id).id, set_filter, deal, assessor)

    return await _read_fit(service, load)


@reading.get("/prospects/{prospect_id}/comparison", operation_id="compare_assessors")
async def get_comparison(
    prospect_id: UUID, service: ServiceDep, query: Annotated[ComparisonQuery, Query()]
) -> ComparisonOut:
    """Compare the assessors of a prospect. Shows the verdict of each, and where they differ most.

    Each assessor has one session in it: the newest open one on the question set and the deal, or else the
    last one.
    """

    def load(tx: Transaction) -> ComparisonOut:
        set_filter = service.plans.find_filter(tx, query.question_set, "query")
        return compare(tx, service.plans, find_prospect(tx, prospect_id).id, query, set_filter)

    return await service.read_scores(load)


@reading.get("/prospects/by-external-id/{source}/{external_id}/fit", operation_id="find_fit")
async def find_fit(
    source: Annotated[Source, Path()],
    external_id: Annotated[ExternalId, Path()],
    service: ServiceDep,
    question_set: SetHere = None,
    deal: DealHere = None,
    assessor: AssessorHere = None,
) -> Fit:
    """Read the fit of the prospect that another system knows by this id."""
    link = Link(source=source, external_id=external_id)

    def load(tx: Transaction) -> FitOut:
        set_filter = service.plans.find_filter(tx, question_set, "query")
        return fit_of(tx, service.plans, require_by_link(tx, link).id, set_filter, deal, assessor)

    return await _read_fit(service, load)


@reading.post("/fits", operation_id="get_fits")
async def get_fits(request: FitsRequest, service: ServiceDep) -> FitList:
    """Read the fits of up to 200 prospects at once, each with its own status.

    Without `question_set`, each fit is that of the prospect's newest session, as for one prospect.
    """

    def load(tx: Transaction) -> list[FitOut | None]:
        set_filter = service.plans.find_filter(tx, request.question_set, "body")
        ids = _ids(tx, request.prospects)
        found = fits_of(tx, service.plans, [i for i in ids if i], set_filter, request.deal, request.assessor)
        return [found.get(prospect_id) if prospect_id else None for prospect_id in ids]

    fits = await _read_fits(service, load)
    return FitList(items=list(map(_fit_result, request.prospects, fits)))


async def _read_fit(service: Service, load: Callable[[Transaction], FitOut]) -> Fit:
    (fit,) = await _read_fits(service, lambda tx: [load(tx)])
    assert fit is not None
    return fit


async def _read_fits(
    service: Service, load: Callable[[Transaction], list[FitOut | None]]
) -> list[Fit | None]:
    """Return fits with the win probability, in the same order."""
    fits, newest = await service.read_scores(lambda tx: (load(tx), newest_outcome(tx)))
    rated = [(fit.question_set, None if fit.outcome else fit.score) if fit else ("", None) for fit in fits]
    probabilities = await service.win_curves.probabilities(rated, newest)
    return [
        Fit(**dict(fit), win_probability=probability) if fit else None
        for fit, probability in zip(fits, probabilities, strict=True)
    ]


def _ids(tx: Transaction, queries: list[FitQuery]) -> list[UUID | None]:
    """Return the prospect id for each query, in their order; None if its link is unknown."""
    links = {(query.source, query.external_id) for query in queries if query.source and query.external_id}
    known = find_ids_by_link(tx, links)
    return [
        query.prospect_id or known.get((query.source or "", query.external_id or "")) for query in queries
    ]


def _fit_result(query: FitQuery, fit: Fit | None) -> FitResult:
    return FitResult(
        status=200 if fit else 404,
        prospect_id=fit.prospect_id if fit else query.prospect_id,
        source=query.source,
        external_id=query.external_id,
        fit=fit,
    )
