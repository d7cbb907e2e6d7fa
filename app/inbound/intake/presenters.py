"""Turn intakes and receipts into responses."""

from typing import Any

from app.db import Transaction
from app.inbound.intake import queries as intake_queries
from app.inbound.intake import schemas
from app.inbound.intake.schemas import ReceiptError, ReceiptOut
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.problems import CATALOGUE, INVALID_REQUEST
from app.schemas import FieldErrorOut

PROBLEM_KINDS = {kind.slug: kind for kind in CATALOGUE}
# The other system has sent the request, so a person corrects what the intake makes of it.
REMEDY_OF_INVALID_ITEM = (
    "Correct the mapping or the value aliases, and replay the receipt. If the record itself is wrong, "
    "correct it in the other system, which then sends it again."
)


def intake_out(tx: Transaction, intake: Intake) -> schemas.IntakeOut:
    """Return the response for an intake, with the numbers of its waiting and failed receipts."""
    return intakes_out(tx, [intake])[0]


def intakes_out(tx: Transaction, intakes: list[Intake]) -> list[schemas.IntakeOut]:
    """Return the responses for intakes, in their order."""
    counts = intake_queries.receipt_counts(tx, [intake.id for intake in intakes])
    return [
        schemas.IntakeOut(
            **intake.model_dump(
                include={"id", "name", "prefix", "question_set", "keep_hours", "revision"}
                | {"created_at", "updated_at"}
            ),
            mapping=schemas.IntakeMappingOut.model_validate(intake.mapping),
            signature=schemas.SignatureOut(**intake.signature) if intake.signature else None,
            waiting=counts.get((intake.id, "received"), 0),
            failed=counts.get((intake.id, "failed"), 0),
        )
        for intake in intakes
    ]


def receipt_out(receipt: IntakeReceipt, items: list[IntakeItem]) -> ReceiptOut:
    """Return the response for a receipt with these items, without its payload."""
    return ReceiptOut(
        **receipt.model_dump(include={"id", "received_at", "status", "processed_at"}),
        items=[
            schemas.ReceiptItem(
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
