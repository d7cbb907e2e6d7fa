"""Webhooks and deliveries in requests and responses."""

import base64
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.events.tables import EVENT_TYPE_FILTERS, EventType
from app.inbound.forms.schemas import SESSION_FIELDS
from app.prospects.schemas import ProspectOut
from app.schemas import VISIBLE, In, Line, Out, Revision, Source, WriteIn
from app.scoring import SET_KEY, form
from app.sessions.schemas import EventOut, SessionOut
from app.webhooks.tables import DeliveryStatus

MAX_FIELDS = 100
ESTIMATE_FIELD = re.compile(r"[a-z][a-z0-9_]{0,47}_score")
BODY_POINTER = form(
    r"^(/([^~/]|~0|~1){1,100}){1,8}$", "send a JSON pointer into the body: /properties/fit_score"
)
SECRET_PREFIX = "whsec_"  # noqa: S105  # of Standard Webhooks
SHORTEST_SECRET, LONGEST_SECRET = 24, 64
MAX_ANSWER_CHARACTERS = 500


def _known_field(figure: str) -> str:
    if figure not in SESSION_FIELDS and not ESTIMATE_FIELD.fullmatch(figure):
        known = ", ".join(sorted(SESSION_FIELDS))
        raise ValueError(f"send one of these, or a dimension's key with _score behind it: {known}")
    return figure


SessionField = Annotated[str, AfterValidator(_known_field)]
BodyPointer = Annotated[str, StringConstraints(pattern=BODY_POINTER)]
CredentialText = Annotated[str, StringConstraints(strict=True, max_length=4000, pattern=VISIBLE)]


class BearerToken(In):
    """A bearer token that does not change."""

    token: CredentialText


class ClientCredentials(In):
    """What to ask for a bearer token with, by OAuth 2.0's client-credentials grant (RFC 6749, 4.4)."""

    token_url: Annotated[str, StringConstraints(strict=True, max_length=2000)]
    client_id: CredentialText
    client_secret: CredentialText
    scope: Annotated[str, StringConstraints(strict=True, max_length=1000)] | None = None


class RecordUpdateIn(In):
    """How to write another system's record: the URL holds {external_id}, {deal} or another place.

    It is written with the session as it stands then, so an older state never follows a newer one.
    """

    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    source: Annotated[
        Source | None,
        Field(description="the link that {external_id} is of", examples=["hubspot.company"]),
    ] = None
    fields: Annotated[
        dict[BodyPointer, SessionField],
        Field(
            min_length=1,
            max_length=MAX_FIELDS,
            description="by JSON pointer into the body: the session's figure to put there, named as in the "
            "answer of a flat form",
            examples=[{"/properties/fit_score": "score", "/properties/fit_indication": "indication"}],
        ),
    ]
    values: Annotated[
        Literal["typed", "text"],
        Field(
            description="typed: numbers, true, false and null; text: all as text, and null as an empty one"
        ),
    ] = "typed"
    token: Annotated[BearerToken | None, Field(description="a bearer token that does not change")] = None
    client_credentials: ClientCredentials | None = None

    @model_validator(mode="after")
    def _can_be_written(self) -> "RecordUpdateIn":
        if (self.token is None) == (self.client_credentials is None):
            raise ValueError("send token or client_credentials, one of the two")
        for place in self.fields:
            if any(other != place and other.startswith(place + "/") for other in self.fields):
                raise ValueError(f"a value cannot stand at {place} and below it: take one of the two away")
        return self


class RecordUpdateOut(Out):
    """How another system's record is written; what is secret of it is not shown."""

    method: Literal["PATCH", "PUT", "POST"]
    source: str | None
    fields: dict[str, str]
    values: Literal["typed", "text"]
    token_url: Annotated[str | None, Field(description="null with a token that does not change")]
    client_id: str | None


def _known_event(name: str) -> str:
    if name not in EVENT_TYPE_FILTERS:
        raise ValueError(f"send one of these: {', '.join(EVENT_TYPE_FILTERS)}")
    return name


def _usable_secret(secret: str) -> str:
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
EventName = Annotated[str, StringConstraints(strict=True, max_length=100), AfterValidator(_known_event)]
EventNames = Annotated[
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
SigningSecret = Annotated[str, StringConstraints(strict=True, max_length=100), AfterValidator(_usable_secret)]


class NewWebhook(WriteIn):
    """Where to send what. With `record_update`, another system's record is written instead."""

    url: Url
    name: Line | None = None
    types: EventNames = []
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
    types: EventNames | None = None
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


class SecretRotation(WriteIn):
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


class WebhookCreated(WebhookOut):
    """A webhook with its new secret. This is the only time that it is shown."""

    secret: str


class WebhookList(Out):
    items: list[WebhookOut]


class WebhookMessage(Out):
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


class TestResult(Out):
    """What came of one attempt."""

    status: Annotated[int | None, Field(description="of HTTP; null where nothing was answered")]
    error: str | None
    answer: Annotated[str | None, Field(description="how the far end's answer began")]
    milliseconds: int


class WebhookTemplate(Out):
    """A record update to begin with."""

    name: Annotated[str, Field(examples=["hubspot-company"])]
    title: str
    prepare: Annotated[
        list[str], Field(description="what has to be there in the other system, and what to fill in")
    ]
    webhook: Annotated[dict[str, Any], Field(description="the body for POST /v1/webhooks")]


class WebhookTemplateList(Out):
    items: list[WebhookTemplate]
