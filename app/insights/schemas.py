"""The filters and the common parts of all reports."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from app.schemas import MAX_TEXT_LENGTH, Assessor, Day, In, Out, SetName
from app.scoring import form
from app.sessions.tables import DecisionWord, OutcomeWord

MAX_SEGMENTS = 10
MAX_MEMBERS = 200
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


class ReportFilter(In):
    """What every report can be narrowed to."""

    segment: Annotated[
        list[Segment],
        Field(
            max_length=MAX_SEGMENTS,
            description="an attribute of the account and its value: `industry:logistics`; repeat it for "
            "several, which must all hold",
        ),
    ] = []
    assessor: Annotated[Assessor | None, Field(description="only sessions of this assessor")] = None

    @property
    def segments(self) -> list[tuple[str, str]]:
        """The attributes and their values."""
        return [(name, value) for name, _, value in (one.partition(":") for one in self.segment)]


class InsightFilter(ReportFilter):
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
    hindsight: Annotated[
        Hindsight,
        Field(
            description="include: also show, separately as `hindsight`, the sessions whose ratings came with "
            "the outcome, from people who knew how the deal ended"
        ),
    ] = "exclude"


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
    no_decision: Annotated[int, Field(description="ended without a decision by the customer")]
    open: Annotated[int, Field(description="without an outcome, and not given up")]
    not_pursued: Annotated[int, Field(description="without an outcome, and disqualified or left for later")]


class Part(Out):
    """What a report says about what was rated before the outcome, or what was rated with hindsight."""

    summary: Annotated[
        str, Field(description="what the figures say, and what they do not say, in plain sentences")
    ]
    preliminary: Annotated[bool, Field(description="whether fewer than 100 were won, or fewer than 100 lost")]


class ReportOut(Part):
    """What every report has in common."""

    question_set: Annotated[str | None, Field(description='"key@version", or "key" for all versions')]
    excluded: Excluded


class Bounds(Out):
    """The share of won sessions if all undecided ones were lost in the end, and if all were won."""

    low: float
    high: float
    undecided: Annotated[
        int, Field(description="the sessions that ended without a decision, are open or are not pursued")
    ]


class ScoreBand(Out):
    """The sessions whose score is in one range, or those that missed a knock-out and have no score."""

    label: Annotated[str, Field(examples=["60 to 80"])]
    from_score: Annotated[float | None, Field(description="0..100, null for the knocked-out sessions")]
    to_score: Annotated[float | None, Field(description="0..100; only the last band includes it")]
    knocked_out: bool
    n: int
    won: int
    lost: int
    mean_score: float | None
    win_rate: Annotated[
        Estimate | None,
        Field(
            description="the share of won sessions with the interval of Wilson; each prospect counts as one"
        ),
    ]


class CurvePoint(Out):
    """The win probability at a score."""

    score: float
    probability: Estimate


class AucOut(Estimate):
    """The probability that a won session has a higher score than a lost one; ½ if the score says nothing.

    The interval is that of DeLong.
    """

    by_prospect: Annotated[
        Estimate | None, Field(description="the same with a bootstrap interval that resamples prospects")
    ]


class BrierOut(Estimate):
    """The mean squared error of the probabilities; 0 is perfect.

    It is miscalibration − discrimination + uncertainty (CORP).
    """

    skill: Annotated[
        float | None, Field(description="1 is perfect, 0 is no better than the base rate for every session")
    ]
    miscalibration: float
    discrimination: float
    uncertainty: Annotated[float, Field(description="the Brier score of the base rate")]


class TimeSplit(Out):
    """How well a curve from the earlier sessions predicts the later ones."""

    later_since: Annotated[date, Field(description="the first day of the later sessions")]
    earlier: int
    later: int
    auc: Annotated[Estimate | None, Field(description="of the later sessions")]
    brier: Annotated[float, Field(description="of the later sessions")]
    skill: Annotated[
        float | None,
        Field(description="of the later sessions, compared with the base rate of the earlier ones"),
    ]
    log_loss: float
    predicted_rate: Annotated[
        float, Field(description="the share of later sessions that the curve expects to win")
    ]
    observed_rate: Annotated[float, Field(description="the share of later sessions that was won")]


class CalibrationPart(Part):
    """What share of the sessions was won at each score.

    Each prospect counts as one, however many sessions it has. With at least 10 won and 10 lost sessions,
    there is a curve if the interval of its slope excludes 0. Otherwise only the base rate is known.
    """

    n: Annotated[int, Field(description="the won and lost sessions with a verdict; a deal can have several")]
    won: int
    lost: int
    prospects: Annotated[int, Field(description="the prospects of these sessions")]
    closed_before_opening: Annotated[
        int,
        Field(
            description="the sessions that were opened after the deal had closed: whoever rated them may "
            "have known how it ended"
        ),
    ]
    base_rate: Annotated[
        Estimate | None, Field(description="the share of won sessions, with the interval of Wilson")
    ]
    bands: list[ScoreBand]
    slope: Annotated[
        Estimate | None,
        Field(
            description="the change of the log odds for one point of the score, by Firth's penalised "
            "likelihood with its profile interval; null with too few sessions, or if the interval contains 0"
        ),
    ]
    curve: Annotated[
        list[CurvePoint],
        Field(description="from the lowest to the highest score of the sessions; empty without a slope"),
    ]
    auc: AucOut | None
    brier: Annotated[BrierOut | None, Field(description="of the curve, or of the base rate without one")]
    log_loss: Estimate | None
    time_split: TimeSplit | None


class CalibrationOut(ReportOut, CalibrationPart):
    """The calibration of a question set. `hindsight` is null unless it was asked for."""

    bounds: Annotated[Bounds | None, Field(description="null without won, lost and undecided sessions")]
    hindsight: CalibrationPart | None


class PointItem(Out):
    """A session or an account behind a point of a report."""

    prospect_id: UUID
    name: Annotated[str | None, Field(description="the current name of the prospect")]
    session_id: Annotated[UUID | None, Field(description="null for a class of a concentration")]
    question_set: str | None
    deal: str | None
    assessor: str | None
    score: Annotated[
        float | None,
        Field(description="0..100, as it stood before the outcome, or now if there is no outcome"),
    ]
    decision: DecisionWord | None
    outcome: OutcomeWord | None
    amount: Annotated[
        float | None, Field(description="of the last outcome, or of the account in a concentration")
    ]
    currency: str | None


class PointOut(Out):
    """The sessions or accounts behind one point of a report.

    `count` is the number that the report gives for that point. In `outcomes`, a deal with several
    sessions counts once, with the session of its last outcome.
    """

    report: str
    point: str
    count: int
    items: Annotated[
        list[PointItem],
        Field(
            max_length=MAX_MEMBERS,
            description="at most 200: the newest sessions, or in a concentration the largest accounts",
        ),
    ]


class WinProbability(Estimate):
    """The share of sessions with such a score that are won, by the calibration of the question set.

    `preliminary` says that fewer than 100 sessions were won, or fewer than 100 were lost.
    """

    n: Annotated[int, Field(description="the number of won and lost sessions that the estimate is based on")]
    preliminary: bool


class Share(Out):
    """A count, and its share."""

    count: int
    share: Annotated[float | None, Field(description="0..1, null without anything to count")]


class QuestionOut(Out):
    """How one question was answered, and whether won and lost sessions have different ratings.

    Ratings by rule count too. Each prospect counts as one in the means, the AUC and the correlation.
    """

    key: str
    label: str
    text: str
    step: Annotated[str, Field(description="the key of the step")]
    gated: bool
    asked: Annotated[int, Field(description="the sessions that the question applies to")]
    rated: Annotated[Share, Field(description="of the sessions that it applies to")]
    unknown: Annotated[Share, Field(description="answered as unknown")]
    open: Annotated[Share, Field(description="not answered, or stale")]
    not_applicable: Share
    lowest: Annotated[Share, Field(description="of the ratings, those with the lowest rating of the scale")]
    highest: Annotated[Share, Field(description="of the ratings, those with the highest rating of the scale")]
    mean_won: Annotated[Estimate | None, Field(description="the mean rating of won sessions")]
    mean_lost: Annotated[Estimate | None, Field(description="the mean rating of lost sessions")]
    auc: Annotated[
        Estimate | None,
        Field(description="the probability that a won session is rated higher than a lost one; ½ if alike"),
    ]
    p_value: Annotated[
        float | None,
        Field(
            description="the probability of such a difference by chance, adjusted for the number of questions"
        ),
    ]
    matters: Annotated[bool, Field(description="whether the adjusted p-value is below 0.05")]
    item_rest: Annotated[
        Estimate | None,
        Field(description="the correlation with the mean of the other ratings; null for gated questions"),
    ]
    suppressed: Annotated[
        str | None, Field(description="why figures are left out: too few won or lost sessions rated it")
    ]
    sentence: Annotated[str, Field(description="what the figures say")]


class QuestionsPart(Part):
    """How well each question separates won from lost sessions, in the order of the set."""

    n: Annotated[int, Field(description="the won and lost sessions with a verdict; a deal can have several")]
    won: int
    lost: int
    prospects: Annotated[int, Field(description="the prospects of these sessions")]
    questions: list[QuestionOut]


class QuestionsOut(ReportOut, QuestionsPart):
    """The questions of a set. `hindsight` is null unless it was asked for."""

    hindsight: QuestionsPart | None
