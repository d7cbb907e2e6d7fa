"""The shape of a question set's definition; `rules.py` has the rules between its parts."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.scoring.flaws import check_field_count, form

NAME = form(
    r"^[a-z][a-z0-9_]{0,47}$", "use a lower-case letter, then lower-case letters, digits and '_', at most 48"
)
SET_KEY = form(
    r"^[a-z][a-z0-9-]{0,63}$", "use a lower-case letter, then lower-case letters, digits and '-', at most 64"
)
SET_NAME = form(r"^[a-z][a-z0-9-]{0,63}(@[1-9][0-9]{0,8})?$", 'send "key" or "key@version"')
VERSION_NAME = form(r"^[a-z][a-z0-9-]{0,63}@[1-9][0-9]{0,8}$", "name a version, as qualifying-a-sale@1")
LOWEST_RATING, HIGHEST_RATING = -100, 100

NOT_BLANK = form(r"[^ \t\r\n\u00a0]", "send a text that is not blank")

Name = Annotated[str, Field(pattern=NAME)]
SetKey = Annotated[str, Field(pattern=SET_KEY)]
Title = Annotated[str, Field(min_length=1, max_length=200, pattern=NOT_BLANK)]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=NOT_BLANK)]
Label = Annotated[str, Field(min_length=1, max_length=60, pattern=NOT_BLANK)]
Clause = Annotated[str, Field(min_length=1, max_length=200, pattern=NOT_BLANK)]
Sentence = Annotated[str, Field(min_length=1, max_length=200, pattern=NOT_BLANK)]
VersionName = Annotated[str, Field(pattern=VERSION_NAME)]
Weight = Annotated[int, Field(ge=0, le=100)]
StaleAfterDays = Annotated[int, Field(ge=1, le=3650)]
Priority = Annotated[int, Field(ge=0, le=1000)]
Percent = Annotated[int, Field(ge=1, le=100)]
Number = Annotated[int | float, Field(allow_inf_nan=False)]


def _scalar(value: Any) -> Any:
    # A union would report an error for each of its members; this check reports one.
    if not isinstance(value, str | bool | int | float):
        raise ValueError("give a text, a number, true or false")
    return value


Value = Annotated[str | bool | Number, BeforeValidator(_scalar)]
AttributeType = Literal["number", "text", "boolean"]
Subject = Literal["prospect", "own_company", "person"]
IfMissed = Literal["no_fit", "mixed"]


class Part(BaseModel):
    """A part of a definition: immutable, with exact types and no unknown fields."""

    # The whole set checks its parts, so that a part alone is prepared only if it is used.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def _check_field_count(cls, sent: Any) -> Any:
        return check_field_count(sent, len(cls.model_fields))


class RatingText(Part):
    """What a rating means: a label of the scale, or an anchor of one question."""

    rating: int
    text: Text


class Scale(Part):
    """The ratings that a question can get: the integers from min to max."""

    min: Annotated[int, Field(ge=LOWEST_RATING, le=HIGHEST_RATING)] = 1
    max: Annotated[int, Field(ge=LOWEST_RATING, le=HIGHEST_RATING)] = 5
    labels: list[RatingText] = []


def weak(title: str) -> str:
    """The default of `if_weak`: the title with ": weak"."""
    return f"{title[:190]}: weak"


class Dimension(Part):
    """What a question is about; in a reciprocal set, a side.

    `if_weak` is a clause for summaries: "they would gain too little".
    """

    key: Name
    title: Title
    if_weak: Annotated[Clause, Field(default_factory=lambda known: weak(known["title"]))]


class Thresholds(Part):
    """The limits for the estimate of a unit, 0..100: a fit from `fit_at` on, no fit below `no_fit_below`."""

    fit_at: Percent
    no_fit_below: Percent


class Grade(Part):
    """A grade for estimates from `at` up to, but not including, the start of the next better grade."""

    at: Annotated[int, Field(ge=0, le=100)]
    grade: Annotated[str, Field(min_length=1, max_length=40)]


class Advice(Part):
    """What to do with the accounts of each cell of a portfolio.

    The first word is for x, and the second for y: `high_low` is high on x and low on y.
    """

    high_high: Sentence
    high_low: Sentence
    low_high: Sentence
    low_low: Sentence


class Portfolio(Part):
    """Two dimensions as the axes of a matrix of accounts: `x` lies across, and `y` goes up.

    An account is high on an axis from the estimate `cut_at` on, and low below it.
    """

    x: Name
    y: Name
    cut_at: Percent
    advice: Advice


class Condition(Part):
    """A condition on one attribute; if it has several operators, all have to hold."""

    equals: Value | None = None
    in_: Annotated[list[Value] | None, Field(alias="in", min_length=1)] = None
    not_in: Annotated[list[Value] | None, Field(min_length=1)] = None
    at_least: Number | None = None
    below: Number | None = None
    exists: bool | None = None


class Band(Part):
    """The rating for numbers below `below` that are in no earlier band; the last band has no `below`."""

    below: Number | None = None
    rating: int


class ValueRating(Part):
    """The rating for one value of an attribute."""

    equals: str | bool
    rating: int


class RateFrom(Part):
    """A rule that rates a question from an attribute: by bands of a number, or by values."""

    attribute: Name
    bands: Annotated[list[Band] | None, Field(min_length=1)] = None
    values: Annotated[list[ValueRating] | None, Field(min_length=1)] = None
    otherwise: int | None = None


class Question(Part):
    """One question; `label` is what summaries call it ("decision makers").

    A question of weight 0 is asked and recorded, but not scored. A rating below `must_reach` rules a fit out
    (`if_missed: no_fit`) or prevents it for now (`mixed`). An answer that is `stale_after_days` days old
    counts as open.
    """

    key: Name
    label: Annotated[Label, Field(default_factory=lambda known: known["key"].replace("_", " "))]
    text: Text
    guidance: Text | None = None
    dimension: Name
    weight: Weight = 1
    anchors: list[RatingText] = []
    must_reach: int | None = None
    if_missed: IfMissed = "no_fit"
    ask_when: dict[Name, Condition] = {}
    rate_from: RateFrom | None = None
    stale_after_days: StaleAfterDays | None = None


class Step(Part):
    """An ordered group of questions. A gated step comes after the decision to pursue and is not scored."""

    key: Name
    title: Title
    gated: bool = False
    questions: Annotated[list[Question], Field(min_length=1, max_length=500)]


class QuestionSet(Part):
    """A whole question set, as in a YAML file and as published.

    `extends` names the version that it was made from. The set is chosen for prospects whose attributes meet
    every condition of `for`; if several sets match, the one with the highest `priority` is chosen.
    """

    key: SetKey
    extends: VersionName | None = None
    title: Title
    description: Annotated[str, Field(max_length=4000)] = ""
    subject: Annotated[
        Subject,
        Field(
            description="what the set asks about; sessions about own_company or person stay out of lists and "
            "the change feed unless they are asked for"
        ),
    ] = "prospect"
    # A factory: some readers of OpenAPI 3.0 refuse a default beside a reference.
    scale: Scale = Field(default_factory=Scale)
    combine: Literal["reciprocal", "weighted"]
    dimensions: Annotated[list[Dimension], Field(min_length=1, max_length=50)]
    thresholds: Thresholds | None = None
    grades: list[Grade] = []
    portfolio: Portfolio | None = None
    attributes: dict[Name, AttributeType] = {}
    # Left out of the canonical form if a set has none, so that older sets keep their content hash.
    for_: Annotated[dict[Name, Condition] | None, Field(alias="for", min_length=1)] = None
    priority: Priority | None = None
    steps: Annotated[list[Step], Field(min_length=1, max_length=50)]

    @property
    def cuts(self) -> list[int]:
        """The thresholds, the starts of grades and the cut of the portfolio, 0..100.

        Figures for people are never rounded up to one of them.
        """
        limits = [self.thresholds.fit_at, self.thresholds.no_fit_below] if self.thresholds else []
        limits += [self.portfolio.cut_at] if self.portfolio else []
        return [*limits, *(grade.at for grade in self.grades)]

    def canonical(self) -> dict[str, Any]:
        """The definition as JSON values, with defaults filled in and without nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
