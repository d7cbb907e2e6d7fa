"""Find intakes, what they may still receive, and ready-made mappings."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from uuid import UUID

from pydantic import Field
from sqlmodel import col, select

from app.db import Transaction
from app.inbound.intake.schemas import (
    IntakeMapping,
    IntakeMappingOut,
    IntakeTemplate,
    SignatureOut,
    SignatureRule,
)
from app.inbound.intake.tables import Intake, IntakeReceipt, IntakeUsage
from app.keys.service import INTAKE_TOKEN_PREFIX, digest, has_valid_checksum
from app.problems import missing, quota_exceeded
from app.prospects.sources.schemas import ValueAliasIn, ValueAliasOut
from app.schemas import In
from app.scoring import Plan

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
