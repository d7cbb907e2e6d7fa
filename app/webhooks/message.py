"""Build the HTTP request of a delivery: a signed message (Standard Webhooks) or a record update."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import col, select
from standardwebhooks.webhooks import Webhook as Signer

from app.clock import new_id
from app.db import Transaction
from app.encryption.service import Cipher
from app.events.queries import read_latest
from app.events.tables import EVENT_TYPES, Event, EventType
from app.prospects.queries import prospect_out
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.sessions.presenters import events_out, session_out_at
from app.sessions.schemas import EventOut, SessionOut
from app.sessions.tables import Session
from app.webhooks.queries import subscribed_types
from app.webhooks.record_updates.message import NothingToSendError, OutgoingRequest, record_request
from app.webhooks.schemas import Payload, WebhookMessage
from app.webhooks.tables import Webhook

MAX_SAMPLED_EVENTS = 50
# The ids in an example event. No real event has this UUID.
EXAMPLE_ID = UUID(int=0)
EXAMPLE_SET = "qualifying-a-sale"
EXAMPLE_TIME = datetime(2026, 1, 31, 9, tzinfo=UTC)
EXAMPLE_FIGURES: Mapping[str, Any] = {
    "indication": "fit", "settled": True, "score": 82.5, "lowest": 71.0, "highest": 91.0, "coverage": 0.75,
    "grade": None, "change": "answered",
}  # fmt: skip
EXAMPLE_REMINDERS: Mapping[str, Mapping[str, Any]] = {
    "revisit.due": {"decision": "nurture", "revisit_on": EXAMPLE_TIME.date(), "change": None},
    "answer.stale_soon": {
        "question": "budget",
        "stale_at": EXAMPLE_TIME + timedelta(days=7),
        "change": None,
    },
}


def outgoing_request(
    tx: Transaction,
    plans: Plans,
    cipher: Cipher,
    webhook: Webhook,
    event: Event,
    *,
    external_id: str | None = None,
    message_id: UUID | None = None,
) -> OutgoingRequest:
    """Return the request that sends an event to a webhook.

    A record update writes the current figures of the session; a full message has the score as of the event.
    `external_id` is the link whose record is updated; by default, it is the first one. `message_id` is the
    `webhook-id` of a message; by default it is the id of the event.

    Raises:
        NothingToSendError: if there is no record to update.
        StaleScores: if the score of the session has to be computed again first.
    """
    if webhook.record_update:
        return record_request(tx, plans, cipher, webhook, event, external_id)
    (message,) = build_messages(tx, plans, [event], webhook.payload)
    return signed_request(tx, cipher, webhook, message.model_copy(update={"id": message_id or event.id}))


def build_messages(tx: Transaction, plans: Plans, events: list[Event], payload: str) -> list[WebhookMessage]:
    """Return the messages of events; a full message has the session with the score as of the event."""
    return [
        WebhookMessage(
            id=event.id,
            type=event.type,
            timestamp=event.at,
            data=event,
            prospect=_prospect(tx, event) if payload == "full" else None,
            session=_session(tx, plans, event) if payload == "full" else None,
        )
        for event in events_out(tx, events)
    ]


def sample_messages(
    tx: Transaction, plans: Plans, types: list[EventType], payload: Payload, limit: int
) -> list[WebhookMessage]:
    """Return up to `limit` messages of the latest events of these types, newest first.

    No types means all types. If there are no such events yet, the messages are invented examples.
    """
    events = list(read_latest(tx, limit, types))
    return (
        build_messages(tx, plans, events, payload)
        if events
        else [example_message(type_) for type_ in (types or EVENT_TYPES)[:limit]]
    )


def sample_request(tx: Transaction, plans: Plans, cipher: Cipher, webhook: Webhook) -> OutgoingRequest:
    """Return the request that tests a webhook: its latest matching event under a new message id.

    If there is no matching event, a webhook of messages sends an invented example.

    Raises:
        NothingToSendError: if no record can be updated yet.
        StaleScores: if the score of the session has to be computed again first.
    """
    types, key = subscribed_types(webhook.types, webhook.payload), webhook.question_set
    reason = NothingToSendError("No event that matches this webhook has happened yet.")
    for event in read_latest(tx, MAX_SAMPLED_EVENTS, types, key):
        try:
            return outgoing_request(tx, plans, cipher, webhook, event, message_id=new_id())
        except NothingToSendError as error:
            reason = error
    if webhook.record_update:
        raise reason
    message = example_message((types or EVENT_TYPES)[0], key)
    return signed_request(tx, cipher, webhook, message.model_copy(update={"id": new_id()}))


def example_message(type_: EventType, key: str | None = None) -> WebhookMessage:
    """Return an invented message of a type, for integrations that are built before the first event.

    `key` is the key of the question set in the event.
    """
    about_session = not type_.startswith(("prospect.", "question_set."))
    values = dict.fromkeys(EventOut.model_fields) | {
        "id": EXAMPLE_ID,
        "position": 1,
        "type": type_,
        "at": EXAMPLE_TIME,
        "silent": False,
        "prospect_id": None if type_.startswith("question_set.") else EXAMPLE_ID,
        "session_id": EXAMPLE_ID if about_session else None,
        "question_set": None if type_.startswith("prospect.") else f"{key or EXAMPLE_SET}@1",
        "revision": 1,
        "links": [{"source": "example", "external_id": "1"}] if about_session else [],
        **(EXAMPLE_FIGURES if about_session else {}),
        **EXAMPLE_REMINDERS.get(type_, {}),
    }
    event = EventOut.model_validate(values)
    return WebhookMessage(
        id=event.id, type=type_, timestamp=event.at, data=event, prospect=None, session=None
    )


def signed_request(
    tx: Transaction, cipher: Cipher, webhook: Webhook, message: WebhookMessage
) -> OutgoingRequest:
    """Return the request that sends a message, signed with the secret.

    For a day after the secret was rotated, the message is signed with the old secret too.
    """
    body = message.model_dump_json()
    secrets = [webhook.secret]
    if webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > tx.at:
        secrets.append(webhook.old_secret)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": str(message.id),
        "webhook-timestamp": str(int(tx.at.timestamp())),
        "webhook-signature": " ".join(
            Signer(cipher.decrypt("signing secret", webhook.id, secret)).sign(str(message.id), tx.at, body)
            for secret in secrets
        ),
    }
    return OutgoingRequest("POST", webhook.url, body.encode(), headers)


def _prospect(tx: Transaction, event: EventOut) -> Any:
    prospect = tx.db.exec(select(Prospect).where(col(Prospect.id) == event.prospect_id)).one_or_none()
    return prospect_out(tx, prospect) if prospect else None


def _session(tx: Transaction, plans: Plans, event: EventOut) -> SessionOut | None:
    session = tx.db.get(Session, event.session_id) if event.session_id else None
    return session_out_at(tx, plans, session, event.revision) if session and event.revision else None
