"""What a record update writes, where, and with which credentials."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StringConstraints,
    Tag,
    ValidationError,
    model_validator,
)

from app.inbound.forms.schemas import SESSION_FIELDS
from app.schemas import VISIBLE, In, Out, Source, excluding, filled, neither
from app.scoring import form, parts_of, whole

MAX_RECORD_FIELDS = 100
MAX_HEADERS = 20
ABSOLUTE_URL = "^[Hh][Tt][Tt][Pp][Ss]?://[^#]+$"
# A new value for each request, by which an automation in the other system recognises it.
UPDATE_ID = "update_id"
FIGURES = SESSION_FIELDS | {"name", "external_id", UPDATE_ID}
KEYED_FIGURE = re.compile(r"[a-z][a-z0-9_]{0,47}_score|(rating|attribute)\.[a-z][a-z0-9_]{0,47}")
# In this order, the first figure in a body identifies the record, if the URL has no placeholder.
PLACEHOLDERS = ("external_id", "deal", "prospect_id", "session_id")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
BODY_POINTER = form(
    r"^(/([^~/]|~0|~1){1,100}){1,8}$", "send a JSON pointer into the body: /properties/fit_score"
)
LIST_INDEX = re.compile("0|[1-9][0-9]{0,2}")
HEADER_CHARACTERS = "[A-Za-z0-9!#$%&'*+.^_`|~-]"
HEADER_NAME = form(f"^{HEADER_CHARACTERS}{{1,100}}$", "send the name of a header, such as If-Match")
HEADER_VALUE = form(
    r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$", "send visible ASCII characters, with spaces only in between"
)
TOKEN_PLACEHOLDER = "{token}"  # noqa: S105  # of a pattern
TOKEN_HEADER = form(
    rf"^{HEADER_CHARACTERS}{{1,100}}: ([\x21-\x7a]{{1,50}} )?\{{token\}}$",
    "send a header that ends with {token}: Authorization: Bearer {token}",
)
BEARER = f"Authorization: Bearer {TOKEN_PLACEHOLDER}"
# The service sets these itself: they belong to the connection and to the message on it.
RESERVED_HEADERS = {
    *("accept-encoding", "connection", "content-length", "expect", "host", "keep-alive"),
    *("proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"),
    "prospect-fit-update-id",
}


def _known_figure(figure: str) -> str:
    if figure not in FIGURES and not KEYED_FIGURE.fullmatch(figure):
        known = ", ".join(sorted(FIGURES))
        raise ValueError(
            "send one of these, rating. and the key of a question, attribute. and the name of an attribute, "
            f"or the key of a dimension followed by _score: {known}"
        )
    return figure


Figure = Annotated[
    str,
    AfterValidator(_known_figure),
    Field(json_schema_extra={"pattern": f"^({'|'.join(sorted(FIGURES))}|{KEYED_FIGURE.pattern})$"}),
]
BodyPointer = Annotated[str, StringConstraints(pattern=BODY_POINTER)]
CredentialText = Annotated[str, StringConstraints(strict=True, max_length=4000, pattern=VISIBLE)]
SecretText = Annotated[CredentialText, Field(repr=False)]
ValueType = Literal["typed", "text"]


class FormattedFigure(In):
    """A figure, and how to send it."""

    figure: Figure
    type: Annotated[
        Literal["text", "number"] | None,
        Field(
            description="number: send a text that is a number, such as an id, as a number; by default, "
            "`values` applies"
        ),
    ] = None
    max_length: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=1_000_000), BeforeValidator(whole)] | None,
        Field(
            description="cut a longer text to this number of characters, the last of which is …; a character "
            "that UTF-16 encodes in two units, such as an emoji, counts as two",
        ),
    ] = None


class Constant(In):
    """A value that is the same in every update."""

    value: JsonValue


def _kind_of_field(sent: Any) -> str:
    if isinstance(sent, Constant) or (isinstance(sent, Mapping) and "value" in sent):
        return "constant"
    return "figure" if isinstance(sent, str) else "formatted"


RecordField = Annotated[
    Annotated[Figure, Tag("figure")]
    | Annotated[FormattedFigure, Tag("formatted")]
    | Annotated[Constant, Tag("constant")],
    Discriminator(_kind_of_field),
]
RecordFields = dict[BodyPointer, RecordField]


def placeholders_in(url: str) -> list[str]:
    """Return the names between braces in a URL."""
    return PLACEHOLDER.findall(url)


def figures_by_pointer(fields: Mapping[str, RecordField]) -> dict[str, FormattedFigure]:
    """Return the figure of each field that is not a constant."""
    return {
        pointer: FormattedFigure(figure=mapped) if isinstance(mapped, str) else mapped
        for pointer, mapped in fields.items()
        if not isinstance(mapped, Constant)
    }


def figures_of(fields: Mapping[str, RecordField]) -> set[str]:
    """Return the names of the figures in fields."""
    return {formatted.figure for formatted in figures_by_pointer(fields).values()}


def identifying_names(url: str, fields: Mapping[str, RecordField]) -> list[str]:
    """Return which of `PLACEHOLDERS` identify the record: those in the URL, or else the first in the body."""
    figures = figures_of(fields)
    return placeholders_in(url) or [name for name in PLACEHOLDERS if name in figures][:1]


class FixedToken(In):
    """A token that does not change, such as an API key."""

    token: SecretText


class ClientCredentials(In):
    """How to request a token with the OAuth 2.0 client credentials grant (RFC 6749, 4.4).

    With a refresh token, the grant is that of a refresh token (6).
    """

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
    refresh_token: Annotated[
        CredentialText | None,
        Field(description="a refresh token that does not change when it is used", repr=False),
    ] = None
    scope: Annotated[str, StringConstraints(strict=True, max_length=1000)] | None = None


def _usable_headers(headers: dict[str, str]) -> dict[str, str]:
    names = [name.lower() for name in headers]
    if unusable := [name for name in headers if name.lower() in RESERVED_HEADERS]:
        raise ValueError(f"the service sets this header itself: leave out {unusable[0]}")
    if len(set(names)) < len(names):
        raise ValueError("two headers have the same name: send each header once")
    return headers


class RecordUpdateIn(In):
    """How to update a record of another system.

    The URL or the body contains the id of the record. The update writes the figures that the session has when
    it is sent, so that an older state never overwrites a newer one. If the id is the external id of a link,
    the record of every link of that source is updated. Every request has the header
    `Prospect-Fit-Update-Id` with a new value.
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
            description="the source of the links whose external ids identify the records; with {deal}, the "
            "source of the system to which the deals belong",
            examples=["hubspot.company"],
        ),
    ] = None
    fields: Annotated[
        RecordFields,
        Field(
            min_length=1,
            max_length=MAX_RECORD_FIELDS,
            description="what to write, by JSON pointer into the body of the update: the name of a figure, "
            "an object with a figure and how to send it, or an object with a constant. The figures are those "
            "of a flat form's response, and `name`, `external_id`, `rating.` with the key of a question, "
            "`attribute.` with a name, and `update_id`, which is new in each update. Parts that are numbers "
            "from 0 make a list",
            examples=[
                {
                    "/properties/fit_score": "score",
                    "/properties/fit_summary": {"figure": "summary", "max_length": 255},
                }
            ],
        ),
    ]
    values: Annotated[
        ValueType,
        Field(
            description="typed: send numbers, true, false and null as they are; text: send everything as "
            "text, and null as an empty text"
        ),
    ] = "typed"
    token: Annotated[FixedToken | None, Field(description="a token that does not change")] = None
    client_credentials: ClientCredentials | None = None
    token_header: Annotated[
        str,
        StringConstraints(strict=True, max_length=200, pattern=TOKEN_HEADER),
        Field(
            description="the header that holds the token; for Basic, the token is the base64 of the user "
            "name, a colon and the password",
            examples=["X-API-Key: {token}"],
        ),
    ] = BEARER
    headers: Annotated[
        dict[
            Annotated[str, StringConstraints(pattern=HEADER_NAME)],
            Annotated[str, StringConstraints(strict=True, max_length=4000, pattern=HEADER_VALUE)],
        ],
        Field(
            max_length=MAX_HEADERS,
            description="further headers; their values are stored like the token, and never shown",
            examples=[{"If-Match": "*"}],
            repr=False,
        ),
        AfterValidator(_usable_headers),
    ] = {}

    @model_validator(mode="after")
    def _check_credentials_and_fields(self) -> "RecordUpdateIn":
        if (self.token is None) == (self.client_credentials is None):
            raise ValueError("send either token or client_credentials")
        token_header, _, _ = self.token_header.partition(":")
        if token_header.lower() in RESERVED_HEADERS | {name.lower() for name in self.headers}:
            raise ValueError(f"{token_header} cannot hold the token: the request has another header with it")
        for pointer in self.fields:
            if any(other != pointer and other.startswith(pointer + "/") for other in self.fields):
                raise ValueError(f"a value cannot be both at {pointer} and below it: remove one of the two")
        _check_lists(self.fields)
        return self

    @property
    def credential(self) -> str:
        """The secrets as they are encrypted: a `Credential` as JSON."""
        if credentials := self.client_credentials:
            credential = Credential(
                secret=credentials.client_secret,
                refresh_token=credentials.refresh_token,
                headers=self.headers,
            )
        else:
            assert self.token, "one of the two is there"
            credential = Credential(secret=self.token.token, headers=self.headers)
        return credential.model_dump_json()


