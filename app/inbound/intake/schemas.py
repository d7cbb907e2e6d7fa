"""Requests and responses about intakes and receipts."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from app.schemas import (
    MAX_ATTRIBUTES,
    VISIBLE,
    AttributeName,
    FieldErrorOut,
    In,
    Line,
    Out,
    Revision,
    Scalar,
    SetName,
    Source,
    WriteIn,
    at_most,
    without_null,
)
from app.scoring import State, form, whole
from app.sessions.schemas import MAX_ANSWERS, QualifyResult, QuestionKey
from app.sessions.tables import DecisionWord, OutcomeWord

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
Secret = Annotated[
    str,
    StringConstraints(
        strict=True,
        min_length=8,
        max_length=200,
        pattern=VISIBLE,
    ),
    Field(
        description="the client secret of the HubSpot app: if it is set, every payload needs HubSpot's "
        "signature, version 3; no response contains it"
    ),
]
ReceiptStatus = Literal["received", "done", "failed"]


class IntakeMapping(In):
    """Where a payload contains the values that qualify receives.

    Pointers are JSON pointers (RFC 6901). In a list of objects with `key` and `value`, a name leads to the
    value of that key. A value that the payload does not contain, or that is an empty text, changes nothing.
    """

    source: Source
    external_id: Pointer
    name: Pointer | None = None
    deal: Pointer | None = None
    assessor: Pointer | None = None
    actor: Pointer | None = None
    opened_on: Pointer | None = None
    decision: Pointer | None = None
    decision_reason: Pointer | None = None
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
        Field(
            max_length=20,
            description="values that mean null, which removes an attribute; Odoo, for example, sends false",
        ),
    ] = []
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


class NewIntake(WriteIn):
    """An intake to create."""

    name: Annotated[Line, Field(description="which system sends to it", examples=["HubSpot, hot leads"])]
    mapping: IntakeMapping
    question_set: Annotated[
        SetName | None, Field(description="without it, a set is chosen as for qualify")
    ] = None
    hubspot_secret: Annotated[Secret | None, Field(repr=False)] = None
    keep_hours: KeepHours = 168


class IntakeChange(WriteIn):
    """The fields to change; the others stay. A null removes the question set or the secret."""

    name: Annotated[Line | None, Field(json_schema_extra=without_null)] = None
    mapping: Annotated[IntakeMapping | None, Field(json_schema_extra=without_null)] = None
    question_set: SetName | None = None
    hubspot_secret: Annotated[Secret | None, Field(repr=False)] = None
    keep_hours: Annotated[KeepHours | None, Field(json_schema_extra=without_null)] = None
    revision: Annotated[
        Revision | None,
        Field(description="reject the change if the intake has a newer revision than this one"),
    ] = None


class DryRun(In):
    """A mapping, and a sample payload of the other system to try it on."""

    mapping: IntakeMapping
    question_set: SetName | None = None
    payload: Annotated[Any, Field(description="the sample, as JSON; for a web form, an object of its fields")]
    partial: Annotated[
        bool,
        Field(strict=True, description="accept pointers that lead nowhere in the sample"),
    ] = False


class ReceiptReplay(WriteIn):
    """The receipts to process again. They are processed in the order of arrival."""

    ids: Annotated[
        list[UUID] | None, Field(min_length=1, max_length=200, description="by default, all that failed")
    ] = None


class IntakeMappingOut(Out):
    """Where a payload contains the values that qualify receives."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    assessor: str | None
    actor: str | None
    opened_on: str | None
    decision: str | None
    decision_reason: str | None
    outcome: str | None
    outcome_amount: str | None
    outcome_currency: str | None
    outcome_closed_on: str | None
    outcome_reason: str | None
    outcome_competitor: str | None
    attributes: dict[str, str]
    ratings: dict[str, str]
    empty_values: list[Scalar]
    items_pointer: str | None


class IntakeOut(Out):
    """An intake, without its token and its secret."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="the start of the token", examples=["pfi_4fZq0s"])]
    mapping: IntakeMappingOut
    question_set: str | None
    signed: Annotated[bool, Field(description="whether payloads need HubSpot's signature")]
    keep_hours: int
    waiting: Annotated[int, Field(description="number of receipts that are waiting to be processed")]
    failed: Annotated[int, Field(description="number of stored receipts that failed")]
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


class IntakeTemplateList(Out):
    items: list[IntakeTemplate]


class MappedAnswer(Out):
    """An answer as qualify would receive it."""

    question: str
    state: State
    rating: int | None


class MappedItem(Out):
    """One item of a payload as qualify would receive it."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    assessor: str | None
    actor: str | None
    opened_on: date | None
    decision: DecisionWord | None
    decision_reason: str | None
    outcome: OutcomeWord | None
    outcome_amount: float | None
    outcome_currency: str | None
    outcome_closed_on: date | None
    outcome_reason: str | None
    outcome_competitor: str | None
    question_set: str
    attributes: dict[str, Any]
    answers: list[MappedAnswer]
    ignored: Annotated[list[str], Field(description="ratings that the question set does not know")]
    unresolved_pointers: Annotated[
        list[str], Field(description="fields of the mapping whose pointers lead nowhere in this item")
    ]


class DryRunItem(Out):
    """One item, and what qualify would return for it. Nothing was written."""

    mapped: MappedItem
    answer: QualifyResult


class DryRunOut(Out):
    """The result of a dry run, item by item."""

    items: list[DryRunItem]


class PayloadReceived(Out):
    """The payload is stored, and is processed later."""

    receipt_id: UUID


class ReceiptItem(Out):
    """A record that a payload is about. There is no session if the payload failed."""

    source: str
    external_id: str
    prospect_id: UUID | None
    session_id: UUID | None


class ReplayedReceipts(Out):
    """The number of receipts that are going to be processed again."""

    receipts: int


class ReceiptError(Out):
    """Why a payload could not be processed. The pointers refer to fields of the intake."""

    type: Annotated[str, Field(description="stable, for programs")]
    title: str
    detail: str
    remedy: str
    errors: list[FieldErrorOut]


class ReceiptOut(Out):
    """A payload that was received, and the result of processing it."""

    id: UUID
    received_at: datetime
    status: ReceiptStatus
    processed_at: datetime | None
    items: Annotated[list[ReceiptItem], Field(description="the records that the payload is about")]
    problem: ReceiptError | None


class ReceiptWithPayload(ReceiptOut):
    """A receipt with its original payload."""

    media_type: Annotated[str, Field(description="the Content-Type of the payload; empty if there was none")]
    payload: str
