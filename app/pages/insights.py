"""What outcomes say about the scores: each report in words, as a picture, and as a table."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, cast
from urllib.parse import urlencode

from fastapi import Request, Response
from pydantic import BeforeValidator, Field

from app.edge.reports import FILTERS, PointFilter, compute_table, filters_of, read_point
from app.edge.service import Service, ServiceDep
from app.insights.account_schemas import Name
from app.insights.conclusion_schemas import DEFAULT_BREAKDOWNS, MAX_BREAKDOWNS, By, DecisionsOut, OutcomesOut
from app.insights.report import NO_NAME, ReportName
from app.insights.schemas import MAX_SEGMENTS, Hindsight, InsightFilter, Segment
from app.keys.schemas import Scope
from app.pages.rendering import page, text
from app.pages.routes import page_router, query_of
from app.pages.tables import group_in_words, readable, word
from app.question_sets.queries import list_newest
from app.question_sets.tables import QuestionSetVersion
from app.schemas import Assessor, Day, In, SetName
from app.sessions.requests import Currency

reading = page_router(Scope.READ)
# More rows than this are in the CSV file only.
MAX_ROWS = 200
PICTURES: Mapping[ReportName, tuple[str, ...]] = {
    "calibration": ("picture=reliability", "picture=bands"),
    **dict.fromkeys(("questions", "portfolio", "concentration"), ("",)),
}
NEED_SET = {"calibration", "questions", "assessors", "portfolio"}
# The parameters that a concentration accepts for each measure.
OF_MEASURE = {
    "attribute": {"by", "attribute", "segment"},
    "amount": {"by", "currency", "question_set", "since", "before", "assessor", "segment"},
}
Period = Literal["month", "quarter", "year"]


class InsightQuery(In):
    """The filters of the report pages. Each report uses some of them."""

    question_set: SetName | None = None
    since: Day | None = None
    before: Day | None = None
    segment: Annotated[list[Segment], Field(max_length=MAX_SEGMENTS)] = []
    assessor: Assessor | None = None
    hindsight: Hindsight | None = None
    by: Annotated[list[By | Literal["attribute", "amount"]], Field(max_length=MAX_BREAKDOWNS)] = []
    period: Period = "quarter"
    attribute: Name | None = None
    currency: Annotated[Currency | None, BeforeValidator(str.upper)] = None
    point: str | None = None


class PointLink(NamedTuple):
    """A point of a report with its number of sessions or accounts."""

    label: str
    members: int
    address: str


@dataclass(frozen=True, slots=True)
class AskedReport:
    """A report as the address requests it. `fields` are its filters, with those that the page chooses."""

    name: ReportName
    fields: Mapping[str, Any]
    period: Period

    @property
    def address(self) -> str:
        """The query with which the API returns the same report."""
        return urlencode(self.fields, doseq=True)

    def pictures(self) -> list[str]:
        """Return the queries of the pictures."""
        if self.name == "outcomes":
            return [urlencode({**self._ungrouped(), "period": self.period}, doseq=True)]
        shown = PICTURES.get(self.name, ())
        return [f"{self.address}&{one}" if one else self.address for one in shown]

    def point(self, point: str) -> str:
        """Return the query of the list behind a point."""
        others = self._ungrouped() if self.name == "outcomes" else self.fields
        return urlencode({**others, "point": point}, doseq=True)

    def _ungrouped(self) -> dict[str, Any]:
        """Return the filters of the report without those that group outcomes."""
        return {name: value for name, value in self.fields.items() if name != "by"}


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


@reading.get("/insights/{name}/point")
async def get_point(
    request: Request,
    service: ServiceDep,
    name: ReportName,
    query: Annotated[PointFilter, query_of(PointFilter)],
) -> Response:
    """Show the sessions or the accounts behind one point of a report."""
    sets = await service.database.read(list_newest)
    filters = filters_of(name, query)
    found = await read_point(service, request.state.caller, name, filters, query.point)
    scored_with = {one.question_set for one in found.items if one.question_set}
    cuts = await service.database.read(
        lambda tx: {name: service.plans.find(tx, name).cuts for name in scored_with}
    )
    labels = _labels(sets, query.question_set)
    chosen = query.model_dump(mode="json", exclude_unset=True)
    return page(
        request,
        "point.html",
        name=name,
        found=found,
        cuts=cuts,
        label=_point_label(name, query.point, labels),
        address=urlencode(chosen, doseq=True),
        report_address=urlencode({key: value for key, value in chosen.items() if key != "point"}, doseq=True),
    )


async def _show(request: Request, service: Service, name: ReportName, query: InsightQuery) -> Response:
    sets = await service.database.read(list_newest)
    asked = AskedReport(name, _fields(name, query, sets, service.plans.default), query.period)
    context: dict[str, Any] = {"report": None}
    if name != "concentration" or "attribute" in asked.fields or "currency" in asked.fields:
        filters = FILTERS[name].model_validate(asked.fields)
        computed = await compute_table(service, request.state.caller, name, filters)
        context = {
            "report": computed.response,
            "left_out": _left_out(name, computed.response),
            "points": _points(asked, computed.response),
            "table": readable(computed.table, MAX_ROWS),
            "more": max(0, len(computed.table.rows) - MAX_ROWS),
        }
    return page(
        request,
        "insights.html",
        name=name,
        names=list(FILTERS),
        asked=asked,
        query=query,
        sets=[one for one in sets if name != "portfolio" or one.definition.get("portfolio")],
        needs_set=name in NEED_SET,
        has_period=issubclass(FILTERS[name], InsightFilter),
        attributes=_numeric_attributes(sets),
        **context,
    )


def _fields(
    name: ReportName, query: InsightQuery, sets: Sequence[QuestionSetVersion], default: str
) -> dict[str, Any]:
    """Return the filters of a report that the address names, and those that the page chooses."""
    known = set(FILTERS[name].model_fields)
    fields = query.model_dump(mode="json", exclude_defaults=True, include=known)
    if name == "concentration":
        measure = query.by[0] if query.by else "attribute"
        fields = {key: value for key, value in fields.items() if key in OF_MEASURE.get(measure, known)}
        fields["by"] = measure
        if measure == "attribute" and (attributes := _numeric_attributes(sets)):
            fields.setdefault("attribute", attributes[0])
    if name == "outcomes" and query.period != "quarter" and not query.by:
        fields["by"] = [query.period, *(by for by in DEFAULT_BREAKDOWNS if by != "quarter")]
    if name in NEED_SET:
        fields.setdefault("question_set", _first_set(name, sets, default))
    return fields


def _first_set(name: ReportName, sets: Sequence[QuestionSetVersion], default: str) -> str:
    """Return the key of the set that a page shows first; for the portfolio, of a set that defines one."""
    with_portfolio = (one.key for one in sets if one.definition.get("portfolio"))
    return next(with_portfolio, default) if name == "portfolio" else default


def _numeric_attributes(sets: Sequence[QuestionSetVersion]) -> list[str]:
    """Return the numeric attributes that the question sets use, those of portfolios first."""
    ordered = sorted(sets, key=lambda one: not one.definition.get("portfolio"))
    declared = (one.definition.get("attributes", {}).items() for one in ordered)
    return list(dict.fromkeys(key for items in declared for key, type_ in items if type_ == "number"))


def _labels(sets: Sequence[QuestionSetVersion], name: str | None) -> dict[str, str]:
    """Return the labels of the questions and of the portfolio's cells in the newest version of a set."""
    key = (name or "").partition("@")[0]
    definition = next((one.definition for one in sets if one.key == key), {})
    questions = (one for step in definition.get("steps", []) for one in step["questions"])
    advice = (definition.get("portfolio") or {}).get("advice", {})
    labels = {one["key"]: one["label"] for one in questions}
    return labels | {cell: _short(sentence) for cell, sentence in advice.items()}


