"""The requests and responses of webhooks and deliveries."""

import base64
import re
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints, model_validator

from app.events.tables import EVENT_TYPE_FILTERS, EventType
from app.inbound.forms.schemas import SESSION_FIELDS
from app.prospects.schemas import ProspectOut
from app.schemas import (
    VISIBLE,
    In,
    Line,
    Out,
    Revision,
    Schema,
    Source,
    WriteIn,
    excluding,
    filled,
    neither,
    without_null,
)
from app.scoring import SET_KEY, form
from app.sessions.schemas import EventOut, SessionOut
from app.webhooks.tables import DeliveryStatus

MAX_RECORD_FIELDS = 100
ABSOLUTE_URL = "^[Hh][Tt][Tt][Pp][Ss]?://[^#]+$"
ESTIMATE_FIELD = re.compile(r"[a-z][a-z0-9_]{0,47}_score")
BODY_POINTER = form(
    r"^(/([^~/]|~0|~1){1,100}){1,8}$", "send a JSON pointer into the body: /properties/fit_score"
)
SECRET_PREFIX = "whsec_"  # noqa: S105  # of Standard Webhooks
MIN_SECRET_BYTES, MAX_SECRET_BYTES = 24, 64
# Base64 has four characters for three bytes. The last four are padded if they stand for one or two bytes.
THREE_BYTES, TWO_BYTES, ONE_BYTE = "[A-Za-z0-9+/]{4}", "[A-Za-z0-9+/]{3}=", "[A-Za-z0-9+/]{2}=="
SECRET_PATTERN = (
    f"^{SECRET_PREFIX}(({THREE_BYTES}){{8,20}}({ONE_BYTE}|{TWO_BYTES})?|({THREE_BYTES}){{21}}({ONE_BYTE})?)$"
)
MAX_ANSWER_CHARACTERS = 500


def _known_field(figure: str) -> str:
    if figure not in SESSION_FIELDS and not ESTIMATE_FIELD.fullmatch(figure):
        known = ", ".join(sorted(SESSION_FIELDS))
        raise ValueError(f"send one of these, or the key of a dimension followed by _score: {known}")
    return figure


SessionField = Annotated[
    str,
    AfterValidator(_known_field),
    Field(json_schema_extra={"pattern": f"^({'|'.join(sorted(SESSION_FIELDS))}|{ESTIMATE_FIELD.pattern})$"}),
]
BodyPointer = Annotated[str, StringConstraints(pattern=BODY_POINTER)]
CredentialText = Annotated[str, StringConstraints(strict=True, max_length=4000, pattern=VISIBLE)]
SecretText = Annotated[CredentialText, Field(repr=False)]


class BearerToken(In):
    """A bearer token that does not change."""

    token: SecretText


class ClientCredentials(In):
    """How to request a bearer token with the OAuth 2.0 client credentials grant (RFC 6749, 4.4)."""

    token_url: Annotated[
        str,
        StringConstraints(strict=True, max_length=2000),
        Field(
            description="an https URL, or an http URL to a network that the operator allows",
            json_schema_extra={"pattern": ABSOLUTE_URL},
        ),
    ]
    client_id: CredentialText
    client_secret: SecretText
    scope: Annotated[str, StringConstraints(strict=True, max_length=1000)] | None = None


class RecordUpdateIn(In):
    """How to update a record of another system. The URL has {external_id}, {deal} or another placeholder.

    The update writes the figures that the session has when it is sent, so that an older state never
    overwrites a newer one.
    """

    model_config = ConfigDict(
        json_schema_extra=excluding(
            neither(filled("token"), filled("client_credentials")), filled("token", "client_credentials")
        )
    )

    method: Literal["PATCH", "PUT", "POST"] = "PATCH"
    source: Annotated[
        Source | None,
        Field(
            description="the source of the link whose external id replaces {external_id}",
            examples=["hubspot.company"],
        ),
    ] = None
    fields: Annotated[
        dict[BodyPointer, SessionField],
        Field(
            min_length=1,
            max_length=MAX_RECORD_FIELDS,
            description="the names of the figures to write, as in the response of a flat form, by JSON "
            "pointer into the body of the update",
            examples=[{"/properties/fit_score": "score", "/properties/fit_indication": "indication"}],
        ),
    ]
    values: Annotated[
        Literal["typed", "text"],
        Field(
            description="typed: send numbers, true, false and null as they are; text: send everything as "
            "text, and null as an empty text"
        ),
    ] = "typed"
    token: Annotated[BearerToken | None, Field(description="a bearer token that does not change")] = None
    client_credentials: ClientCredentials | None = None

    @model_validator(mode="after")
    def _check_credentials_and_fields(self) -> "RecordUpdateIn":
        if (self.token is None) == (self.client_credentials is None):
            raise ValueError("send either token or client_credentials")
        for pointer in self.fields:
            if any(other != pointer and other.startswith(pointer + "/") for other in self.fields):
                raise ValueError(f"a value cannot be both at {pointer} and below it: remove one of the two")
        return self

    @property
    def credential(self) -> str:
        """The token or the client secret."""
        if self.client_credentials:
            return self.client_credentials.client_secret
        assert self.token, "one of the two is there"
        return self.token.token


