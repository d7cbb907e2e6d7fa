"""What is sent: an event's message, signed as Standard Webhooks has it, or the update of a record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_json, to_jsonable_python
from sqlmodel import col, select
from standardwebhooks.webhooks import Webhook as Signer

from app.clock import new_id
from app.db import Transaction
from app.events.feed import read_latest
from app.events.tables import TYPES, Event, EventType, types_named
from app.forms.flow import figures_of
from app.prospects import records
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.sessions.news import EventOut, show_events
from app.sessions.tables import Session
from app.sessions.views import SessionOut, show, show_as_of
from app.webhooks.outbox import wants
from app.webhooks.record_update import ClientCredentials, RecordUpdateIn, body_of, filled, places_in
from app.webhooks.tables import Webhook
from app.webhooks.wire import Message, Payload

MOST_TRIED = 50
# Of an invented event: no version of UUID that any event has.
INVENTED = UUID(int=0)
MADE_UP_SET = "qualifying-a-sale"
WHEN = datetime(2026, 1, 31, 9, tzinfo=UTC)
MADE_UP: Mapping[str, Any] = {
    "indication": "fit", "settled": True, "score": 82.5, "lowest": 71.0, "highest": 91.0, "coverage": 0.75,
    "grade": None, "change": "answered",
}  # fmt: skip


class NothingToSendError(Exception):
    """There is no record to update; the message says why."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A request to another system, but for the bearer token that it may need."""

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    client_credentials: ClientCredentials | None = None


def render(
    tx: Transaction, plans: Plans, webhook: Webhook, event: Event, message_id: UUID | None = None
) -> Outgoing:
    """What to send for an event.

    A record update has the session as it is now; a full message has its score as of the event. Raises
    `NothingToSendError`, and `ScoresHaveAged` for a record update of a session that has aged.
    """
    if webhook.record_update:
        return _update(tx, plans, webhook, RecordUpdateIn.model_validate(webhook.record_update), event)
    (message,) = messages(tx, plans, [event], webhook.payload)
    return signed(tx, webhook, message.model_copy(update={"id": message_id or event.id}))


def messages(tx: Transaction, plans: Plans, events: list[Event], payload: str) -> list[Message]:
    """The messages of events; a full one has the session with the score as of the event."""
    return [
        Message(
            id=told.id,
            type=told.type,
            timestamp=told.at,
            data=told,
            prospect=_prospect(tx, told) if payload == "full" else None,
            session=_session(tx, plans, told) if payload == "full" else None,
        )
        for told in show_events(tx, events)
    ]


def samples(
    tx: Transaction, plans: Plans, types: list[EventType], payload: Payload, limit: int
) -> list[Message]:
    """The newest messages of these types (of any, if empty), newest first; invented if there are none yet."""
    found = list(read_latest(tx, limit, types))
    return (
        messages(tx, plans, found, payload)
        if found
        else [invented(type_) for type_ in (types or TYPES)[:limit]]
    )


def sample_for(tx: Transaction, plans: Plans, webhook: Webhook) -> Outgoing:
    """What the webhook would send of the newest event that it wants, under an id of its own.

    Raises `NothingToSendError` where no record can be updated yet, and `ScoresHaveAged`.
    """
    types, key = types_named(webhook.types), webhook.question_set
    why = NothingToSendError("Nothing has happened yet that it would tell.")
    for event in read_latest(tx, MOST_TRIED, types, key):
        if not wants(webhook, event):
            continue
        try:
            return render(tx, plans, webhook, event, new_id())
        except NothingToSendError as error:
            why = error
    if webhook.record_update:
        raise why
    return signed(tx, webhook, invented((types or TYPES)[0], key).model_copy(update={"id": new_id()}))


def invented(type_: EventType, key: str | None = None) -> Message:
    """A message of that type as it could be, for whoever builds before anything has happened."""
    about_session = not type_.startswith(("prospect.", "question_set."))
    event = dict.fromkeys(EventOut.model_fields) | {
        "id": INVENTED,
        "position": 1,
        "type": type_,
        "at": WHEN,
        "prospect_id": None if type_.startswith("question_set.") else INVENTED,
        "session_id": INVENTED if about_session else None,
        "question_set": None if type_.startswith("prospect.") else f"{key or MADE_UP_SET}@1",
        "revision": 1,
        "links": [{"source": "example", "external_id": "1"}] if about_session else [],
        **(MADE_UP if about_session else {}),
    }
    told = EventOut.model_validate(event)
    return Message(id=told.id, type=type_, timestamp=told.at, data=told, prospect=None, session=None)


def signed(tx: Transaction, webhook: Webhook, message: Message) -> Outgoing:
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
    return Outgoing("POST", webhook.url, body.encode(), headers)


def _update(
    tx: Transaction, plans: Plans, webhook: Webhook, update: RecordUpdateIn, event: Event
) -> Outgoing:
    session = tx.db.get(Session, event.session_id)
    if session is None:
        raise NothingToSendError("The session is gone.")
    links = records.links_of(tx, [session.prospect_id])[session.prospect_id]
    places = {
        "external_id": next((link.external_id for link in links if link.source == update.source), None),
        "deal": session.deal or None,
        "prospect_id": str(session.prospect_id),
        "session_id": str(session.id),
    }
    if any(places[place] in {".", ".."} for place in places_in(webhook.url)):
        raise NothingToSendError("'.' and '..' cannot stand in an address.")
    try:
        url = filled(webhook.url, {place: value for place, value in places.items() if value is not None})
    except KeyError as error:
        what = "link of that source" if error.args[0] == "external_id" else "deal"
        raise NothingToSendError(f"The session's prospect has no {what}.") from None
    figures = to_jsonable_python(figures_of(show(tx, plans, session)))
    return Outgoing(
        update.method,
        url,
        to_json(body_of(update, figures)),
        {"Content-Type": "application/json"},
        update.token.token if update.token else None,
        update.client_credentials,
    )


def _prospect(tx: Transaction, told: EventOut) -> Any:
    found = tx.db.exec(select(Prospect).where(col(Prospect.id) == told.prospect_id)).one_or_none()
    return records.show(tx, found) if found else None


def _session(tx: Transaction, plans: Plans, told: EventOut) -> SessionOut | None:
    found = tx.db.get(Session, told.session_id) if told.session_id else None
    return show_as_of(tx, plans, found, told.revision) if found and told.revision else None
