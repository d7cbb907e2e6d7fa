"""What outcomes say about the scores: each report in words, as a picture, and as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Request, Response

from app.edge.reports import ComputedReport, compute_table
from app.edge.service import Service, ServiceDep
from app.files.columns import as_rounded_text
from app.insights.account_schemas import ConcentrationFilter, Name, PortfolioFilter
from app.insights.conclusion_schemas import OutcomesFilter
from app.insights.report import ReportName, Table
from app.insights.schemas import Hindsight, InsightFilter, ReportFilter, SetInsightFilter
from app.keys.schemas import Scope
from app.pages.rendering import page, text, texts
from app.pages.routes import page_router, query_of
from app.question_sets.queries import list_newest
from app.question_sets.tables import QuestionSetVersion
from app.schemas import Day, In, SetName

reading = page_router(Scope.READ)
# More rows than this are in the CSV file only.
MAX_ROWS = 200


@dataclass(frozen=True, slots=True)
class ReportPage:
    """How a page shows a report: its filter, whether it needs a question set, and its pictures."""

    filter_type: type[ReportFilter]
    needs_set: bool = False
    pictures: tuple[str, ...] = ()


PAGES: Mapping[ReportName, ReportPage] = {
    "calibration": ReportPage(SetInsightFilter, needs_set=True, pictures=("reliability", "bands")),
    "questions": ReportPage(SetInsightFilter, needs_set=True, pictures=("",)),
    "outcomes": ReportPage(OutcomesFilter, pictures=("",)),
    "decisions": ReportPage(InsightFilter),
    "assessors": ReportPage(SetInsightFilter, needs_set=True),
    "portfolio": ReportPage(PortfolioFilter, needs_set=True, pictures=("",)),
    "concentration": ReportPage(ConcentrationFilter, pictures=("",)),
}


class InsightQuery(In):
    """The filters of the report pages. Each report uses some of them."""

    question_set: SetName | None = None
    since: Day | None = None
    before: Day | None = None
    hindsight: Hindsight | None = None
    attribute: Name | None = None


@reading.get("/insights")
async def get_insights(request: Request, service: ServiceDep) -> Response:
    """Show the calibration of the default question set."""
    return await _show(request, service, "calibration", InsightQuery())


@reading.get("/insights/{name}")
async def get_report(
    request: Request,
    service: ServiceDep,
    name: ReportName,
    query: Annotated[InsightQuery, query_of(InsightQuery)],
) -> Response:
    """Show one report."""
    return await _show(request, service, name, query)


async def _show(request: Request, service: Service, name: ReportName, query: InsightQuery) -> Response:
    shown = PAGES[name]
    sets = await service.database.read(list_newest)
    # The concentration of an attribute has no other filters.
    known = {"attribute"} if name == "concentration" else set(shown.filter_type.model_fields)
    asked = query.model_dump(mode="json", exclude_none=True, include=known)
    if shown.needs_set:
        asked.setdefault("question_set", _first_set(name, sets, service.plans.default))
    computed = ComputedReport(None, Table([], []))
    if name != "concentration" or query.attribute:
        filters = shown.filter_type.model_validate(asked)
        computed = await compute_table(service, request.state.caller, name, filters)
    return page(
        request,
        "insights.html",
        name=name,
        names=list(PAGES),
        pictures=shown.pictures,
        query=query,
        chosen=asked,
        address=urlencode(asked),
        sets=sets,
        has_set=name != "concentration",
        needs_set=shown.needs_set,
        has_period=issubclass(shown.filter_type, InsightFilter),
        report=computed.response,
        left_out=_left_out(computed.response),
        columns=[column.name for column in computed.table.columns],
        rows=[[as_rounded_text(value) for value in row] for row in computed.table.rows[:MAX_ROWS]],
        more=max(0, len(computed.table.rows) - MAX_ROWS),
    )


def _first_set(name: ReportName, sets: Sequence[QuestionSetVersion], default: str) -> str:
    """Return the key of the set that a page shows first; for the portfolio, of a set that defines one."""
    with_portfolio = (one.key for one in sets if one.definition.get("portfolio"))
    return next(with_portfolio, default) if name == "portfolio" else default


def _left_out(report: Any) -> list[str]:
    """Return in words which sessions a report leaves out, and how many."""
    excluded = getattr(report, "excluded", None)
    if excluded is None:
        return []
    counts = {reason: count for reason, count in excluded.model_dump().items() if count}
    return [
        text(f"insights.excluded_{reason}", count=count)
        if f"insights.excluded_{reason}" in texts()
        else f"{count} {reason.replace('_', ' ')}"
        for reason, count in counts.items()
    ]
