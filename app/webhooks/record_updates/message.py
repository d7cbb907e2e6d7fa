"""Build the HTTP request of a record update."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from pydantic_core import to_json, to_jsonable_python

from app.clock import new_id
from app.db import Transaction
from app.encryption.service import Cipher
from app.events.tables import SESSION_EVENT_TYPES, Event, types_named
from app.inbound.forms.service import flat_fields
from app.prospects.queries import find_prospect, links_of
from app.prospects.received import Part
from app.prospects.schemas import Link
from app.prospects.tables import ProspectLink
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, parts_of, read_number
from app.sessions.presenters import session_out
from app.sessions.tables import Session
from app.webhooks.record_updates.schemas import (
    BEARER,
    LIST_INDEX,
    PLACEHOLDER,
    PLACEHOLDERS,
    UPDATE_ID,
    ClientCredentials,
    Constant,
    Credential,
    FormattedFigure,
    RecordUpdateIn,
    StoredRecordUpdate,
    ValueType,
    figures_by_pointer,
    figures_of,
    identifying_names,
    placeholders_in,
)
from app.webhooks.record_updates.service import Written
from app.webhooks.tables import Webhook
from app.webhooks.targets import authority_of

UPDATE_ID_HEADER = "Prospect-Fit-Update-Id"
RATING, ATTRIBUTE = "rating.", "attribute."
CONCLUSIONS = ("decision", "outcome")
ELLIPSIS = "…"
# UTF-16, whose code units are the characters of `max_length`. Encoding adds no byte order mark.
UTF_16 = "utf-16-le"


@dataclass(frozen=True, slots=True)
class OutgoingRequest:
    """A request to another system: a record update, or a message.

    The sender adds the `secret_headers` and, as `token_header` says, the token: `token`, or one that it
    requests with `client_credentials`. `written` is what the request writes into a record.
    """

    method: str
    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: str | None = field(default=None, repr=False)
    token_header: str = BEARER
    client_credentials: ClientCredentials | None = None
    written: Written | None = None


class NothingToSendError(Exception):
    """There is no record to update. The message gives the reason."""


def check_record_update(
    url: str, update: RecordUpdateIn | StoredRecordUpdate, types: Collection[str]
) -> None:
    """Check that the URL and the event types of a webhook suit its record update.

    Raises:
        Flawed: if neither the URL nor the body has the id of the record, if the URL has an unknown
            placeholder or one in its host, if the source of the links is missing, or if none of the types
            belongs to a session. The pointers start at the webhook.
    """
    known = ", ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    is_valid = set(placeholders_in(url)) <= set(PLACEHOLDERS) and not set("{}") & set(
        PLACEHOLDER.sub("", url)
    )
    if not is_valid or not identifying_names(url, update.fields):
        detail = (
            "after its host, the URL must contain one or more of these, and nothing else in braces: "
            f"{known}. It needs none of them if a field of the body has such an id"
        )
        raise Flawed([Flaw("/url", detail, "invalid")])
    if "{" in authority_of(url):
        raise Flawed([Flaw("/url", "the host must not contain a placeholder: write it out", "invalid")])
    if "external_id" in {*placeholders_in(url), *figures_of(update.fields)} and update.source is None:
        detail = "the URL or a field contains external_id: send the source of the link that it is taken from"
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


def shorten(text: str, max_length: int) -> str:
    """Return a text of at most `max_length` UTF-16 code units. A longer one is cut, and ends with "…"."""
    encoded = text.encode(UTF_16)
    if len(encoded) <= 2 * max_length:
        return text
    # The half of a character at the end is left out.
    return encoded[: 2 * (max_length - 1)].decode(UTF_16, "ignore").rstrip() + ELLIPSIS


def formatted(mapped: FormattedFigure, value: Any, values: ValueType) -> Any:
    """Return the value of a figure as it is sent.

    Raises:
        NothingToSendError: if it has to be a number, and is not one.
    """
    if mapped.type == "number":
        number = read_number(value)
        if number is None and value is not None:
            raise NothingToSendError(f"The figure {mapped.figure} is not a number.")
        return number
    if mapped.type == "text" or values == "text":
        value = _as_text(value)
    return shorten(value, mapped.max_length) if mapped.max_length and isinstance(value, str) else value


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def record_values(update: StoredRecordUpdate, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a record update by pointer, without the figures that the session does not have."""
    constants = {
        pointer: mapped.value for pointer, mapped in update.fields.items() if isinstance(mapped, Constant)
    }
    return constants | {
        pointer: formatted(mapped, figures[mapped.figure], update.values)
        for pointer, mapped in figures_by_pointer(update.fields).items()
        if mapped.figure in figures
    }


def record_body(values: Mapping[str, Any]) -> Any:
    """Return the body that has these values at these pointers. Names that are numbers from 0 make a list."""
    body: dict[str, Any] = {}
    for pointer, value in values.items():
        *parents, last = parts_of(pointer)
        target = body
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = _Leaf(value)
    return _with_lists(body)


