"""The results of scoring: dictionaries that always have all of these keys, in this order.

Percentages are 0..100 and not rounded. Null means that a figure does not exist.
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, cast

from pydantic import ConfigDict, Field, with_config
from typing_extensions import TypedDict  # pydantic takes no other before Python 3.12

T = TypeVar("T")
Indication = Literal["fit", "no_fit", "mixed", "undetermined", "unscorable"]
Leaning = Literal["fit", "no_fit", "mixed"]
RatedBy = Literal["person", "rule"]

OutOfHundred = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Shared(dict[str, Any]):
    """A part that many scores share. `json` is for its JSON, so that it is also made only once."""

    __slots__ = ("json",)
    json: object


def shared(part: T) -> T:
    """A part of a score that many scores share; do not change it."""
    return cast("T", Shared(cast("dict[str, Any]", part)))


class AnchorText(TypedDict):
    """What a rating means for one question."""

    rating: int
    text: str


class Bounds(TypedDict):
    """Where figures can still go."""

    lowest: Annotated[
        OutOfHundred | None, Field(description="the figure if every open question gets the worst rating")
    ]
    highest: Annotated[
        OutOfHundred | None, Field(description="the figure if every open question gets the best rating")
    ]
    coverage: Annotated[Share | None, Field(description="share of the weight that is rated")]


class Range(Bounds):
    """How far a group of questions has come, and where it can still go."""

    reportable: Annotated[bool, Field(description="coverage is at least one half")]
    points: Annotated[
        int, Field(description="sum of weight × rating; compare with points_min and points_max")
    ]
    points_min: int
    points_max: int
    rated: Count
    open: Count
    not_applicable: Count


class Named(TypedDict):
    """What figures are about."""

    key: str
    title: str


class StepFigures(Named, Range):
    """One step. A gated step has figures of its own and never enters the score."""

    gated: bool
    estimate: OutOfHundred | None


class DimensionFigures(Named, Range):
    """One dimension; in a reciprocal set, one side."""

    estimate: OutOfHundred | None
    needed_average: Annotated[
        float | None, Field(description="the average rating that this side's open questions need for a fit")
    ]


Anchors = Annotated[
    list[AnchorText],
    Field(
        description="the anchor for this rating, or the nearest below and above it; empty if there are none"
    ),
]


class Reason(TypedDict):
    """What one rated question gained or cost."""

    question: str
    label: str
    text: str
    step: str
    dimension: str
    rating: int
    rated_by: RatedBy
    anchors: Anchors
    points: Annotated[
        int, Field(description="a strength: weight × (rating − worst); a gap: weight × (best − rating)")
    ]


class Blocker(TypedDict):
    """A must-reach question that prevents a fit now: it is rated too low or marked not applicable."""

    question: str
    label: str
    text: str
    state: Literal["rated", "not_applicable"]
    rating: int | None
    must_reach: int
    effect: Annotated[
        Literal["no_fit", "mixed"], Field(description="no_fit rules out a fit; mixed prevents it for now")
    ]
    anchors: Anchors


class Support(TypedDict):
    """The number of a person's ratings that rest on facts, on judgements and on assumptions."""

    fact: Count
    judgement: Count
    assumption: Count
    unstated: Count


class MissingAttribute(TypedDict):
    """An unknown attribute that conditions or rules use."""

    attribute: str
    decides: Annotated[str, Field(examples=["whether 3 more questions apply"])]
    questions: Annotated[list[str], Field(description="the questions it affects")]


class UnreadAttribute(TypedDict):
    """A stored attribute that the question set cannot read, so it counts as missing."""

    attribute: str
    reason: Annotated[str, Field(examples=["not a number"])]


class NextQuestion(TypedDict):
    """A question worth asking now."""

    question: str
    label: str
    text: str
    guidance: str | None
    step: str
    dimension: str
    anchors: list[AnchorText]
    must_reach: int | None
    weight_share: Annotated[
        OutOfHundred | None, Field(description="its percentage of the weight that counts on its side")
    ]
    ask_again: Annotated[bool, Field(description="whether it was answered unknown or its answer went stale")]


