"""The outbox: every event for every webhook that matches it, leased by one sender at a time.

Deliveries are created in the transaction that assigns positions to events. This happens once for each
committed event, so no event is lost and no rolled-back event is sent.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import SQLModel, col, delete, select, update

from app.clock import new_id
from app.db import Transaction
from app.events.service import assign_positions, lock_feed
from app.events.tables import Event, types_named
from app.problems import require_known_ids
from app.webhooks.queries import IS_PENDING, Lease, due_conditions, ready_conditions
from app.webhooks.retries import next_attempt, parse_retry_after
from app.webhooks.schemas import MAX_ANSWER_CHARACTERS
from app.webhooks.tables import Delivery, DeliveryStatus, Webhook

# How many deliveries to one webhook all processes together send at the same time.
MAX_IN_FLIGHT_PER_WEBHOOK = 8
# How long a settled delivery stays in the log.
DELIVERY_LOG_RETENTION = timedelta(days=30)
EXPIRED_DELIVERIES_BATCH = 500
HTTP_GONE = 410
RETRY_AFTER_STATUSES = (429, 503)
SUCCESS_STATUSES = range(200, 300)
INSERT_DELIVERIES = SQLModel.metadata.tables["webhook_delivery"].insert()


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt: the HTTP status of the receiver, or the error if there is none.

    `answer` is the beginning of the response body; `retry_after` is the header as it came. `skipped` means
    that there was nothing to send.
    """

    status: int | None = None
    error: str | None = None
    answer: str | None = None
    retry_after: str | None = None
    milliseconds: int = 0
    skipped: bool = False

    @property
    def succeeded(self) -> bool:
        """Whether the receiver accepted the request (2xx)."""
        return self.status in SUCCESS_STATUSES

    @property
    def final_status(self) -> DeliveryStatus:
        """The status of the delivery if it is not tried again."""
        if self.skipped:
            return "skipped"
        return "delivered" if self.succeeded else "failed"


def publish_committed(tx: Transaction) -> int:
    """Assign positions to committed events and create their deliveries; return the number of events."""
    last = lock_feed(tx)
    count = assign_positions(tx)
    # Locked, so that nobody deletes a webhook before its deliveries are created.
    active = select(Webhook).where(Webhook.status == "active").with_for_update(read=True, key_share=True)
    webhooks = tx.db.exec(active).all() if count else ()
    if webhooks:
        events = tx.db.exec(select(Event).where(col(Event.position) > last)).all()
        rows = [
            _delivery_row(tx, webhook, event)
            for event in events
            for webhook in webhooks
            if matches(webhook, event)
        ]
        if rows:
            tx.db.execute(INSERT_DELIVERIES, rows)
    return count


def matches(webhook: Webhook, event: Event) -> bool:
    """Whether a webhook subscribes to an event."""
    if webhook.payload == "record" and event.session_id is None:
        return False
    set_key = (event.question_set or "").partition("@")[0]
    return webhook.question_set in (None, set_key) and (
        not webhook.types or event.type in types_named(webhook.types)
    )


def _delivery_row(tx: Transaction, webhook: Webhook, event: Event) -> dict[str, Any]:
    return {
        "id": new_id(),
        "webhook_id": webhook.id,
        "event_id": event.id,
        "position": event.position,
        "session_id": event.session_id,
        "status": "pending",
        "attempts": 0,
        "due_at": tx.at,
    }


def claim_due(tx: Transaction, webhook_id: UUID, lease: timedelta) -> list[Lease]:
    """Lease the due deliveries of a webhook for the duration `lease`.

    Returns an empty list if another process leases deliveries of the webhook at this moment. Of the record
    updates of one session, only the newest is leased, and none while another one is in flight.
    """
    statement = select(Webhook).where(Webhook.id == webhook_id, *ready_conditions(tx))
    webhook = tx.db.exec(statement.with_for_update(skip_locked=True, key_share=True)).one_or_none()
    if webhook is None:
        return []
    of_webhook = col(Delivery.webhook_id) == webhook_id
    in_flight = tx.db.exec(
        select(Delivery.session_id).where(of_webhook, IS_PENDING, col(Delivery.leased_until) > tx.at)
    ).all()
    due = (
        select(Delivery)
        .where(of_webhook, *due_conditions(tx))
        .order_by(col(Delivery.due_at), col(Delivery.position))
    )
    if webhook.payload == "record":
        due = due.where(col(Delivery.session_id).not_in(in_flight))
    # Skip locked rows: whoever erases them may wait for rows that this transaction has locked.
    unlocked = due.limit(max(0, MAX_IN_FLIGHT_PER_WEBHOOK - len(in_flight))).with_for_update(skip_locked=True)
    deliveries = tx.db.exec(unlocked).all()
    if webhook.payload == "record":
        deliveries = _newest_of_each(tx, webhook_id, deliveries)
    until = tx.at + lease
    for delivery in deliveries:
        # An expired lease means that an attempt has no result: it is repeated, not counted again.
        delivery.attempts += delivery.leased_until is None
        delivery.leased_until = until
        delivery.last_attempt_at = tx.at
        tx.db.add(delivery)
    tx.db.flush()
    return [Lease(webhook_id, delivery.id, until) for delivery in deliveries]


