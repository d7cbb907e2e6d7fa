"""Find webhooks and deliveries."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, exists, literal_column, or_
from sqlmodel import col, select

from app.db import Transaction
from app.events.tables import Event
from app.problems import missing
from app.webhooks.schemas import WebhookTemplate, WebhookTemplateList
from app.webhooks.tables import Delivery, DeliveryStatus, Webhook

TEMPLATE_FILES = Path(__file__).parent / "ready_made"
# As a literal, since with a parameter neither database can use the index of what is pending.
PENDING = col(Delivery.status) == literal_column("'pending'")


@cache
def webhook_templates() -> WebhookTemplateList:
    """All of them, by name."""
    read = TypeAdapter(WebhookTemplate).validate_json
    return WebhookTemplateList(
        items=[read(file.read_text("utf-8")) for file in sorted(TEMPLATE_FILES.glob("*.json"))]
    )


def find_webhook(tx: Transaction, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """The webhook of that id, locked for a change if asked; raises NOT_FOUND."""
    wanted = select(Webhook).where(Webhook.id == webhook_id)
    # Not FOR UPDATE: that would wait for whoever hands events out, and let them wait.
    found = tx.db.exec(wanted.with_for_update(key_share=True) if lock else wanted).one_or_none()
    if found is None:
        raise missing("webhook of that id")
    return found


def list_webhooks(tx: Transaction) -> Sequence[Webhook]:
    """Every webhook, oldest first."""
    return tx.db.exec(select(Webhook).order_by(col(Webhook.id))).all()


def list_deliveries(
    tx: Transaction, webhook_id: UUID, status: DeliveryStatus | None, before: int | None, limit: int
) -> Sequence[Delivery]:
    """The deliveries of a webhook, newest event first, below a position if given; raises NOT_FOUND."""
    find_webhook(tx, webhook_id)
    wanted = select(Delivery).where(Delivery.webhook_id == webhook_id)
    if status:
        wanted = wanted.where(Delivery.status == status)
    if before is not None:
        wanted = wanted.where(col(Delivery.position) < before)
    return tx.db.exec(wanted.order_by(col(Delivery.position).desc()).limit(limit)).all()


@dataclass(frozen=True, slots=True)
class Lease:
    """A delivery in the hands of one sender, which is known by how long it may keep it."""

    webhook_id: UUID
    delivery_id: UUID
    leased_until: datetime


def any_active(tx: Transaction) -> bool:
    """Whether there is anybody to send to."""
    return tx.db.exec(select(Webhook.id).where(Webhook.status == "active").limit(1)).first() is not None


def find_due(tx: Transaction) -> Sequence[UUID]:
    """The webhooks that something is due for."""
    # One for each is enough to know: a backlog may be long.
    due = exists().where(col(Delivery.webhook_id) == col(Webhook.id), *is_due(tx))
    return tx.db.exec(select(Webhook.id).where(*is_ready(tx), due).order_by(col(Webhook.id))).all()


def find_leased(tx: Transaction, held: Sequence[Lease]) -> dict[Lease, tuple[Webhook, Event]]:
    """What a sender holds, but for what is gone by now, or another sender's."""
    wanted = (
        select(Delivery, Webhook, Event)
        .join(Webhook, col(Webhook.id) == col(Delivery.webhook_id))
        .join(Event, col(Event.id) == col(Delivery.event_id))
        .where(PENDING, col(Delivery.id).in_([one.delivery_id for one in held]))
    )
    found = {
        Lease(webhook.id, delivery.id, delivery.leased_until): (webhook, event)
        for delivery, webhook, event in tx.db.exec(wanted)
        if delivery.leased_until
    }
    return {one: found[one] for one in held if one in found}


def is_due(tx: Transaction) -> list[ColumnElement[bool]]:
    free = or_(col(Delivery.leased_until).is_(None), col(Delivery.leased_until) <= tx.at)
    return [PENDING, col(Delivery.due_at) <= tx.at, free]


def is_ready(tx: Transaction) -> list[ColumnElement[bool]]:
    rested = or_(col(Webhook.paused_until).is_(None), col(Webhook.paused_until) <= tx.at)
    return [col(Webhook.status) == "active", rested]
