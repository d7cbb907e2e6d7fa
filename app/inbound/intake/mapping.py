"""Read a payload with a mapping. The pointers in flaws lead into the intake, to the place to correct."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ValidationError

from app.inbound.forms.schemas import Form, number_as_text
from app.inbound.intake.schemas import IntakeMapping
from app.problems import MALFORMED_BODY, FieldError, Problem
from app.prospects.schemas import Link
from app.scoring import Flaw, Flawed, is_blank, parts_of, pointer

UNRESOLVED = object()
LIST_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
# How Dataverse and other .NET systems send what is an object elsewhere.
PAIR_KEYS = (("key", "value"), ("Key", "Value"))
FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1000
# All of a payload is one transaction, which must not keep others waiting for long.
MAX_ITEMS = 100
MAPPING_POINTER = "/mapping"
IDENTITY_FIELDS = ("external_id", "name", "deal")


class PointerResolver:
    """One payload, or an item of one, to look many pointers up in."""

    def __init__(self, payload: Any) -> None:
        self._payload = payload
        # By its identity, since every pointer into a list would look at all of it again.
        self._named: dict[int, Mapping[Any, Any]] = {}

    def look_up(self, pointer: str) -> Any:
        """What a pointer leads to, or NOWHERE.

        In a list of objects that have `key` and `value`, a name leads to the value that has that key.
        """
        found = self._payload
        for token in parts_of(pointer):
            found = self._step(found, token)
            if found is UNRESOLVED:
                break
        return found

    def _step(self, value: Any, token: str) -> Any:
        if isinstance(value, dict):
            return value.get(token, UNRESOLVED)
        if not isinstance(value, list):
            return UNRESOLVED
        if id(value) not in self._named:
            self._named[id(value)] = _by_key(value)
        named = self._named[id(value)]
        if token in named:
            return named[token]
        if LIST_INDEX.fullmatch(token) and int(token) < len(value):
            return value[int(token)]
        return UNRESOLVED


def _by_key(entries: list[Any]) -> Mapping[Any, Any]:
    """What stands in a list of keys and values, of a key that comes again the first."""
    for key, held in PAIR_KEYS:
        if all(isinstance(entry, dict) and key in entry and held in entry for entry in entries):
            pairs = ((entry[key], entry[held]) for entry in reversed(entries))
            return {name: value for name, value in pairs if isinstance(name, str)}
    return {}


def kind_of(value: Any) -> str:
    """What a value is called in a message, which never repeats it."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "nothing" if value is None else "a text" if isinstance(value, str) else "a number"


def read_payload(media_type: str, body: bytes) -> Any:
    """What a payload says that was taken in: JSON was read strictly then."""
    return read_fields(body) if media_type == FORM_MEDIA_TYPE else json.loads(body)


