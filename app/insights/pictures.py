"""The pictures of the reports: which figures of a report each drawing shows."""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from app.insights.account_schemas import ConcentrationFilter, ConcentrationOut, PortfolioFilter, PortfolioOut
from app.insights.conclusion_schemas import OutcomesOut
from app.insights.drawings import accounts, curve, matrix, reliability
from app.insights.drawings.bands import draw_bands
from app.insights.drawings.chart import DEFAULT_WIDTH, MAX_WIDTH, MIN_WIDTH
from app.insights.drawings.figures import Count, Interval, Words, counted_accounts
from app.insights.drawings.forest import QuestionRow, draw_forest
from app.insights.drawings.svg import isolated
from app.insights.drawings.trend import Trend, draw_trend
from app.insights.schemas import (
    CalibrationOut,
    Estimate,
    InsightFilter,
    QuestionsOut,
    ReportFilter,
    ScoreBand,
    SetInsightFilter,
)
from app.schemas import In
from app.scoring import Tally

Period = Literal["month", "quarter", "year"]
# How the names of periods count: the number of periods in a year, and what stands before their number.
NUMBERED: dict[Period, tuple[int, str]] = {"month": (12, ""), "quarter": (4, "Q"), "year": (1, "")}
# More periods than this make no picture. The last ones are shown.
MAX_PERIODS = 60
# Why a question has no figures. The table says it at length.
TOO_FEW = "too few sessions"


class PictureSize(In):
    """How large a picture is."""

    width: Annotated[
        int,
        Field(
            ge=MIN_WIDTH,
            le=MAX_WIDTH,
            description="the width in pixels; texts have the same size at every width, so ask for the width "
            "at which you show the picture",
        ),
    ] = DEFAULT_WIDTH


class CalibrationPicture(PictureSize, SetInsightFilter):
    """Which sessions to show, and how."""

    picture: Annotated[
        Literal["reliability", "bands"],
        Field(description="the win rate at each score, or how many sessions were won and lost at each score"),
    ] = "reliability"


class QuestionsPicture(PictureSize, SetInsightFilter):
    """Which sessions to show."""


class OutcomesPicture(PictureSize, InsightFilter):
    """Which deals to show, and by which period."""

    period: Annotated[Period, Field(description="one point for each month, quarter or year")] = "quarter"

    @property
    def by(self) -> list[Period]:
        """What the report groups the deals by."""
        return [self.period]


class PortfolioPicture(PictureSize, PortfolioFilter):
    """Which accounts to show."""


class ConcentrationPicture(PictureSize, ConcentrationFilter):
    """Which amounts to show."""


def draw_calibration(report: CalibrationOut, query: CalibrationPicture) -> str:
    """Return the reliability diagram or the band chart.

    Sessions that were rated with hindsight are shown only if there are no others.
    """
    shown = report.hindsight if report.hindsight and not report.n else report
    counts = f"sessions: {shown.won:,} won, {shown.lost:,} lost"
    hindsight = ["rated with hindsight"] if shown is report.hindsight else []
    title = "Sessions by score" if query.picture == "bands" else "Win rate by score"
    words = Words(title, _subject(query, counts, *hindsight), shown.summary)
    if query.picture == "bands":
        return draw_bands(words, [_band_count(band) for band in shown.bands], query.width)
    figures = reliability.Reliability(
        words=words,
        bands=[_score_band(band) for band in shown.bands if not band.knocked_out],
        knocked_out=next((_band_count(band) for band in shown.bands if band.knocked_out), None),
        base_rate=_interval(shown.base_rate),
        curve=[reliability.CurvePoint(one.score, _limits(one.probability)) for one in shown.curve],
    )
    return reliability.draw_reliability(figures, query.width)


def _band_count(band: ScoreBand) -> Count:
    return Count(band.label, band.won, band.lost, _interval(band.win_rate))


def _score_band(band: ScoreBand) -> reliability.ScoreBand:
    low, high = band.from_score or 0, band.to_score or 0
    middle = (low + high) / 2 if band.mean_score is None else band.mean_score
    return reliability.ScoreBand(band.label, band.won, band.lost, _interval(band.win_rate), low, high, middle)


def draw_questions(report: QuestionsOut, query: QuestionsPicture) -> str:
    """Return the forest plot of the questions, in the order of the set."""
    shown = report.hindsight if report.hindsight and not report.n else report
    rows = [QuestionRow(one.label, _interval(one.auc), one.matters, TOO_FEW) for one in shown.questions]
    hindsight = ["rated with hindsight"] if shown is report.hindsight else []
    words = Words("Questions that matter", _subject(query, *hindsight), shown.summary)
    return draw_forest(words, rows, query.width)


