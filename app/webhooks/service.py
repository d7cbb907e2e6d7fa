"""Create, update and delete webhooks, and rotate their secrets."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, func, select

from app.clock import new_id
from app.db import Transaction, lock_table
from app.encryption.service import Cipher
from app.events.queries import last_position
from app.events.tables import types_named
from app.problems import invalid_field, require_revision, require_values
from app.question_sets.queries import version_exists
from app.webhooks.outbox import keep_waiting
from app.webhooks.queries import find_webhook
from app.webhooks.record_updates.message import check_record_update
from app.webhooks.record_updates.schemas import StoredRecordUpdate
from app.webhooks.schemas import SECRET_PREFIX, NewWebhook, WebhookChange
from app.webhooks.tables import Delivery, Webhook
from app.webhooks.targets import parse_url

MAX_WEBHOOKS = 100
SECRET_BYTES = 32
DELETE_BATCH = 500
# A change of these only applies to events that happen after it.
SUBSCRIPTION_FIELDS = ("types", "question_set", "status")
# The receiver of a new URL, or one that works again, gets its deliveries at once.
NOT_PAUSED = dict.fromkeys(("paused_until", "rate", "rate_since", "pause_seconds", "next_send_at"))
# How long both secrets sign, so that the receiver can switch to the new one at any time in between.
SECRET_OVERLAP = timedelta(hours=24)


def create_webhook(tx: Transaction, cipher: Cipher, new: NewWebhook) -> tuple[Webhook, str]:
    """Create a webhook, and return it with its secret.

    It receives events that get their positions after this transaction.

    Raises:
        Problem: INVALID_REQUEST if there are 100 webhooks already, if the question set does not exist, or if
            none of the types can belong to it. NO_ENCRYPTION_KEY or WRONG_ENCRYPTION_KEY if its secrets
            cannot be encrypted.
    """
    _require_known_question_set(tx, new.question_set)
    _require_matching_types(new.types, new.question_set)
    webhook_id, secret, update = new_id(), new.secret or _new_secret(), new.record_update
    # Encrypted before the table is locked: a rotation locks in the same order.
    credential = cipher.encrypt(tx, "credential", webhook_id, update.credential) if update else None
    encrypted = cipher.encrypt(tx, "signing secret", webhook_id, secret)
    lock_table(tx, Webhook)
    if tx.db.exec(select(func.count()).select_from(Webhook)).one() >= MAX_WEBHOOKS:
        raise invalid_field(
            "", "too_many", f"there are {MAX_WEBHOOKS} webhooks already: delete one that is no longer needed"
        )
    webhook = Webhook(
        id=webhook_id,
        name=new.name,
        url=new.url,
        types=new.types,
        question_set=new.question_set,
        payload="record" if update else new.payload,
        record_update=StoredRecordUpdate.of(update).model_dump() if update else None,
        credential=credential,
        secret=encrypted,
        position=last_position(tx),
        created_at=tx.at,
        updated_at=tx.at,
    )
    tx.db.add(webhook)
    tx.db.flush()
    return webhook, secret


def update_webhook(tx: Transaction, cipher: Cipher, webhook_id: UUID, change: WebhookChange) -> Webhook:
    """Change the fields of a webhook that were sent.

    Raises:
        Problem: NOT_FOUND, STALE_REVISION, INVALID_REQUEST, NO_ENCRYPTION_KEY or WRONG_ENCRYPTION_KEY.
        Flawed: if the URL or the types do not suit the record update.
    """
    update = change.record_update
    credential = cipher.encrypt(tx, "credential", webhook_id, update.credential) if update else None
    webhook = find_webhook(tx, webhook_id, lock=True)
    if change.revision is not None:
        require_revision("webhook", webhook.revision, change.revision)
    sent = change.model_fields_set - {"idempotency_key", "revision"}
    values: dict[str, Any] = {name: getattr(change, name) for name in sent}
    require_values(values, ("url", "types", "payload", "record_update", "status"))
    values.pop("record_update", None)
    _require_one_kind(webhook, change)
    if update:
        values["record_update"] = StoredRecordUpdate.of(update).model_dump()
        if not cipher.matches("credential", webhook_id, webhook.credential, update.credential):
            values["credential"] = credential
    _require_known_question_set(tx, values.get("question_set"))
    if "url" in values:
        values |= NOT_PAUSED
        _require_secrets(webhook, change, values["url"])
    checked = ("url", "types", "question_set", "record_update")
    merged = {name: values.get(name, getattr(webhook, name)) for name in checked}
    _require_matching_types(merged["types"], merged["question_set"])
    if merged["record_update"]:
        merged_update = StoredRecordUpdate.model_validate(merged["record_update"])
        check_record_update(merged["url"], merged_update, merged["types"])
    if values.get("status") == "active":
        values |= {"disabled_because": None, **NOT_PAUSED}
    subscription = {name: getattr(webhook, name) for name in SUBSCRIPTION_FIELDS}
    if all(getattr(webhook, name) == value for name, value in values.items()):
        return webhook
    if any(values.get(name, before) != before for name, before in subscription.items()):
        keep_waiting(tx, webhook)
    for name, value in values.items():
        setattr(webhook, name, value)
    return _save(tx, webhook)


def rotate_secret(
    tx: Transaction, cipher: Cipher, webhook_id: UUID, secret: str | None
) -> tuple[Webhook, str]:
    """Give a webhook a new secret, generated if it is None, and return both.

    For 24 hours the old secret signs as well.

    Raises:
        Problem: NOT_FOUND, NO_ENCRYPTION_KEY or WRONG_ENCRYPTION_KEY.
    """
    secret = secret or _new_secret()
    encrypted = cipher.encrypt(tx, "signing secret", webhook_id, secret)
    webhook = find_webhook(tx, webhook_id, lock=True)
    webhook.old_secret, webhook.old_secret_until = webhook.secret, tx.at + SECRET_OVERLAP
    webhook.secret = encrypted
    return _save(tx, webhook), secret


def disable_all(tx: Transaction, because: str) -> int:
    """Disable every webhook, and return their number. `because` is shown with each of them."""
    webhooks = tx.db.exec(select(Webhook).order_by(col(Webhook.id)).with_for_update(key_share=True)).all()
    for webhook in webhooks:
        keep_waiting(tx, webhook)
        webhook.status, webhook.disabled_because = "disabled", because
        _save(tx, webhook)
    return len(webhooks)


def delete_webhook_batch(tx: Transaction, webhook_id: UUID) -> bool:
    """Delete up to 500 deliveries of a webhook, and the webhook itself once it has none left.

    The webhook is disabled until it is deleted. Batches keep the transactions short: deleting a long log at
    once would block others.

    Returns:
        Whether there is more to delete. Call again until there is not.

    Raises:
        Problem: NOT_FOUND.
    """
    webhook = find_webhook(tx, webhook_id, lock=True)
    of_webhook = col(Delivery.webhook_id) == webhook_id
    batch = select(Delivery.id).where(of_webhook).limit(DELETE_BATCH)
    if tx.db.exec(delete(Delivery).where(col(Delivery.id).in_(batch))).rowcount < DELETE_BATCH:
        tx.db.exec(delete(Webhook).where(col(Webhook.id) == webhook_id))
        return False
    webhook.status = "disabled"
    tx.db.add(webhook)
    tx.db.flush()
    return True


def _save(tx: Transaction, webhook: Webhook) -> Webhook:
    webhook.revision += 1
    webhook.updated_at = tx.at
    tx.db.add(webhook)
    tx.db.flush()
    return webhook


def _require_one_kind(webhook: Webhook, change: WebhookChange) -> None:
    """A webhook that sends messages cannot become one that updates records, or the other way round."""
    if change.record_update and webhook.payload != "record":
        detail = "this webhook sends messages: create another webhook to update records"
        raise invalid_field("/record_update", "unwanted", detail)
    if change.payload and webhook.payload == "record":
        detail = "this webhook updates records: create another webhook to send messages"
        raise invalid_field("/payload", "unwanted", detail)


def _require_secrets(webhook: Webhook, change: WebhookChange, url: str) -> None:
    """Credentials that were entered for one host are never sent to another."""
    old, new = parse_url(webhook.url), parse_url(url)
    host_changes = (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port)
    if webhook.record_update and host_changes and not change.record_update:
        detail = "the URL has a new host: send the record update again, with its token or client credentials"
        raise invalid_field("/record_update", "missing", detail)


def _require_known_question_set(tx: Transaction, question_set: str | None) -> None:
    if question_set is not None and not version_exists(tx, question_set):
        detail = "there is no question set with this key: send the key of a published question set"
        raise invalid_field("/question_set", "unknown_question_set", detail)


def _require_matching_types(types: Sequence[str], question_set: str | None) -> None:
    if question_set and types and all(type_.startswith("prospect.") for type_ in types_named(types)):
        detail = "events of prospects belong to no question set: add other types, or leave out question_set"
        raise invalid_field("/types", "invalid", detail)


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
