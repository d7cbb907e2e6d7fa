"""A record update: how a score lands in the record that another system keeps of the prospect."""

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from app.events.tables import types_named
from app.forms.flow import FIGURES
from app.scoring import Flaw, Flawed, form, parts_of
from app.webhooks.targets import authority_of
from app.wire import VISIBLE, In, Out, Source

MOST_FIELDS = 100
PLACES = ("external_id", "deal", "prospect_id", "session_id")
# The only events that have a session, whose figures are written.
OF_SESSIONS = types_named(["session.*", "score.*", "indication.*", "decision.*", "outcome.*"])
PLACE = re.compile(r"\{([^{}]*)\}")
ESTIMATE = re.compile(r"[a-z][a-z0-9_]{0,47}_score")
POINTER = form(r"^(/([^~/]|~0|~1){1,100}){1,8}$", "send a JSON pointer into the body: /properties/fit_score")


def _one_of_ours(figure: str) -> str:
    if figure not in FIGURES and not ESTIMATE.fullmatch(figure):
        known = ", ".join(sorted(FIGURES))
        raise ValueError(f"send one of these, or a dimension's key with _score behind it: {known}")
    return figure


Figure = Annotated[str, AfterValidator(_one_of_ours)]
Place = Annotated[str, StringConstraints(pattern=POINTER)]
Secret = Annotated[str, StringConstraints(strict=True, max_length=4000, pattern=VISIBLE)]


class Token(In):
    """A bearer token that does not change."""

    token: Secret


class ClientCredentials(In):
    """What to ask for a bearer token with, by OAuth 2.0's client-credentials grant (RFC 6749, 4.4)."""

    token_url: Annotated[str, StringConstraints(strict=True, max_length=2000)]
    client_id: Secret
    client_secret: Secret
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
        dict[Place, Figure],
        Field(
            min_length=1,
            max_length=MOST_FIELDS,
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
    token: Annotated[Token | None, Field(description="a bearer token that does not change")] = None
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


def record_update_out(stored: Mapping[str, Any]) -> RecordUpdateOut:
    """A stored record update as the caller sees it."""
    update = RecordUpdateIn.model_validate(stored)
    asked = update.client_credentials
    return RecordUpdateOut(
        **update.model_dump(include={"method", "source", "fields", "values"}),
        token_url=asked.token_url if asked else None,
        client_id=asked.client_id if asked else None,
    )


def places_in(url: str) -> list[str]:
    """The names between braces in a URL."""
    return PLACE.findall(url)


def check_fit(url: str, update: RecordUpdateIn, types: Collection[str]) -> None:
    """Raises `Flawed` for a URL with a place that nothing fills or with none, and for types that say nothing.

    The pointers lead into the webhook.
    """
    places = places_in(url)
    known = ", ".join(f"{{{place}}}" for place in PLACES)
    if not (places and set(places) <= set(PLACES)):
        detail = f"the URL of a record has one of these in its path, and no others: {known}"
        raise Flawed([Flaw("/url", detail, "invalid")])
    if "{" in authority_of(url):
        raise Flawed([Flaw("/url", "the host is the same for every record: name it", "invalid")])
    if "external_id" in places and update.source is None:
        detail = "{external_id} in the URL is that of a link: name its source"
        raise Flawed([Flaw("/record_update/source", detail, "missing")])
    if types and not set(types_named(types)) & set(OF_SESSIONS):
        detail = f"a record has the figures of a session: these tell of one: {', '.join(OF_SESSIONS)}"
        raise Flawed([Flaw("/types", detail, "invalid")])


def filled(url: str, values: Mapping[str, str]) -> str:
    """The URL with every place filled; raises KeyError for one that has no value."""
    return PLACE.sub(lambda place: quote(values[place[1]], safe=""), url)


def body_of(update: RecordUpdateIn, figures: Mapping[str, Any]) -> dict[str, Any]:
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
