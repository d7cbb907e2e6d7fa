"""Build the HTTP request of a delivery: a signed message (Standard Webhooks) or a record update."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic_core import to_json, to_jsonable_python
from sqlmodel import col, select
from standardwebhooks.webhooks import Webhook as Signer

from app.clock import new_id
from app.db import Transaction
from app.encryption.service import Cipher
from app.events.queries import read_latest
from app.events.tables import EVENT_TYPES, SESSION_EVENT_TYPES, Event, EventType, types_named
from app.inbound.forms.service import flat_fields
from app.prospects.queries import links_of, prospect_out
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, parts_of
from app.sessions.presenters import events_out, session_out, session_out_at
from app.sessions.schemas import EventOut, SessionOut
from app.sessions.tables import Session
from app.webhooks.queries import subscribed_types
from app.webhooks.schemas import ClientCredentials, Payload, StoredRecordUpdate, WebhookMessage
from app.webhooks.tables import Webhook
from app.webhooks.targets import authority_of

PLACEHOLDERS = ("external_id", "deal", "prospect_id", "session_id")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
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


def placeholders_in(url: str) -> list[str]:
    """Return the names between braces in a URL."""
    return PLACEHOLDER.findall(url)


def check_record_update(url: str, source: str | None, types: Collection[str]) -> None:
    """Check that the URL and the event types of a webhook suit a record update with this source of the link.

    Raises:
        Flawed: if the URL has no placeholder, an unknown one or one in its host, if the source of the link
            is missing, or if none of the types belongs to a session. The pointers start at the webhook.
    """
    names = placeholders_in(url)
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    if not (names and set(names) <= set(PLACEHOLDERS)) or set("{}") & set(PLACEHOLDER.sub("", url)):
        detail = (
            f"after its host, the URL must contain one or more of these, and nothing else in braces: {known}"
        )
        raise Flawed([Flaw("/url", detail, "invalid")])
    if "{" in authority_of(url):
        raise Flawed([Flaw("/url", "the host must not contain a placeholder: write it out", "invalid")])
    if "external_id" in names and source is None:
        detail = "the URL contains {external_id}: send the source of the link that it is taken from"
        raise Flawed([Flaw("/record_update/source", detail, "missing")])
    if types and not set(types_named(types)) & set(SESSION_EVENT_TYPES):
        detail = (
            "a record update needs at least one event type that belongs to a session: "
            f"{', '.join(SESSION_EVENT_TYPES)}"
        )
        raise Flawed([Flaw("/types", detail, "invalid")])


def fill_placeholders(url: str, values: Mapping[str, str]) -> str:
    """Return the URL with its placeholders replaced by percent-encoded values.

    Raises:
        KeyError: for a placeholder that has no value.
    """
    return PLACEHOLDER.sub(lambda match: quote(values[match[1]], safe=""), url)


def record_body(update: StoredRecordUpdate, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body of a record update; it omits fields whose figure the session does not have."""
    body: dict[str, Any] = {}
    for pointer, figure in update.fields.items():
        if figure not in figures:
            continue
        *parents, last = parts_of(pointer)
        target = body
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = _as_text(figures[figure]) if update.values == "text" else figures[figure]
    return body


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class NothingToSendError(Exception):
    """There is no record to update. The message gives the reason."""


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request to another system.

    The sender adds the bearer token: `token`, or one that it requests with `client_credentials`.
    """

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = field(default=None, repr=False)
    client_credentials: ClientCredentials | None = None


def outgoing_request(
    tx: Transaction,
    plans: Plans,
    cipher: Cipher,
    webhook: Webhook,
    event: Event,
    message_id: UUID | None = None,
) -> OutgoingRequest:
    """Return the request that sends an event to a webhook.

    A record update writes the current figures of the session; a full message has the score as of the event.
    `message_id` is the `webhook-id` of a message; by default it is the id of the event.

    Raises:
        NothingToSendError: if there is no record to update.
        StaleScores: if the score of the session has to be computed again first.
    """
    if webhook.record_update:
        return _record_request(tx, plans, cipher, webhook, event)
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
            return outgoing_request(tx, plans, cipher, webhook, event, new_id())
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


def _record_request(
    tx: Transaction, plans: Plans, cipher: Cipher, webhook: Webhook, event: Event
) -> OutgoingRequest:
    update = StoredRecordUpdate.model_validate(webhook.record_update)
    session = tx.db.get(Session, event.session_id)
    if session is None:
        raise NothingToSendError("The session no longer exists.")
    links = links_of(tx, [session.prospect_id])[session.prospect_id]
    values = {
        "external_id": next((link.external_id for link in links if link.source == update.source), None),
        "deal": session.deal or None,
        "prospect_id": str(session.prospect_id),
        "session_id": str(session.id),
    }
    if any(values[name] in {".", ".."} for name in placeholders_in(webhook.url)):
        raise NothingToSendError("A URL cannot contain '.' or '..' as the id of a record.")
    try:
        url = fill_placeholders(
            webhook.url, {name: value for name, value in values.items() if value is not None}
        )
    except KeyError as error:
        if error.args[0] == "external_id":
            raise NothingToSendError("The prospect has no link with the source of the webhook.") from None
        raise NothingToSendError("The session has no deal.") from None
    assert webhook.credential, "a record update has a credential"
    credential = cipher.decrypt("credential", webhook.id, webhook.credential)
    client_credentials = update.credentials(credential)
    figures = to_jsonable_python(flat_fields(session_out(tx, plans, session)))
    return OutgoingRequest(
        update.method,
        url,
        to_json(record_body(update, figures)),
        {"Content-Type": "application/json"},
        None if client_credentials else credential,
        client_credentials,
    )


def _prospect(tx: Transaction, event: EventOut) -> Any:
    prospect = tx.db.exec(select(Prospect).where(col(Prospect.id) == event.prospect_id)).one_or_none()
    return prospect_out(tx, prospect) if prospect else None


def _session(tx: Transaction, plans: Plans, event: EventOut) -> SessionOut | None:
    session = tx.db.get(Session, event.session_id) if event.session_id else None
    return session_out_at(tx, plans, session, event.revision) if session and event.revision else None
