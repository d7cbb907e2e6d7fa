"""Requests and responses about intakes."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from app.prospects.sources.schemas import ValueAliasOut
from app.schemas import (
    MAX_ATTRIBUTES,
    VISIBLE,
    AttributeName,
    In,
    Line,
    Out,
    Revision,
    Scalar,
    Schema,
    SetName,
    Source,
    WriteIn,
    at_most,
    excluding,
    filled,
    without_null,
)
from app.scoring import Condition, form, whole
from app.sessions.requests import MAX_ANSWERS, QuestionKey

MAX_MAPPING_POINTER_LENGTH = 500
POINTER_PATTERN = form(
    r"^(/([^~/\x00-\x1f\x7f]|~[01])*)+$",
    "send a JSON pointer into the payload, such as /properties/budget/value",
)
LIST_POINTER_PATTERN = form(
    r"^(/([^~/\x00-\x1f\x7f]|~[01])*)*$",
    "send a JSON pointer to the list; an empty text means the whole payload",
)
Pointer = Annotated[
    str,
    StringConstraints(strict=True, max_length=MAX_MAPPING_POINTER_LENGTH, pattern=POINTER_PATTERN),
    Field(examples=["/Id"]),
]
ListPointer = Annotated[
    str, StringConstraints(strict=True, max_length=MAX_MAPPING_POINTER_LENGTH, pattern=LIST_POINTER_PATTERN)
]
KeepHours = Annotated[
    int,
    Field(strict=True, ge=1, le=8760, description="number of hours for which a processed payload is kept"),
    BeforeValidator(whole),
]
HeaderName = Annotated[
    str,
    StringConstraints(
        strict=True,
        max_length=100,
        pattern=form(r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$", "send the name of a header"),
    ),
]
SIGNED_PART = r"([\x21-\x7a|~]|\{(timestamp|url)\})*"
SIGNED_PATTERN = form(
    rf"^{SIGNED_PART}\{{body\}}{SIGNED_PART}$",
    "send {body} once, with {timestamp}, {url} and other visible ASCII characters around it",
)
SignedText = Annotated[
    str,
    StringConstraints(strict=True, max_length=100, pattern=SIGNED_PATTERN),
    Field(
        description="the text that the sender signs: {body} is the payload, {timestamp} the value of "
        "timestamp_header, and {url} the URL that the sender called, as HubSpot signs it",
        examples=["{timestamp}:{body}"],
    ),
]
Encoding = Annotated[
    Literal["hex", "base64", "hex_in_base64"],
    Field(
        description="how the header contains the digest; hex_in_base64: the prefix and the digest in "
        "hexadecimal digits, together in base64"
    ),
]


def _is_null(name: str) -> Schema:
    """Return the schema of an object in which a field is null or missing."""
    return {"properties": {name: {"type": "null"}}}


def _require_operator(condition: Condition) -> Condition:
    if condition == Condition():
        raise ValueError("send what must hold: equals, in, not_in, at_least, below or exists")
    return condition


Conditions = Annotated[
    dict[Pointer, Annotated[Condition, AfterValidator(_require_operator)]],
    Field(
        max_length=20,
        description="conditions by pointer; an item for which one of them does not hold is skipped",
        examples=[{"/meta/action": {"not_in": ["delete"]}}],
    ),
    at_most(20, "conditions"),
]


class SignatureRule(In):
    """How a sender signs its payloads: with HMAC-SHA256 and a shared secret.

    With a `timestamp_header`, a signature is valid for 5 minutes and only once. The time is in seconds or
    milliseconds since 1970. Without it, the service also accepts a payload that somebody sends again.
    """

    header: Annotated[HeaderName, Field(examples=["X-Hub-Signature-256"])]
    encoding: Encoding = "hex"
    prefix: Annotated[
        str,
        StringConstraints(strict=True, max_length=100, pattern=form(r"^[\x21-\x7e]*$", "send visible ASCII")),
        Field(description="the text before the digest", examples=["sha256="]),
    ] = ""
    signed: SignedText = "{body}"
    timestamp_header: HeaderName | None = None

    @model_validator(mode="after")
    def _require_timestamp(self) -> "SignatureRule":
        if ("{timestamp}" in self.signed) != (self.timestamp_header is not None):
            raise ValueError("send a timestamp_header and {timestamp} in signed, or neither of them")
        return self


class SignatureIn(SignatureRule):
    """How a sender signs its payloads, with the secret. No response contains the secret."""

    secret: Annotated[
        str, StringConstraints(strict=True, min_length=8, max_length=200, pattern=VISIBLE), Field(repr=False)
    ]

    @property
    def rule(self) -> SignatureRule:
        """The rule without the secret."""
        return SignatureRule.model_validate(self.model_dump(exclude={"secret"}))


class IntakeMapping(In):
    """Where a payload contains the values that qualify receives.

    Pointers are JSON pointers (RFC 6901). In a list of objects with `key` and `value`, a name leads to the
    value of that key. A value that the payload does not contain, or that is an empty text, changes nothing.
    A null, or a pointer that leads through a null, clears a value that the same link has set.
    """

    model_config = ConfigDict(
        json_schema_extra=excluding(
            {"allOf": [filled("property"), _is_null("value")]},
            {"allOf": [filled("value"), _is_null("property")]},
        )
    )

    source: Source
    external_id: Pointer
    at: Annotated[
        Pointer | None,
        Field(description="when the values were set: a time, or seconds or milliseconds since 1970"),
    ] = None
    name: Pointer | None = None
    deal: Pointer | None = None
    assessor: Pointer | None = None
    actor: Pointer | None = None
    opened_on: Pointer | None = None
    decision: Pointer | None = None
    decision_reason: Pointer | None = None
    decision_revisit_on: Pointer | None = None
    outcome: Pointer | None = None
    outcome_amount: Pointer | None = None
    outcome_currency: Pointer | None = None
    outcome_closed_on: Pointer | None = None
    outcome_reason: Pointer | None = None
    outcome_competitor: Pointer | None = None
    attributes: Annotated[
        dict[AttributeName, Pointer],
        Field(max_length=MAX_ATTRIBUTES, examples=[{"industry": "/Industry"}]),
        at_most(MAX_ATTRIBUTES, "attributes"),
    ] = {}
    ratings: Annotated[
        dict[QuestionKey, Pointer],
        Field(
            max_length=MAX_ANSWERS,
            description="pointers by question key; the value can be a number, also as text, one of the words "
            "not_applicable, unknown and open, or a value alias of the source",
            examples=[{"budget": "/Budget__c"}],
        ),
        at_most(MAX_ANSWERS, "ratings"),
    ] = {}
    empty_values: Annotated[
        list[Scalar],
        Field(max_length=20, description="values that mean null; Odoo, for example, sends false"),
    ] = []
    empty_ratings: Annotated[
        list[Scalar],
        Field(
            max_length=20,
            description="further values that mean null for a rating, such as the 0 of an empty number",
        ),
    ] = []
    property: Annotated[
        Pointer | None,
        Field(
            description="where the name of the property is, if an item is about one property; the pointers "
            "of the name, the decision, the outcome, attributes and ratings then start at an object with "
            "only this property",
            examples=["/propertyName"],
        ),
    ] = None
    value: Annotated[
        Pointer | None, Field(description="where the value of the property is", examples=["/propertyValue"])
    ] = None
    when: Conditions = {}
    items_pointer: Annotated[
        ListPointer | None,
        Field(
            description="where the list is, if a payload has several items; other pointers start at each item"
        ),
    ] = None

    @model_validator(mode="after")
    def _require_distinct_names(self) -> "IntakeMapping":
        if both := self.attributes.keys() & self.ratings.keys():
            raise ValueError(f"{min(both)} is both an attribute and a rating: keep only one of them")
        return self

    @model_validator(mode="after")
    def _require_both(self) -> "IntakeMapping":
        if (self.property is None) != (self.value is None):
            raise ValueError("send both property and value, or neither of them")
        return self

    def stored(self) -> dict[str, Any]:
        """Return the mapping as JSON that `model_validate` reads again."""
        return self.model_dump(by_alias=True)


class NewIntake(WriteIn):
    """An intake to create."""

    name: Annotated[Line, Field(description="which system sends to it", examples=["HubSpot, hot leads"])]
    mapping: IntakeMapping
    question_set: Annotated[
        SetName | None, Field(description="without it, a set is chosen as for qualify")
    ] = None
    signature: Annotated[
        SignatureIn | None,
        Field(description="if it is set, every payload needs this signature", repr=False),
    ] = None
    keep_hours: KeepHours = 168


class IntakeChange(WriteIn):
    """The fields to change; the others stay. Null removes the question set or the signature."""

    name: Annotated[Line | None, Field(json_schema_extra=without_null)] = None
    mapping: Annotated[IntakeMapping | None, Field(json_schema_extra=without_null)] = None
    question_set: SetName | None = None
    signature: Annotated[
        SignatureIn | None,
        Field(description="if it is set, every payload needs this signature", repr=False),
    ] = None
    keep_hours: Annotated[KeepHours | None, Field(json_schema_extra=without_null)] = None
    revision: Annotated[
        Revision | None,
        Field(description="reject the change if the intake has a newer revision than this one"),
    ] = None


class IntakeMappingOut(Out):
    """Where a payload contains the values that qualify receives."""

    source: str
    external_id: str
    at: str | None
    name: str | None
    deal: str | None
    assessor: str | None
    actor: str | None
    opened_on: str | None
    decision: str | None
    decision_reason: str | None
    decision_revisit_on: str | None
    outcome: str | None
    outcome_amount: str | None
    outcome_currency: str | None
    outcome_closed_on: str | None
    outcome_reason: str | None
    outcome_competitor: str | None
    attributes: dict[str, str]
    ratings: dict[str, str]
    empty_values: list[Scalar]
    empty_ratings: list[Scalar]
    property: str | None
    value: str | None
    when: dict[str, Condition]
    items_pointer: str | None


class SignatureOut(Out):
    """How a sender signs its payloads, without the secret."""

    header: str
    encoding: Encoding
    prefix: str
    signed: str
    timestamp_header: str | None


class IntakeOut(Out):
    """An intake, without its token and its secret."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="the start of the token", examples=["pfi_4fZq0s"])]
    mapping: IntakeMappingOut
    question_set: str | None
    signature: Annotated[SignatureOut | None, Field(description="the signature that every payload needs")]
    keep_hours: int
    waiting: Annotated[int, Field(description="number of receipts that are waiting to be processed")]
    failed: Annotated[int, Field(description="number of stored receipts that failed, at least in part")]
    revision: int
    created_at: datetime
    updated_at: datetime


class IntakeCreated(IntakeOut):
    """A new intake. No other response contains its token."""

    token: Annotated[str, Field(repr=False)]
    address: Annotated[str, Field(description="the URL to enter in the other system", repr=False)]


class IntakeList(Out):
    items: list[IntakeOut]


class IntakeTemplate(Out):
    """A ready-made mapping, filled in for one question set."""

    name: Annotated[str, Field(examples=["salesforce-flat"])]
    title: str
    about: Annotated[str, Field(description="what the other system sends, and what to check")]
    question_set: str
    mapping: IntakeMappingOut
    signature: Annotated[
        SignatureOut | None, Field(description="how the system signs; add the secret that you share with it")
    ]
    aliases: Annotated[
        list[ValueAliasOut], Field(description="the value aliases that the source needs for its own words")
    ]


class IntakeTemplateList(Out):
    items: list[IntakeTemplate]
