"""The outbox: every event for every webhook that matches it, leased by one sender at a time.

Deliveries are created in the transaction that assigns positions to events. This happens once for each
committed event, so no event is lost and no rolled-back event is sent.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement
from sqlmodel import SQLModel, col, delete, select, update

from app.clock import new_id
from app.db import Transaction
from app.events.service import assign_positions, lock_feed
from app.events.tables import Event, types_named
from app.problems import require_known_ids
from app.webhooks.queries import PENDING, Lease, is_due, is_ready
from app.webhooks.schemas import MAX_ANSWER_CHARACTERS
from app.webhooks.tables import Delivery, DeliveryStatus, Webhook

# Standard Webhooks' example of a schedule: three days and four hours from the first attempt to the last.
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
# Up to so much later, so that what failed together does not come back together.
JITTER = 0.1
MAX_PAUSE = timedelta(hours=24)
# So much is on its way to one far end at the same time, from all processes together.
MAX_IN_FLIGHT_PER_WEBHOOK = 8
# So long the log keeps what was delivered or given up.
DELIVERY_LOG_RETENTION = timedelta(days=30)
MAX_EXPIRED_PER_PASS = 500
GONE = 410
WAIT_STATUSES = (429, 503)
SUCCESSES = range(200, 300)
INSERT_DELIVERIES = SQLModel.metadata.tables["webhook_delivery"].insert()


def next_attempt(attempts: int, at: datetime) -> datetime | None:
    """When to try again after so many attempts; None if that was the last."""
    if attempts > len(RETRY_DELAYS):
        return None
    return at + RETRY_DELAYS[attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311  # no secret


def parse_retry_after(retry_after: str | None, at: datetime) -> datetime | None:
    """Until when a Retry-After header, of seconds or a date (RFC 9110, 10.2.3), asks to be left alone.

    None for one that says nothing of use; at most 24 hours.
    """
    if retry_after is None:
        return None
    until = _after_seconds(retry_after.strip(), at) or _date(retry_after.strip())
    return min(until, at + MAX_PAUSE) if until and until > at else None


def _after_seconds(text: str, at: datetime) -> datetime | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return at + min(timedelta(seconds=int(text[:9])), MAX_PAUSE)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else None


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What came of an attempt: the far end's status, or else why there is none.

    `skipped` where there was nothing to send.
    """

    status: int | None = None
    error: str | None = None
    answer: str | None = None
    retry_after: str | None = None
    milliseconds: int = 0
    skipped: bool = False

    @property
    def arrived(self) -> bool:
        """Whether the far end took it."""
        return self.status in SUCCESSES

    @property
    def outcome(self) -> DeliveryStatus:
        """What becomes of a delivery that is not tried again."""
        if self.skipped:
            return "skipped"
        return "delivered" if self.arrived else "failed"


def publish_committed(tx: Transaction) -> int:
    """Give the next positions to committed events, and put them into the outbox; to how many."""
    last = lock_feed(tx)
    given = assign_positions(tx)
    # Locked so that none is deleted before it has its deliveries.
    active = select(Webhook).where(Webhook.status == "active").with_for_update(read=True, key_share=True)
    webhooks = tx.db.exec(active).all() if given else ()
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
    return given


