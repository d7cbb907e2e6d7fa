"""Compute a report of the insights for a caller."""

from typing import Any, NamedTuple

from app.edge.service import Service
from app.insights.report import Reading, ReportName, Table, require_own_figures
from app.insights.reports import catalogue
from app.insights.schemas import ReportFilter
from app.keys.schemas import Caller


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


async def compute_table(
    service: Service, caller: Caller, name: ReportName, query: ReportFilter
) -> ComputedReport:
    """Return a report together with its table. Raises the same as `compute_report`."""
    response = await compute_report(service, caller, name, query)
    report = (await service.computing.run(catalogue)).reports[name]
    table = await service.computing.run_long(lambda: report.table(response))
    return ComputedReport(response, table)
