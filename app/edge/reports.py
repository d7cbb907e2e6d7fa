"""Compute a report of the insights for a caller."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field, ValidationError

from app.edge.problem_responses import invalid_query
from app.edge.service import Service
from app.insights.account_schemas import ConcentrationFilter, Name, PortfolioFilter
from app.insights.conclusion_schemas import OutcomesFilter
from app.insights.members import member_items, shown_members
from app.insights.report import Reading, ReportName, Table, require_own_figures
from app.insights.reports import catalogue
from app.insights.schemas import Hindsight, InsightFilter, PointOut, ReportFilter, SetInsightFilter
from app.keys.schemas import Caller
from app.problems import Problem, invalid_field
from app.schemas import MAX_TEXT_LENGTH, Day, SetName
from app.sessions.requests import Currency

FILTERS: Mapping[ReportName, type[ReportFilter]] = {
    "calibration": SetInsightFilter,
    "questions": SetInsightFilter,
    "outcomes": OutcomesFilter,
    "decisions": InsightFilter,
    "assessors": SetInsightFilter,
    "portfolio": PortfolioFilter,
    "concentration": ConcentrationFilter,
}


class PointFilter(ReportFilter):
    """A point of a report, and the filters of that report."""

    point: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_TEXT_LENGTH,
            description="calibration: the label of a band; questions: the key of a question; outcomes: a "
            "group such as `quarter:2026-Q1`, which leaves out undecided deals; decisions: an indication and "
            "a decision, such as `fit:pursue`; portfolio: a cell, `unsettled` or `not_rated`; concentration: "
            "a class. `none` stands for null",
        ),
    ]
    question_set: SetName | None = None
    since: Day | None = None
    before: Day | None = None
    hindsight: Hindsight | None = None
    by: Annotated[Literal["attribute", "amount"] | None, Field(description="of the report concentration")] = (
        None
    )
    attribute: Name | None = None
    currency: Currency | None = None


def filters_of(name: ReportName, sent: PointFilter) -> ReportFilter:
    """Return the filters of a report for one of its points.

    Raises:
        Problem: INVALID_REQUEST if a filter is missing, or if the report has no such filter or point.
    """
    fields = sent.model_dump(mode="json", exclude_unset=True, exclude={"point"})
    if name == "outcomes":
        if "by" in fields:
            detail = "leave it out: the point names what the deals are grouped by"
            raise invalid_field("/by", "unknown_field", detail, "query")
        fields["by"] = [sent.point.rpartition(":")[0]]
    try:
        return FILTERS[name].model_validate(fields)
    except ValidationError as error:
        if name == "outcomes" and any(one["loc"][0] == "by" for one in error.errors()):
            raise unknown_point() from None
        raise invalid_query(error) from None


def unknown_point() -> Problem:
    """Return the problem that a report has no such point."""
    return invalid_field("/point", "unknown_point", "the report has no such point", "query")


class ComputedReport(NamedTuple):
    """The response of a report, and the same as a table."""

    response: Any
    table: Table


async def compute_report(service: Service, caller: Caller, name: ReportName, query: ReportFilter) -> Any:
    """Return the response of a report. It is read in a transaction and computed outside of it.

    Raises:
        Problem: FORBIDDEN if the query names an assessor whose figures the caller may not read.
    """
    require_own_figures(caller, query.assessor)
    # The first call imports a library.
    report = (await service.computing.run(catalogue)).reports[name]
    read = await service.read_scores(lambda tx: report.read(Reading(tx, service.plans, query, caller)))
    return await service.computing.run_long(lambda: report.compute(read))


async def read_point(
    service: Service, caller: Caller, name: ReportName, query: ReportFilter, point: str
) -> PointOut:
    """Return the sessions or accounts behind a point of a report.

    Raises:
        Problem: INVALID_REQUEST if the report has no such point, and the same as `compute_report`.
    """
    require_own_figures(caller, query.assessor)
    report = (await service.computing.run(catalogue)).reports[name]
    read = await service.read_scores(lambda tx: report.read(Reading(tx, service.plans, query, caller)))
    points = await service.computing.run_long(lambda: report.points(read))
    if point not in points:
        raise unknown_point()
    members = shown_members(points[point])
    items = await service.database.read(lambda tx: member_items(tx, members))
    return PointOut(report=name, point=point, count=len(points[point]), items=items)


async def compute_table(
    service: Service, caller: Caller, name: ReportName, query: ReportFilter
) -> ComputedReport:
    """Return a report together with its table. Raises the same as `compute_report`."""
    response = await compute_report(service, caller, name, query)
    report = (await service.computing.run(catalogue)).reports[name]
    table = await service.computing.run_long(lambda: report.table(response))
    return ComputedReport(response, table)
