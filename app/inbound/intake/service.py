"""Create, change and delete intakes."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlmodel import col, delete

from app.clock import new_id
from app.db import Transaction
from app.encryption.service import Cipher
from app.inbound.intake.queries import find_intake
from app.inbound.intake.schemas import IntakeChange, IntakeMapping, NewIntake, SignatureIn
from app.inbound.intake.tables import Intake
from app.keys.service import digest, display_prefix
from app.problems import require_revision, require_values
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, pointer


def create_intake(tx: Transaction, plans: Plans, cipher: Cipher, new: NewIntake, token: str) -> Intake:
    """Create an intake that is reached with `token`, and return it.

    Raises INVALID_REQUEST if the question set is unknown, `Flawed` if the mapping has ratings that the
    question set does not know, and NO_ENCRYPTION_KEY or WRONG_ENCRYPTION_KEY if the secret cannot be
    encrypted.
    """
    _check_ratings(tx, plans, new.mapping, new.question_set)
    intake_id = new_id()
    intake = Intake(
        id=intake_id,
        name=new.name,
        prefix=display_prefix(token),
        digest=digest(token),
        mapping=new.mapping.stored(),
        question_set=new.question_set,
        **_signature_values(tx, cipher, intake_id, new.signature),
        keep_hours=new.keep_hours,
        created_at=tx.at,
        updated_at=tx.at,
    )
    tx.db.add(intake)
    tx.db.flush()
    return intake


def update_intake(
    tx: Transaction, plans: Plans, cipher: Cipher, intake_id: UUID, change: IntakeChange
) -> Intake:
    """Set the fields that were sent, and return the intake. The revision increases if a value differs.

    Raises NOT_FOUND, STALE_REVISION, INVALID_REQUEST for a null in a required field, and what
    `create_intake` raises.
    """
    signature = _signature_values(tx, cipher, intake_id, change.signature)
    intake = find_intake(tx, intake_id, lock=True)
    if change.revision is not None:
        require_revision("intake", intake.revision, change.revision)
    values = change.model_dump()
    sent = {name: values[name] for name in change.model_fields_set - {"revision", "idempotency_key"}}
    require_values(sent, ("name", "mapping", "keep_hours"))
    if change.mapping is not None:
        sent["mapping"] = change.mapping.stored()
    if "signature" in sent:
        secret = change.signature.secret if change.signature else None
        if cipher.matches("signature secret", intake_id, intake.signature_secret, secret):
            signature["signature_secret"] = intake.signature_secret
        sent |= signature
    after = {name: sent.get(name, getattr(intake, name)) for name in ("mapping", "question_set")}
    if sent.keys() & after.keys():
        _check_ratings(tx, plans, IntakeMapping.model_validate(after["mapping"]), after["question_set"])
    if any(getattr(intake, name) != value for name, value in sent.items()):
        for name, value in sent.items():
            setattr(intake, name, value)
        intake.revision += 1
        intake.updated_at = tx.at
        tx.db.add(intake)
        tx.db.flush()
    return intake


def _signature_values(
    tx: Transaction, cipher: Cipher, intake_id: UUID, signature: SignatureIn | None
) -> dict[str, Any]:
    """Return the columns of a signature, with its secret encrypted."""
    if signature is None:
        return {"signature": None, "signature_secret": None}
    return {
        "signature": signature.rule.model_dump(),
        "signature_secret": cipher.encrypt(tx, "signature secret", intake_id, signature.secret),
    }


def delete_intake(tx: Transaction, intake_id: UUID) -> None:
    """Delete an intake with its receipts; raises NOT_FOUND."""
    find_intake(tx, intake_id)
    tx.db.exec(delete(Intake).where(col(Intake.id) == intake_id))


def _check_ratings(tx: Transaction, plans: Plans, mapping: IntakeMapping, question_set: str | None) -> None:
    if question_set is None:
        return
    questions: Mapping[str, Any] = plans.find_to_open(tx, question_set).questions
    unknown = [key for key in mapping.ratings if key not in questions]
    if unknown:
        detail = "the question set has no such question: correct the key or remove it"
        raise Flawed(
            Flaw("/mapping" + pointer("ratings", key), detail, "unknown_question") for key in unknown
        )
