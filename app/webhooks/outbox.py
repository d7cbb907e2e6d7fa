"""The outbox: the next events of every webhook, leased by one sender at a time.

Each webhook has a position in the feed, up to which its deliveries exist. The position moves in the
transaction that creates them, so no event is lost, and none that was rolled back is sent.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import cache, partial
from operator import attrgetter
from typing import Any
from uuid import UUID

from sqlalchemy import Row
from sqlmodel import SQLModel, bindparam, col, delete, select, update

from app.clock import new_id
from app.db import Transaction
from app.events.queries import last_position
from app.events.service import lock_feed
from app.problems import quota_exceeded, require_known_ids
from app.webhooks.queries import (
    IS_PENDING,
    Lease,
    Waiting,
    due_conditions,
    find_matching,
    find_rooms,
    pace_of,
    pending_counts,
    ready_conditions,
    subscribed_types,
)
from app.webhooks.record_updates.queries import find_external_ids, source_of_records
from app.webhooks.record_updates.service import Written, remember
from app.webhooks.retries import Pace, next_attempt, parse_retry_after, slower_pace
from app.webhooks.schemas import MAX_ANSWER_CHARACTERS
from app.webhooks.tables import Delivery, DeliveryStatus, Webhook

# How many deliveries to one webhook all processes together send at the same time.
MAX_IN_FLIGHT_PER_WEBHOOK = 8
# How long a settled delivery stays in the log.
DELIVERY_LOG_RETENTION = timedelta(days=30)
EXPIRED_DELIVERIES_BATCH = 500
MAX_REPLAYED = 1000
# When to try again to replay deliveries, after there was no room for them.
REPLAY_RETRY_SECONDS = 60
HTTP_GONE = 410
HTTP_TOO_MANY_REQUESTS, HTTP_UNAVAILABLE = 429, 503
SUCCESS_STATUSES = range(200, 300)
# These limit how long one transaction holds the locks of the feed and, on SQLite, of the file.
MAX_DELIVERIES_PER_TRANSACTION = 500
MAX_POSITIONS_PER_QUERY = 1000
WEBHOOK_TABLE = SQLModel.metadata.tables["webhook"]
SELECT_SUBSCRIPTIONS = select(
    *(WEBHOOK_TABLE.c[name] for name in ("id", "types", "question_set", "payload", "position", "backlog"))
).where(WEBHOOK_TABLE.c.status == "active")
UPDATE_PROGRESS = (
    WEBHOOK_TABLE.update()
    .where(WEBHOOK_TABLE.c.id == bindparam("webhook"))
    .values(position=bindparam("position"), backlog=bindparam("backlog"))
)
INSERT_DELIVERIES = SQLModel.metadata.tables["webhook_delivery"].insert()


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The result of an attempt: the HTTP status of the receiver, or the error if there is none.

    `answer` is the beginning of the response body; `retry_after` is the header as it came. `skipped` means
    that there was nothing to send. `written` is what a request that succeeded wrote into a record.
    """

    status: int | None = None
    error: str | None = None
    answer: str | None = None
    retry_after: str | None = None
    milliseconds: int = 0
    skipped: bool = False
    written: Written | None = None

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


def keep_waiting(tx: Transaction, webhook: Webhook) -> None:
    """Keep the filter of a webhook for the events that wait. Call this before its filter or status changes.

    Events that happen while a webhook is disabled do not wait for it.
    """
    last = last_position(tx)
    if webhook.status == "active" and webhook.position < last:
        waiting = Waiting(webhook.position, last, webhook.types, webhook.question_set)
        webhook.backlog = [*(webhook.backlog or []), asdict(waiting)]
    webhook.position = last


