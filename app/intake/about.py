"""Whom a payload is about: it goes with them when they are erased, and follows when they are merged."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlmodel import SQLModel, bindparam, col, or_, select, tuple_, update

from app.db import Transaction
from app.forms.form import Form
from app.intake.mapping import read_item, split
from app.intake.payload import read_payload
from app.intake.tables import Intake, IntakeItem, IntakeReceipt
from app.intake.wire import Mapping
from app.prospects.records import links_of
from app.prospects.wire import Link
from app.scoring import Flawed

BODIES_AT_ONCE = 50
RECEIPT = SQLModel.metadata.tables["intake_receipt"]
DELETED = RECEIPT.delete().where(RECEIPT.c.id == bindparam("receipt"))


def links_in(mapping: Mapping, payload: Any) -> Iterator[Link]:
    """Whom a payload is about, as far as it tells."""
    for item in _items(mapping, payload):
        if (link := link_in(mapping, item)) is not None:
            yield link


def link_in(mapping: Mapping, item: Any) -> Link | None:
    """Whom one item of a payload is about, if it tells."""
    only_id = Mapping(source=mapping.source, external_id=mapping.external_id, absent=mapping.absent)
    with suppress(Flawed, ValidationError):
        form = Form.model_validate(read_item(only_id, item).own)
        return Link(source=form.source, external_id=form.external_id)
    return None


def lock_receipts(tx: Transaction, prospects: Collection[UUID]) -> None:
    """Lock what was received about prospects.

    Before they are locked themselves: so does whoever processes a receipt.
    """
    about = select(IntakeItem.receipt_id).where(col(IntakeItem.prospect_id).in_(prospects))
    wanted = select(IntakeReceipt.id).where(col(IntakeReceipt.id).in_(about))
    tx.db.exec(wanted.order_by(col(IntakeReceipt.id)).with_for_update()).all()


def forget(tx: Transaction, prospect_id: UUID) -> None:
    """Delete every receipt that is about a prospect, or would be once it is processed.

    Before the prospect is locked, as `lock_receipts` says. One that does not tell whom it is about is
    about a prospect whose id it holds.
    """
    links = {(link.source, link.external_id) for link in links_of(tx, [prospect_id])[prospect_id]}
    about = col(IntakeItem.prospect_id) == prospect_id
    if links:
        about = or_(about, tuple_(col(IntakeItem.source), col(IntakeItem.external_id)).in_(links))
    receipts = {*tx.db.exec(select(IntakeItem.receipt_id).where(about)), *_unprocessed(tx, links)}
    if receipts:
        # In one order, and one after the other: whoever processes a receipt is waited for.
        tx.db.execute(DELETED, [{"receipt": receipt} for receipt in sorted(receipts)])


def follow(tx: Transaction, gone: UUID, kept: UUID) -> None:
    """Let what was about a prospect be about the one that it was merged into."""
    tx.db.exec(update(IntakeItem).where(col(IntakeItem.prospect_id) == gone).values(prospect_id=kept))


def _unprocessed(tx: Transaction, links: Collection[tuple[str, str]]) -> Iterator[UUID]:
    """The receipts that wait or have failed, and would be about one of these links."""
    for intake in tx.db.exec(select(Intake).order_by(col(Intake.id))).all():
        mapping = Mapping.model_validate(intake.mapping)
        ids = {external_id for source, external_id in links if source == mapping.source}
        wanted = select(IntakeReceipt.id, IntakeReceipt.media_type, IntakeReceipt.body).where(
            IntakeReceipt.intake_id == intake.id, col(IntakeReceipt.status).in_(("received", "failed"))
        )
        if ids:
            for receipt, media_type, body in tx.db.exec(wanted.execution_options(yield_per=BODIES_AT_ONCE)):
                if any(
                    _is_of(mapping, item, ids) for item in _items(mapping, read_payload(media_type, body))
                ):
                    yield receipt


def _items(mapping: Mapping, payload: Any) -> Sequence[Any]:
    with suppress(Flawed):
        return split(mapping, payload)
    return [payload]


def _is_of(mapping: Mapping, item: Any, ids: Collection[str]) -> bool:
    link = link_in(mapping, item)
    return link.external_id in ids if link else any(str(value) in ids for value in _values(item))


def _values(part: Any) -> Iterator[Any]:
    """Every single value in a payload."""
    if isinstance(part, dict | list):
        for inner in part.values() if isinstance(part, dict) else part:
            yield from _values(inner)
    else:
        yield part