def _check_lists(fields: Mapping[str, Any]) -> None:
    """Require the numbers of each list to be 0, 1, 2 and so on, and no names beside them."""
    names: dict[tuple[str, ...], set[str]] = {}
    for pointer in fields:
        parts = parts_of(pointer)
        for depth, part in enumerate(parts):
            names.setdefault(tuple(parts[:depth]), set()).add(part)
    for siblings in names.values():
        numbers = {name for name in siblings if LIST_INDEX.fullmatch(name)}
        if numbers and siblings != {str(number) for number in range(len(siblings))}:
            raise ValueError(
                f"{min(numbers)} would be the place in a list: number the places of each list from 0, with "
                "no names beside them"
            )


class Credential(BaseModel):
    """The secrets of a record update: its token or client secret, and the values of its headers."""

    secret: Annotated[str, Field(repr=False)]
    refresh_token: Annotated[str | None, Field(repr=False)] = None
    headers: Annotated[dict[str, str], Field(repr=False)] = {}

    @classmethod
    def of(cls, decrypted: str) -> "Credential":
        """Return the secrets that a webhook stores.

        After the encryption key was lost, a stored credential is a random text. It serves as a token that
        the other system refuses.
        """
        try:
            return cls.model_validate_json(decrypted)
        except ValidationError:
            return cls(secret=decrypted)


