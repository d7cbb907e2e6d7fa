"""Intakes in requests and responses."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

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
)
from app.scoring import State, form
from app.sessions.schemas import MAX_ANSWERS, QualifyResult, QuestionKey

LONGEST_POINTER = 500
A_POINTER = form(
    r"^(/([^~/\x00-\x1f\x7f]|~[01])*)+$", "send a JSON pointer into the payload: /properties/budget/value"
)
A_PLACE = form(
    r"^(/([^~/\x00-\x1f\x7f]|~[01])*)*$",
    "send a JSON pointer to the list; an empty text is the whole payload",
)
Pointer = Annotated[
    str,
    StringConstraints(strict=True, max_length=LONGEST_POINTER, pattern=A_POINTER),
    Field(examples=["/Id"]),
]
Place = Annotated[str, StringConstraints(strict=True, max_length=LONGEST_POINTER, pattern=A_PLACE)]
KeepHours = Annotated[
    int,
    Field(strict=True, ge=1, le=8760, description="for how long a payload is kept that has been processed"),
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
        description="the client secret of the HubSpot app: with it every payload has to bear HubSpot's "
        "signature, version 3; it is never told again"
    ),
]
ReceiptStatus = Literal["received", "done", "failed"]


class IntakeMapping(In):
    """Where in a payload stands what qualify takes.

    Pointers are JSON pointers (RFC 6901); in a list of objects with key and value a name leads to the
    value of that key. What is nowhere in a payload is left as it is, and so is what is an empty text there.
    """

    source: Source
    external_id: Pointer
    name: Pointer | None = None
    deal: Pointer | None = None
    attributes: Annotated[
        dict[AttributeName, Pointer],
        Field(max_length=MAX_ATTRIBUTES, examples=[{"industry": "/Industry"}]),
        at_most(MAX_ATTRIBUTES, "attributes"),
    ] = {}
    ratings: Annotated[
        dict[QuestionKey, Pointer],
        Field(
            max_length=MAX_ANSWERS,
            description="by question; there may stand a number, a text that is one, not_applicable, "
            "unknown or open, or a text that is a value alias of the source",
            examples=[{"budget": "/Budget__c"}],
        ),
        at_most(MAX_ANSWERS, "ratings"),
    ] = {}
    empty_values: Annotated[
        list[Scalar],
        Field(
            max_length=20,
            description="values that mean null, which removes an attribute; Odoo sends false for it",
        ),
    ] = []
    items_pointer: Annotated[
        Place | None,
        Field(description="where the list is if a payload has several; the pointers then begin in each item"),
    ] = None

    @model_validator(mode="after")
    def _names_once(self) -> "IntakeMapping":
        if both := self.attributes.keys() & self.ratings.keys():
            raise ValueError(f"{min(both)} is both an attribute and a rating: keep one of them")
        return self


class NewIntake(WriteIn):
    """An intake to make."""

    name: Annotated[Line, Field(description="what sends to it", examples=["HubSpot, hot leads"])]
    mapping: IntakeMapping
    question_set: Annotated[
        SetName | None, Field(description="without it the set is chosen as for qualify")
    ] = None
    hubspot_secret: Secret | None = None
    keep_hours: KeepHours = 168


class IntakeChange(WriteIn):
    """What to change; what is not sent stays. A null removes the question set or the secret."""

    name: Line | None = None
    mapping: IntakeMapping | None = None
    question_set: SetName | None = None
    hubspot_secret: Secret | None = None
    keep_hours: KeepHours | None = None
    revision: Annotated[
        Revision | None, Field(description="refuse the change if there is a newer revision than this")
    ] = None


class DryRun(In):
    """A mapping to try on a sample of what the other system sends."""

    mapping: IntakeMapping
    question_set: SetName | None = None
    payload: Annotated[Any, Field(description="the sample, as JSON; of a web form an object of its fields")]
    partial: Annotated[
        bool,
        Field(strict=True, description="the sample need not have everything that the mapping points at"),
    ] = False


class ReceiptReplay(WriteIn):
    """Which receipts to process again, in the order in which they came."""

    ids: Annotated[
        list[UUID] | None, Field(min_length=1, max_length=200, description="without it all that failed")
    ] = None


class IntakeMappingOut(Out):
    """Where in a payload stands what qualify takes."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    attributes: dict[str, str]
    ratings: dict[str, str]
    empty_values: list[Scalar]
    items_pointer: str | None


class IntakeOut(Out):
    """An intake, without its token and its secret."""

    id: UUID
    name: str
    prefix: Annotated[str, Field(description="how the token begins", examples=["pfi_4fZq0s"])]
    mapping: IntakeMappingOut
    question_set: str | None
    signed: Annotated[bool, Field(description="whether payloads have to bear HubSpot's signature")]
    keep_hours: int
    waiting: Annotated[int, Field(description="receipts that are still to be processed")]
    failed: Annotated[int, Field(description="receipts that failed and are kept")]
    revision: int
    created_at: datetime
    updated_at: datetime


class IntakeCreated(IntakeOut):
    """A new intake. This is the only time that its token is shown."""

    token: str
    address: Annotated[str, Field(description="what to give to the other system")]


class IntakeList(Out):
    items: list[IntakeOut]


class IntakeTemplate(Out):
    """A ready-made mapping, filled in for one question set."""

    name: Annotated[str, Field(examples=["salesforce-flat"])]
    title: str
    about: Annotated[str, Field(description="what the other system sends, and what to look at")]
    question_set: str
    mapping: IntakeMappingOut


class IntakeTemplateList(Out):
    items: list[IntakeTemplate]


class MappedAnswer(Out):
    """An answer as qualify would take it."""

    question: str
    state: State
    rating: int | None


class MappedItem(Out):
    """What one item of a payload says, as qualify would take it."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    question_set: str
    attributes: dict[str, Any]
    answers: list[MappedAnswer]
    ignored: Annotated[list[str], Field(description="ratings that the question set does not know")]
    unresolved_pointers: Annotated[
        list[str], Field(description="pointers of the mapping that lead nowhere in this item, as pointers")
    ]


class DryRunItem(Out):
    """One item, and what qualify would answer; nothing was written."""

    mapped: MappedItem
    answer: QualifyResult


class DryRunOut(Out):
    """What the payload would do, item by item."""

    items: list[DryRunItem]


class PayloadReceived(Out):
    """The payload is stored, and will be processed in its turn."""

    receipt_id: UUID


class ReceiptItem(Out):
    """Whom a payload is about; without a session if it failed."""

    source: str
    external_id: str
    prospect_id: UUID | None
    session_id: UUID | None


class ReplayedReceipts(Out):
    """How many receipts wait to be processed again."""

    receipts: int


class ReceiptError(Out):
    """Why a payload could not be processed; the pointers lead into the intake."""

    type: Annotated[str, Field(description="stable, for programs")]
    title: str
    detail: str
    remedy: str
    errors: list[FieldErrorOut]


class ReceiptOut(Out):
    """A payload that was taken in, and what became of it."""

    id: UUID
    received_at: datetime
    status: ReceiptStatus
    processed_at: datetime | None
    items: Annotated[list[ReceiptItem], Field(description="whom it is about")]
    problem: ReceiptError | None


class ReceiptWithPayload(ReceiptOut):
    """The same with the payload as it came."""

    media_type: Annotated[str, Field(description="as it was declared; empty if it was not")]
    payload: str
