"""Store, replay and delete payloads."""

from collections.abc import Collection, Iterator
from uuid import UUID

from sqlmodel import SQLModel, bindparam, case, col, delete, select, update

from app.clock import new_id
from app.db import Transaction, insert_if_new, insert_or_update
from app.inbound.intake.queries import IntakeQuotas, current_hour, find_intake, list_intakes, require_quotas
from app.inbound.intake.receipts.queries import expired_receipt_clauses, obsolete_signature_clause
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature
from app.problems import BAD_SIGNATURE, Problem, missing, require_known_ids
from app.prospects.queries import find_id_rules, links_of
from app.prospects.schemas import match_key

# A waiting receipt that was processed before keeps the time.
REPLAY_VALUES = {"status": "received", "problem": None}
USAGE = SQLModel.metadata.tables["intake_usage"]
RECEIPT = SQLModel.metadata.tables["intake_receipt"]
DELETE_RECEIPT = RECEIPT.delete().where(RECEIPT.c.id == bindparam("receipt"))


def store_payload(
    tx: Transaction,
    intake: Intake,
    media_type: str,
    body: bytes,
    signature: str | None,
    quotas: IntakeQuotas,
) -> UUID:
    """Store a payload that is processed later, and return the id of its receipt.

    Raises BAD_SIGNATURE if the signature was seen before, NOT_FOUND if the intake was deleted after it was
    read, and QUOTA_EXCEEDED.
    """
    statement = select(Intake.id).where(Intake.id == intake.id).with_for_update(read=True, key_share=True)
    if tx.db.exec(statement).first() is None:
        raise missing("intake with that token")
    if signature is not None:
        seen = IntakeSignature(intake_id=intake.id, signature=signature, seen_at=tx.at)
        if not insert_if_new(tx, IntakeSignature, seen.model_dump()):
            detail = "A payload with this signature was received before: this one is a replay."
            raise Problem(BAD_SIGNATURE, detail)
    _use_quotas(tx, intake.id, len(body), quotas)
    receipt = IntakeReceipt(
        id=new_id(), intake_id=intake.id, received_at=tx.at, media_type=media_type, body=body
    )
    tx.db.add(receipt)
    tx.db.flush()
    return receipt.id


def _use_quotas(tx: Transaction, intake_id: UUID, size: int, quotas: IntakeQuotas) -> None:
    """Count a payload of this size; raises QUOTA_EXCEEDED.

    The row of the usage is locked until the transaction ends, so payloads of one intake that arrive at the
    same time are counted one after the other. Other intakes do not wait.
    """
    hour = current_hour(tx)
    same_hour = USAGE.c.hour == hour
    changes = {
        "hour": hour,
        "posts": case((same_hour, USAGE.c.posts + 1), else_=1),
        "bytes": case((same_hour, USAGE.c.bytes + size), else_=size),
    }
    first = {"intake_id": intake_id, "hour": hour, "posts": 1, "bytes": size}
    used = insert_or_update(tx, USAGE, first, changes)
    require_quotas(tx, intake_id, quotas, used.posts, used.bytes)


def replay(tx: Transaction, intake_id: UUID, ids: Collection[UUID] | None) -> int:
    """Mark receipts to be processed again: those in `ids`, or all that failed if `ids` is None.

    The items of a failed receipt that are done stay as they are: meanwhile, the sender may have sent newer
    values. Returns the number of receipts. Raises NOT_FOUND if there is no such intake, and INVALID_REQUEST
    if an id is not the id of one of its receipts.
    """
    find_intake(tx, intake_id)
    of_intake = col(IntakeReceipt.intake_id) == intake_id
    selected = col(IntakeReceipt.status) == "failed" if ids is None else col(IntakeReceipt.id).in_(ids)
    statement = select(IntakeReceipt.id, IntakeReceipt.status).where(of_intake, selected)
    statuses = dict(tx.db.exec(statement.order_by(col(IntakeReceipt.id)).with_for_update()).all())
    if ids is not None:
        require_known_ids("ids", ids, statuses.keys())
    tx.db.exec(update(IntakeReceipt).where(of_intake, selected).values(**REPLAY_VALUES))
    done = [receipt for receipt, status in statuses.items() if status == "done"]
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.receipt_id).in_(done)).values(status="received"))
    return len(statuses)


def delete_expired(tx: Transaction) -> None:
    """Delete processed receipts older than the `keep_hours` of their intake, and obsolete signatures.

    Receipts that wait to be processed are never deleted.
    """
    for intake in list_intakes(tx):
        tx.db.exec(delete(IntakeReceipt).where(*expired_receipt_clauses(tx, intake)))
    tx.db.exec(delete(IntakeSignature).where(obsolete_signature_clause(tx)))


def delete_receipts(tx: Transaction, prospect_id: UUID, found: Collection[UUID] = ()) -> None:
    """Delete every receipt with an item about a prospect, and the receipts whose ids are in `found`."""
    known = select(IntakeItem.receipt_id).where(IntakeItem.prospect_id == prospect_id)
    receipts = {*found, *tx.db.exec(known), *_receipts_by_link(tx, prospect_id)}
    if receipts:
        # One statement for each receipt, in the order of the ids, so that two transactions cannot deadlock. A
        # delete waits until a worker that is processing the receipt has finished.
        tx.db.execute(DELETE_RECEIPT, [{"receipt": receipt} for receipt in sorted(receipts)])


def _receipts_by_link(tx: Transaction, prospect_id: UUID) -> Iterator[UUID]:
    """Yield the receipts with an item that has an id of a prospect, but was stored before the prospect."""
    links = links_of(tx, [prospect_id])[prospect_id]
    keys = {(link.source, link.match_key) for link in links}
    rules = find_id_rules(tx, {link.source for link in links})
    statement = select(IntakeItem).where(col(IntakeItem.source).in_(rules))
    for item in tx.db.exec(statement.where(col(IntakeItem.prospect_id).is_(None))):
        if item.external_id and (item.source, match_key(rules[item.source], item.external_id)) in keys:
            yield item.receipt_id


def lock_receipts(tx: Transaction, prospects: Collection[UUID]) -> None:
    """Lock the receipts about prospects, in the order of their ids.

    Call this before you lock the prospects: the worker also locks a receipt before its prospects.
    """
    about = select(IntakeItem.receipt_id).where(col(IntakeItem.prospect_id).in_(prospects))
    statement = select(IntakeReceipt.id).where(col(IntakeReceipt.id).in_(about))
    tx.db.exec(statement.order_by(col(IntakeReceipt.id)).with_for_update()).all()


def reassign_receipts(tx: Transaction, from_id: UUID, to_id: UUID) -> None:
    """Move the receipts about a prospect to the prospect that it was merged into."""
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.prospect_id) == from_id).values(prospect_id=to_id))