def matches(webhook: Webhook, event: Event) -> bool:
    """Whether a webhook is to tell of an event."""
    if webhook.payload == "record" and event.session_id is None:
        return False
    about = (event.question_set or "").partition("@")[0]
    return webhook.question_set in (None, about) and (
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
    """Take what is due for a webhook, for so long; nothing if somebody else is taking this moment.

    Of the updates of one session's record the newest alone, and while one is on its way, none.
    """
    wanted = select(Webhook).where(Webhook.id == webhook_id, *is_ready(tx))
    webhook = tx.db.exec(wanted.with_for_update(skip_locked=True, key_share=True)).one_or_none()
    if webhook is None:
        return []
    here = col(Delivery.webhook_id) == webhook_id
    on_their_way = tx.db.exec(
        select(Delivery.session_id).where(here, PENDING, col(Delivery.leased_until) > tx.at)
    ).all()
    due = select(Delivery).where(here, *is_due(tx)).order_by(col(Delivery.due_at), col(Delivery.position))
    if webhook.payload == "record":
        due = due.where(col(Delivery.session_id).not_in(on_their_way))
    # What somebody erases this moment is not waited for: they may wait for what is held already.
    free = due.limit(max(0, MAX_IN_FLIGHT_PER_WEBHOOK - len(on_their_way))).with_for_update(skip_locked=True)
    found = tx.db.exec(free).all()
    if webhook.payload == "record":
        found = _newest_of_each(tx, webhook_id, found)
    until = tx.at + lease
    for delivery in found:
        # An attempt that nobody told the end of is made anew.
        delivery.attempts += delivery.leased_until is None
        delivery.leased_until = until
        delivery.last_attempt_at = tx.at
        tx.db.add(delivery)
    tx.db.flush()
    return [Lease(webhook_id, delivery.id, until) for delivery in found]


def _newest_of_each(tx: Transaction, webhook_id: UUID, found: Sequence[Delivery]) -> list[Delivery]:
    """Of each session the newest delivery that is pending, due or not; those before it are superseded."""
    sessions = {delivery.session_id for delivery in found}
    pending = select(Delivery).where(
        Delivery.webhook_id == webhook_id, PENDING, col(Delivery.session_id).in_(sessions)
    )
    newest: dict[UUID | None, Delivery] = {}
    free = pending.order_by(col(Delivery.position)).with_for_update(skip_locked=True)
    for delivery in tx.db.exec(free):
        if before := newest.get(delivery.session_id):
            before.status, before.settled_at = "superseded", tx.at
            tx.db.add(before)
        newest[delivery.session_id] = delivery
    return list(newest.values())


def record_results(tx: Transaction, results: Sequence[tuple[Lease, AttemptResult]]) -> None:
    """Write down what came of attempts, and when the next ones are; only the holder's word counts.

    An endpoint that answers 410 is disabled. One that asks for it is left alone, with all that is for it.
    """
    # Webhooks before their deliveries, as whoever deletes one locks them.
    webhooks = select(Webhook.id).where(col(Webhook.id).in_({held.webhook_id for held, _ in results}))
    tx.db.exec(webhooks.order_by(col(Webhook.id)).with_for_update(key_share=True)).all()
    for held, result in results:
        _record_result(tx, held, result)
    tx.db.flush()


def _record_result(tx: Transaction, held: Lease, result: AttemptResult) -> None:
    wanted = select(Delivery).where(
        Delivery.id == held.delivery_id, PENDING, Delivery.leased_until == held.leased_until
    )
    delivery = tx.db.exec(wanted.with_for_update(skip_locked=True)).one_or_none()
    if delivery is None:
        return
    delivery.leased_until = None
    delivery.last_status, delivery.last_error = result.status, result.error
    delivery.last_answer = None if result.arrived else (result.answer or "")[:MAX_ANSWER_CHARACTERS] or None
    delivery.last_milliseconds = result.milliseconds
    again = None if result.arrived or result.skipped else next_attempt(delivery.attempts, tx.at)
    if result.status in WAIT_STATUSES and (until := parse_retry_after(result.retry_after, tx.at)):
        again = max(again, until) if again else None
        _update_if_unchanged(tx, delivery, paused_until=until)
    if result.status == GONE and _disable(tx, delivery, "The endpoint answered 410 Gone."):
        again = None
    if again:
        delivery.due_at = again
    else:
        delivery.status, delivery.settled_at = result.outcome, tx.at
    tx.db.add(delivery)


def _disable(tx: Transaction, delivery: Delivery, why: str) -> bool:
    """Whether that was so; a record that is gone says nothing of the others."""
    disabled = {"status": "disabled", "disabled_because": why, "revision": Webhook.revision + 1}
    return _update_if_unchanged(tx, delivery, col(Webhook.payload) != "record", **disabled)


def _update_if_unchanged(
    tx: Transaction, delivery: Delivery, *which: ColumnElement[bool], **values: Any
) -> bool:
    """What the far end said counts as long as the webhook is as it was then."""
    as_it_was = [
        col(Webhook.id) == delivery.webhook_id,
        col(Webhook.updated_at) <= delivery.last_attempt_at,
    ]
    return tx.db.exec(update(Webhook).where(*as_it_was, *which).values(**values)).rowcount > 0


def replay(tx: Transaction, webhook_id: UUID, delivery_ids: Sequence[UUID] | None) -> int:
    """Let deliveries be pending again, from the first attempt on: these, or all that failed; how many.

    Raises INVALID_REQUEST for an id that is none of this webhook's deliveries.
    """
    here = col(Delivery.webhook_id) == webhook_id
    which = col(Delivery.status) == "failed"
    if delivery_ids is not None:
        which = col(Delivery.id).in_(delivery_ids)
        require_known_ids(
            "delivery_ids", delivery_ids, set(tx.db.exec(select(Delivery.id).where(here, which)))
        )
    values = {"status": "pending", "attempts": 0, "due_at": tx.at, "leased_until": None, "settled_at": None}
    return tx.db.exec(update(Delivery).where(here, which, ~PENDING).values(**values)).rowcount


def delete_expired(tx: Transaction) -> bool:
    """Delete some of what was settled more than 30 days ago; whether there may be more."""
    outdated = (
        select(Delivery.id)
        .where(col(Delivery.settled_at) < tx.at - DELIVERY_LOG_RETENTION)
        .limit(MAX_EXPIRED_PER_PASS)
    )
    gone = tx.db.exec(delete(Delivery).where(col(Delivery.id).in_(outdated)))
    return gone.rowcount == MAX_EXPIRED_PER_PASS
