"""Find receipts, and which of them are about a prospect or have expired."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import defer
from sqlmodel import col, exists, or_, select

from app.db import Transaction
from app.inbound.intake.mapping import may_be_about, read_payload
from app.inbound.intake.queries import find_intake, list_intakes
from app.inbound.intake.schemas import IntakeMapping
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature
from app.problems import missing
from app.prospects.queries import find_id_rules, find_prospect, links_of

# HubSpot's own limit. Times in the future have the same limit: otherwise, a request could be replayed until
# its time has passed.
MAX_SIGNATURE_AGE = timedelta(minutes=5)
# Receipts in one read transaction. To read this many of the largest payloads takes one or two seconds.
PAYLOADS_PER_SEARCH = 20
# Receipts whose payload has to be searched for the ids of a prospect. If a receipt was processed with the
# current mapping, its items already identify its prospects.
NEEDS_PAYLOAD_SEARCH = or_(
    col(IntakeReceipt.status) != "done",
    col(IntakeReceipt.processed_at) < col(Intake.updated_at),
    ~exists(select(IntakeItem.place).where(IntakeItem.receipt_id == IntakeReceipt.id)),
    exists(
        select(IntakeItem.place).where(
            IntakeItem.receipt_id == IntakeReceipt.id, col(IntakeItem.external_id).is_(None)
        )
    ),
)


def receipt_counts(tx: Transaction, intakes: Iterable[UUID]) -> dict[tuple[UUID, str], int]:
    """Return the number of receipts of these intakes that wait or failed, by intake id and status.

    A pair without receipts is not in the result.
    """
    statement = (
        select(IntakeReceipt.intake_id, IntakeReceipt.status, func.count())
        .where(col(IntakeReceipt.intake_id).in_(list(intakes)))
        .where(col(IntakeReceipt.status).in_(("received", "failed")))
        .group_by(col(IntakeReceipt.intake_id), col(IntakeReceipt.status))
    )
    return {(intake, status): count for intake, status, count in tx.db.exec(statement)}


def list_receipts(
    tx: Transaction, intake_id: UUID, status: str | None, before: UUID | None, limit: int
) -> Sequence[IntakeReceipt]:
    """Return at most `limit` receipts of an intake without their bodies, newest first.

    If `status` is given, returns only receipts with this status; if `before` is given, only receipts that
    are older than the one with this id. Raises NOT_FOUND if there is no such intake.
    """
    find_intake(tx, intake_id)
    # A page of two hundred payloads could be very large.
    statement = select(IntakeReceipt).options(defer(IntakeReceipt.body))  # type: ignore[arg-type]  # a column
    statement = statement.where(IntakeReceipt.intake_id == intake_id)
    if status is not None:
        statement = statement.where(IntakeReceipt.status == status)
    if before is not None:
        statement = statement.where(col(IntakeReceipt.id) < before)
    return tx.db.exec(statement.order_by(col(IntakeReceipt.id).desc()).limit(limit)).all()


def find_receipt(tx: Transaction, intake_id: UUID, receipt_id: UUID) -> IntakeReceipt:
    """Return the receipt of an intake with an id; raises NOT_FOUND."""
    statement = select(IntakeReceipt).where(
        IntakeReceipt.id == receipt_id, IntakeReceipt.intake_id == intake_id
    )
    found = tx.db.exec(statement).one_or_none()
    if found is None:
        raise missing("receipt with that id; the intake's keep_hours says when a receipt is deleted")
    return found


def items_of(tx: Transaction, receipts: Iterable[UUID]) -> dict[UUID, list[IntakeItem]]:
    """Return the items of each receipt, by receipt id, in the order of the payload."""
    items: dict[UUID, list[IntakeItem]] = {receipt: [] for receipt in receipts}
    statement = select(IntakeItem).where(col(IntakeItem.receipt_id).in_(list(items)))
    for item in tx.db.exec(statement.order_by(col(IntakeItem.receipt_id), col(IntakeItem.place))):
        items[item.receipt_id].append(item)
    return items


def any_expired(tx: Transaction) -> bool:
    """Return whether there is anything that `delete_expired` would delete."""
    statements = [
        select(IntakeReceipt.id).where(*expired_receipt_clauses(tx, intake)) for intake in list_intakes(tx)
    ]
    statements.append(select(IntakeSignature.intake_id).where(obsolete_signature_clause(tx)))
    return any(tx.db.exec(select(exists(statement))).one() for statement in statements)


def obsolete_signature_clause(tx: Transaction) -> ColumnElement[bool]:
    """Return the condition for signatures that are too old to be accepted again."""
    # Twice the maximum age, because the clock of the sender may be ahead of ours by as much.
    return col(IntakeSignature.seen_at) < tx.at - 2 * MAX_SIGNATURE_AGE


def expired_receipt_clauses(tx: Transaction, intake: Intake) -> tuple[Any, ...]:
    """Return the conditions for processed receipts of an intake that are older than its `keep_hours`."""
    return (
        col(IntakeReceipt.intake_id) == intake.id,
        col(IntakeReceipt.status) != "received",
        col(IntakeReceipt.received_at) < tx.at - timedelta(hours=intake.keep_hours),
    )


def find_receipts_about(
    tx: Transaction, prospect_id: UUID, after: UUID | None
) -> tuple[set[UUID], UUID | None]:
    """Search the payloads of at most PAYLOADS_PER_SEARCH receipts for a prospect.

    Covers the receipts whose items do not identify their prospects reliably: they wait, they failed, or they
    were processed with an earlier mapping. `after` is the id of the receipt after which the search starts.
    Returns the ids of the receipts found, and the `after` of the next search, or None if all are searched.
    Raises NOT_FOUND if there is no such prospect.
    """
    find_prospect(tx, prospect_id)
    links = links_of(tx, [prospect_id])[prospect_id]
    rules = find_id_rules(tx, {link.source for link in links})
    statement = (
        select(IntakeReceipt, Intake.mapping)
        .join(Intake, col(Intake.id) == col(IntakeReceipt.intake_id))
        .where(NEEDS_PAYLOAD_SEARCH, *([col(IntakeReceipt.id) > after] if after else []))
        .order_by(col(IntakeReceipt.id))
        .limit(PAYLOADS_PER_SEARCH)
    )
    receipts, found = tx.db.exec(statement).all(), set()
    for receipt, stored_mapping in receipts:
        mapping = IntakeMapping.model_validate(stored_mapping)
        keys = {link.match_key for link in links if link.source == mapping.source}
        if keys and may_be_about(
            mapping, read_payload(receipt.media_type, receipt.body), rules[mapping.source], keys
        ):
            found.add(receipt.id)
    return found, receipts[-1][0].id if len(receipts) == PAYLOADS_PER_SEARCH else None