def draw_outcomes(report: OutcomesOut, query: OutcomesPicture) -> str:
    """Return the trend of the win rate."""
    (breakdown,) = report.breakdowns
    found = {
        group.group: Count(group.group, group.won, group.lost, _interval(group.win_rate))
        for group in breakdown.groups
        if group.group
    }
    periods = [found.get(name) or Count(name, 0, 0, None) for name in _periods(sorted(found), query.period)]
    counts = f"deals: {report.total.won:,} won, {report.total.lost:,} lost"
    words = Words(f"Win rate by {query.period}", _subject(query, counts), report.summary)
    return draw_trend(Trend(words, periods, _interval(report.total.win_rate)), query.width)


def _periods(names: Sequence[str], period: Period) -> list[str]:
    """Return the names of the periods from the first to the last, with those between them."""
    if not names:
        return []
    in_year, sign = NUMBERED[period]
    digits = 2 if period == "month" else 1

    def number(name: str) -> int:
        year, _, part = name.partition("-")
        return int(year) * in_year + (int(part.removeprefix(sign)) - 1 if part else 0)

    def name(number: int) -> str:
        year, part = divmod(number, in_year)
        return f"{year}-{sign}{part + 1:0{digits}}" if in_year > 1 else f"{year}"

    first, last = number(names[0]), number(names[-1])
    return [name(one) for one in range(max(first, last - MAX_PERIODS + 1), last + 1)]


def draw_portfolio(report: PortfolioOut, query: PortfolioPicture) -> str:
    """Return the matrix of the accounts. Those that are not rated have no place in it."""
    shown = [one for one in report.placed if one.place != "not_rated"]
    cells = {one.cell: accounts.Cell(one.advice, one.accounts, one.possible) for one in report.cells}
    words = Words("Portfolio", _subject(query, counted_accounts(report.accounts)), report.summary)
    figures = accounts.Portfolio(
        words=words,
        x=accounts.Axis(report.x.title, report.cut_at),
        y=accounts.Axis(report.y.title, report.cut_at),
        cells=accounts.Cells(**cells),
        accounts=[
            accounts.Account(
                one.account.name or "no name", _position(one.placement.x), _position(one.placement.y)
            )
            for one in shown
        ],
    )
    return matrix.draw_portfolio(figures, query.width)


def _position(tally: Tally) -> accounts.Position:
    return accounts.Position(
        tally.estimate, tally.lowest or 0.0, 100.0 if tally.highest is None else tally.highest
    )


def draw_concentration(report: ConcentrationOut, query: ConcentrationPicture) -> str:
    """Return the curve of the cumulative share."""
    attribute = (report.attribute or "").replace("_", " ")
    measure = f"the amounts won in {report.currency}" if report.by == "amount" else attribute
    words = Words(
        f"Concentration of {measure}", _subject(query, counted_accounts(report.accounts)), report.summary
    )
    figures = curve.Concentration(
        words=words,
        measure=measure,
        curve=[curve.SharePoint(one.accounts, one.total) for one in report.curve],
        classes=list(_size_classes(report)),
        top_fifth=report.top_fifth,
        gini=report.gini,
    )
    return curve.draw_concentration(figures, query.width)


def _size_classes(report: ConcentrationOut) -> Iterator[curve.SizeClass]:
    accounts = total = 0.0
    for one in report.classes:
        accounts += one.share_of_accounts or 0
        total += one.share_of_total or 0
        yield curve.SizeClass(one.class_name, one.accounts, curve.SharePoint(accounts, total))


def _interval(estimate: Estimate | None) -> Interval | None:
    return _limits(estimate) if estimate else None


def _limits(estimate: Estimate) -> Interval:
    return Interval(estimate.estimate, estimate.low, estimate.high)


def _subject(query: ReportFilter, *facts: str) -> str:
    """Return what a picture is drawn from, in few words: the filters and other facts."""
    return " · ".join([*_filters(query), *facts])


def _filters(query: ReportFilter) -> Iterator[str]:
    if question_set := getattr(query, "question_set", None):
        yield question_set
    # `since` does not filter the accounts of a portfolio.
    if (since := getattr(query, "since", None)) and not isinstance(query, PortfolioFilter):
        yield f"since {since}"
    if before := getattr(query, "before", None):
        yield f"before {before}"
    for name, value in query.segments:
        yield isolated(f"{name}: {value}")
    if query.assessor:
        yield isolated(query.assessor)
