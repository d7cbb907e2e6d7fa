"""Queries for webhooks and deliveries."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Row, exists, func, literal_column, or_
from sqlmodel import col, select

from app.db import Transaction
from app.events.queries import EVENT_TABLE, filters
from app.events.tables import SESSION_EVENT_TYPES, Event, EventType, LastPosition, types_named
from app.problems import missing
from app.webhooks.record_updates.schemas import WebhookTemplate, WebhookTemplateList
from app.webhooks.retries import Pace
from app.webhooks.tables import Delivery, DeliveryStatus, Webhook

WEBHOOK_TEMPLATES_FOLDER = Path(__file__).parent / "ready_made"
# A literal, because with a bound parameter neither database can use the partial index on pending deliveries.
IS_PENDING = col(Delivery.status) == literal_column("'pending'")

SELECT_EVENTS = select(EVENT_TABLE.c.id, EVENT_TABLE.c.position, EVENT_TABLE.c.session_id).order_by(
    EVENT_TABLE.c.position
)
# How many due deliveries a webhook has at most: enough until the next time that events are queued.
MAX_READY_PER_WEBHOOK = 200


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


@dataclass(frozen=True, slots=True)
class Waiting:
    """A range of the feed, from which a webhook has no deliveries yet, and the filter for its events."""

    after: int
    up_to: int
    types: Sequence[str]
    question_set: str | None


def subscribed_types(types: Sequence[str], payload: str) -> list[EventType]:
    """Return the event types that a webhook with these `types` gets; an empty list means all."""
    named = types_named(types)
    if payload != "record":
        return named
    return [type_ for type_ in SESSION_EVENT_TYPES if type_ in named or not named]


def find_rooms(
    tx: Transaction, max_pending: int, webhook_ids: Collection[UUID] | None = None
) -> dict[UUID, int]:
    """Return how many deliveries can be created for each active webhook for which events wait.

    A webhook without room is left out. `webhook_ids` limits the webhooks; None means all.
    """
    last = select(LastPosition.position).scalar_subquery()
    is_behind = or_(col(Webhook.position) < last, col(Webhook.backlog).is_not(None))
    behind = select(Webhook.id).where(Webhook.status == "active", is_behind)
    if webhook_ids is not None:
        behind = behind.where(col(Webhook.id).in_(webhook_ids))
    rooms = dict.fromkeys(tx.db.exec(behind), min(MAX_READY_PER_WEBHOOK, max_pending))
    if not rooms:
        return {}
    is_ready = col(Delivery.due_at) <= tx.at
    pending = (
        select(Delivery.webhook_id, func.count(), func.count().filter(is_ready))
        .where(IS_PENDING, col(Delivery.webhook_id).in_(list(rooms)))
        .group_by(col(Delivery.webhook_id))
    )
    for webhook_id, count, ready in tx.db.exec(pending):
        rooms[webhook_id] = min(MAX_READY_PER_WEBHOOK - ready, max_pending - count)
    return {webhook_id: room for webhook_id, room in rooms.items() if room > 0}


def pace_of(webhook: Webhook) -> Pace | None:
    """Return the pace of a webhook; None if its receiver has not responded with 429."""
    if webhook.rate is None or webhook.rate_since is None or webhook.pause_seconds is None:
        return None
    return Pace(webhook.rate, webhook.rate_since, webhook.pause_seconds)


def pending_counts(tx: Transaction, webhook_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the number of pending deliveries of these webhooks; one that has none is left out."""
    statement = select(Delivery.webhook_id, func.count()).where(
        IS_PENDING, col(Delivery.webhook_id).in_(webhook_ids)
    )
    return dict(tx.db.exec(statement.group_by(col(Delivery.webhook_id))).all())


def waiting_count(webhook: Webhook, last: int) -> int:
    """Return how many positions of the feed, up to `last`, have not been examined for a webhook yet."""
    ranges = [Waiting(**values) for values in webhook.backlog or []]
    current = last - webhook.position if webhook.status == "active" else 0
    return current + sum(waiting.up_to - waiting.after for waiting in ranges)


def find_matching(
    tx: Transaction,
    after: int,
    up_to: int,
    types: Collection[EventType],
    question_set: str | None,
    limit: int,
) -> Sequence[Row[Any]]:
    """Return the id, position and session of the first `limit` events in a range that match a filter.

    Silent events are left out.
    """
    return tx.db.execute(
        SELECT_EVENTS.where(EVENT_TABLE.c.position > after, EVENT_TABLE.c.position <= up_to)
        .where(EVENT_TABLE.c.silent.is_(False))
        .where(*filters(types, question_set))
        .limit(limit)
    ).all()


def any_active(tx: Transaction) -> bool:
    """Return whether any webhook is active."""
    return tx.db.exec(select(Webhook.id).where(Webhook.status == "active").limit(1)).first() is not None


def find_due(tx: Transaction) -> Sequence[UUID]:
    """Return the ids of the ready webhooks that have a due delivery."""
    # EXISTS stops at the first due delivery of a webhook: a backlog may be long.
    due = exists().where(col(Delivery.webhook_id) == col(Webhook.id), *due_conditions(tx))
    return tx.db.exec(select(Webhook.id).where(*ready_conditions(tx), due).order_by(col(Webhook.id))).all()


def find_leased(tx: Transaction, leases: Sequence[Lease]) -> dict[Lease, tuple[Webhook, Event, Delivery]]:
    """Return the webhook, the event and the delivery of each lease that is still valid.

    A lease is no longer valid if the delivery was deleted or settled, or if another process leased it.
    """
    statement = (
        select(Delivery, Webhook, Event)
        .join(Webhook, col(Webhook.id) == col(Delivery.webhook_id))
        .join(Event, col(Event.id) == col(Delivery.event_id))
        .where(IS_PENDING, col(Delivery.id).in_([lease.delivery_id for lease in leases]))
    )
    found = {
        Lease(webhook.id, delivery.id, delivery.leased_until): (webhook, event, delivery)
        for delivery, webhook, event in tx.db.exec(statement)
        if delivery.leased_until
    }
    return {lease: found[lease] for lease in leases if lease in found}


def due_conditions(tx: Transaction) -> list[ColumnElement[bool]]:
    """Return the conditions for a delivery that can be sent now."""
    not_leased = or_(col(Delivery.leased_until).is_(None), col(Delivery.leased_until) <= tx.at)
    return [IS_PENDING, col(Delivery.due_at) <= tx.at, not_leased]


def ready_conditions(tx: Transaction) -> list[ColumnElement[bool]]:
    """Return the conditions for a webhook that can be sent to now: active, not paused, and not too fast."""
    times = (col(Webhook.paused_until), col(Webhook.next_send_at))
    return [col(Webhook.status) == "active", *(or_(time.is_(None), time <= tx.at) for time in times)]
