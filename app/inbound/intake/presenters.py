"""Turn intakes into responses."""

from app.db import Transaction
from app.inbound.intake import schemas
from app.inbound.intake.receipts.queries import receipt_counts
from app.inbound.intake.tables import Intake


def intake_out(tx: Transaction, intake: Intake) -> schemas.IntakeOut:
    """Return the response for an intake, with the numbers of its waiting and failed receipts."""
    return intakes_out(tx, [intake])[0]


def intakes_out(tx: Transaction, intakes: list[Intake]) -> list[schemas.IntakeOut]:
    """Return the responses for intakes, in their order."""
    counts = receipt_counts(tx, [intake.id for intake in intakes])
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
