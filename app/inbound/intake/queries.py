"""Find intakes, their receipts and ready-made mappings."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
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
from app.inbound.intake.schemas import (
    IntakeMapping,
    IntakeMappingOut,
    IntakeTemplate,
    SignatureOut,
    SignatureRule,
)
from app.inbound.intake.tables import Intake, IntakeItem, IntakeReceipt, IntakeSignature, IntakeUsage
from app.keys.service import INTAKE_TOKEN_PREFIX, digest, has_valid_checksum
from app.problems import missing, quota_exceeded
from app.prospects.queries import find_id_rules, find_prospect, links_of
from app.prospects.sources.schemas import ValueAliasIn, ValueAliasOut
from app.schemas import In
from app.scoring import Plan

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
# When to try again after too many payloads wait to be processed.
WAITING_RETRY_SECONDS = 60
INTAKE_TEMPLATE_DIR = Path(__file__).parent / "ready_made"


def list_intakes(tx: Transaction) -> Sequence[Intake]:
    """Return all intakes, oldest first."""
    return tx.db.exec(select(Intake).order_by(col(Intake.id))).all()


def find_intake(tx: Transaction, intake_id: UUID, *, lock: bool = False) -> Intake:
    """Return the intake with an id, locked for a change if `lock` is true; raises NOT_FOUND."""
    statement = select(Intake).where(Intake.id == intake_id)
    # Not FOR UPDATE: that would wait for every transaction that stores a payload of this intake.
    found = tx.db.exec(statement.with_for_update(key_share=True) if lock else statement).one_or_none()
    if found is None:
        raise missing("intake with that id")
    return found


def find_by_token(tx: Transaction, token: str) -> Intake:
    """Return the intake with a token; raises NOT_FOUND."""
    found = None
    if has_valid_checksum(token, INTAKE_TOKEN_PREFIX):
        found = tx.db.exec(select(Intake).where(Intake.digest == digest(token))).one_or_none()
    if found is None:
        raise missing("intake with that token")
    return found


@dataclass(frozen=True, slots=True)
class IntakeQuotas:
    """What one intake accepts in an hour, and how many of its payloads may wait to be processed."""

    posts_per_hour: int
    bytes_per_hour: int
    waiting_payloads: int


def find_accepting(tx: Transaction, token: str, quotas: IntakeQuotas) -> Intake:
    """Return the intake with a token; raises NOT_FOUND, or QUOTA_EXCEEDED if it accepts nothing now."""
    intake = find_by_token(tx, token)
    usage = select(IntakeUsage.posts, IntakeUsage.bytes)
    used = tx.db.exec(
        usage.where(IntakeUsage.intake_id == intake.id, IntakeUsage.hour == current_hour(tx))
    ).first()
    posts, bytes_ = used or (0, 0)
    require_quotas(tx, intake.id, quotas, posts + 1, bytes_)
    return intake


def require_quotas(
    tx: Transaction, intake_id: UUID, quotas: IntakeQuotas, posts: int, received_bytes: int
) -> None:
    """Raise QUOTA_EXCEEDED if an intake cannot have this many posts and bytes in this hour, or has no room.

    It has no room for another payload if too many wait to be processed.
    """
    seconds_left = math.ceil((current_hour(tx) + timedelta(hours=1) - tx.at).total_seconds())
    if posts > quotas.posts_per_hour:
        detail = f"An intake accepts {quotas.posts_per_hour} payloads in an hour."
        raise quota_exceeded(detail, "PROSPECT_FIT_INTAKE_POSTS_PER_HOUR", seconds_left)
    if received_bytes > quotas.bytes_per_hour:
        detail = f"An intake accepts {quotas.bytes_per_hour} bytes of payloads in an hour."
        raise quota_exceeded(detail, "PROSPECT_FIT_INTAKE_BYTES_PER_HOUR", seconds_left)
    waiting = select(IntakeReceipt.id).where(IntakeReceipt.intake_id == intake_id)
    last_allowed = waiting.where(IntakeReceipt.status == "received").offset(quotas.waiting_payloads - 1)
    if tx.db.exec(last_allowed.limit(1)).first():
        detail = f"{quotas.waiting_payloads} payloads of this intake wait to be processed."
        raise quota_exceeded(detail, "PROSPECT_FIT_INTAKE_WAITING_PAYLOADS", WAITING_RETRY_SECONDS)


def current_hour(tx: Transaction) -> datetime:
    """Return the beginning of the hour for which intakes count what they receive."""
    return tx.at.replace(minute=0, second=0, microsecond=0)


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


class _TemplateFile(In):
    """A file with a ready-made mapping.

    `field` is the pointer to the field of any question or attribute. In this pointer, `{field}` stands for
    the key of the question or the name of the attribute. `{Field}`, `{fieldName}` and `{FieldName}` stand for
    the same, written like Current_Challenges, currentChallenges and CurrentChallenges.
    """

    title: str
    about: str
    mapping: IntakeMapping
    field: str
    known: dict[str, str] = Field(
        default={}, description="pointers to standard fields of the system, by attribute"
    )
    signature: SignatureRule | None = None
    aliases: list[ValueAliasIn] = []


def intake_templates(plan: Plan) -> list[IntakeTemplate]:
    """Return every ready-made mapping, with a pointer for each question and attribute of a question set."""
    return [_filled_template(name, template, plan) for name, template in _template_files().items()]


@cache
def _template_files() -> dict[str, _TemplateFile]:
    return {
        path.stem: _TemplateFile.model_validate_json(path.read_text("utf-8"))
        for path in sorted(INTAKE_TEMPLATE_DIR.glob("*.json"))
    }


def _filled_template(name: str, template: _TemplateFile, plan: Plan) -> IntakeTemplate:
    def pointer_to(field: str) -> str:
        capitals = field.title()
        pascal_case = capitals.replace("_", "")
        spellings = {
            "field": field,
            "Field": capitals,
            "fieldName": pascal_case[:1].lower() + pascal_case[1:],
            "FieldName": pascal_case,
        }
        return re.sub(r"\{(\w+)\}", lambda match: spellings[match[1]], template.field)

    parts = {
        "attributes": {
            attribute: template.known.get(attribute) or pointer_to(attribute)
            for attribute in plan.question_set.attributes
        },
        "ratings": {question: pointer_to(question) for question in plan.questions},
    }
    return IntakeTemplate(
        name=name,
        title=template.title,
        about=template.about,
        question_set=plan.name,
        mapping=IntakeMappingOut.model_validate(template.mapping.stored() | parts),
        signature=SignatureOut(**template.signature.model_dump()) if template.signature else None,
        aliases=[ValueAliasOut.model_validate(alias.model_dump()) for alias in template.aliases],
    )
