"""Turn receipts into responses."""

from typing import Any

from app.inbound.intake.receipts.schemas import ReceiptError, ReceiptItem, ReceiptOut
from app.inbound.intake.tables import IntakeItem, IntakeReceipt
from app.problems import CATALOGUE, INVALID_REQUEST
from app.schemas import FieldErrorOut

PROBLEM_KINDS = {kind.slug: kind for kind in CATALOGUE}
# The other system has sent the request, so a person corrects what the intake makes of it.
REMEDY_OF_INVALID_ITEM = (
    "Correct the mapping or the value aliases, and replay the receipt. If the record itself is wrong, "
    "correct it in the other system, which then sends it again."
)


def receipt_out(receipt: IntakeReceipt, items: list[IntakeItem]) -> ReceiptOut:
    """Return the response for a receipt with these items, without its payload."""
    return ReceiptOut(
        **receipt.model_dump(include={"id", "received_at", "status", "processed_at"}),
        items=[
            ReceiptItem(
                **item.model_dump(exclude={"receipt_id", "place", "problem"}),
                problem=_receipt_error(item.problem),
            )
            for item in items
        ],
        problem=_receipt_error(receipt.problem),
    )


def _receipt_error(stored: dict[str, Any] | None) -> ReceiptError | None:
    if stored is None:
        return None
    kind = PROBLEM_KINDS[stored["slug"]]
    return ReceiptError(
        type=kind.type,
        title=kind.title,
        detail=stored["detail"],
        remedy=REMEDY_OF_INVALID_ITEM if kind is INVALID_REQUEST else kind.remedy,
        errors=[FieldErrorOut(where="body", **error) for error in stored["errors"]],
    )
