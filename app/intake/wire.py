"""Intakes in requests and responses."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from app.scoring import State, form
from app.sessions.requests import MOST_ANSWERS, QuestionKey
from app.sessions.views import Qualified
from app.wire import (
    MOST_ATTRIBUTES,
    VISIBLE,
    AttributeName,
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
Status = Literal["received", "done", "failed"]


class Mapping(In):
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
        Field(max_length=MOST_ATTRIBUTES, examples=[{"industry": "/Industry"}]),
        at_most(MOST_ATTRIBUTES, "attributes"),
    ] = {}
    ratings: Annotated[
        dict[QuestionKey, Pointer],
        Field(
            max_length=MOST_ANSWERS,
            description="by question; there may stand a number, a text that is one, not_applicable, "
            "unknown or open, or a text that is a value alias of the source",
            examples=[{"budget": "/Budget__c"}],
        ),
        at_most(MOST_ANSWERS, "ratings"),
    ] = {}
    absent: Annotated[
        list[Scalar],
        Field(
            max_length=20,
            description="values that mean null, which removes an attribute; Odoo sends false for it",
        ),
    ] = []
    each: Annotated[
        Place | None,
        Field(description="where the list is if a payload has several; the pointers then begin in each item"),
    ] = None

    @model_validator(mode="after")
    def _names_once(self) -> "Mapping":
        if both := self.attributes.keys() & self.ratings.keys():
            raise ValueError(f"{min(both)} is both an attribute and a rating: keep one of them")
        return self


class NewIntake(WriteIn):
    """An intake to make."""

    name: Annotated[Line, Field(description="what sends to it", examples=["HubSpot, hot leads"])]
    mapping: Mapping
    question_set: Annotated[
        SetName | None, Field(description="without it the set is chosen as for qualify")
    ] = None
    hubspot_secret: Secret | None = None
    keep_hours: KeepHours = 168


class IntakeChange(WriteIn):
    """What to change; what is not sent stays. A null removes the question set or the secret."""

    name: Line | None = None
    mapping: Mapping | None = None
    question_set: SetName | None = None
    hubspot_secret: Secret | None = None
    keep_hours: KeepHours | None = None
    revision: Annotated[
        Revision | None, Field(description="refuse the change if there is a newer revision than this")
    ] = None


class DryRun(In):
    """A mapping to try on a sample of what the other system sends."""

    mapping: Mapping
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


class MappingOut(Out):
    """Where in a payload stands what qualify takes."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    attributes: dict[str, str]
    ratings: dict[str, str]
    absent: list[Scalar]
    each: str | None


class IntakeOut(Out):
    """An intake, without its token and its secret."""

    id: UUID
    name: str
    shown: Annotated[str, Field(description="how the token begins", examples=["pfi_4fZq0s"])]
    mapping: MappingOut
    question_set: str | None
    signed: Annotated[bool, Field(description="whether payloads have to bear HubSpot's signature")]
    keep_hours: int
    waiting: Annotated[int, Field(description="receipts that are still to be processed")]
    failed: Annotated[int, Field(description="receipts that failed and are kept")]
    revision: int
    created_at: datetime
    updated_at: datetime


class IntakeMade(IntakeOut):
    """A new intake. This is the only time that its token is shown."""

    token: str
    address: Annotated[str, Field(description="what to give to the other system")]


class IntakeLines(Out):
    items: list[IntakeOut]


class IntakeTemplate(Out):
    """A ready-made mapping, filled in for one question set."""

    name: Annotated[str, Field(examples=["salesforce-flat"])]
    title: str
    about: Annotated[str, Field(description="what the other system sends, and what to look at")]
    question_set: str
    mapping: MappingOut


class IntakeTemplateList(Out):
    items: list[IntakeTemplate]


class MappedAnswer(Out):
    """An answer as qualify would take it."""

    question: str
    state: State
    rating: int | None


class Mapped(Out):
    """What one item of a payload says, as qualify would take it."""

    source: str
    external_id: str
    name: str | None
    deal: str | None
    question_set: str
    attributes: dict[str, Any]
    answers: list[MappedAnswer]
    ignored: Annotated[list[str], Field(description="ratings that the question set does not know")]
    nowhere: Annotated[
        list[str], Field(description="pointers of the mapping that lead nowhere in this item, as pointers")
    ]


class Rehearsed(Out):
    """One item, and what qualify would answer; nothing was written."""

    mapped: Mapped
    answer: Qualified


class DryRunOut(Out):
    """What the payload would do, item by item."""

    items: list[Rehearsed]


class Received(Out):
    """The payload is stored, and will be processed in its turn."""

    receipt_id: UUID


class ItemOut(Out):
    """Whom a payload is about; without a session if it failed."""

    source: str
    external_id: str
    prospect_id: UUID | None
    session_id: UUID | None


class ReplayedReceipts(Out):
    """How many receipts wait to be processed again."""

    receipts: int