class StoredRecordUpdate(In):
    """A record update as it is stored: without its secrets, which are encrypted in a column of their own."""

    method: Literal["PATCH", "PUT", "POST"]
    source: str | None
    fields: dict[str, RecordField]
    values: ValueType
    token_header: str
    headers: list[str]
    token_url: str | None
    client_id: str | None
    scope: str | None

    @classmethod
    def of(cls, update: RecordUpdateIn) -> "StoredRecordUpdate":
        """Return what is stored of a record update."""
        credentials = update.client_credentials
        return cls(
            method=update.method,
            source=update.source,
            fields=dict(update.fields),
            values=update.values,
            token_header=update.token_header,
            headers=sorted(update.headers),
            token_url=credentials.token_url if credentials else None,
            client_id=credentials.client_id if credentials else None,
            scope=credentials.scope if credentials else None,
        )

    def credentials(self, credential: Credential) -> ClientCredentials | None:
        """Return the client credentials with their secrets; None if the token does not change."""
        if self.token_url is None or self.client_id is None:
            return None
        return ClientCredentials(
            token_url=self.token_url,
            client_id=self.client_id,
            client_secret=credential.secret,
            refresh_token=credential.refresh_token,
            scope=self.scope,
        )


class RecordUpdateOut(Out):
    """How a record of another system is updated, without the secrets."""

    method: Literal["PATCH", "PUT", "POST"]
    source: str | None
    fields: RecordFields
    values: ValueType
    token_header: str
    headers: Annotated[list[str], Field(description="the names of the further headers")]
    token_url: Annotated[str | None, Field(description="null if the token does not change")]
    client_id: str | None


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