def queue_deliveries(tx: Transaction, webhook_ids: Collection[UUID], max_pending: int) -> bool:
    """Create deliveries for the next events of these webhooks; return whether there may be more to create.

    One transaction creates at most `MAX_DELIVERIES_PER_TRANSACTION`, an equal share for each webhook. While a
    webhook has no room, its events wait in the feed.
    """
    # While the feed is locked, no other process creates the same deliveries, or erases the events.
    last = lock_feed(tx)
    rooms = find_rooms(tx, max_pending, webhook_ids)
    statement = SELECT_SUBSCRIPTIONS.where(WEBHOOK_TABLE.c.id.in_(list(rooms)))
    webhooks = tx.db.execute(statement.with_for_update(skip_locked=True, key_share=True)).all()
    share = MAX_DELIVERIES_PER_TRANSACTION // max(1, len(webhooks))
    # Many webhooks have the same filter, and wait for the same events.
    find = cache(partial(find_matching, tx, limit=share))
    deliveries, progress, more = [], [], False
    for webhook in webhooks:
        waiting = _first_waiting(webhook, last)
        up_to = min(waiting.up_to, waiting.after + MAX_POSITIONS_PER_QUERY)
        types = tuple(subscribed_types(waiting.types, webhook.payload))
        found = find(waiting.after, up_to, types, waiting.question_set)
        queued = found[: rooms[webhook.id]]
        reached = queued[-1].position if len(queued) < len(found) or len(found) == share else up_to
        deliveries += [_delivery_row(tx, webhook.id, event) for event in queued]
        after = _values_after(webhook, waiting, reached)
        progress.append({"webhook": webhook.id, **after})
        is_behind = after["position"] < last or after["backlog"]
        more = more or bool(is_behind and len(queued) < rooms[webhook.id])
    if progress:
        tx.db.execute(UPDATE_PROGRESS, progress)
    if deliveries:
        tx.db.execute(INSERT_DELIVERIES, deliveries)
    return more


def _first_waiting(webhook: Row[Any], last: int) -> Waiting:
    if webhook.backlog:
        return Waiting(**webhook.backlog[0])
    return Waiting(webhook.position, last, webhook.types, webhook.question_set)


def _values_after(webhook: Row[Any], waiting: Waiting, reached: int) -> dict[str, Any]:
    """Return the values of a webhook once its first waiting events up to a position have deliveries."""
    if not webhook.backlog:
        return {"position": reached, "backlog": None}
    rest = [asdict(replace(waiting, after=reached))] if reached < waiting.up_to else []
    return {"position": webhook.position, "backlog": [*rest, *webhook.backlog[1:]] or None}


def _delivery_row(tx: Transaction, webhook_id: UUID, event: Row[Any]) -> dict[str, Any]:
    return {
        "id": new_id(),
        "webhook_id": webhook_id,
        "event_id": event.id,
        "position": event.position,
        "session_id": event.session_id,
        "external_id": "",
        "status": "pending",
        "attempts": 0,
        "due_at": tx.at,
    }