class _Leaf:
    """A value in a body, whatever it is: a constant can be an object with numbers as names."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _with_lists(node: Any) -> Any:
    if isinstance(node, _Leaf):
        return node.value
    converted = {name: _with_lists(value) for name, value in node.items()}
    if not all(LIST_INDEX.fullmatch(name) for name in converted):
        return converted
    # A place whose figure the session does not have stays empty, so that the others keep their places.
    return [converted.get(str(place)) for place in range(1 + max(map(int, converted)))]


def record_request(
    tx: Transaction, plans: Plans, cipher: Cipher, webhook: Webhook, event: Event, external_id: str | None
) -> OutgoingRequest:
    """Return the request that writes the current figures of an event's session into a record.

    `external_id` is the link whose record is updated; None means the first link of the source.

    Raises:
        NothingToSendError: if there is no record to update.
        StaleScores: if the score of the session has to be computed again first.
    """
    update = StoredRecordUpdate.model_validate(webhook.record_update)
    session = tx.db.get(Session, event.session_id)
    if session is None:
        raise NothingToSendError("The session no longer exists.")
    links = [
        link
        for link in links_of(tx, [session.prospect_id])[session.prospect_id]
        if link.source == update.source
    ]
    if "external_id" in identifying_names(webhook.url, update.fields):
        links = [link for link in links if external_id in (None, link.external_id)][:1]
    update_id = str(new_id())
    figures = {
        **_session_figures(tx, plans, session),
        "external_id": links[0].external_id if links else None,
        UPDATE_ID: update_id,
    }
    url = _url_of_record(webhook.url, update, figures)
    _require_something_to_write(webhook.url, update, figures)
    values = record_values(update, figures)
    assert webhook.credential, "a record update has a credential"
    credential = Credential.of(cipher.decrypt("credential", webhook.id, webhook.credential))
    client_credentials = update.credentials(credential)
    return OutgoingRequest(
        update.method,
        url,
        to_json(record_body(values)),
        {"Content-Type": "application/json", UPDATE_ID_HEADER: update_id},
        secret_headers=credential.headers,
        token=None if client_credentials else credential.secret,
        token_header=update.token_header,
        client_credentials=client_credentials,
        written=_written(update, figures, values, session, links),
    )


def _require_something_to_write(url: str, update: StoredRecordUpdate, figures: Mapping[str, Any]) -> None:
    """Raise NothingToSendError if an update maps figures, and none of them exists.

    The ids of the record and of the update do not count: they say nothing about the session.
    """
    mapped = figures_of(update.fields) - {UPDATE_ID, *identifying_names(url, update.fields)}
    if mapped and mapped.isdisjoint(figures):
        raise NothingToSendError("There is no value yet for any of the mapped figures.")


def _written(
    update: StoredRecordUpdate,
    figures: Mapping[str, Any],
    values: Mapping[str, Any],
    session: Session,
    links: Sequence[ProspectLink],
) -> Written | None:
    """Return what an update writes that people may change in the other system; None if it is nothing."""
    answers, of_prospect = {}, {}
    for pointer, mapped in figures_by_pointer(update.fields).items():
        figure = mapped.figure
        if figure not in figures:
            continue
        # A text can be cut. Everything else comes back as what it was, even if it was sent as text.
        sent = values[pointer] if isinstance(figures[figure], str) else figures[figure]
        if figure.startswith(RATING) or figure in CONCLUSIONS:
            answers[figure.removeprefix(RATING)] = sent
        elif figure.startswith(ATTRIBUTE) or figure == "name":
            of_prospect[figure.removeprefix(ATTRIBUTE)] = sent
    if not (links and (answers or of_prospect)):
        return None
    return Written(
        [Link(source=link.source, external_id=link.external_id) for link in links],
        Part(session.deal, session.assessor, session.question_set),
        answers,
        of_prospect,
    )


def _session_figures(tx: Transaction, plans: Plans, session: Session) -> dict[str, Any]:
    """Return the figures of a session, and what people may also change in the other system."""
    shown = session_out(tx, plans, session)
    prospect = find_prospect(tx, session.prospect_id)
    return {
        **to_jsonable_python(flat_fields(shown)),
        **({"name": prospect.name} if prospect.name else {}),
        **{f"{RATING}{answer.question}": answer.rating for answer in shown.answers},
        **{f"{ATTRIBUTE}{name}": value for name, value in prospect.attributes.items()},
    }


def _url_of_record(url: str, update: StoredRecordUpdate, figures: Mapping[str, Any]) -> str:
    """Return the URL of the record.

    Raises:
        NothingToSendError: if the session has no such id, or if the URL cannot contain it.
    """
    for name in identifying_names(url, update.fields):
        if figures[name] is None:
            if name == "external_id":
                raise NothingToSendError("The prospect has no link with the source of the webhook.")
            raise NothingToSendError("The session has no deal.")
    if any(figures[name] in {".", ".."} for name in placeholders_in(url)):
        raise NothingToSendError("A URL cannot contain '.' or '..' as the id of a record.")
    return fill_placeholders(url, figures)
