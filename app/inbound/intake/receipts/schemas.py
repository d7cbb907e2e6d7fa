"""Requests and responses about receipts."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from app.schemas import FieldErrorOut, Out, WriteIn

ReceiptStatus = Literal["received", "done", "failed"]
ItemStatus = Literal["received", "done", "failed", "skipped"]


class ReceiptReplay(WriteIn):
    """The receipts to process again. They are processed in the order of arrival."""

    ids: Annotated[
        list[UUID] | None,
        Field(
            min_length=1,
            max_length=200,
            description="by default, all that failed; items that are done stay as they are",
        ),
    ] = None


class PayloadReceived(Out):
    """The payload is stored, and is processed later."""

    receipt_id: UUID


class ReceiptError(Out):
    """Why a payload or an item could not be processed. The pointers refer to fields of the intake."""

    type: Annotated[str, Field(description="stable, for programs")]
    title: str
    detail: str
    remedy: str
    errors: list[FieldErrorOut]


class ReceiptItem(Out):
    """An item of a payload. There is a session only if the item is done."""

    status: Annotated[
        ItemStatus,
        Field(
            description="skipped: a condition did not hold, or the mapping does not use the property; "
            "received: it waits to be processed again"
        ),
    ]
    source: str
    external_id: Annotated[str | None, Field(description="null if the mapping found no valid id")]
    prospect_id: UUID | None
    session_id: UUID | None
    problem: ReceiptError | None


class ReplayedReceipts(Out):
    """The number of receipts that are going to be processed again."""

    receipts: int


class ReceiptOut(Out):
    """A payload that was received, and the result of processing it."""

    id: UUID
    received_at: datetime
    status: Annotated[
        ReceiptStatus, Field(description="failed: the payload cannot be read, or at least one item failed")
    ]
    processed_at: Annotated[
        datetime | None, Field(description="when it was last processed; null if it was never processed")
    ]
    items: Annotated[list[ReceiptItem], Field(description="the items in the order of the payload")]
    problem: Annotated[ReceiptError | None, Field(description="why the payload as a whole cannot be read")]


class ReceiptWithPayload(ReceiptOut):
    """A receipt with its original payload."""

    media_type: Annotated[str, Field(description="the Content-Type of the payload; empty if there was none")]
    payload: str
