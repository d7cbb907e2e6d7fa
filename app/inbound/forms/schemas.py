"""The flat form and its result. Both also have the fields of a question set."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from app.prospects.schemas import as_alias
from app.schemas import (
    MAX_TEXT_LENGTH,
    Actor,
    Assessor,
    Day,
    Deal,
    ExternalId,
    IdempotencyKey,
    Line,
    Out,
    Prose,
    Source,
    keyword,
    without_blanks,
)
from app.scoring import Indication, Leaning, read_number
from app.sessions.requests import Currency, OpenedOn, OutcomeReason, SessionIdentity, Time
from app.sessions.tables import DecisionWord, OutcomeWord, Status

# The fields of a form, besides attributes and questions, whose values can only be words of this service.
WORD_FIELDS = frozenset({"decision", "outcome"})
# The fields of a form, besides attributes and questions, that can be value aliases.
ALIAS_FIELDS = WORD_FIELDS | {"outcome_reason", "outcome_currency"}
MAX_KEYWORD_LENGTH = 48
TIME_OF_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:")
# Salesforce writes the offset of a time without a colon: 2026-11-30T10:00:00.000+0000.
OFFSET_WITHOUT_COLON = re.compile(r"(T.*[+-][0-9]{2})([0-9]{2})$")
# Odoo writes times like this one, in UTC: 2026-11-30 10:00:00.
WITHOUT_OFFSET = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?)$")
# Dataverse writes the milliseconds since 1970 like this, with an offset that does not change the time.
DOTNET_DATE = re.compile(r"/Date\((-?[0-9]{1,15})([+-][0-9]{4})?\)/")
# A smaller number is not a time: it can be 20261130, or the day 46356 of a spreadsheet.
FIRST_SECONDS = 10**8
# From here on, a number counts milliseconds since 1970: as seconds, it would be after the year 5000.
FIRST_MILLISECONDS = 10**11


def number_as_text(value: Any) -> Any:
    """Return an integer, or a float such as 7.0, as text; any other value unchanged."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_number(value: Any) -> Any:
    number = read_number(value)
    return value if number is None else number


