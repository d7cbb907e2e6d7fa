"""Find intakes, their receipts and ready-made mappings."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import Field
from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import defer
from sqlmodel import col, exists, or_, select

from app.db import Transaction
from app.inbound.intake.mapping import may_be_about, read_payload
from app.inbound.intake.schemas import IntakeMapping, IntakeMappingOut, IntakeTemplate
from app.inbound.intake.signature import MAX_SIGNATURE_AGE
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature
from app.keys.service import INTAKE_TOKEN_PREFIX, digest, has_valid_checksum
from app.problems import missing
from app.prospects.queries import find_prospect, links_of
from app.schemas import In, Scalar
from app.scoring import Plan

# To read as many of the largest takes a second or two.
PAYLOAD_BATCH = 20
# What was processed by the mapping as it is tells by its items whom it is about.
PAYLOAD_IDENTIFIES_PROSPECT = or_(
    col(IntakeReceipt.status) != "done",
    col(IntakeReceipt.processed_at) < col(Intake.updated_at),
    ~exists(select(IntakeItem.place).where(IntakeItem.receipt_id == IntakeReceipt.id)),
)
TEMPLATE_FILES = Path(__file__).parent / "ready_made"


def list_intakes(tx: Transaction) -> Sequence[Intake]:
    """Every intake, oldest first."""
    return tx.db.exec(select(Intake).order_by(col(Intake.id))).all()


def find_intake(tx: Transaction, intake_id: UUID, *, lock: bool = False) -> Intake:
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
    if has_valid_checksum(token, INTAKE_TOKEN_PREFIX):
        found = tx.db.exec(select(Intake).where(Intake.digest == digest(token))).one_or_none()
    if found is None:
        raise missing("intake with that token")
    return found


def receipt_counts(tx: Transaction, intakes: Iterable[UUID]) -> dict[tuple[UUID, str], int]:
    """How many receipts of these intakes wait and have failed, by intake and status."""
    wanted = (
        select(IntakeReceipt.intake_id, IntakeReceipt.status, func.count())
        .where(col(IntakeReceipt.intake_id).in_(list(intakes)))
        .where(col(IntakeReceipt.status).in_(("received", "failed")))
        .group_by(col(IntakeReceipt.intake_id), col(IntakeReceipt.status))
    )
    return {(intake, status): count for intake, status, count in tx.db.exec(wanted)}


def list_receipts(
    tx: Transaction, intake_id: UUID, status: str | None, before: UUID | None, limit: int
) -> Sequence[IntakeReceipt]:
    """Receipts of an intake without their bodies, newest first, from before a receipt on.

    Raises NOT_FOUND.
    """
    find_intake(tx, intake_id)
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


def any_expired(tx: Transaction) -> bool:
    """Whether there is anything that `forget_outdated` deletes."""
    parts = [select(IntakeReceipt.id).where(*is_expired(tx, one)) for one in list_intakes(tx)]
    parts.append(select(IntakeSignature.intake_id).where(is_obsolete_signature(tx)))
    return any(tx.db.exec(select(exists(part))).one() for part in parts)


def is_obsolete_signature(tx: Transaction) -> ColumnElement[bool]:
    # Its time may have been ahead of ours.
    return col(IntakeSignature.seen_at) < tx.at - 2 * MAX_SIGNATURE_AGE


def is_expired(tx: Transaction, intake: Intake) -> tuple[Any, ...]:
    return (
        col(IntakeReceipt.intake_id) == intake.id,
        col(IntakeReceipt.status) != "received",
        col(IntakeReceipt.received_at) < tx.at - timedelta(hours=intake.keep_hours),
    )


def find_receipts_about(
    tx: Transaction, prospect_id: UUID, after: UUID | None
) -> tuple[set[UUID], UUID | None]:
    """Of some receipts those whose payloads are about a prospect, and the one after which to look on, if any.

    They may wait, have failed, or have been processed by another mapping than would read them now.
    Raises NOT_FOUND.
    """
    find_prospect(tx, prospect_id)
    links = links_of(tx, [prospect_id])[prospect_id]
    wanted = (
        select(IntakeReceipt, Intake.mapping)
        .join(Intake, col(Intake.id) == col(IntakeReceipt.intake_id))
        .where(PAYLOAD_IDENTIFIES_PROSPECT, *([col(IntakeReceipt.id) > after] if after else []))
        .order_by(col(IntakeReceipt.id))
        .limit(PAYLOAD_BATCH)
    )
    receipts, found = tx.db.exec(wanted).all(), set()
    for receipt, stored in receipts:
        mapping = IntakeMapping.model_validate(stored)
        ids = {link.external_id for link in links if link.source == mapping.source}
        if ids and may_be_about(mapping, read_payload(receipt.media_type, receipt.body), ids):
            found.add(receipt.id)
    return found, receipts[-1][0].id if len(receipts) == PAYLOAD_BATCH else None


class _TemplateFile(In):
    """A ready-made mapping as it is written down; `field` is where a field of any name stands.

    In it `{field}` is the key of a question or an attribute, and `{Field}` that with Capital_Letters.
    """

    title: str
    about: str
    source: str
    external_id: str
    name: str | None = None
    deal: str | None = None
    field: str
    known: dict[str, str] = Field(default={}, description="where the system itself has an attribute")
    empty_values: list[Scalar] = []
    items_pointer: str | None = None


def intake_templates(plan: Plan) -> list[IntakeTemplate]:
    """Every ready-made mapping with a pointer for each question and attribute of a question set."""
    return [_filled_template(name, written, plan) for name, written in _template_files().items()]


@cache
def _template_files() -> dict[str, _TemplateFile]:
    return {
        path.stem: _TemplateFile.model_validate_json(path.read_text("utf-8"))
        for path in sorted(TEMPLATE_FILES.glob("*.json"))
    }


def _filled_template(name: str, written: _TemplateFile, plan: Plan) -> IntakeTemplate:
    def place(field: str) -> str:
        return written.field.replace("{field}", field).replace("{Field}", field.title())

    return IntakeTemplate(
        name=name,
        title=written.title,
        about=written.about,
        question_set=plan.name,
        mapping=IntakeMappingOut(
            **written.model_dump(
                include={"source", "external_id", "name", "deal", "empty_values", "items_pointer"}
            ),
            attributes={
                attribute: written.known.get(attribute) or place(attribute)
                for attribute in plan.question_set.attributes
            },
            ratings={question: place(question) for question in plan.questions},
        ),
    )
