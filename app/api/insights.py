"""What outcomes say about the scores: each report as JSON, as CSV and, if it has one, as a picture."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Query, Response

from app.edge.reports import PointFilter, compute_report, compute_table, filters_of, read_point
from app.edge.routes import router
from app.edge.security_headers import picture_policy
from app.edge.service import CallerDep, Service, ServiceDep
from app.files.writer import writer_of
from app.insights import pictures
from app.insights.account_schemas import (
    ConcentrationFilter,
    ConcentrationOut,
    PortfolioFilter,
    PortfolioOut,
)
from app.insights.conclusion_schemas import AssessorsOut, DecisionsOut, OutcomesFilter, OutcomesOut
from app.insights.drawings.svg import STYLE
from app.insights.report import ReportName, Table
from app.insights.schemas import (
    CalibrationOut,
    InsightFilter,
    PointOut,
    QuestionsOut,
    ReportFilter,
    SetInsightFilter,
)
from app.keys.schemas import Caller, Scope

PICTURE_POLICY = picture_policy(STYLE)
# Some proxies keep files that end in .csv or .svg for everyone, unless the response forbids it.
NOT_SHARED = {"Cache-Control": "private, no-cache"}
reading = router("insights", Scope.READ)


class CsvResponse(Response):
    """A table as CSV."""

    media_type = "text/csv"


class SvgResponse(Response):
    """A picture."""

    media_type = "image/svg+xml"


@reading.get("/insights/calibration", operation_id="get_calibration")
async def get_calibration(
    service: ServiceDep, caller: CallerDep, query: Annotated[SetInsightFilter, Query()]
) -> CalibrationOut:
    """Read how well the scores of a question set predict which deals are won.

    Every figure uses the verdict as it stood before the outcome was known.
    """
    report: CalibrationOut = await compute_report(service, caller, "calibration", query)
    return report


@reading.get("/insights/calibration.csv", operation_id="get_calibration_table", response_class=CsvResponse)
async def get_calibration_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[SetInsightFilter, Query()]
) -> Response:
    """Read the bands of the calibration as CSV."""
    return await _table(service, caller, "calibration", query)


@reading.get("/insights/calibration.svg", operation_id="get_calibration_picture", response_class=SvgResponse)
async def get_calibration_picture(
    service: ServiceDep, caller: CallerDep, query: Annotated[pictures.CalibrationPicture, Query()]
) -> Response:
    """Read the calibration as a picture: the win rate, or the sessions, at each score.

    The description in the SVG document has all its figures for screen readers.
    """
    return await _picture(service, caller, "calibration", query, pictures.draw_calibration)


@reading.get("/insights/questions", operation_id="get_questions")
async def get_questions(
    service: ServiceDep, caller: CallerDep, query: Annotated[SetInsightFilter, Query()]
) -> QuestionsOut:
    """Read how the ratings of won and lost sessions differ on each question of a set.

    Every rating is the one before the outcome was known. Figures are left out if fewer than 10 won or 10 lost
    sessions rated the question.
    """
    report: QuestionsOut = await compute_report(service, caller, "questions", query)
    return report


@reading.get("/insights/questions.csv", operation_id="get_questions_table", response_class=CsvResponse)
async def get_questions_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[SetInsightFilter, Query()]
) -> Response:
    """Read the questions that matter as CSV, one row for each question."""
    return await _table(service, caller, "questions", query)


@reading.get("/insights/questions.svg", operation_id="get_questions_picture", response_class=SvgResponse)
async def get_questions_picture(
    service: ServiceDep, caller: CallerDep, query: Annotated[pictures.QuestionsPicture, Query()]
) -> Response:
    """Read how well each question separates won from lost sessions, as a picture."""
    return await _picture(service, caller, "questions", query, pictures.draw_questions)


@reading.get("/insights/assessors", operation_id="get_assessors")
async def get_assessors(
    service: ServiceDep, caller: CallerDep, query: Annotated[SetInsightFilter, Query()]
) -> AssessorsOut:
    """Read how far assessors agree, and which questions they skip.

    The report also shows who gives nearly all questions the same rating.
    `since` and `before` are about the last answer of a session. Figures of persons need the scope `admin`, or
    the API key of the person.
    """
    report: AssessorsOut = await compute_report(service, caller, "assessors", query)
    return report


@reading.get("/insights/assessors.csv", operation_id="get_assessors_table", response_class=CsvResponse)
async def get_assessors_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[SetInsightFilter, Query()]
) -> Response:
    """Read the agreement of assessors on each question as CSV."""
    return await _table(service, caller, "assessors", query)


@reading.get("/insights/decisions", operation_id="get_decisions")
async def get_decisions(
    service: ServiceDep, caller: CallerDep, query: Annotated[InsightFilter, Query()]
) -> DecisionsOut:
    """Read how often people decide differently from the indication, and how it ended.

    The indication is the one that they saw. `since` and `before` are about the day of the decision, in UTC.
    Figures of persons need the scope `admin`, or the API key of the person.
    """
    report: DecisionsOut = await compute_report(service, caller, "decisions", query)
    return report


@reading.get("/insights/decisions.csv", operation_id="get_decisions_table", response_class=CsvResponse)
async def get_decisions_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[InsightFilter, Query()]
) -> Response:
    """Read the table of indications and decisions as CSV."""
    return await _table(service, caller, "decisions", query)


@reading.get("/insights/outcomes", operation_id="get_outcomes")
async def get_outcomes(
    service: ServiceDep, caller: CallerDep, query: Annotated[OutcomesFilter, Query()]
) -> OutcomesOut:
    """Read how many deals were won and lost, by reason, period, attribute and more.

    With `question_set`, it also compares the ratings of deals that were lost for one reason with those of the
    other lost deals.
    """
    report: OutcomesOut = await compute_report(service, caller, "outcomes", query)
    return report


@reading.get("/insights/outcomes.csv", operation_id="get_outcomes_table", response_class=CsvResponse)
async def get_outcomes_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[OutcomesFilter, Query()]
) -> Response:
    """Read the groups of outcomes as CSV."""
    return await _table(service, caller, "outcomes", query)


@reading.get("/insights/outcomes.svg", operation_id="get_outcomes_picture", response_class=SvgResponse)
async def get_outcomes_picture(
    service: ServiceDep, caller: CallerDep, query: Annotated[pictures.OutcomesPicture, Query()]
) -> Response:
    """Read the win rate of each month, quarter or year as a picture, with intervals."""
    return await _picture(service, caller, "outcomes", query, pictures.draw_outcomes)


@reading.get("/insights/portfolio", operation_id="get_portfolio")
async def get_portfolio(
    service: ServiceDep, caller: CallerDep, query: Annotated[PortfolioFilter, Query()]
) -> PortfolioOut:
    """Read the cell of the portfolio that each account is in. The question set has to define a portfolio.

    An account counts with its newest open session on the set, or else its last one. It is in a cell if no
    open question can move it out. Each list has at most 50 accounts, and the CSV file has all of them. With
    `since`, the response also shows how the accounts moved since then.
    """
    report: PortfolioOut = await compute_report(service, caller, "portfolio", query)
    return report


@reading.get("/insights/portfolio.csv", operation_id="get_portfolio_table", response_class=CsvResponse)
async def get_portfolio_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[PortfolioFilter, Query()]
) -> Response:
    """Read all accounts of a portfolio as CSV, by name."""
    return await _table(service, caller, "portfolio", query)


@reading.get("/insights/portfolio.svg", operation_id="get_portfolio_picture", response_class=SvgResponse)
async def get_portfolio_picture(
    service: ServiceDep, caller: CallerDep, query: Annotated[pictures.PortfolioPicture, Query()]
) -> Response:
    """Read the portfolio as a picture: the accounts in the matrix of both dimensions.

    An account is a bar while the open questions can still move it to another cell. Many accounts share marks.
    """
    return await _picture(service, caller, "portfolio", query, pictures.draw_portfolio)


@reading.get("/insights/concentration", operation_id="get_concentration")
async def get_concentration(
    service: ServiceDep, caller: CallerDep, query: Annotated[ConcentrationFilter, Query()]
) -> ConcentrationOut:
    """Read how much of an amount the largest accounts hold.

    The amount is a numeric `attribute` of the accounts, or with `by=amount` the sum of the amounts of the
    deals that each account brought in one `currency`. The list has the 50 largest accounts, and the CSV file
    has all of them.
    """
    report: ConcentrationOut = await compute_report(service, caller, "concentration", query)
    return report


@reading.get(
    "/insights/concentration.csv", operation_id="get_concentration_table", response_class=CsvResponse
)
async def get_concentration_table(
    service: ServiceDep, caller: CallerDep, query: Annotated[ConcentrationFilter, Query()]
) -> Response:
    """Read all accounts with their amounts as CSV, the largest first."""
    return await _table(service, caller, "concentration", query)


@reading.get(
    "/insights/concentration.svg", operation_id="get_concentration_picture", response_class=SvgResponse
)
async def get_concentration_picture(
    service: ServiceDep, caller: CallerDep, query: Annotated[pictures.ConcentrationPicture, Query()]
) -> Response:
    """Read the concentration as a picture: the share that the largest accounts hold."""
    return await _picture(service, caller, "concentration", query, pictures.draw_concentration)


@reading.get("/insights/{report}/point", operation_id="get_point")
async def get_point(
    report: ReportName, service: ServiceDep, caller: CallerDep, query: Annotated[PointFilter, Query()]
) -> PointOut:
    """Read the sessions or accounts behind one point of a report.

    With the same filters, `count` is the number that the report gives for that point. Sessions that
    were rated with hindsight are not in the list. The report on assessors has no points.
    """
    return await read_point(service, caller, report, filters_of(report, query), query.point)


async def _table(service: Service, caller: Caller, name: ReportName, query: ReportFilter) -> Response:
    computed = await compute_table(service, caller, name, query)
    content = await service.computing.run_long(lambda: _csv(computed.table))
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', **NOT_SHARED}
    return CsvResponse(content, headers=headers)


def _csv(table: Table) -> bytes:
    writer = writer_of("csv")(table.columns)
    return writer.write(table.rows) + b"".join(writer.finish())


async def _picture(
    service: Service, caller: Caller, name: ReportName, query: ReportFilter, draw: Callable[..., str]
) -> Response:
    report = await compute_report(service, caller, name, query)
    document = await service.computing.run(lambda: draw(report, query))
    return SvgResponse(document, headers={"Content-Security-Policy": PICTURE_POLICY, **NOT_SHARED})
