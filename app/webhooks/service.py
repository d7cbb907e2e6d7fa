"""Create, change and delete webhooks, and rotate their secrets."""

import base64
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, func, select

from app.clock import new_id
from app.db import Transaction, lock_table
from app.events.tables import types_named
from app.problems import invalid_field, require_revision
from app.question_sets.queries import version_exists
from app.webhooks.message import check_record_update
from app.webhooks.queries import find_webhook
from app.webhooks.schemas import SECRET_PREFIX, NewWebhook, RecordUpdateIn, WebhookChange
from app.webhooks.tables import Delivery, Webhook
from app.webhooks.targets import read_url

MAX_WEBHOOKS = 100
SECRET_BYTES = 32
DELETE_BATCH = 5000
# Both secrets sign for so long, so that the receiver can change over at any time between.
SECRET_OVERLAP = timedelta(hours=24)


def create_webhook(tx: Transaction, new: NewWebhook) -> Webhook:
    """A new webhook, for what happens from now on; raises INVALID_REQUEST where there are 100."""
    lock_table(tx, Webhook)
    if tx.db.exec(select(func.count()).select_from(Webhook)).one() >= MAX_WEBHOOKS:
        raise invalid_field(
            "", "too_many", f"there are {MAX_WEBHOOKS} webhooks: remove one that nobody needs"
        )
    _require_known(tx, new.question_set)
    _require_matching_types(new.types, new.question_set)
    webhook = Webhook(
        id=new_id(),
        name=new.name,
        url=new.url,
        types=new.types,
        question_set=new.question_set,
        payload="record" if new.record_update else new.payload,
        record_update=new.record_update.model_dump() if new.record_update else None,
        secret=new.secret or _new_secret(),
        created_at=tx.at,
        updated_at=tx.at,
    )
    tx.db.add(webhook)
    tx.db.flush()
    return webhook


def update_webhook(tx: Transaction, webhook_id: UUID, wanted: WebhookChange) -> Webhook:
    """Change a webhook; raises NOT_FOUND, STALE_REVISION and INVALID_REQUEST."""
    webhook = find_webhook(tx, webhook_id, lock=True)
    if wanted.revision is not None:
        require_revision("webhook", webhook.revision, wanted.revision)
    values: dict[str, Any] = {
        name: getattr(wanted, name)
        for name in wanted.model_fields_set - {"idempotency_key", "revision", "record_update"}
        if getattr(wanted, name) is not None or name in {"name", "question_set"}
    }
    _require_one_kind(webhook, wanted)
    if wanted.record_update:
        values["record_update"] = wanted.record_update.model_dump()
    _require_known(tx, values.get("question_set"))
    if "url" in values:
        values["paused_until"] = None
        _require_secrets(webhook, wanted, values["url"])
    looked_at = ("url", "types", "question_set", "record_update")
    after = {name: values.get(name, getattr(webhook, name)) for name in looked_at}
    _require_matching_types(after["types"], after["question_set"])
    if after["record_update"]:
        check_record_update(
            after["url"], RecordUpdateIn.model_validate(after["record_update"]), after["types"]
        )
    if values.get("status") == "active":
        values |= {"disabled_because": None, "paused_until": None}
    if all(getattr(webhook, name) == value for name, value in values.items()):
        return webhook
    for name, value in values.items():
        setattr(webhook, name, value)
    return _save(tx, webhook)


def rotate_secret(tx: Transaction, webhook_id: UUID, secret: str | None) -> Webhook:
    """Sign with a new secret, and for 24 hours with the one before as well; raises NOT_FOUND."""
    webhook = find_webhook(tx, webhook_id, lock=True)
    webhook.old_secret, webhook.old_secret_until = webhook.secret, tx.at + SECRET_OVERLAP
    webhook.secret = secret or _new_secret()
    return _save(tx, webhook)


def delete_webhook_batch(tx: Transaction, webhook_id: UUID) -> bool:
    """Delete a webhook with all that was and will be sent to it, so much at a time; whether it is gone.

    All of a long log at once would keep others waiting. Until it is gone it is disabled. Raises NOT_FOUND.
    """
    webhook = find_webhook(tx, webhook_id, lock=True)
    here = col(Delivery.webhook_id) == webhook_id
    some = select(Delivery.id).where(here).limit(DELETE_BATCH)
    if tx.db.exec(delete(Delivery).where(col(Delivery.id).in_(some))).rowcount < DELETE_BATCH:
        tx.db.exec(delete(Webhook).where(col(Webhook.id) == webhook_id))
        return True
    webhook.status = "disabled"
    tx.db.add(webhook)
    tx.db.flush()
    return False


def _save(tx: Transaction, webhook: Webhook) -> Webhook:
    webhook.revision += 1
    webhook.updated_at = tx.at
    tx.db.add(webhook)
    tx.db.flush()
    return webhook


def _require_one_kind(webhook: Webhook, wanted: WebhookChange) -> None:
    """A webhook stays one of messages, or one of record updates."""
    if wanted.record_update and webhook.payload != "record":
        raise invalid_field("/record_update", "unwanted", "this webhook sends messages: make another one")
    if wanted.payload and webhook.payload == "record":
        raise invalid_field("/payload", "unwanted", "this webhook updates records: make another one")


def _require_secrets(webhook: Webhook, wanted: WebhookChange, url: str) -> None:
    """Another host does not get what was entrusted to be sent to this one."""
    old, new = read_url(webhook.url), read_url(url)
    moves = (old.scheme, old.raw_host, old.port) != (new.scheme, new.raw_host, new.port)
    if webhook.record_update and moves and not wanted.record_update:
        detail = "the URL names another host: send the record update again, with its token or credentials"
        raise invalid_field("/record_update", "missing", detail)


def _require_known(tx: Transaction, question_set: str | None) -> None:
    if question_set is not None and not version_exists(tx, question_set):
        raise invalid_field("/question_set", "unknown_question_set", "there is no question set of that key")


def _require_matching_types(types: Sequence[str], question_set: str | None) -> None:
    if question_set and types and all(type_.startswith("prospect.") for type_ in types_named(types)):
        detail = "what is told of prospects is of no question set: send other types, or no question set"
        raise invalid_field("/types", "invalid", detail)


def _new_secret() -> str:
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
