"""A variant as its author writes it."""

from typing import Annotated

from pydantic import Field
from pydantic.json_schema import SkipJsonSchema

from app.scoring.question_set import (
    AttributeType,
    Condition,
    Dimension,
    Grade,
    IfMissed,
    Label,
    Name,
    Part,
    Portfolio,
    Priority,
    Question,
    RateFrom,
    RatingText,
    SetKey,
    StaleAfterDays,
    Text,
    Thresholds,
    Title,
    VersionName,
    Weight,
)

# The JSON Schema does not offer null for these fields: a set needs a value there, so reading refuses a null.
Omittable = SkipJsonSchema[None]


class AddedQuestion(Part):
    """A question to add, and its place: before or after another question, or last in a step.

    The other question can also be omitted by the variant: then the added question takes its place.
    """

    question: Question
    step: Name | None = None
    before: Name | None = None
    after: Name | None = None


class QuestionChange(Part):
    """The fields of a question to change. A null removes an optional field."""

    label: Label | Omittable = None
    text: Text | Omittable = None
    guidance: Text | None = None
    weight: Weight | Omittable = None
    anchors: list[RatingText] | Omittable = None
    must_reach: int | None = None
    if_missed: IfMissed | Omittable = None
    ask_when: dict[Name, Condition] | Omittable = None
    rate_from: RateFrom | None = None
    stale_after_days: StaleAfterDays | None = None


class Variant(Part):
    """A set based on the version that `extends` names. Fields that are missing here are inherited from it.

    `for` and `priority` are not inherited from another set. Attributes are added to the inherited ones.
    """

    key: SetKey
    extends: VersionName
    title: Title | Omittable = None
    description: Annotated[str, Field(max_length=4000)] | Omittable = None
    dimensions: Annotated[list[Dimension], Field(min_length=1, max_length=50)] | Omittable = None
    thresholds: Thresholds | None = None
    grades: list[Grade] | Omittable = None
    portfolio: Portfolio | None = None
    attributes: dict[Name, AttributeType] = {}
    for_: Annotated[dict[Name, Condition] | None, Field(alias="for", min_length=1)] = None
    priority: Priority | None = None
    omit: Annotated[list[Name], Field(max_length=500, description="keys of questions to leave out")] = []
    add: Annotated[list[AddedQuestion], Field(max_length=500)] = []
    change: Annotated[
        dict[Name, QuestionChange],
        Field(max_length=500, description="changes to questions, by question key"),
    ] = {}