def as_boolean(value: Any) -> Any:
    """Return the texts "true" and "false", in any case, as booleans; any other value unchanged."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def as_keyword(value: Any) -> Any:
    """Return a text as a keyword of at most MAX_KEYWORD_LENGTH characters; any other value unchanged."""
    return keyword(value)[:MAX_KEYWORD_LENGTH].rstrip("_") if isinstance(value, str) else value


def as_currency(value: Any) -> Any:
    """Return a text in upper case, without spaces at its ends; any other value unchanged."""
    return value.strip().upper() if isinstance(value, str) else value


def as_day(value: Any) -> Any:
    """Return the day of a time, in any format that `as_time` reads; any other value unchanged."""
    time = as_time(value)
    return time[:10] if isinstance(time, str) and TIME_OF_DAY.match(time) else value


def as_time(value: Any) -> Any:
    """Return the time that a CRM sent as a text of RFC 3339; any other value unchanged.

    A number of seconds or milliseconds since 1970, also as text, is a time. So are the formats of Salesforce,
    Odoo and Dataverse. A time without an offset is in UTC.
    """
    if isinstance(value, str):
        if dotnet := DOTNET_DATE.fullmatch(value):
            return _time_text(int(dotnet[1]) / 1000) or value
        value = WITHOUT_OFFSET.sub(r"\1T\2Z", OFFSET_WITHOUT_COLON.sub(r"\1:\2", value))
    number = read_number(value)
    if number is None or number < FIRST_SECONDS:
        return value
    return _time_text(number / 1000 if number >= FIRST_MILLISECONDS else number) or value


def _time_text(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return None


QuestionKeys = Annotated[
    str | None,
    Field(max_length=4000, description="question keys, separated by commas", examples=["budget"]),
]


Alias = Annotated[
    str | None, StringConstraints(strict=True, max_length=MAX_TEXT_LENGTH), BeforeValidator(as_alias)
]


class Form(BaseModel):
    """A qualification as one flat object: these fields, and one for each attribute and question of the set.

    An empty text is treated as a missing field. You can send numbers, true and false as text. A question
    takes a rating, or the word not_applicable, unknown or open. A value that the link repeats changes
    nothing, and null removes a name, an attribute or an answer that the link itself has set. Fields that the
    set does not know are listed in `ignored`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    source: Source
    external_id: Annotated[ExternalId, BeforeValidator(number_as_text)]
    name: Annotated[Line | None, BeforeValidator(number_as_text)] = None
    deal: Annotated[Deal | None, BeforeValidator(number_as_text)] = None
    assessor: Annotated[Assessor | None, BeforeValidator(number_as_text)] = None
    not_applicable: Annotated[QuestionKeys, Field(title="Not applicable")] = None
    unknown: QuestionKeys = None
    opened_on: Annotated[OpenedOn, BeforeValidator(as_day)] = None
    answered_at: Annotated[
        Time | None,
        BeforeValidator(as_time),
        Field(
            description="when the answers were given, if not now; can also be a number of seconds or "
            "milliseconds since 1970, as text too"
        ),
    ] = None
    decision: Annotated[
        Alias,
        Field(
            description="the decision that a person made: pursue, nurture or disqualify, or a value alias of "
            "the source; needs an actor, or a key that belongs to a person",
            examples=["pursue"],
        ),
    ] = None
    decision_reason: Prose | None = None
    decision_revisit_on: Annotated[Day | None, BeforeValidator(as_day)] = None
    outcome: Annotated[
        Alias,
        Field(
            description="how the deal ended: won, lost or no_decision, or a value alias of the source; "
            "closes the session",
            examples=["won"],
        ),
    ] = None
    outcome_amount: Annotated[
        Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)] | None, BeforeValidator(_as_number)
    ] = None
    outcome_currency: Annotated[
        Alias,
        Field(description="an ISO 4217 code, or a value alias of the source", examples=["EUR"]),
    ] = None
    outcome_closed_on: Annotated[Day | None, BeforeValidator(as_day)] = None
    outcome_reason: Annotated[
        Alias,
        Field(
            description='the reason, or a value alias of the source; a free text becomes a keyword: "Too '
            'expensive" is too_expensive'
        ),
    ] = None
    outcome_competitor: Annotated[Line | None, BeforeValidator(number_as_text)] = None
    carry_over: Annotated[
        Annotated[bool, Field(strict=True)] | None,
        BeforeValidator(as_boolean),
        Field(description="start a new session from the answers of the assessor's last one"),
    ] = None
    actor: Annotated[Actor | None, BeforeValidator(number_as_text)] = None
    idempotency_key: Annotated[
        IdempotencyKey | None, Field(description="can also be sent as the header Idempotency-Key")
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _without_empty_texts(cls, sent: Any) -> Any:
        return without_blanks(sent)

    @property
    def identity(self) -> SessionIdentity:
        """The deal and the assessor of the session."""
        return SessionIdentity.named(self.deal, self.assessor)

    @property
    def fields(self) -> dict[str, Any]:
        """The fields besides those of the form: attributes and questions of the set, and unknown fields."""
        return self.model_extra or {}


class TranslatedForm(Form):
    """A form in which value aliases are translated, so that decisions and outcomes can be checked."""

    decision: Annotated[DecisionWord | None, BeforeValidator(as_keyword)] = None
    outcome: Annotated[OutcomeWord | None, BeforeValidator(as_keyword)] = None
    outcome_currency: Annotated[Currency | None, BeforeValidator(as_currency)] = None
    outcome_reason: Annotated[OutcomeReason | None, BeforeValidator(as_keyword)] = None


class FormResult(Out):
    """The session and its score as one flat object, with the estimate of each dimension as `…_score`."""

    model_config = ConfigDict(extra="allow")

    # A union of number and null would be equivalent, but the most widely used client generator cannot read
    # it.
    __pydantic_extra__: dict[str, Annotated[float | None, WithJsonSchema({"type": ["number", "null"]})]]

    prospect_id: UUID
    session_id: UUID
    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    deal: str | None
    assessor: str | None
    status: Status
    revision: int
    prospect_created: bool
    session_opened: bool
    summary: str
    indication: Annotated[Indication | None, Field(description="null in a set without thresholds")]
    settled: Annotated[
        bool,
        Field(description="whether no open question can change the indication, given the current attributes"),
    ]
    leaning: Annotated[Leaning | None, Field(description="the indication without the open questions")]
    score: Annotated[
        float | None,
        Field(
            ge=0, le=100, description="null until half of each side is rated, and if a knock-out is missed"
        ),
    ]
    lowest: Annotated[
        float | None, Field(ge=0, le=100, description="the lowest value that the score can still reach")
    ]
    highest: Annotated[
        float | None, Field(ge=0, le=100, description="the highest value that the score can still reach")
    ]
    coverage: Annotated[float | None, Field(ge=0, le=1, description="share of the weight that is rated")]
    points: int
    points_min: int
    points_max: int
    rated: Annotated[int, Field(ge=0, description="number of rated questions")]
    open: Annotated[int, Field(ge=0, description="number of open questions")]
    grade: str | None
    weaker_side: str | None
    blockers: Annotated[
        str | None, Field(description="keys of the questions that prevent a fit, separated by commas")
    ]
    top_strength: Annotated[
        str | None,
        Field(
            description="label and rating anchor, in words", examples=["Timeline: they have to start by June"]
        ),
    ]
    top_strength_key: Annotated[str | None, Field(description="the question's key")]
    top_gap: Annotated[
        str | None,
        Field(
            description="label and rating anchor, in words",
            examples=["Budget: no money is set aside, and they know of no way to find any"],
        ),
    ]
    top_gap_key: Annotated[str | None, Field(description="the question's key")]
    next_question: Annotated[str | None, Field(description="the text of the next question")]
    next_question_key: Annotated[str | None, Field(description="the question's key")]
    must_answer: Annotated[
        str | None, Field(description="keys of the open must-reach questions, separated by commas")
    ]
    unread_attributes: Annotated[
        str | None,
        Field(description="names of stored attributes that the set cannot read, separated by commas"),
    ]
    missing_attributes: Annotated[
        str | None, Field(description="names of unknown attributes, separated by commas")
    ]
    answers_to_fit: int | None
    answers_to_no_fit: int | None
    valid_until: datetime | None
    decision: DecisionWord | None
    outcome: OutcomeWord | None
    ignored: Annotated[list[str], Field(description="fields that the question set does not know")]


# The fields that describe any session; the estimate of each dimension is not among them.
SESSION_FIELDS = FormResult.model_fields.keys() - {"prospect_created", "session_opened", "ignored"}


def estimate_field(dimension: str) -> str:
    """Return the name of the result's field for the estimate of a dimension."""
    return f"{dimension}_score"
