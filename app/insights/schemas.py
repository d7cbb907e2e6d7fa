"""The filters and the common parts of all reports."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.schemas import MAX_TEXT_LENGTH, Assessor, Day, In, Out, SetName
from app.scoring import form

MAX_SEGMENTS = 10
SEGMENT = form(
    r"^[a-z][a-z0-9_]{0,47}:[\s\S]*\S[\s\S]*$", "name an attribute and its value: industry:logistics"
)
Segment = Annotated[str, StringConstraints(strict=True, max_length=49 + MAX_TEXT_LENGTH, pattern=SEGMENT)]
Hindsight = Literal["exclude", "include"]


class Estimate(Out):
    """An estimate with its 95 % interval."""

    estimate: float
    low: float
    high: float


class InsightFilter(In):
    """Which sessions a report is about: those that match every filter."""

    question_set: Annotated[
        SetName | None, Field(description='"key@version", or "key" to pool all versions')
    ] = None
    since: Annotated[
        Day | None,
        Field(
            description="on or after this day: the day on which the deal closed or, if it is not known, on "
            "which the outcome was recorded"
        ),
    ] = None
    before: Annotated[Day | None, Field(description="before this day")] = None
    segment: Annotated[
        list[Segment],
        Field(
            max_length=MAX_SEGMENTS,
            description="an attribute and its value as it was when the verdict was given: "
            "`industry:logistics`; repeat it for several, which must all hold",
        ),
    ] = []
    assessor: Annotated[Assessor | None, Field(description="only sessions of this assessor")] = None
    hindsight: Annotated[
        Hindsight,
        Field(
            description="include: also count sessions whose ratings came with the outcome, from people who "
            "knew how the deal ended"
        ),
    ] = "exclude"

    @property
    def segments(self) -> list[tuple[str, str]]:
        """The attributes and their values."""
        return [(name, value) for name, _, value in (one.partition(":") for one in self.segment)]


class SetInsightFilter(InsightFilter):
    """Which sessions on one question set a report is about."""

    question_set: Annotated[
        SetName,
        Field(description='"key@version", or "key" to pool all versions', examples=["qualifying-a-sale@1"]),
    ]


class Excluded(Out):
    """The sessions that match the filters and are not among the won and lost ones, by reason.

    A session without an outcome is counted if it was opened before the day `before` and last changed on or
    after the day `since`.
    """

    hindsight: Annotated[int, Field(description="won or lost, but the ratings came with the outcome")]
    not_scored: Annotated[int, Field(description="won or lost, but too few questions were rated")]
    no_decision: Annotated[int, Field(description="ended without a decision of the customer")]
    open: Annotated[int, Field(description="without an outcome, and not given up")]
    not_pursued: Annotated[int, Field(description="without an outcome, and disqualified or left for later")]


class ReportOut(Out):
    """What every report says."""

    question_set: Annotated[str | None, Field(description='"key@version", or "key" for all versions')]
    verdict: Annotated[
        str, Field(description="what the figures say, and what they do not say, in one or two sentences")
    ]
    preliminary: Annotated[bool, Field(description="whether fewer than 100 deals were won or were lost")]
    excluded: Excluded


class CalibrationOut(ReportOut):
    """What share of the deals was won at each score."""

    n: Annotated[int, Field(description="the won and lost deals with a verdict")]
    won: int
    lost: int