class StoredRecordUpdate(In):
    """A record update as it is stored: without its credential, which is encrypted in a column of its own."""

    method: Literal["PATCH", "PUT", "POST"]
    source: str | None
    fields: dict[str, str]
    values: Literal["typed", "text"]
    token_url: str | None
    client_id: str | None
    scope: str | None

    @classmethod
    def of(cls, update: RecordUpdateIn) -> "StoredRecordUpdate":
        """Return what is stored of a record update."""
        credentials = update.client_credentials
        return cls(
            **update.model_dump(include={"method", "source", "fields", "values"}),
            token_url=credentials.token_url if credentials else None,
            client_id=credentials.client_id if credentials else None,
            scope=credentials.scope if credentials else None,
        )

    def credentials(self, client_secret: str) -> ClientCredentials | None:
        """Return the client credentials with their secret; None if the token does not change."""
        if self.token_url is None or self.client_id is None:
            return None
        return ClientCredentials(
            token_url=self.token_url, client_id=self.client_id, client_secret=client_secret, scope=self.scope
        )


class RecordUpdateOut(Out):
    """How a record of another system is updated, without the secrets."""

    method: Literal["PATCH", "PUT", "POST"]
    source: str | None
    fields: dict[str, str]
    values: Literal["typed", "text"]
    token_url: Annotated[str | None, Field(description="null if the token does not change")]
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
    if not secret.startswith(SECRET_PREFIX) or not MIN_SECRET_BYTES <= length <= MAX_SECRET_BYTES:
        raise ValueError(
            f"send {SECRET_PREFIX} followed by {MIN_SECRET_BYTES} to {MAX_SECRET_BYTES} bytes in base64"
        )
    return secret


Url = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=2000),
    Field(
        description="an http or https URL without credentials and fragment; for a record update https, or "
        "http to a network that the operator allows",
        examples=["https://example.com/hooks/fit"],
        json_schema_extra={"pattern": ABSOLUTE_URL},
    ),
]
EventName = Annotated[
    str,
    StringConstraints(strict=True, max_length=100),
    AfterValidator(_known_event),
    Field(json_schema_extra={"enum": [*EVENT_TYPE_FILTERS]}),
]
EventNames = Annotated[
    list[EventName],
    Field(
        max_length=40,
        description="the event types to send; prospect.* means all types of that group, and an empty list "
        "means all types",
        examples=[["score.*"]],
    ),
]
SetKey = Annotated[
    str,
    StringConstraints(strict=True, pattern=SET_KEY),
    Field(
        description="send only events about this question set and its sessions",
        examples=["qualifying-a-sale"],
    ),
]
Payload = Literal["thin", "full", "record"]
SigningSecret = Annotated[
    str,
    StringConstraints(strict=True, max_length=100),
    AfterValidator(_usable_secret),
    Field(json_schema_extra={"pattern": SECRET_PATTERN}),
]


PAYLOAD_IS_FULL: Schema = {"required": ["payload"], "properties": {"payload": {"enum": ["full"]}}}


class NewWebhook(WriteIn):
    """Which events to send, and where. With `record_update`, it updates records of another system."""

    model_config = ConfigDict(
        json_schema_extra=excluding({"allOf": [filled("record_update"), PAYLOAD_IS_FULL]})
    )

    url: Url
    name: Line | None = None
    types: EventNames = []
    question_set: SetKey | None = None
    payload: Annotated[
        Literal["thin", "full"],
        Field(
            description="thin: the event as in the feed; full: also its prospect and its session, with the "
            "score as of the event"
        ),
    ] = "thin"
    secret: Annotated[
        SigningSecret | None, Field(description="the secret that signs; generated by default", repr=False)
    ] = None
    record_update: RecordUpdateIn | None = None


# A field that a change can leave out, and cannot set to null.
NotNull = Field(json_schema_extra=without_null)


