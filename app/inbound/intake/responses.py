"""Intakes and receipts as callers see them."""

from app.db import Transaction
from app.inbound.intake import queries as intake_queries
from app.inbound.intake import schemas
from app.inbound.intake.schemas import ReceiptError, ReceiptOut
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.problems import CATALOGUE
from app.schemas import FieldErrorOut

PROBLEM_KINDS = {kind.slug: kind for kind in CATALOGUE}


def intake_out(tx: Transaction, intake: Intake) -> schemas.IntakeOut:
    return intakes_out(tx, [intake])[0]


def intakes_out(tx: Transaction, intakes: list[Intake]) -> list[schemas.IntakeOut]:
    counts = intake_queries.receipt_counts(tx, [one.id for one in intakes])
    return [
        schemas.IntakeOut(
            **one.model_dump(
                include={"id", "name", "prefix", "question_set", "keep_hours", "revision"}
                | {"created_at", "updated_at"}
            ),
            mapping=schemas.IntakeMappingOut.model_validate(one.mapping),
            signed=one.hubspot_secret is not None,
            waiting=counts.get((one.id, "received"), 0),
            failed=counts.get((one.id, "failed"), 0),
        )
        for one in intakes
    ]


def receipt_out(receipt: IntakeReceipt, items: list[IntakeItem]) -> ReceiptOut:
    return ReceiptOut(
        **receipt.model_dump(include={"id", "received_at", "status", "processed_at"}),
        items=[
            schemas.ReceiptItem.model_validate(item.model_dump(exclude={"receipt_id", "place"}))
            for item in items
        ],
        problem=_receipt_error(receipt),
    )


def _receipt_error(receipt: IntakeReceipt) -> ReceiptError | None:
    if receipt.problem is None:
        return None
    kind = PROBLEM_KINDS[receipt.problem["slug"]]
    return ReceiptError(
        type=kind.type,
        title=kind.title,
        detail=receipt.problem["detail"],
        remedy=kind.remedy,
        errors=[FieldErrorOut(where="body", **error) for error in receipt.problem["errors"]],
    )
