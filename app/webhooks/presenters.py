"""Convert stored webhooks and deliveries to responses."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.db import Transaction
from app.events.queries import last_position
from app.webhooks.outbox import AttemptResult
from app.webhooks.queries import pace_of, pending_counts, waiting_count
from app.webhooks.record_updates.schemas import RecordUpdateOut, StoredRecordUpdate
from app.webhooks.schemas import (
    MAX_ANSWER_CHARACTERS,
    DeliveryOut,
    TestResult,
    WebhookCreated,
    WebhookOut,
)
from app.webhooks.tables import Delivery, Webhook


def record_update_out(stored: Mapping[str, Any]) -> RecordUpdateOut:
    """Return a stored record update as a response."""
    return RecordUpdateOut.model_validate(
        StoredRecordUpdate.model_validate(stored).model_dump(exclude={"scope"})
    )


def webhook_out(tx: Transaction, webhook: Webhook) -> WebhookOut:
    """Return a stored webhook as a response, without its secret."""
    return webhooks_out(tx, [webhook])[0]


def webhooks_out(tx: Transaction, webhooks: Sequence[Webhook]) -> list[WebhookOut]:
    """Return stored webhooks as responses, in their order."""
    pending = pending_counts(tx, [webhook.id for webhook in webhooks])
    last = last_position(tx)
    return [_webhook_out(tx, webhook, pending.get(webhook.id, 0), last) for webhook in webhooks]


def _webhook_out(tx: Transaction, webhook: Webhook, pending: int, last: int) -> WebhookOut:
    pace = pace_of(webhook)
    update = record_update_out(webhook.record_update) if webhook.record_update else None
    counted = {
        "pending": pending,
        "waiting": waiting_count(webhook, last),
        "rate": pace.rate_at(tx.at) if pace else None,
    }
    stored = webhook.model_dump(include=set(WebhookOut.model_fields) - {"record_update", *counted})
    return WebhookOut.model_validate({**stored, **counted, "record_update": update})


def webhook_created(tx: Transaction, webhook: Webhook, secret: str) -> WebhookCreated:
    """Return a stored webhook as a response, with its secret."""
    values: dict[str, Any] = dict(webhook_out(tx, webhook))
    return WebhookCreated.model_validate({**values, "secret": secret})


def delivery_out(delivery: Delivery, *, shows_answer: bool) -> DeliveryOut:
    """Return a stored delivery as a response; `due_at` is null once it is settled.

    `shows_answer` is whether the response contains what the receiver responded.
    """
    values = delivery.model_dump(include=set(DeliveryOut.model_fields))
    values["external_id"] = delivery.external_id or None
    if delivery.status != "pending":
        values["due_at"] = None
    if not shows_answer:
        values["last_answer"] = None
    return DeliveryOut.model_validate(values)


def test_result(result: AttemptResult, *, shows_answer: bool) -> TestResult:
    """Return the result of a test request as a response, with what the receiver responded if it is shown."""
    return TestResult(
        status=result.status,
        error=result.error,
        answer=(result.answer or "")[:MAX_ANSWER_CHARACTERS] or None if shows_answer else None,
        milliseconds=result.milliseconds,
    )