def claim_due(tx: Transaction, webhook_id: UUID, lease: timedelta) -> list[Lease]:
    """Lease the due deliveries of a webhook for the duration `lease`.

    Returns an empty list if another process leases deliveries of the webhook at this moment. Of the record
    updates of one session, only the newest of each record is leased, and none while another one is in flight.
    If the receiver responded with 429, there are only as many leases as the pace of the webhook allows.
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
    pace = pace_of(webhook)
    count = pace.count_at(tx.at, webhook.next_send_at) if pace else None
    free = max(0, MAX_IN_FLIGHT_PER_WEBHOOK - len(in_flight))
    limit = free if count is None else min(free, count)
    # Skip locked rows: whoever erases them may wait for rows that this transaction has locked.
    deliveries = tx.db.exec(due.limit(limit).with_for_update(skip_locked=True)).all()
    if webhook.payload == "record":
        deliveries = _newest_of_each(tx, webhook, deliveries)[:limit]
    if pace:
        _keep_pace(tx, webhook, pace, len(deliveries))
    until = tx.at + lease
    for delivery in deliveries:
        # An expired lease means that an attempt has no result: it is repeated, not counted again.
        delivery.attempts += delivery.leased_until is None
        delivery.leased_until = until
        delivery.last_attempt_at = tx.at
        tx.db.add(delivery)
    tx.db.flush()
    return [Lease(webhook_id, delivery.id, until) for delivery in deliveries]


def _keep_pace(tx: Transaction, webhook: Webhook, pace: Pace, count: int) -> None:
    """Store when the next requests can be sent, or that they are no longer paced."""
    if pace.rate_at(tx.at) is None:
        _set_pace(webhook, None)
    elif count:
        webhook.next_send_at = pace.next_after(count, tx.at, webhook.next_send_at)
    tx.db.add(webhook)


def _set_pace(webhook: Webhook, pace: Pace | None) -> None:
    webhook.rate = pace.rate if pace else None
    webhook.rate_since = pace.since if pace else None
    webhook.pause_seconds = pace.pause_seconds if pace else None
    webhook.next_send_at = None


def _newest_of_each(tx: Transaction, webhook: Webhook, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return the newest pending delivery of each session and record for which one of these is due.

    The older ones are marked superseded. If links identify the records, a delivery that has no link yet gets
    one, and there are further deliveries for the other links.
    """
    due = {(delivery.session_id, delivery.external_id) for delivery in deliveries}
    sessions = {session_id for session_id, _ in due}
    statement = select(Delivery).where(
        Delivery.webhook_id == webhook.id, IS_PENDING, col(Delivery.session_id).in_(sessions)
    )
    unlocked = statement.order_by(col(Delivery.position)).with_for_update(skip_locked=True)
    newest = _superseding(tx, tx.db.exec(unlocked).all())
    if source := source_of_records(webhook):
        links = find_external_ids(tx, sessions, source)
        for_links = [
            one
            for delivery in newest
            for one in _one_for_each(tx, delivery, links.get(delivery.session_id, ()))
        ]
        newest = _superseding(tx, sorted(for_links, key=attrgetter("position")))
    return [one for one in newest if {(one.session_id, one.external_id), (one.session_id, "")} & due]