def _short(advice: str) -> str:
    """Return the advice of a cell as the picture shows it: the text before the first colon."""
    return advice.partition(":")[0]


def _points(asked: AskedReport, report: Any) -> dict[str, list[PointLink]]:
    """Return the points of a report that have members, by the heading of their group."""
    found: defaultdict[str, list[PointLink]] = defaultdict(list)
    for heading, point, label, count in _POINTS[asked.name](report) if asked.name in _POINTS else ():
        if count:
            found[heading].append(PointLink(label, count, asked.point(point)))
    return found


# The heading of its group, the point, its label, and its number of members.
RawPoint = tuple[str, str, str, int]


def _bands(report: Any) -> Iterator[RawPoint]:
    for one in report.bands:
        yield "", one.label, _point_label("calibration", one.label, {}), one.n


def _rated_questions(report: Any) -> Iterator[RawPoint]:
    for one in report.questions:
        yield "", one.key, one.label, one.rated.count


def _groups(report: OutcomesOut) -> Iterator[RawPoint]:
    for breakdown in report.breakdowns:
        for one in breakdown.groups:
            point = f"{breakdown.by}:{one.group or NO_NAME}"
            yield word("by.", breakdown.by), point, group_in_words(one.group), one.won + one.lost


def _decided(report: DecisionsOut) -> Iterator[RawPoint]:
    for one in report.table:
        point = f"{one.indication or NO_NAME}:{one.decision}"
        yield "", point, _point_label("decisions", point, {}), one.sessions


def _cells(report: Any) -> Iterator[RawPoint]:
    for one in report.cells:
        yield "", one.cell, _short(one.advice), one.accounts
    for place in ("unsettled", "not_rated"):
        yield "", place, word("place.", place), getattr(report, place).accounts


def _classes(report: Any) -> Iterator[RawPoint]:
    for one in report.classes:
        yield "", one.class_name, _point_label("concentration", one.class_name, {}), one.accounts


_POINTS: Mapping[ReportName, Any] = {
    "calibration": _bands,
    "questions": _rated_questions,
    "outcomes": _groups,
    "decisions": _decided,
    "portfolio": _cells,
    "concentration": _classes,
}


def _point_label(name: ReportName, point: str, labels: Mapping[str, str]) -> str:
    """Return the label of a point. `labels` has those of questions and cells."""
    head, _, tail = point.rpartition(":")
    if name == "calibration":
        return text("insights.knocked_out") if point == "knocked out" else text("insights.band", band=point)
    if name == "questions":
        return labels.get(point, point.replace("_", " "))
    if name == "outcomes":
        return f"{word('by.', head)}: {group_in_words(None if tail == NO_NAME else tail)}"
    if name == "decisions":
        return text(
            "insights.decided", indication=word("indication.", head), decision=word("decision.", tail)
        )
    if name == "concentration":
        return text("insights.class", name=point)
    return labels.get(point) or word("place.", point)


def _left_out(name: str, report: Any) -> list[str]:
    """Return in words which sessions a report leaves out, and how many."""
    excluded = getattr(report, "excluded", None)
    counts = cast("dict[str, int]", excluded.model_dump()) if excluded else {}
    if name == "outcomes":
        # It leaves them out only where it compares ratings: they count as won and lost.
        counts.pop("hindsight")
    return [text(f"insights.excluded_{reason}", count=count) for reason, count in counts.items() if count]
