"""Webhooks and deliveries as callers see them."""

from collections.abc import Mapping
from typing import Any

from app.webhooks.outbox import AttemptResult
from app.webhooks.schemas import (
    MAX_ANSWER_CHARACTERS,
    DeliveryOut,
    RecordUpdateIn,
    RecordUpdateOut,
    TestResult,
    WebhookCreated,
    WebhookOut,
)
from app.webhooks.tables import Delivery, Webhook


def record_update_out(stored: Mapping[str, Any]) -> RecordUpdateOut:
    """A stored record update as the caller sees it."""
    update = RecordUpdateIn.model_validate(stored)
    asked = update.client_credentials
    return RecordUpdateOut(
        **update.model_dump(include={"method", "source", "fields", "values"}),
        token_url=asked.token_url if asked else None,
        client_id=asked.client_id if asked else None,
    )


def webhook_out(webhook: Webhook) -> WebhookOut:
    """A stored webhook as the caller sees it."""
    update = record_update_out(webhook.record_update) if webhook.record_update else None
    stored = webhook.model_dump(include=set(WebhookOut.model_fields) - {"record_update"})
    return WebhookOut.model_validate({**stored, "record_update": update})


def webhook_created(webhook: Webhook) -> WebhookCreated:
    """A stored webhook with the secret that signs."""
    shown: dict[str, Any] = dict(webhook_out(webhook))
    return WebhookCreated.model_validate({**shown, "secret": webhook.secret})


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """A stored delivery as the caller sees it."""
    shown = delivery.model_dump(include=set(DeliveryOut.model_fields))
    return DeliveryOut.model_validate(shown | ({} if delivery.status == "pending" else {"due_at": None}))


def test_result(result: AttemptResult) -> TestResult:
    """What came of an attempt, as the caller sees it."""
    return TestResult(
        status=result.status,
        error=result.error,
        answer=(result.answer or "")[:MAX_ANSWER_CHARACTERS] or None,
        milliseconds=result.milliseconds,
    )