def read_fields(body: bytes) -> dict[str, str | list[str]]:
    """The fields of a web form by name, of one that is there several times a list.

    Raises MALFORMED_BODY where that is not what `body` holds.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS
        )
    except UnicodeDecodeError:
        raise _malformed("it is not percent-encoded UTF-8") from None
    except ValueError:
        raise _malformed(f"it has more than {MAX_FORM_FIELDS} fields: send fewer") from None
    if not pairs:
        raise _malformed("it has no field")
    if any("\0" in part for pair in pairs for part in pair):
        raise _malformed("a text holds a NUL character")
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _malformed(reason: str) -> Problem:
    errors = [FieldError("body", "", "malformed", reason)]
    return Problem(MALFORMED_BODY, f"The form cannot be read: {reason}.", errors)


@dataclass(frozen=True, slots=True)
class MappedValues:
    """What one item of a payload says: whom it is about, and the attributes and ratings.

    `unresolved_pointers` are the places in the intake of pointers that lead nowhere in this item.
    """

    own: dict[str, Any]
    attributes: dict[str, Any]
    ratings: dict[str, Any]
    unresolved_pointers: list[str]


def split_items(mapping: IntakeMapping, payload: Any) -> list[Any]:
    """The items of a payload, which is the only one if it is not told where a list of them is.

    Raises `Flawed` where there is no list, or one that is too long.
    """
    if mapping.items_pointer is None:
        return [payload]
    items = PointerResolver(payload).look_up(mapping.items_pointer)
    if items is UNRESOLVED:
        raise Flawed([_unresolved(MAPPING_POINTER + "/items_pointer")])
    if not isinstance(items, list):
        detail = f"there is {kind_of(items)} in the payload at that place: point at a list"
        raise Flawed([Flaw(MAPPING_POINTER + "/items_pointer", detail, "wrong_type")])
    if len(items) > MAX_ITEMS:
        raise Flawed(
            [Flaw(MAPPING_POINTER + "/items_pointer", f"at most {MAX_ITEMS} items at a time", "too_long")]
        )
    return items


def read_item(mapping: IntakeMapping, item: Any, *, whole: bool = False) -> MappedValues:
    """What an item says; it may lack what is not its id, unless it has to be `whole`.

    Raises `Flawed` for what leads nowhere or to what is no single value.
    """
    read = _ItemReader(mapping, item)
    own = {name: value for name, value in read.own() if value is not None}
    attributes, ratings = (dict(read.all_of(part)) for part in ("attributes", "ratings"))
    flaws = [*read.flaws, *(_unresolved(place) for place in read.unresolved_pointers if whole)]
    if "external_id" not in own and not any(
        flaw.pointer == f"{MAPPING_POINTER}/external_id" for flaw in flaws
    ):
        flaws.append(_missing_id(unresolved=f"{MAPPING_POINTER}/external_id" in read.unresolved_pointers))
    if flaws:
        raise Flawed(flaws)
    return MappedValues({"source": mapping.source, **own}, attributes, ratings, read.unresolved_pointers)


class _ItemReader:
    """One item being read; gathers what is wrong, and what leads nowhere."""

    def __init__(self, mapping: IntakeMapping, item: Any) -> None:
        self._mapping = mapping
        self._places = PointerResolver(item)
        self._absent = {(isinstance(value, bool), value) for value in mapping.empty_values}
        self.flaws: list[Flaw] = []
        self.unresolved_pointers: list[str] = []

    def own(self) -> Iterator[tuple[str, Any]]:
        for name in IDENTITY_FIELDS:
            if (where := getattr(self._mapping, name)) is not None:
                yield from self._value(name, where, f"{MAPPING_POINTER}/{name}")

    def all_of(self, part: str) -> Iterator[tuple[str, Any]]:
        for name, where in getattr(self._mapping, part).items():
            yield from self._value(name, where, MAPPING_POINTER + pointer(part, name))

    def _value(self, name: str, where: str, place: str) -> Iterator[tuple[str, Any]]:
        found = self._places.look_up(where)
        if found is UNRESOLVED:
            self.unresolved_pointers.append(place)
        elif isinstance(found, dict | list):
            detail = f"there is {kind_of(found)} in the payload at that place: point at one value in it"
            self.flaws.append(Flaw(place, detail, "wrong_type"))
        elif (isinstance(found, bool), found) in self._absent:
            yield name, None
        elif not is_blank(found):
            yield name, found


def _unresolved(place: str) -> Flaw:
    return Flaw(place, "it leads nowhere in the payload: correct it, or take it away", "points_nowhere")


def _missing_id(*, unresolved: bool) -> Flaw:
    kind = "points_nowhere" if unresolved else "missing"
    detail = "there is nothing in the payload at that place: point at the id of the record"
    return Flaw(f"{MAPPING_POINTER}/external_id", detail, kind)


def links_in(mapping: IntakeMapping, payload: Any) -> Iterator[Link]:
    """Whom a payload is about, as far as it tells."""
    with suppress(Flawed):
        for item in split_items(mapping, payload):
            if (link := link_of(mapping, item)) is not None:
                yield link


def link_of(mapping: IntakeMapping, item: Any) -> Link | None:
    """Whom one item of a payload is about, if it tells."""
    only_id = IntakeMapping(
        source=mapping.source, external_id=mapping.external_id, empty_values=mapping.empty_values
    )
    with suppress(Flawed, ValidationError):
        form = Form.model_validate(read_item(only_id, item).own)
        return Link(source=form.source, external_id=form.external_id)
    return None


def may_be_about(mapping: IntakeMapping, payload: Any, ids: Collection[str]) -> bool:
    """Whether a payload is about one of these ids of the mapping's source.

    What does not tell whom it is about is about an id that it holds anywhere.
    """
    try:
        items = split_items(mapping, payload)
    except Flawed:
        return _contains(payload, ids)
    return any(_item_may_be_about(mapping, item, ids) for item in items) or (
        not items and _contains(payload, ids)
    )


def _item_may_be_about(mapping: IntakeMapping, item: Any, ids: Collection[str]) -> bool:
    link = link_of(mapping, item)
    return link.external_id in ids if link else _contains(item, ids)


def _contains(payload: Any, ids: Collection[str]) -> bool:
    waiting = [payload]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
        elif number_as_text(part) in ids:
            return True
    return False
