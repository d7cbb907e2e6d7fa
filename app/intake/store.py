"""Intakes and their receipts: make, find, change, take in, replay and forget."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import defer
from sqlmodel import col, delete, exists, select, update

from app.clock import new_id
from app.db import Transaction, insert_if_new
from app.intake import wire
from app.intake.signature import OLDEST, bad_signature
from app.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature
from app.keys.secret import OF_INTAKES, beginning, digest, is_checked
from app.problems import invalid_field, missing, require_known, require_revision
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, pointer

REPLAYED = {"status": "received", "problem": None, "processed_at": None}


def create(tx: Transaction, plans: Plans, new: wire.NewIntake, token: str) -> Intake:
    """A new intake behind a token.

    Raises INVALID_REQUEST for an unknown question set, `Flawed` for ratings that it does not know.
    """
    _check(tx, plans, new.mapping, new.question_set)
    intake = Intake(
        id=new_id(),
        name=new.name,
        shown=beginning(token),
        digest=digest(token),
        mapping=new.mapping.model_dump(),
        question_set=new.question_set,
        hubspot_secret=new.hubspot_secret,
        keep_hours=new.keep_hours,
        created_at=tx.at,
        updated_at=tx.at,
    )
    tx.db.add(intake)
    tx.db.flush()
    return intake


def list_intakes(tx: Transaction) -> Sequence[Intake]:
    """Every intake, oldest first."""
    return tx.db.exec(select(Intake).order_by(col(Intake.id))).all()


def find(tx: Transaction, intake_id: UUID, *, lock: bool = False) -> Intake:
    """The intake of that id, locked for a change if asked; raises NOT_FOUND."""
    wanted = select(Intake).where(Intake.id == intake_id)
    # Not FOR UPDATE: that would wait for every payload that is being taken in.
    found = tx.db.exec(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    if found is None:
        raise missing("intake of that id")
    return found


def find_by_token(tx: Transaction, token: str) -> Intake:
    """The intake behind a token; raises NOT_FOUND."""
    found = None
    if is_checked(token, OF_INTAKES):
        found = tx.db.exec(select(Intake).where(Intake.digest == digest(token))).one_or_none()
    if found is None:
        raise missing("intake with that token")
    return found


def change(tx: Transaction, plans: Plans, intake_id: UUID, wanted: wire.IntakeChange) -> Intake:
    """Change an intake. Raises NOT_FOUND, STALE_REVISION and what `create` raises."""
    intake = find(tx, intake_id, lock=True)
    if wanted.revision is not None:
        require_revision("intake", intake.revision, wanted.revision)
    said = wanted.model_dump()
    sent = {name: said[name] for name in wanted.model_fields_set - {"revision", "idempotency_key"}}
    for name in ("name", "mapping", "keep_hours"):
        if name in sent and sent[name] is None:
            raise invalid_field(f"/{name}", "wrong_type", "an intake needs one: leave it out to keep it")
    after = {name: sent.get(name, getattr(intake, name)) for name in ("mapping", "question_set")}
    if sent.keys() & after.keys():
        _check(tx, plans, wire.Mapping.model_validate(after["mapping"]), after["question_set"])
    if any(getattr(intake, name) != value for name, value in sent.items()):
        for name, value in sent.items():
            setattr(intake, name, value)
        intake.revision += 1
        intake.updated_at = tx.at
        tx.db.add(intake)
        tx.db.flush()
    return intake


def discard(tx: Transaction, intake_id: UUID) -> None:
    """Delete an intake with its receipts; raises NOT_FOUND."""
    find(tx, intake_id)
    tx.db.exec(delete(Intake).where(col(Intake.id) == intake_id))


def counts(tx: Transaction, intakes: Iterable[UUID]) -> dict[tuple[UUID, str], int]:
    """How many receipts of these intakes wait and have failed, by intake and status."""
    wanted = (
        select(IntakeReceipt.intake_id, IntakeReceipt.status, func.count())
        .where(col(IntakeReceipt.intake_id).in_(list(intakes)))
        .where(col(IntakeReceipt.status).in_(("received", "failed")))
        .group_by(col(IntakeReceipt.intake_id), col(IntakeReceipt.status))
    )
    return {(intake, status): count for intake, status, count in tx.db.exec(wanted)}


def take_in(tx: Transaction, intake: Intake, media_type: str, body: bytes, signature: str | None) -> UUID:
    """Store a payload, to be processed in its turn.

    Raises BAD_SIGNATURE for a signature seen before, NOT_FOUND if the intake was deleted this moment.
    """
    there = select(Intake.id).where(Intake.id == intake.id).with_for_update(read=True, key_share=True)
    if tx.db.exec(there).first() is None:
        raise missing("intake with that token")
    if signature is not None:
        seen = IntakeSignature(intake_id=intake.id, signature=signature, seen_at=tx.at)
        if not insert_if_new(tx, IntakeSignature, seen.model_dump()):
            raise bad_signature("A payload with this signature was received before: this is a replay of it.")
    receipt = IntakeReceipt(
        id=new_id(), intake_id=intake.id, received_at=tx.at, media_type=media_type, body=body
    )
    tx.db.add(receipt)
    tx.db.flush()
    return receipt.id


def list_receipts(
    tx: Transaction, intake_id: UUID, status: str | None, before: UUID | None, limit: int
) -> Sequence[IntakeReceipt]:
    """Receipts of an intake without their bodies, newest first, from before a receipt on.

    Raises NOT_FOUND.
    """
    find(tx, intake_id)
    # Two hundred payloads could be very long.
    wanted = select(IntakeReceipt).options(defer(IntakeReceipt.body))  # type: ignore[arg-type]  # a column
    wanted = wanted.where(IntakeReceipt.intake_id == intake_id)
    if status is not None:
        wanted = wanted.where(IntakeReceipt.status == status)
    if before is not None:
        wanted = wanted.where(col(IntakeReceipt.id) < before)
    return tx.db.exec(wanted.order_by(col(IntakeReceipt.id).desc()).limit(limit)).all()


def find_receipt(tx: Transaction, intake_id: UUID, receipt_id: UUID) -> IntakeReceipt:
    """The receipt of that id; raises NOT_FOUND."""
    wanted = select(IntakeReceipt).where(IntakeReceipt.id == receipt_id, IntakeReceipt.intake_id == intake_id)
    found = tx.db.exec(wanted).one_or_none()
    if found is None:
        raise missing("receipt of that id; one is kept for as long as its intake says")
    return found


def items_of(tx: Transaction, receipts: Iterable[UUID]) -> dict[UUID, list[IntakeItem]]:
    """Whom each of the receipts is about, in the order of the payload."""
    items: dict[UUID, list[IntakeItem]] = {receipt: [] for receipt in receipts}
    wanted = select(IntakeItem).where(col(IntakeItem.receipt_id).in_(list(items)))
    for item in tx.db.exec(wanted.order_by(col(IntakeItem.receipt_id), col(IntakeItem.place))):
        items[item.receipt_id].append(item)
    return items


def replay(tx: Transaction, intake_id: UUID, ids: Collection[UUID] | None) -> int:
    """Have receipts processed again, all that failed if none are named; how many there are.

    Raises NOT_FOUND, and INVALID_REQUEST for an id that is none of this intake's receipts.
    """
    find(tx, intake_id)
    these = col(IntakeReceipt.intake_id) == intake_id
    if ids is None:
        which = col(IntakeReceipt.status) == "failed"
    else:
        which = col(IntakeReceipt.id).in_(ids)
        require_known("ids", ids, set(tx.db.exec(select(IntakeReceipt.id).where(these, which))))
    return tx.db.exec(update(IntakeReceipt).where(these, which).values(**REPLAYED)).rowcount


def any_outdated(tx: Transaction) -> bool:
    """Whether there is anything that `forget_outdated` deletes."""
    parts = [select(IntakeReceipt.id).where(*_outdated(tx, one)) for one in list_intakes(tx)]
    parts.append(select(IntakeSignature.intake_id).where(_is_useless(tx)))
    return any(tx.db.exec(select(exists(part))).one() for part in parts)


def forget_outdated(tx: Transaction) -> None:
    """Delete the receipts that were kept for as long as their intakes say, and signatures too old to hold.

    What still waits stays.
    """
    for intake in list_intakes(tx):
        tx.db.exec(delete(IntakeReceipt).where(*_outdated(tx, intake)))
    tx.db.exec(delete(IntakeSignature).where(_is_useless(tx)))


def _is_useless(tx: Transaction) -> ColumnElement[bool]:
    # Its time may have been ahead of ours.
    return col(IntakeSignature.seen_at) < tx.at - 2 * OLDEST


def _outdated(tx: Transaction, intake: Intake) -> tuple[Any, ...]:
    return (
        col(IntakeReceipt.intake_id) == intake.id,
        col(IntakeReceipt.status) != "received",
        col(IntakeReceipt.received_at) < tx.at - timedelta(hours=intake.keep_hours),
    )


def _check(tx: Transaction, plans: Plans, mapping: wire.Mapping, question_set: str | None) -> None:
    if question_set is None:
        return
    questions: Mapping[str, Any] = plans.find_to_open(tx, question_set).questions
    unknown = [key for key in mapping.ratings if key not in questions]
    if unknown:
        detail = "there is no such question in the question set: correct the key or take it away"
        raise Flawed(
            Flaw("/mapping" + pointer("ratings", key), detail, "unknown_question") for key in unknown
        )