def _superseding(tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
    """Return the last delivery of each session and record, and mark the others superseded."""
    newest: dict[tuple[UUID | None, str], Delivery] = {}
    for delivery in deliveries:
        key = delivery.session_id, delivery.external_id
        if before := newest.get(key):
            before.status, before.settled_at = "superseded", tx.at
            tx.db.add(before)
        newest[key] = delivery
    return list(newest.values())


def _one_for_each(tx: Transaction, delivery: Delivery, external_ids: Sequence[str]) -> list[Delivery]:
    """Return the delivery, and for a new one that has several links, a delivery for each of them."""
    if delivery.external_id or not external_ids:
        return [delivery]
    first, *others = external_ids
    delivery.external_id = first
    further = [
        Delivery(
            id=new_id(),
            webhook_id=delivery.webhook_id,
            event_id=delivery.event_id,
            position=delivery.position,
            session_id=delivery.session_id,
            external_id=other,
            due_at=tx.at,
        )
        for other in others
    ]
    tx.db.add_all(further)
    return [delivery, *further]


def record_results(tx: Transaction, results: Sequence[tuple[Lease, AttemptResult]]) -> None:
    """Store the results of attempts, and when to try again. Results of expired leases are ignored.

    A webhook of messages whose receiver responds with 410 is disabled. If the receiver responds with 429, or
    with 503 and Retry-After, all deliveries of the webhook pause. A delivery that got a 429 stays due, and
    the attempt does not count.
    """
    # This locks prospects, and comes first: erasing locks them before the deliveries. What was written counts
    # even if the lease has expired.
    for _, result in results:
        if result.written:
            remember(tx, result.written)
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
    if result.status == HTTP_TOO_MANY_REQUESTS:
        _slow_down(tx, delivery, result.retry_after)
        return
    retry_at = None if result.succeeded or result.skipped else next_attempt(delivery.attempts, tx.at)
    if result.status == HTTP_UNAVAILABLE and (until := parse_retry_after(result.retry_after, tx.at)):
        retry_at = max(retry_at, until) if retry_at else None
        if webhook := _find_unchanged(tx, delivery):
            webhook.paused_until = until
            tx.db.add(webhook)
    if result.status == HTTP_GONE and _disable(tx, delivery, "The receiver responded with 410 Gone."):
        retry_at = None
    if retry_at:
        delivery.due_at = retry_at
    else:
        delivery.status, delivery.settled_at = result.final_status, tx.at
    tx.db.add(delivery)


def _slow_down(tx: Transaction, delivery: Delivery, retry_after: str | None) -> None:
    """Pause the webhook of a delivery that got a 429, and send to it more slowly afterwards.

    Requests that were sent together are often refused together: the rate is halved only once for them.
    """
    delivery.attempts -= 1
    delivery.due_at = tx.at
    tx.db.add(delivery)
    webhook = _find_unchanged(tx, delivery)
    if webhook is None:
        return
    assert delivery.last_attempt_at, "there was an attempt"
    until, pace = parse_retry_after(retry_after, tx.at), pace_of(webhook)
    if pace is None or delivery.last_attempt_at >= pace.since:
        pace = slower_pace(pace, tx.at, until)
    elif until:
        pace = replace(pace, since=max(pace.since, until))
    _set_pace(webhook, pace)
    webhook.paused_until = pace.since
    tx.db.add(webhook)


def _disable(tx: Transaction, delivery: Delivery, reason: str) -> bool:
    """Disable the webhook of a delivery and return whether that happened.

    A webhook that updates records stays active: one missing record does not mean that the others are gone.
    """
    webhook = _find_unchanged(tx, delivery)
    if webhook is None or webhook.payload == "record":
        return False
    keep_waiting(tx, webhook)
    webhook.status, webhook.disabled_because = "disabled", reason
    webhook.revision += 1
    tx.db.add(webhook)
    tx.db.flush()
    return True


def _find_unchanged(tx: Transaction, delivery: Delivery) -> Webhook | None:
    """Return the webhook of a delivery, which is locked, unless it changed after the attempt.

    The response of the receiver is about the webhook as it was at the attempt.
    """
    statement = select(Webhook).where(
        Webhook.id == delivery.webhook_id, col(Webhook.updated_at) <= delivery.last_attempt_at
    )
    return tx.db.exec(statement).one_or_none()


def replay(tx: Transaction, webhook_id: UUID, delivery_ids: Sequence[UUID] | None, max_pending: int) -> int:
    """Make deliveries pending again, with no attempts yet, and return how many.

    `delivery_ids` are the deliveries, whatever their status; None means the first 1000 that failed. The
    caller has locked the webhook.

    Raises:
        Problem: INVALID_REQUEST for an id that is not a delivery of this webhook, QUOTA_EXCEEDED if the
            webhook would have more than `max_pending` pending deliveries.
    """
    of_webhook = col(Delivery.webhook_id) == webhook_id
    if delivery_ids is None:
        failed = select(Delivery.id).where(of_webhook, col(Delivery.status) == "failed")
        delivery_ids = tx.db.exec(failed.order_by(col(Delivery.position)).limit(MAX_REPLAYED)).all()
    selected = col(Delivery.id).in_(delivery_ids)
    statuses = dict(tx.db.exec(select(Delivery.id, Delivery.status).where(of_webhook, selected)).all())
    require_known_ids("delivery_ids", delivery_ids, statuses)
    pending = pending_counts(tx, [webhook_id]).get(webhook_id, 0)
    replayed = sum(status != "pending" for status in statuses.values())
    if replayed and pending + replayed > max_pending:
        detail = f"A webhook has at most {max_pending} pending deliveries."
        raise quota_exceeded(detail, "PROSPECT_FIT_WEBHOOK_PENDING_DELIVERIES", REPLAY_RETRY_SECONDS)
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
