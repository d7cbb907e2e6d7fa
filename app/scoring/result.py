"""What scoring returns. Percentages are 0..100 and unrounded; null means that there is no such figure."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.scoring.question_set import RatingText

Indication = Literal["fit", "no_fit", "mixed", "undetermined", "unscorable"]
Leaning = Literal["fit", "no_fit", "mixed"]
RatedBy = Literal["person", "rule"]

OutOfHundred = Annotated[float, Field(ge=0, le=100)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]


class Out(BaseModel):
    """Every field is always there; the values are made here, so none is checked again."""

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class Range(Out):
    """How far a group of questions has come, and where it can still go."""

    lowest: Annotated[OutOfHundred | None, Field(description="if every open question is rated worst")]
    highest: Annotated[OutOfHundred | None, Field(description="if every open question is rated best")]
    coverage: Annotated[Share | None, Field(description="rated share of the weight")]
    reportable: Annotated[bool, Field(description="coverage is at least one half")]
    points: Annotated[int, Field(description="sum of weight × rating; compare with points_min and _max")]
    points_min: int
    points_max: int
    rated: Count
    open: Count
    not_applicable: Count


class Named(Out):
    """What figures are about."""

    key: str
    title: str


# Of several bases pydantic takes the fields of the last one first.
class StepFigures(Range, Named):
    """One step. A gated step has figures of its own and never enters the score."""

    gated: bool
    estimate: OutOfHundred | None


class DimensionFigures(Range, Named):
    """One dimension; in a reciprocal set, one side."""

    estimate: OutOfHundred | None
    needed_average: Annotated[
        float | None, Field(description="what this side's open ratings must average for a fit")
    ]


Anchors = Annotated[
    list[RatingText],
    Field(
        description="the anchor of the rating, or the nearest on either side of it; empty if there are none"
    ),
]


class Reason(Out):
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


class Blocker(Out):
    """A must-reach question that bars a fit now: it is missed, or called not applicable."""

    question: str
    label: str
    text: str
    state: Literal["rated", "not_applicable"]
    rating: int | None
    must_reach: int
    effect: Annotated[
        Literal["no_fit", "mixed"], Field(description="no_fit rules a fit out; mixed bars it for now")
    ]
    anchors: Anchors


class Support(Out):
    """What the answers rest on that a person rated: how many of them on what."""

    fact: Count
    judgement: Count
    assumption: Count
    unstated: Count


class MissingAttribute(Out):
    """An attribute that conditions or rules use and that is not known of this prospect."""

    attribute: str
    decides: Annotated[str, Field(examples=["whether 3 more questions apply"])]
    questions: Annotated[list[str], Field(description="the questions that it decides on")]


class UnreadAttribute(Out):
    """A stored attribute that the question set cannot read, so it counts as missing."""

    attribute: str
    reason: Annotated[str, Field(examples=["not a number"])]


class NextQuestion(Out):
    """A question worth asking now."""

    question: str
    label: str
    text: str
    guidance: str | None
    step: str
    dimension: str
    anchors: list[RatingText]
    must_reach: int | None
    weight_share: Annotated[
        OutOfHundred | None, Field(description="its percentage of the weight that counts on its side")
    ]
    ask_again: Annotated[bool, Field(description="it was answered unknown, or its answer has gone stale")]


class Verdict(Out):
    """What the score says."""

    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    summary: str
    indication: Annotated[Indication | None, Field(description="null in a set without thresholds")]
    settled: Annotated[
        bool,
        Field(
            description="no open question can change the indication, with the attributes as they are known"
        ),
    ]
    settled_whatever_is_learned: Annotated[
        bool,
        Field(
            description="no attribute that is not known yet can change it either; with more than three such "
            "attributes, false unless that is certain"
        ),
    ]
    leaning: Annotated[
        Leaning | None, Field(description="the indication if nothing were open; null until reportable")
    ]
    score: Annotated[
        OutOfHundred | None, Field(description="null until reportable, and when a knock-out is missed")
    ]


class Score(Range, Verdict):
    """The computed result of one set of answers. A person decides; this only indicates."""

    needed_average: Annotated[
        float | None,
        Field(
            description="what the open ratings of a weighted set must average for a fit; null if out of reach"
        ),
    ]
    grade: Annotated[
        str | None,
        Field(
            description="of the weakest side; null until reportable, when a knock-out is missed, and while "
            "an undetermined score has a must-reach question open; no fit's grade while there is a blocker"
        ),
    ]
    grades_possible: Annotated[
        list[str],
        Field(description="from the best to the worst that answers to the open questions can lead to"),
    ]
    weaker_side: Annotated[str | None, Field(description="the side with the lower estimate; null on a tie")]
    blockers: Annotated[
        list[Blocker], Field(description="must-reach questions that bar a fit, knock-outs first")
    ]
    dimensions: list[DimensionFigures]
    steps: list[StepFigures]
    strengths: Annotated[
        list[Reason], Field(description="ratings above the middle of the scale, the most points first")
    ]
    gaps: Annotated[
        list[Reason],
        Field(
            description="missed must-reach questions, then ratings below the middle, the most points first"
        ),
    ]
    next_questions: Annotated[
        list[NextQuestion],
        Field(max_length=3, description="of the first step with open questions; none once settled"),
    ]
    open_questions: Annotated[
        list[str],
        Field(
            description="the keys of all open questions, in the order to ask them; gated ones once pursued"
        ),
    ]
    must_answer: Annotated[
        list[str], Field(description="the keys of the open must-reach questions; none once settled")
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
        list[MissingAttribute], Field(description="attributes to find out, as far as the set uses them")
    ]
    unread_attributes: Annotated[
        list[UnreadAttribute], Field(description="stored values that the set cannot read")
    ]
    stale: Annotated[list[str], Field(description="questions whose answer is too old to count")]
    as_of: Annotated[datetime, Field(description="the time that answers' ages are counted to")]
    valid_until: Annotated[
        datetime | None, Field(description="when the first of the counted answers goes stale")
    ]
