"""What was received about a prospect goes with it when it is erased, and follows it when it is merged."""

from collections.abc import Collection
from uuid import UUID

from sqlmodel import SQLModel, and_, bindparam, col, exists, or_, select, update

from app.db import Transaction
from app.intake.about import may_be_about
from app.intake.payload import read_payload
from app.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.intake.wire import Mapping
from app.prospects.records import find, links_of

# To read as many of the largest takes a second or two.
BODIES_AT_ONCE = 20
RECEIPT = SQLModel.metadata.tables["intake_receipt"]
DELETED = RECEIPT.delete().where(RECEIPT.c.id == bindparam("receipt"))
# What was processed by the mapping as it is tells by its items whom it is about.
ONLY_THE_PAYLOAD_TELLS = or_(
    col(IntakeReceipt.status) != "done",
    col(IntakeReceipt.processed_at) < col(Intake.updated_at),
    ~exists(select(IntakeItem.place).where(IntakeItem.receipt_id == IntakeReceipt.id)),
)


def look_for(tx: Transaction, prospect_id: UUID, after: UUID | None) -> tuple[set[UUID], UUID | None]:
    """Of some receipts those whose payloads are about a prospect, and the one after which to look on, if any.

    They may wait, have failed, or have been processed by another mapping than would read them now.
    Raises NOT_FOUND.
    """
    find(tx, prospect_id)
    links = links_of(tx, [prospect_id])[prospect_id]
    wanted = (
        select(IntakeReceipt, Intake.mapping)
        .join(Intake, col(Intake.id) == col(IntakeReceipt.intake_id))
        .where(ONLY_THE_PAYLOAD_TELLS, *([col(IntakeReceipt.id) > after] if after else []))
        .order_by(col(IntakeReceipt.id))
        .limit(BODIES_AT_ONCE)
    )
    receipts, found = tx.db.exec(wanted).all(), set()
    for receipt, stored in receipts:
        mapping = Mapping.model_validate(stored)
        ids = {link.external_id for link in links if link.source == mapping.source}
        if ids and may_be_about(mapping, read_payload(receipt.media_type, receipt.body), ids):
            found.add(receipt.id)
    return found, receipts[-1][0].id if len(receipts) == BODIES_AT_ONCE else None


def forget(tx: Transaction, prospect_id: UUID, found: Collection[UUID] = ()) -> None:
    """Delete every receipt that was processed about a prospect, and those that were found."""
    by_link = (
        and_(col(IntakeItem.source) == link.source, col(IntakeItem.external_id) == link.external_id)
        for link in links_of(tx, [prospect_id])[prospect_id]
    )
    about = or_(col(IntakeItem.prospect_id) == prospect_id, *by_link)
    receipts = {*found, *tx.db.exec(select(IntakeItem.receipt_id).where(about))}
    if receipts:
        # In one order, and one after the other: whoever processes a receipt is waited for.
        tx.db.execute(DELETED, [{"receipt": receipt} for receipt in sorted(receipts)])


def lock_receipts(tx: Transaction, prospects: Collection[UUID]) -> None:
    """Lock what was received about prospects.

    Before they are locked themselves: so does whoever processes a receipt.
    """
    about = select(IntakeItem.receipt_id).where(col(IntakeItem.prospect_id).in_(prospects))
    wanted = select(IntakeReceipt.id).where(col(IntakeReceipt.id).in_(about))
    tx.db.exec(wanted.order_by(col(IntakeReceipt.id)).with_for_update()).all()


def follow(tx: Transaction, gone: UUID, kept: UUID) -> None:
    """Let what was about a prospect be about the one that it was merged into."""
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.prospect_id) == gone).values(prospect_id=kept))
