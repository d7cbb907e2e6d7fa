"""What scoring returns. Percentages are 0..100 and unrounded; null means that there is no such figure."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.scoring.question_set import RatingText

Indication = Literal["fit", "no_fit", "mixed", "undetermined", "unscorable"]
SoFar = Literal["fit", "no_fit", "mixed"]
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


class Reason(Out):
    """What one rated question gained or cost."""

    question: str
    text: str
    step: str
    dimension: str
    rating: int
    rated_by: RatedBy
    points: Annotated[
        int, Field(description="a strength: weight × (rating − worst); a gap: weight × (best − rating)")
    ]


class NextQuestion(Out):
    """A question worth asking now."""

    question: str
    text: str
    guidance: str | None
    step: str
    dimension: str
    anchors: list[RatingText]
    must_reach: int | None
    closes: Annotated[OutOfHundred | None, Field(description="its percentage of the weight that counts")]
    ask_again: Annotated[bool, Field(description="it was answered unknown, or its answer has gone stale")]


class Verdict(Out):
    """What the score says."""

    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    summary: str
    indication: Annotated[Indication | None, Field(description="null in a set without thresholds")]
    settled: Annotated[bool, Field(description="no open question can change the indication any more")]
    so_far: Annotated[
        SoFar | None, Field(description="the indication if nothing were open; null until reportable")
    ]
    score: Annotated[OutOfHundred | None, Field(description="null until reportable")]


class Score(Range, Verdict):
    """The computed result of one set of answers. A person decides; this only indicates."""

    needed_average: Annotated[
        float | None, Field(description="what the open ratings of a weighted set must average for a fit")
    ]
    grade: str | None
    grades_possible: list[str]
    weaker_side: Annotated[str | None, Field(description="the side with the lower estimate; null on a tie")]
    knocked_out_by: Annotated[
        list[str], Field(description="questions rated under a must_reach that knocks out")
    ]
    held_back_by: Annotated[
        list[str], Field(description="must-reach questions that bar a fit: missed or not applicable")
    ]
    dimensions: list[DimensionFigures]
    steps: list[StepFigures]
    strengths: list[Reason]
    gaps: list[Reason]
    next_questions: list[NextQuestion]
    answers_to_fit: Annotated[int | None, Field(description="fewest further answers that could settle a fit")]
    answers_to_no_fit: Annotated[
        int | None, Field(description="fewest further answers that could settle no fit")
    ]
    not_counted: Annotated[
        list[str], Field(description="answered questions that do not apply to this prospect")
    ]
    stale: Annotated[list[str], Field(description="questions whose answer is too old to count")]
    as_of: Annotated[datetime, Field(description="the time that answers' ages are counted to")]
    valid_until: Annotated[
        datetime | None, Field(description="when the first of the counted answers goes stale")
    ]