class WebhookChange(WriteIn):
    """The fields to change. Other fields stay as they are. A record update is replaced as a whole."""

    url: Annotated[Url | None, NotNull] = None
    name: Line | None = None
    types: Annotated[EventNames | None, NotNull] = None
    question_set: SetKey | None = None
    payload: Annotated[Literal["thin", "full"] | None, NotNull] = None
    record_update: Annotated[RecordUpdateIn | None, NotNull] = None
    status: Annotated[
        Literal["active", "disabled"] | None,
        Field(
            description="a disabled webhook sends nothing and gets no new deliveries; its pending deliveries "
            "continue when it is active again",
            json_schema_extra=without_null,
        ),
    ] = None
    revision: Annotated[
        Revision | None, Field(description="reject the change if the webhook has a newer revision than this")
    ] = None


class SecretRotation(WriteIn):
    """A new secret. For 24 hours the old secret signs as well."""

    secret: Annotated[SigningSecret | None, Field(description="generated by default", repr=False)] = None


class DeliveryReplay(WriteIn):
    """Which deliveries to send again, whatever their status."""

    delivery_ids: Annotated[
        list[UUID] | None,
        Field(
            min_length=1,
            max_length=1000,
            description="by default, the first 1000 that failed: repeat the request until none is left",
        ),
    ] = None


class WebhookOut(Out):
    """A webhook, without its secret."""

    id: UUID
    name: str | None
    url: str
    types: list[str]
    question_set: str | None
    payload: Payload
    record_update: RecordUpdateOut | None
    status: Literal["active", "disabled"]
    disabled_because: str | None
    paused_until: Annotated[
        datetime | None, Field(description="the receiver requested the pause with Retry-After")
    ]
    pending: Annotated[int, Field(description="the number of deliveries that are not settled yet")]
    waiting: Annotated[
        int,
        Field(
            description="the number of events in the feed that have not been examined for this webhook yet. "
            "They wait while there are as many pending deliveries as PROSPECT_FIT_WEBHOOK_PENDING_DELIVERIES "
            "allows, or many that are due; none of them is lost"
        ),
    ]
    old_secret_until: Annotated[datetime | None, Field(description="until then the old secret signs as well")]
    revision: int
    created_at: datetime
    updated_at: datetime


class WebhookCreated(WebhookOut):
    """A webhook with its new secret. No other response shows the secret."""

    secret: Annotated[str, Field(repr=False)]


class WebhookList(Out):
    items: list[WebhookOut]


class WebhookMessage(Out):
    """A message of a webhook: the event as in the feed, and in a full message its prospect and session."""

    id: Annotated[UUID, Field(description="the id of the event; the same in every attempt")]
    type: EventType
    timestamp: Annotated[datetime, Field(description="the time of the event")]
    data: EventOut
    prospect: Annotated[
        ProspectOut | None,
        Field(description="as it is now; null in a thin message, and after the prospect is erased"),
    ]
    session: Annotated[
        SessionOut | None,
        Field(
            description="as it is now, but with the score as of the revision of the event; null in a thin "
            "message, and if the event has no session"
        ),
    ]


class DeliveryOut(Out):
    """One event for one webhook, with the result of the last attempt."""

    id: UUID
    event_id: UUID
    position: Annotated[int, Field(description="the position of the event in the feed")]
    status: Annotated[
        DeliveryStatus,
        Field(
            description="failed: not tried again; superseded: replaced by a later update of the same record; "
            "skipped: there is no record to update"
        ),
    ]
    attempts: int
    due_at: Annotated[
        datetime | None, Field(description="the time of the next attempt; null unless it is pending")
    ]
    last_attempt_at: datetime | None
    last_status: Annotated[int | None, Field(description="the HTTP status; null without a response")]
    last_error: str | None
    last_answer: Annotated[
        str | None,
        Field(
            description="the beginning of the response body, if the status is not 2xx; always null unless "
            "the setting PROSPECT_FIT_WEBHOOK_TEST_SHOWS_ANSWER is on"
        ),
    ]
    last_milliseconds: int | None
    settled_at: Annotated[
        datetime | None, Field(description="when it was delivered, failed, superseded or skipped")
    ]


class ReplayedDeliveries(Out):
    """The number of deliveries that are pending again."""

    replayed: int


class TestResult(Out):
    """The result of one attempt."""

    status: Annotated[int | None, Field(description="the HTTP status; null without a response")]
    error: str | None
    answer: Annotated[
        str | None,
        Field(
            description="the beginning of the response body; always null unless the setting "
            "PROSPECT_FIT_WEBHOOK_TEST_SHOWS_ANSWER is on"
        ),
    ]
    milliseconds: int


class WebhookTemplate(Out):
    """A ready-made record update to start from."""

    name: Annotated[str, Field(examples=["hubspot-company"])]
    title: str
    prepare: Annotated[
        list[str], Field(description="what to prepare in the other system, and which values to fill in")
    ]
    webhook: Annotated[dict[str, Any], Field(description="the body for POST /v1/webhooks")]


class WebhookTemplateList(Out):
    items: list[WebhookTemplate]