class Indicated(TypedDict):
    """What the score says, in a word or a number."""

    indication: Annotated[Indication | None, Field(description="null in a set without thresholds")]
    settled: Annotated[
        bool,
        Field(description="whether no open question can change the indication, given the current attributes"),
    ]
    leaning: Annotated[
        Leaning | None, Field(description="the indication without the open questions; null until reportable")
    ]
    score: Annotated[
        OutOfHundred | None,
        Field(description="null until reportable, and while a knock-out is rated too low"),
    ]
    grade: Annotated[
        str | None,
        Field(
            description="the grade of the weaker side; null until reportable, while a knock-out is rated "
            "too low, and while an undetermined score has an open must-reach question; below the grades of a "
            "fit while there is a blocker"
        ),
    ]


class Figures(Indicated, Bounds):
    """The figures that lists and events show of a score."""


class Verdict(Figures):
    """A score without its texts, as the history of a session shows it."""

    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    dimensions: list[DimensionFigures]
    blockers: Annotated[list[str], Field(description="keys of the questions that prevent a fit")]


class Opening(TypedDict):
    """What a score begins with."""

    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    summary: str


class Headline(Opening, Indicated):
    """What the score says, and what stands in the way."""

    settled_whatever_is_learned: Annotated[
        bool,
        Field(
            description="whether it also holds for any value of the unknown attributes; false if there are "
            "too many of them to be sure"
        ),
    ]
    grades_possible: Annotated[
        list[str],
        Field(
            description="the grades from the best to the worst that is still possible; with an open "
            "must-reach question, one between them may be out of reach"
        ),
    ]
    blockers: Annotated[
        list[Blocker], Field(description="must-reach questions that prevent a fit, knock-outs first")
    ]


class Combined(Range):
    """The range of all units together, and what each of them comes to."""

    needed_average: Annotated[
        float | None,
        Field(
            description="the average rating that a weighted set's open questions need for a fit; null if "
            "that is out of reach"
        ),
    ]
    weaker_side: Annotated[str | None, Field(description="the side with the lower estimate; null on a tie")]
    dimensions: list[DimensionFigures]


# It describes responses, and no score is validated, so pydantic builds its validator when it is needed.
@with_config(ConfigDict(defer_build=True))
class Score(Headline, Combined):
    """The computed result of one set of answers. The score only indicates; a person decides."""

    steps: list[StepFigures]
    strengths: Annotated[
        list[Reason], Field(description="ratings above the middle of the scale; most points first")
    ]
    gaps: Annotated[
        list[Reason],
        Field(
            description="must-reach questions rated too low, then ratings below the middle; most points first"
        ),
    ]
    next_questions: Annotated[
        list[NextQuestion],
        Field(
            max_length=3,
            description="the first three open questions in full; once settled, only those of gated steps",
        ),
    ]
    open_questions: Annotated[
        list[str],
        Field(
            description="keys of all open questions in the set's order, those answered unknown last; "
            "gated ones at the end, only after pursue"
        ),
    ]
    must_answer: Annotated[
        list[str], Field(description="keys of the open must-reach questions; empty once settled")
    ]
    answers_to_fit: Annotated[int | None, Field(description="fewest further answers that could settle a fit")]
    answers_to_no_fit: Annotated[
        int | None, Field(description="fewest further answers that could settle no fit")
    ]
    not_counted: Annotated[
        list[str], Field(description="answered questions that do not apply to this prospect")
    ]
    support: Support
    assumptions: Annotated[list[str], Field(description="questions whose rating rests on an assumption")]
    missing_attributes: Annotated[
        list[MissingAttribute], Field(description="unknown attributes that the set uses")
    ]
    unread_attributes: Annotated[
        list[UnreadAttribute], Field(description="stored values that the set cannot read")
    ]
    stale: Annotated[list[str], Field(description="questions whose answer is too old to count")]
    as_of: Annotated[datetime, Field(description="the time at which the age of the answers is measured")]
    valid_until: Annotated[datetime | None, Field(description="when the next counted answer goes stale")]
