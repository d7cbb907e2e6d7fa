"""Webhooks and deliveries in requests and responses."""

import base64
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints

from app.events.tables import NAMES, EventType
from app.prospects.wire import ProspectOut
from app.scoring import SET_KEY
from app.sessions.news import EventOut
from app.sessions.views import SessionOut
from app.webhooks.outbox import ANSWER_CHARACTERS, Result
from app.webhooks.record_update import RecordUpdateIn, RecordUpdateOut, record_update_out
from app.webhooks.tables import Delivery, DeliveryStatus, Webhook
from app.wire import Line, Out, Revision, WriteIn

SECRET_PREFIX = "whsec_"  # noqa: S105  # of Standard Webhooks
SHORTEST_SECRET, LONGEST_SECRET = 24, 64


def _known(name: str) -> str:
    if name not in NAMES:
        raise ValueError(f"send one of these: {', '.join(NAMES)}")
    return name


def _usable(secret: str) -> str:
    try:
        length = len(base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True))
    except ValueError:
        length = 0
    if not secret.startswith(SECRET_PREFIX) or not SHORTEST_SECRET <= length <= LONGEST_SECRET:
        raise ValueError(f"send {SECRET_PREFIX} and {SHORTEST_SECRET} to {LONGEST_SECRET} bytes in base64")
    return secret


Url = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=2000),
    Field(
        description="http or https; no credentials, no fragment", examples=["https://example.com/hooks/fit"]
    ),
]
EventName = Annotated[str, StringConstraints(strict=True, max_length=100), AfterValidator(_known)]
Types = Annotated[
    list[EventName],
    Field(
        max_length=40,
        description="prospect.* is all that begin so; none stands for all",
        examples=[["score.*"]],
    ),
]
SetKey = Annotated[
    str,
    StringConstraints(strict=True, pattern=SET_KEY),
    Field(description="only what happens to sessions with this set", examples=["qualifying-a-sale"]),
]
Payload = Literal["thin", "full", "record"]
SigningSecret = Annotated[str, StringConstraints(strict=True, max_length=100), AfterValidator(_usable)]


class NewWebhook(WriteIn):
    """Where to send what. With `record_update`, another system's record is written instead."""

    url: Url
    name: Line | None = None
    types: Types = []
    question_set: SetKey | None = None
    payload: Annotated[
        Literal["thin", "full"],
        Field(
            description="thin: the event as in the feed; full: its prospect and session as well, with the "
            "score as of the event"
        ),
    ] = "thin"
    secret: Annotated[SigningSecret | None, Field(description="to sign with; without it one is made")] = None
    record_update: RecordUpdateIn | None = None


class WebhookChange(WriteIn):
    """What to change; what is not sent stays. A record update is replaced as a whole."""

    url: Url | None = None
    name: Line | None = None
    types: Types | None = None
    question_set: SetKey | None = None
    payload: Literal["thin", "full"] | None = None
    record_update: RecordUpdateIn | None = None
    status: Annotated[
        Literal["active", "disabled"] | None,
        Field(
            description="while it is disabled nothing is sent or added; what was pending goes on with active"
        ),
    ] = None
    revision: Annotated[
        Revision | None, Field(description="refuse the change if there is a newer revision than this")
    ] = None


class Rotation(WriteIn):
    """A new secret to sign with; for 24 hours the one before signs as well."""

    secret: Annotated[SigningSecret | None, Field(description="without it one is made")] = None


class DeliveryReplay(WriteIn):
    """What to send again, whatever became of it."""

    delivery_ids: Annotated[
        list[UUID] | None, Field(min_length=1, max_length=1000, description="without it: all that failed")
    ] = None


class WebhookOut(Out):
    """Where what is sent. Its secret is shown when it is made."""

    id: UUID
    name: str | None
    url: str
    types: list[str]
    question_set: str | None
    payload: Payload
    record_update: RecordUpdateOut | None
    status: Literal["active", "disabled"]
    disabled_because: str | None
    paused_until: Annotated[datetime | None, Field(description="the far end asked for it, by Retry-After")]
    old_secret_until: Annotated[datetime | None, Field(description="until then two secrets sign")]
    revision: int
    created_at: datetime
    updated_at: datetime


class WebhookMade(WebhookOut):
    """A webhook with its new secret. This is the only time that it is shown."""

    secret: str


class WebhookLines(Out):
    items: list[WebhookOut]


class Message(Out):
    """What a webhook sends: the event as in the feed; in a full one its prospect and session besides."""

    id: Annotated[UUID, Field(description="the event's, the same however often it is sent")]
    type: EventType
    timestamp: Annotated[datetime, Field(description="when it happened")]
    data: EventOut
    prospect: Annotated[
        ProspectOut | None, Field(description="as it is now; null in a thin one, and once erased")
    ]
    session: Annotated[
        SessionOut | None,
        Field(
            description="as it is now, but with the score as of the event's revision; null in a thin "
            "message, and where there is no session"
        ),
    ]


class DeliveryOut(Out):
    """One event for one webhook: what was tried, and what came of the last attempt."""

    id: UUID
    event_id: UUID
    position: Annotated[int, Field(description="of the event in the feed")]
    status: Annotated[
        DeliveryStatus,
        Field(
            description="failed: given up; superseded: a later update of the record said it; skipped: there "
            "is no record to update"
        ),
    ]
    attempts: int
    due_at: Annotated[datetime | None, Field(description="of the next attempt, while it is pending")]
    last_attempt_at: datetime | None
    last_status: Annotated[int | None, Field(description="of HTTP; null where nothing was answered")]
    last_error: str | None
    last_answer: Annotated[str | None, Field(description="how the far end's answer began, unless it took it")]
    last_milliseconds: int | None
    settled_at: Annotated[datetime | None, Field(description="when it was delivered or given up")]


class ReplayedDeliveries(Out):
    """How many deliveries are pending again."""

    replayed: int


class Tried(Out):
    """What came of one attempt."""

    status: Annotated[int | None, Field(description="of HTTP; null where nothing was answered")]
    error: str | None
    answer: Annotated[str | None, Field(description="how the far end's answer began")]
    milliseconds: int


def webhook_out(webhook: Webhook) -> WebhookOut:
    """A stored webhook as the caller sees it."""
    update = record_update_out(webhook.record_update) if webhook.record_update else None
    stored = webhook.model_dump(include=set(WebhookOut.model_fields) - {"record_update"})
    return WebhookOut.model_validate({**stored, "record_update": update})


def webhook_made(webhook: Webhook) -> WebhookMade:
    """A stored webhook with the secret that signs."""
    shown: dict[str, Any] = dict(webhook_out(webhook))
    return WebhookMade.model_validate({**shown, "secret": webhook.secret})


def delivery_out(delivery: Delivery) -> DeliveryOut:
    """A stored delivery as the caller sees it."""
    shown = delivery.model_dump(include=set(DeliveryOut.model_fields))
    return DeliveryOut.model_validate(shown | ({} if delivery.status == "pending" else {"due_at": None}))


def tried(result: Result) -> Tried:
    """What came of an attempt, as the caller sees it."""
    return Tried(
        status=result.status,
        error=result.error,
        answer=(result.answer or "")[:ANSWER_CHARACTERS] or None,
        milliseconds=result.milliseconds,
    )
