"""Queries for webhooks and deliveries."""

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

WEBHOOK_TEMPLATES_FOLDER = Path(__file__).parent / "ready_made"
# A literal, because with a bound parameter neither database can use the partial index on pending deliveries.
IS_PENDING = col(Delivery.status) == literal_column("'pending'")


@cache
def webhook_templates() -> WebhookTemplateList:
    """Return all webhook templates, sorted by name."""
    parse = TypeAdapter(WebhookTemplate).validate_json
    return WebhookTemplateList(
        items=[parse(file.read_text("utf-8")) for file in sorted(WEBHOOK_TEMPLATES_FOLDER.glob("*.json"))]
    )


def find_webhook(tx: Transaction, webhook_id: UUID, *, lock: bool = False) -> Webhook:
    """Return a webhook by id, and lock it for an update if `lock` is set.

    Raises:
        Problem: NOT_FOUND.
    """
    statement = select(Webhook).where(Webhook.id == webhook_id)
    # Not FOR UPDATE: that would block, and be blocked by, the transaction that creates deliveries.
    webhook = tx.db.exec(statement.with_for_update(key_share=True) if lock else statement).one_or_none()
    if webhook is None:
        raise missing("webhook of that id")
    return webhook


def list_webhooks(tx: Transaction) -> Sequence[Webhook]:
    """Return all webhooks, oldest first."""
    return tx.db.exec(select(Webhook).order_by(col(Webhook.id))).all()


def list_deliveries(
    tx: Transaction, webhook_id: UUID, status: DeliveryStatus | None, before: int | None, limit: int
) -> Sequence[Delivery]:
    """Return up to `limit` deliveries of a webhook, newest event first.

    `before` limits them to events with a lower position.

    Raises:
        Problem: NOT_FOUND if there is no such webhook.
    """
    find_webhook(tx, webhook_id)
    statement = select(Delivery).where(Delivery.webhook_id == webhook_id)
    if status:
        statement = statement.where(Delivery.status == status)
    if before is not None:
        statement = statement.where(col(Delivery.position) < before)
    return tx.db.exec(statement.order_by(col(Delivery.position).desc()).limit(limit)).all()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right of one process to send a delivery until `leased_until`, which also identifies the lease."""

    webhook_id: UUID
    delivery_id: UUID
    leased_until: datetime


def any_active(tx: Transaction) -> bool:
    """Return whether any webhook is active."""
    return tx.db.exec(select(Webhook.id).where(Webhook.status == "active").limit(1)).first() is not None


def find_due(tx: Transaction) -> Sequence[UUID]:
    """Return the ids of the ready webhooks that have a due delivery."""
    # EXISTS stops at the first due delivery of a webhook: a backlog may be long.
    due = exists().where(col(Delivery.webhook_id) == col(Webhook.id), *due_conditions(tx))
    return tx.db.exec(select(Webhook.id).where(*ready_conditions(tx), due).order_by(col(Webhook.id))).all()


def find_leased(tx: Transaction, leases: Sequence[Lease]) -> dict[Lease, tuple[Webhook, Event]]:
    """Return the webhook and the event of each lease that is still valid.

    A lease is no longer valid if the delivery was deleted or settled, or if another process leased it.
    """
    statement = (
        select(Delivery, Webhook, Event)
        .join(Webhook, col(Webhook.id) == col(Delivery.webhook_id))
        .join(Event, col(Event.id) == col(Delivery.event_id))
        .where(IS_PENDING, col(Delivery.id).in_([lease.delivery_id for lease in leases]))
    )
    found = {
        Lease(webhook.id, delivery.id, delivery.leased_until): (webhook, event)
        for delivery, webhook, event in tx.db.exec(statement)
        if delivery.leased_until
    }
    return {lease: found[lease] for lease in leases if lease in found}


def due_conditions(tx: Transaction) -> list[ColumnElement[bool]]:
    """Return the conditions for a delivery that can be sent now."""
    not_leased = or_(col(Delivery.leased_until).is_(None), col(Delivery.leased_until) <= tx.at)
    return [IS_PENDING, col(Delivery.due_at) <= tx.at, not_leased]


def ready_conditions(tx: Transaction) -> list[ColumnElement[bool]]:
    """Return the conditions for a webhook that can be sent to now: active and not paused."""
    not_paused = or_(col(Webhook.paused_until).is_(None), col(Webhook.paused_until) <= tx.at)
    return [col(Webhook.status) == "active", not_paused]