def _newest_of_each(tx: Transaction, webhook_id: UUID, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return the newest pending delivery of each session, due or not, and mark the older ones superseded."""
    sessions = {delivery.session_id for delivery in deliveries}
    pending = select(Delivery).where(
        Delivery.webhook_id == webhook_id, IS_PENDING, col(Delivery.session_id).in_(sessions)
    )
    newest: dict[UUID | None, Delivery] = {}
    unlocked = pending.order_by(col(Delivery.position)).with_for_update(skip_locked=True)
    for delivery in tx.db.exec(unlocked):
        if before := newest.get(delivery.session_id):
            before.status, before.settled_at = "superseded", tx.at
            tx.db.add(before)
        newest[delivery.session_id] = delivery
    return list(newest.values())


def record_results(tx: Transaction, results: Sequence[tuple[Lease, AttemptResult]]) -> None:
    """Store the results of attempts, and when to try again. Results of expired leases are ignored.

    A webhook of messages whose receiver responds with 410 is disabled. If the receiver sends Retry-After with
    429 or 503, all deliveries of the webhook pause.
    """
    # Lock webhooks before their deliveries: deletion locks them in the same order.
    webhooks = select(Webhook.id).where(col(Webhook.id).in_({lease.webhook_id for lease, _ in results}))
    tx.db.exec(webhooks.order_by(col(Webhook.id)).with_for_update(key_share=True)).all()
    for lease, result in results:
        _record_result(tx, lease, result)
    tx.db.flush()


def _record_result(tx: Transaction, lease: Lease, result: AttemptResult) -> None:
    statement = select(Delivery).where(
        Delivery.id == lease.delivery_id, IS_PENDING, Delivery.leased_until == lease.leased_until
    )
    delivery = tx.db.exec(statement.with_for_update(skip_locked=True)).one_or_none()
    if delivery is None:
        return
    delivery.leased_until = None
    delivery.last_status, delivery.last_error = result.status, result.error
    delivery.last_answer = None if result.succeeded else (result.answer or "")[:MAX_ANSWER_CHARACTERS] or None
    delivery.last_milliseconds = result.milliseconds
    retry_at = None if result.succeeded or result.skipped else next_attempt(delivery.attempts, tx.at)
    if result.status in RETRY_AFTER_STATUSES and (until := parse_retry_after(result.retry_after, tx.at)):
        retry_at = max(retry_at, until) if retry_at else None
        _update_if_unchanged(tx, delivery, paused_until=until)
    if result.status == HTTP_GONE and _disable(tx, delivery, "The receiver responded with 410 Gone."):
        retry_at = None
    if retry_at:
        delivery.due_at = retry_at
    else:
        delivery.status, delivery.settled_at = result.final_status, tx.at
    tx.db.add(delivery)


def _disable(tx: Transaction, delivery: Delivery, reason: str) -> bool:
    """Disable the webhook and return whether that happened.

    A webhook that updates records stays active: one missing record does not mean that the others are gone.
    """
    disabled = {"status": "disabled", "disabled_because": reason, "revision": Webhook.revision + 1}
    return _update_if_unchanged(tx, delivery, col(Webhook.payload) != "record", **disabled)


def _update_if_unchanged(
    tx: Transaction, delivery: Delivery, *selected: ColumnElement[bool], **values: Any
) -> bool:
    """Update the webhook of a delivery unless it changed after the attempt; return whether it was updated.

    The response of the receiver is about the webhook as it was at the attempt.
    """
    unchanged = [
        col(Webhook.id) == delivery.webhook_id,
        col(Webhook.updated_at) <= delivery.last_attempt_at,
    ]
    return tx.db.exec(update(Webhook).where(*unchanged, *selected).values(**values)).rowcount > 0


def replay(tx: Transaction, webhook_id: UUID, delivery_ids: Sequence[UUID] | None) -> int:
    """Make deliveries pending again, with no attempts yet, and return how many.

    `delivery_ids` are the deliveries, whatever their status; None means all that failed.

    Raises:
        Problem: INVALID_REQUEST for an id that is not a delivery of this webhook.
    """
    of_webhook = col(Delivery.webhook_id) == webhook_id
    selected = col(Delivery.status) == "failed"
    if delivery_ids is not None:
        selected = col(Delivery.id).in_(delivery_ids)
        require_known_ids(
            "delivery_ids", delivery_ids, set(tx.db.exec(select(Delivery.id).where(of_webhook, selected)))
        )
    values = {"status": "pending", "attempts": 0, "due_at": tx.at, "leased_until": None, "settled_at": None}
    return tx.db.exec(update(Delivery).where(of_webhook, selected, ~IS_PENDING).values(**values)).rowcount


def delete_expired(tx: Transaction) -> bool:
    """Delete a batch of deliveries that settled more than 30 days ago; return whether there may be more."""
    expired = (
        select(Delivery.id)
        .where(col(Delivery.settled_at) < tx.at - DELIVERY_LOG_RETENTION)
        .limit(EXPIRED_DELIVERIES_BATCH)
    )
    deleted = tx.db.exec(delete(Delivery).where(col(Delivery.id).in_(expired)))
    return deleted.rowcount == EXPIRED_DELIVERIES_BATCH
