"""Build the request of a delivery: a signed message (Standard Webhooks), or the update of a record."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from uuid import UUID

from pydantic_core import to_json, to_jsonable_python
from sqlmodel import col, select
from standardwebhooks.webhooks import Webhook as Signer

from app.clock import new_id
from app.db import Transaction
from app.events.queries import read_latest
from app.events.tables import EVENT_TYPES, Event, EventType, types_named
from app.inbound.forms.service import flat_fields
from app.prospects.queries import links_of, prospect_out
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, parts_of
from app.sessions.responses import events_out, session_out, session_out_at
from app.sessions.schemas import EventOut, SessionOut
from app.sessions.tables import Session
from app.webhooks.outbox import matches
from app.webhooks.schemas import ClientCredentials, Payload, RecordUpdateIn, WebhookMessage
from app.webhooks.tables import Webhook
from app.webhooks.targets import authority_of

PLACEHOLDERS = ("external_id", "deal", "prospect_id", "session_id")
# The only events that have a session, whose figures are written.
SESSION_EVENTS = types_named(["session.*", "score.*", "indication.*", "decision.*", "outcome.*"])
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MAX_SAMPLED = 50
# Of an invented event: no version of UUID that any event has.
EXAMPLE_ID = UUID(int=0)
EXAMPLE_SET = "qualifying-a-sale"
EXAMPLE_TIME = datetime(2026, 1, 31, 9, tzinfo=UTC)
EXAMPLE_FIGURES: Mapping[str, Any] = {
    "indication": "fit", "settled": True, "score": 82.5, "lowest": 71.0, "highest": 91.0, "coverage": 0.75,
    "grade": None, "change": "answered",
}  # fmt: skip


def placeholders_in(url: str) -> list[str]:
    """The names between braces in a URL."""
    return PLACEHOLDER.findall(url)


def check_record_update(url: str, update: RecordUpdateIn, types: Collection[str]) -> None:
    """Raises `Flawed` for a URL with a place that nothing fills or with none, and for types that say nothing.

    The pointers lead into the webhook.
    """
    places = placeholders_in(url)
    known = ", ".join(f"{{{place}}}" for place in PLACEHOLDERS)
    if not (places and set(places) <= set(PLACEHOLDERS)):
        detail = f"the URL of a record has one of these in its path, and no others: {known}"
        raise Flawed([Flaw("/url", detail, "invalid")])
    if "{" in authority_of(url):
        raise Flawed([Flaw("/url", "the host is the same for every record: name it", "invalid")])
    if "external_id" in places and update.source is None:
        detail = "{external_id} in the URL is that of a link: name its source"
        raise Flawed([Flaw("/record_update/source", detail, "missing")])
    if types and not set(types_named(types)) & set(SESSION_EVENTS):
        detail = f"a record has the figures of a session: these tell of one: {', '.join(SESSION_EVENTS)}"
        raise Flawed([Flaw("/types", detail, "invalid")])


def fill_placeholders(url: str, values: Mapping[str, str]) -> str:
    """The URL with every place filled; raises KeyError for one that has no value."""
    return PLACEHOLDER.sub(lambda place: quote(values[place[1]], safe=""), url)


def record_body(update: RecordUpdateIn, figures: Mapping[str, Any]) -> dict[str, Any]:
    """The body that sets every field whose figure the session has."""
    body: dict[str, Any] = {}
    for place, figure in update.fields.items():
        if figure not in figures:
            continue
        *above, last = parts_of(place)
        inner = body
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = _as_text(figures[figure]) if update.values == "text" else figures[figure]
    return body


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


class NothingToSendError(Exception):
    """There is no record to update; the message says why."""


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request to another system, but for the bearer token that it may need."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    client_credentials: ClientCredentials | None = None


def outgoing_request(
    tx: Transaction, plans: Plans, webhook: Webhook, event: Event, message_id: UUID | None = None
) -> OutgoingRequest:
    """What to send for an event.

    A record update has the session as it is now; a full message has its score as of the event. Raises
    `NothingToSendError`, and `ScoresHaveAged` for a record update of a session that has aged.
    """
    if webhook.record_update:
        return _record_request(
            tx, plans, webhook, RecordUpdateIn.model_validate(webhook.record_update), event
        )
    (message,) = messages(tx, plans, [event], webhook.payload)
    return signed_request(tx, webhook, message.model_copy(update={"id": message_id or event.id}))


def messages(tx: Transaction, plans: Plans, events: list[Event], payload: str) -> list[WebhookMessage]:
    """The messages of events; a full one has the session with the score as of the event."""
    return [
        WebhookMessage(
            id=told.id,
            type=told.type,
            timestamp=told.at,
            data=told,
            prospect=_prospect(tx, told) if payload == "full" else None,
            session=_session(tx, plans, told) if payload == "full" else None,
        )
        for told in events_out(tx, events)
    ]


def samples(
    tx: Transaction, plans: Plans, types: list[EventType], payload: Payload, limit: int
) -> list[WebhookMessage]:
    """The newest messages of these types (of any, if empty), newest first; invented if there are none yet."""
    found = list(read_latest(tx, limit, types))
    return (
        messages(tx, plans, found, payload)
        if found
        else [example_message(type_) for type_ in (types or EVENT_TYPES)[:limit]]
    )


def sample_for(tx: Transaction, plans: Plans, webhook: Webhook) -> OutgoingRequest:
    """What the webhook would send of the newest event that it wants, under an id of its own.

    Raises `NothingToSendError` where no record can be updated yet, and `ScoresHaveAged`.
    """
    types, key = types_named(webhook.types), webhook.question_set
    why = NothingToSendError("Nothing has happened yet that it would tell.")
    for event in read_latest(tx, MAX_SAMPLED, types, key):
        if not matches(webhook, event):
            continue
        try:
            return outgoing_request(tx, plans, webhook, event, new_id())
        except NothingToSendError as error:
            why = error
    if webhook.record_update:
        raise why
    return signed_request(
        tx, webhook, example_message((types or EVENT_TYPES)[0], key).model_copy(update={"id": new_id()})
    )


def example_message(type_: EventType, key: str | None = None) -> WebhookMessage:
    """A message of that type as it could be, for whoever builds before anything has happened."""
    about_session = not type_.startswith(("prospect.", "question_set."))
    event = dict.fromkeys(EventOut.model_fields) | {
        "id": EXAMPLE_ID,
        "position": 1,
        "type": type_,
        "at": EXAMPLE_TIME,
        "prospect_id": None if type_.startswith("question_set.") else EXAMPLE_ID,
        "session_id": EXAMPLE_ID if about_session else None,
        "question_set": None if type_.startswith("prospect.") else f"{key or EXAMPLE_SET}@1",
        "revision": 1,
        "links": [{"source": "example", "external_id": "1"}] if about_session else [],
        **(EXAMPLE_FIGURES if about_session else {}),
    }
    told = EventOut.model_validate(event)
    return WebhookMessage(id=told.id, type=type_, timestamp=told.at, data=told, prospect=None, session=None)


def signed_request(tx: Transaction, webhook: Webhook, message: WebhookMessage) -> OutgoingRequest:
    """A message with its signature, by the secret and, for a day after a change, by the one before."""
    body = message.model_dump_json()
    secrets = [webhook.secret]
    if webhook.old_secret and webhook.old_secret_until and webhook.old_secret_until > tx.at:
        secrets.append(webhook.old_secret)
    headers = {
        "Content-Type": "application/json",
        "webhook-id": str(message.id),
        "webhook-timestamp": str(int(tx.at.timestamp())),
        "webhook-signature": " ".join(
            Signer(secret).sign(str(message.id), tx.at, body) for secret in secrets
        ),
    }
    return OutgoingRequest("POST", webhook.url, body.encode(), headers)


def _record_request(
    tx: Transaction, plans: Plans, webhook: Webhook, update: RecordUpdateIn, event: Event
) -> OutgoingRequest:
    session = tx.db.get(Session, event.session_id)
    if session is None:
        raise NothingToSendError("The session is gone.")
    links = links_of(tx, [session.prospect_id])[session.prospect_id]
    places = {
        "external_id": next((link.external_id for link in links if link.source == update.source), None),
        "deal": session.deal or None,
        "prospect_id": str(session.prospect_id),
        "session_id": str(session.id),
    }
    if any(places[place] in {".", ".."} for place in placeholders_in(webhook.url)):
        raise NothingToSendError("'.' and '..' cannot stand in an address.")
    try:
        url = fill_placeholders(
            webhook.url, {place: value for place, value in places.items() if value is not None}
        )
    except KeyError as error:
        what = "link of that source" if error.args[0] == "external_id" else "deal"
        raise NothingToSendError(f"The session's prospect has no {what}.") from None
    figures = to_jsonable_python(flat_fields(session_out(tx, plans, session)))
    return OutgoingRequest(
        update.method,
        url,
        to_json(record_body(update, figures)),
        {"Content-Type": "application/json"},
        update.token.token if update.token else None,
        update.client_credentials,
    )


def _prospect(tx: Transaction, told: EventOut) -> Any:
    found = tx.db.exec(select(Prospect).where(col(Prospect.id) == told.prospect_id)).one_or_none()
    return prospect_out(tx, found) if found else None


def _session(tx: Transaction, plans: Plans, told: EventOut) -> SessionOut | None:
    found = tx.db.get(Session, told.session_id) if told.session_id else None
    return session_out_at(tx, plans, found, told.revision) if found and told.revision else None
