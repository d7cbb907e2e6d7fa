"""Outcomes, decisions and assessors in reports."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from app.insights.schemas import Estimate, InsightFilter, Part, ReportOut
from app.schemas import Out
from app.scoring import Indication, form
from app.sessions.tables import DecisionWord, OutcomeWord

MAX_BREAKDOWNS = 10
BY = form(
    r"^(reason|competitor|question_set|month|quarter|year|attribute:[a-z][a-z0-9_]{0,47})$",
    "send reason, competitor, question_set, month, quarter, year, or an attribute such as attribute:industry",
)
By = Annotated[str, StringConstraints(strict=True, pattern=BY)]
DEFAULT_BREAKDOWNS = ["reason", "competitor", "question_set", "quarter"]
Direction = Literal["agrees", "bolder", "more_cautious"]


class OutcomesFilter(InsightFilter):
    """Which deals to count, and by what."""

    by: Annotated[
        list[By],
        Field(
            min_length=1,
            max_length=MAX_BREAKDOWNS,
            description="what to group the deals by; repeat it for several groupings. An attribute has the "
            "value that it had when the outcome was recorded",
        ),
    ] = DEFAULT_BREAKDOWNS


class NoDecisionBounds(Out):
    """The win rate if every deal that ended without a decision had been lost (low), or won (high)."""

    low: float
    high: float


class Amounts(Out):
    """The amounts of the deals with one outcome in one currency. They are never added across currencies."""

    outcome: OutcomeWord
    currency: Annotated[str | None, Field(description="null: the amounts have no currency")]
    deals: Annotated[int, Field(description="the deals with an amount, which can be 0")]
    total: Annotated[float | None, Field(description="null if it is too large for a number")]
    median: float


class OutcomeCounts(Out):
    """How deals ended. In rates, each prospect counts as one, however many deals it has."""

    won: int
    lost: int
    no_decision: int
    prospects: Annotated[int, Field(description="the prospects of the won and lost deals")]
    win_rate: Annotated[Estimate | None, Field(description="won of the won and lost deals")]
    win_rate_bounds: NoDecisionBounds | None
    amounts: list[Amounts]


class OutcomeGroup(OutcomeCounts):
    """The deals of one group."""

    group: Annotated[str | None, Field(description="null: not known")]
    share_of_won: Annotated[Estimate | None, Field(description="share of all won deals")]
    share_of_lost: Annotated[Estimate | None, Field(description="share of all lost deals")]


class OtherGroups(OutcomeCounts):
    """The deals of the groups that are not listed."""

    groups: int


class Breakdown(Out):
    """The deals by one criterion: periods in their order, others with the most deals first."""

    by: Annotated[str, Field(examples=["reason"])]
    groups: list[OutcomeGroup]
    others: Annotated[OtherGroups | None, Field(description="the smallest groups, if there are many")]


class ReasonQuestion(Out):
    """How deals that were lost for a reason and the other lost deals were rated on one question."""

    question: str
    label: str
    reason_rated: Annotated[
        int, Field(description="the sessions with a rating that were lost for the reason")
    ]
    others_rated: Annotated[int, Field(description="the sessions with a rating that were lost otherwise")]
    mean: Annotated[float, Field(description="mean rating of those lost for the reason")]
    mean_of_others: float
    auc: Annotated[
        Estimate,
        Field(
            description="probability that a deal that was lost for the reason has a higher rating than "
            "another lost deal; ties count half"
        ),
    ]
    p_adjusted: Annotated[
        float | None,
        Field(
            description="p-value, adjusted by Benjamini and Hochberg over all questions and reasons; null if "
            "all ratings are the same"
        ),
    ]
    differs: Annotated[bool, Field(description="whether p_adjusted is below 0.05")]


class ReasonComparison(Out):
    """Deals that were lost for one reason, compared with the other lost deals."""

    reason: str
    lost: Annotated[int, Field(description="the sessions that were lost for the reason")]
    others: Annotated[int, Field(description="the other lost sessions")]
    questions: Annotated[list[ReasonQuestion], Field(description="most clearly different first")]
    suppressed: Annotated[
        list[str], Field(description="the questions with fewer than 10 ratings on one of the two sides")
    ]
    summary: str


class OutcomesOut(ReportOut):
    """How deals ended, and by what. A deal counts once, with its last outcome.

    Deals count whatever is known of their ratings: only `reasons` leaves hindsight out.
    """

    total: OutcomeCounts
    breakdowns: list[Breakdown]
    reasons: Annotated[
        list[ReasonComparison] | None,
        Field(
            description="for the most frequent reasons, the questions on which deals that were lost for it "
            "differ from the other lost deals; null without `question_set`"
        ),
    ]
    hindsight: Annotated[
        list[ReasonComparison] | None,
        Field(description="the same for the sessions whose ratings came with the outcome, if asked for"),
    ]


class DecisionCell(Out):
    """One decision on one indication, and how the sessions ended."""

    indication: Annotated[Indication | None, Field(description="null: the set has no thresholds")]
    decision: DecisionWord
    direction: Annotated[Direction | None, Field(description="null: the indication suggests no decision")]
    sessions: int
    share: Annotated[Estimate | None, Field(description="share of the decisions on this indication")]
    won: int
    lost: int
    no_decision: int
    without_outcome: int
    win_rate: Estimate | None


class DecisionDirection(Out):
    """The decisions that differ from the indication in one direction, or agree with it."""

    direction: Direction
    sessions: int
    share: Annotated[Estimate | None, Field(description="share of the decisions on fit, mixed and no_fit")]
    won: int
    lost: int
    no_decision: int
    without_outcome: int
    win_rate: Estimate | None
    win_rate_bounds: NoDecisionBounds | None


class PersonDecisions(Out):
    """The decisions of one person."""

    person: str
    compared: Annotated[int, Field(description="decisions on fit, mixed and no_fit")]
    agrees: int
    bolder: int
    more_cautious: int
    differs: Estimate | None


class DecisionsExcluded(Out):
    """The decisions that are not among those compared with an indication, by reason."""

    superseded: Annotated[int, Field(description="replaced by a later decision on the same session")]
    hindsight: Annotated[int, Field(description="made in the request that recorded the outcome")]
    no_suggestion: Annotated[
        int,
        Field(description="on an indication that suggests no decision: undetermined, unscorable or null"),
    ]


class DecisionsPart(Part):
    """Decisions, compared with the indication of the revision that the person saw."""

    preliminary: Annotated[bool, Field(description="whether fewer than 100 decisions are compared")]
    compared: Annotated[int, Field(description="decisions on fit, mixed and no_fit")]
    differs: Annotated[Estimate | None, Field(description="share that differs from the indication")]
    directions: list[DecisionDirection]
    table: list[DecisionCell]
    persons: Annotated[
        list[PersonDecisions] | None,
        Field(
            description="by the person who decided: all with the scope admin; otherwise only the person whom "
            "the API key belongs to; null if it belongs to nobody"
        ),
    ]


class DecisionsOut(DecisionsPart):
    """How people decided, compared with the indication of the revision that they saw.

    fit suggests pursue, mixed suggests nurture, and no_fit suggests disqualify. A decision that is nearer to
    pursue is bolder, and one that is nearer to disqualify is more cautious. The last decision on a session
    counts. In shares, each prospect counts as one.
    """

    question_set: Annotated[str | None, Field(description='"key@version", or "key" for all versions')]
    excluded: DecisionsExcluded
    hindsight: Annotated[
        DecisionsPart | None,
        Field(description="the decisions made in the request that recorded the outcome, if asked for"),
    ]


class QuestionAgreement(Out):
    """How far the assessors agree on one question, and how often they skip it."""

    question: str
    label: str
    compared: Annotated[int, Field(description="the deals on which several assessors rated the question")]
    alpha: Annotated[Estimate | None, Field(description="Krippendorff's alpha of the question")]
    asked: Annotated[
        int | None,
        Field(
            description="the sessions that have the question and are at least half rated; null if a rule may "
            "answer the question, may not ask it, or if it comes after the decision"
        ),
    ]
    skipped: Annotated[int | None, Field(description="those of them without any answer to it")]
    skipped_share: Estimate | None
    usually_skipped_by: Annotated[
        int | None, Field(description="the number of assessors who usually skip it")
    ]


class PairAgreement(Out):
    """How far two assessors agree."""

    assessors: Annotated[list[str], Field(min_length=2, max_length=2)]
    deals: Annotated[int, Field(description="the deals that both rated")]
    ratings: Annotated[int, Field(description="the questions of these deals that both rated")]
    kappa: Annotated[
        Estimate | None,
        Field(description="Cohen's kappa with quadratic weights; null with fewer than 10 prospects"),
    ]


class SkippedQuestion(Out):
    """A question that a person usually skips: the interval of the share is above one half."""

    question: str
    label: str
    asked: int
    skipped: int
    share: Estimate


class StraightLining(Out):
    """How often nearly all ratings of a session are the same: at least 90 % of at least 4 ratings."""

    sessions: Annotated[int, Field(description="the sessions with at least 4 ratings by the assessor")]
    straight_lined: int
    share: Estimate | None


class PersonRatings(Out):
    """How one assessor rates."""

    person: str
    sessions: int
    ratings: int
    kappa: Annotated[
        Estimate | None,
        Field(
            description="agreement with all other assessors: Cohen's kappa with quadratic weights; null with "
            "fewer than 10 prospects"
        ),
    ]
    straight_lining: StraightLining
    usually_straight_lines: Annotated[
        bool, Field(description="whether the interval of the share is above one half")
    ]
    usually_skips: list[SkippedQuestion]


class AssessorsPart(Part):
    """How far assessors agree, and how carefully they rate."""

    preliminary: Annotated[
        bool, Field(description="whether fewer than 30 prospects were rated by several assessors")
    ]
    sessions: int
    assessors: int
    compared: Annotated[int, Field(description="the deals that several assessors rated with one version")]
    prospects: Annotated[int, Field(description="the prospects of these deals")]
    alpha: Annotated[
        Estimate | None,
        Field(
            description="Krippendorff's alpha for ordinal ratings, over all questions: 1 is perfect "
            "agreement, 0 that of chance. Null with fewer than 10 prospects, or if all ratings are equal"
        ),
    ]
    questions: list[QuestionAgreement]
    straight_lining: StraightLining
    straight_liners: Annotated[int, Field(description="the number of assessors who usually straight-line")]
    pairs: Annotated[
        list[PairAgreement] | None,
        Field(description="the pairs with the most ratings in common; null without the scope admin"),
    ]
    persons: Annotated[
        list[PersonRatings] | None,
        Field(
            description="all with the scope admin; otherwise only the person whom the API key belongs to; "
            "null if it belongs to nobody"
        ),
    ]


class AssessorsExcluded(Out):
    """The sessions that do not count, by reason."""

    without_assessor: Annotated[int, Field(description="they name no assessor")]
    hindsight: Annotated[int, Field(description="the ratings came with the outcome")]


class AssessorsOut(AssessorsPart):
    """How far assessors agree, and how carefully they rate.

    Only ratings by people count. `since` and `before` are about the last answer of a session. Of several
    sessions of an assessor on one deal, agreement takes the newest. Each prospect counts as one.
    """

    question_set: Annotated[str, Field(description='"key@version", or "key" for all versions')]
    excluded: AssessorsExcluded
    hindsight: Annotated[
        AssessorsPart | None,
        Field(description="the figures of the sessions whose ratings came with the outcome, if asked for"),
    ]
