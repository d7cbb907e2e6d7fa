"""Read a payload with a mapping. The pointers in flaws refer to the field of the intake to correct."""

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from pydantic import TypeAdapter, ValidationError

from app.inbound.forms.schemas import Form, as_time, number_as_text
from app.inbound.intake.schemas import IntakeMapping
from app.problems import MALFORMED_BODY, FieldError, Problem
from app.prospects.schemas import IdRule, Link, match_key
from app.schemas import Moment, normalized_id
from app.scoring import Condition, Flaw, Flawed, holds, is_blank, parts_of, pointer, read_number
from app.strict_json import read_any_json, unstorable_reason

UNRESOLVED = object()
TIME = TypeAdapter(Moment)
LIST_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
# Dataverse and other .NET systems send objects as lists of pairs with these keys.
PAIR_KEYS = (("key", "value"), ("Key", "Value"))
FORM_MEDIA_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1000
# One transaction processes the whole payload, and must not block other writers for long.
MAX_PAYLOAD_ITEMS = 100
MAPPING_POINTER = "/mapping"
IDENTITY_FIELDS = ("external_id", "name", "deal", "assessor", "actor")
# The fields of a form besides its identity, its attributes and its questions.
CONCLUSION_FIELDS = (
    *("answered_at", "opened_on", "decision", "decision_reason", "decision_revisit_on", "outcome"),
    *("outcome_amount", "outcome_currency", "outcome_closed_on", "outcome_reason", "outcome_competitor"),
)
# The field of the mapping, if its name differs from that of the form.
MAPPING_FIELDS = {"answered_at": "at"}
# The fields whose pointers start at the item, even if the mapping has a `property`.
ITEM_FIELDS = ("external_id", "deal", "assessor", "actor", "answered_at")


class PointerResolver:
    """Looks up pointers in one payload, or in one item of a payload."""

    def __init__(self, payload: Any) -> None:
        self._payload = payload
        # The values of each list by key, by the id() of the list. Without this cache, every pointer into a
        # list would read the whole list again.
        self._values_by_key: dict[int, Mapping[Any, Any]] = {}

    def look_up(self, pointer: str, empty_values: Collection[tuple[bool, Any]] = ()) -> Any:
        """Return the value that a JSON pointer leads to, or UNRESOLVED.

        In a list of objects with `key` and `value`, a name leads to the value of that key. If a null or an
        empty value is on the way, such as Odoo's false instead of a reference to a record, it is the result.
        """
        value = self._payload
        for token in parts_of(pointer):
            if value is None or is_among(empty_values, value):
                break
            value = self._step(value, token)
            if value is UNRESOLVED:
                break
        return value

    def _step(self, value: Any, token: str) -> Any:
        if isinstance(value, dict):
            return value.get(token, UNRESOLVED)
        if not isinstance(value, list):
            return UNRESOLVED
        if id(value) not in self._values_by_key:
            self._values_by_key[id(value)] = _values_by_key(value)
        values = self._values_by_key[id(value)]
        if token in values:
            return values[token]
        if LIST_INDEX.fullmatch(token) and int(token) < len(value):
            return value[int(token)]
        return UNRESOLVED


def is_among(values: Collection[tuple[bool, Any]], value: Any) -> bool:
    """Return whether a value is one of some scalars, each with whether it is a boolean.

    Python treats 1 and true as equal.
    """
    return not isinstance(value, dict | list) and (isinstance(value, bool), value) in values


def _values_by_key(entries: list[Any]) -> Mapping[Any, Any]:
    """Return the values of a list of key-value pairs by key; if a key is repeated, the first one counts.

    Any other list gives an empty result.
    """
    for key_name, value_name in PAIR_KEYS:
        if all(isinstance(entry, dict) and key_name in entry and value_name in entry for entry in entries):
            pairs = ((entry[key_name], entry[value_name]) for entry in reversed(entries))
            return {name: value for name, value in pairs if isinstance(name, str)}
    return {}


def kind_of(value: Any) -> str:
    """Return the name of a JSON value's type for a message, because messages never repeat values."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true or false"
    return "nothing" if value is None else "a text" if isinstance(value, str) else "a number"


def read_payload(media_type: str, body: bytes) -> Any:
    """Return the content of a payload: of a web form, or else of JSON. Raises MALFORMED_BODY.

    The payload can contain values that cannot be stored. They have no effect unless the mapping uses them.
    """
    return parse_web_form(body) if media_type == FORM_MEDIA_TYPE else read_any_json(body)


def parse_web_form(body: bytes) -> dict[str, str | list[str]]:
    """Return the fields of a percent-encoded web form by name; a repeated field has a list of its values.

    A byte that is not UTF-8 becomes half a surrogate pair. Raises MALFORMED_BODY if `body` is not such a
    form, has no fields or has more than MAX_FORM_FIELDS.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=MAX_FORM_FIELDS,
        )
    except UnicodeDecodeError:
        raise _malformed("it is not percent-encoded") from None
    except ValueError:
        raise _malformed(f"it has more than {MAX_FORM_FIELDS} fields: send fewer") from None
    if not pairs:
        raise _malformed("it has no fields")
    fields: dict[str, list[str]] = {}
    for name, value in pairs:
        fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _malformed(reason: str) -> Problem:
    errors = [FieldError("body", "", "malformed", reason)]
    return Problem(MALFORMED_BODY, f"The form cannot be read: {reason}.", errors)


@dataclass(frozen=True, slots=True)
class MappedValues:
    """The values that a mapping finds in one item of a payload, by field.

    `form` has the source and the fields of IDENTITY_FIELDS and CONCLUSION_FIELDS that were found, with null
    for an empty value.
    `unresolved_pointers` lists the fields of the intake, as pointers, whose own pointers lead nowhere in this
    item.
    """

    form: dict[str, Any]
    attributes: dict[str, Any]
    ratings: dict[str, Any]
    unresolved_pointers: list[str]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing besides the record that the item is about."""
        return not (self.attributes or self.ratings or self.form.keys() - {"source", *ITEM_FIELDS})


def split_items(mapping: IntakeMapping, payload: Any) -> list[Any]:
    """Return the items of a payload; without an `items_pointer`, the payload is the only item.

    Raises `Flawed` if `items_pointer` does not lead to a list, or if the list has more than MAX_PAYLOAD_ITEMS
    items.
    """
    if mapping.items_pointer is None:
        return [payload]
    items = PointerResolver(payload).look_up(mapping.items_pointer)
    field = f"{MAPPING_POINTER}/items_pointer"
    if items is UNRESOLVED:
        raise Flawed([_unresolved(field)])
    if not isinstance(items, list):
        detail = f"the pointer leads to {kind_of(items)} in the payload: point to a list"
        raise Flawed([Flaw(field, detail, "wrong_type")])
    if len(items) > MAX_PAYLOAD_ITEMS:
        detail = f"a payload has at most {MAX_PAYLOAD_ITEMS} items: send fewer at a time"
        raise Flawed([Flaw(field, detail, "too_long")])
    return items


def is_skipped(mapping: IntakeMapping, item: Any) -> bool:
    """Return whether one of the mapping's conditions does not hold for an item."""
    resolver = PointerResolver(item)
    return not all(
        holds(condition, _compared(condition, resolver.look_up(path)))
        for path, condition in mapping.when.items()
    )


def _compared(condition: Condition, value: Any) -> Any:
    """Return a value as its condition compares it: None is a missing value."""
    if value is UNRESOLVED or is_blank(value):
        return None
    if condition.at_least is not None or condition.below is not None:
        return read_number(value)
    # An object or a list exists, and no condition can name its value.
    return kind_of(value) if isinstance(value, dict | list) else value


def read_item(mapping: IntakeMapping, item: Any, *, complete: bool = False) -> MappedValues:
    """Return the values that a mapping finds in an item.

    Raises `Flawed` if a pointer leads to an object or a list, if there is no external id, and, with
    `complete`, if any pointer leads nowhere.
    """
    reader = _ItemReader(mapping, item)
    form = dict(reader.form())
    attributes, ratings = (dict(reader.all_of(part)) for part in ("attributes", "ratings"))
    flaws = [*reader.flaws, *(_unresolved(field) for field in reader.unresolved_pointers if complete)]
    id_field = f"{MAPPING_POINTER}/external_id"
    if form.get("external_id") is None and not any(flaw.pointer == id_field for flaw in flaws):
        flaws.append(_missing_id(unresolved=id_field in reader.unresolved_pointers))
    if flaws:
        raise Flawed(flaws)
    return MappedValues({"source": mapping.source, **form}, attributes, ratings, reader.unresolved_pointers)


class _ItemReader:
    """Reads one item, and collects the flaws and the unresolved pointers."""

    def __init__(self, mapping: IntakeMapping, item: Any) -> None:
        self._mapping = mapping
        self._item = PointerResolver(item)
        self._empty_values = {(isinstance(value, bool), value) for value in mapping.empty_values}
        self._empty_ratings = self._empty_values | {
            (isinstance(value, bool), value) for value in mapping.empty_ratings
        }
        self.flaws: list[Flaw] = []
        self.unresolved_pointers: list[str] = []
        self._values = self._item if mapping.property is None else self._property()

    def _property(self) -> PointerResolver:
        """Return the resolver for the property that an item is about, by the name of the property."""
        name = self._item.look_up(self._mapping.property or "")
        value = self._item.look_up(self._mapping.value or "")
        if not isinstance(name, str):
            there = "leads nowhere" if name is UNRESOLVED else f"leads to {kind_of(name)}"
            detail = f"the pointer {there} in the payload: point to the name of the property"
            kind = "points_nowhere" if name is UNRESOLVED else "wrong_type"
            self.flaws.append(Flaw(f"{MAPPING_POINTER}/property", detail, kind))
        return PointerResolver({name: value} if value is not UNRESOLVED else {})

    def form(self) -> Iterator[tuple[str, Any]]:
        for name in (*IDENTITY_FIELDS, *CONCLUSION_FIELDS):
            mapping_field = MAPPING_FIELDS.get(name, name)
            if (path := getattr(self._mapping, mapping_field)) is not None:
                field = f"{MAPPING_POINTER}/{mapping_field}"
                resolver = self._item if name in ITEM_FIELDS else self._values
                yield from self._value(name, resolver, path, field, self._empty_values)

    def all_of(self, part: str) -> Iterator[tuple[str, Any]]:
        empty_values = self._empty_ratings if part == "ratings" else self._empty_values
        for name, path in getattr(self._mapping, part).items():
            field = MAPPING_POINTER + pointer(part, name)
            yield from self._value(name, self._values, path, field, empty_values)

    def _value(
        self,
        name: str,
        resolver: PointerResolver,
        path: str,
        field: str,
        empty_values: Collection[tuple[bool, Any]],
    ) -> Iterator[tuple[str, Any]]:
        """Yield the name with the value at a path, if any; `field` is the intake's field with the path."""
        value = resolver.look_up(path, empty_values)
        if value is UNRESOLVED:
            # An item about one property has none of the others.
            if resolver is self._item:
                self.unresolved_pointers.append(field)
        elif isinstance(value, dict | list):
            detail = f"the pointer leads to {kind_of(value)} in the payload: point to one value in it"
            self.flaws.append(Flaw(field, detail, "wrong_type"))
        elif is_among(empty_values, value):
            yield name, None
        elif reason := unstorable_reason(value):
            detail = f"the pointer leads to a value that cannot be stored: {reason}"
            self.flaws.append(Flaw(field, detail, "bad_format"))
        elif not is_blank(value):
            yield name, value


def _unresolved(field: str) -> Flaw:
    return Flaw(field, "the pointer leads nowhere in the payload: correct it or remove it", "points_nowhere")


def _missing_id(*, unresolved: bool) -> Flaw:
    kind = "points_nowhere" if unresolved else "missing"
    detail = "the pointer leads to no value in the payload: point to the id of the record"
    return Flaw(f"{MAPPING_POINTER}/external_id", detail, kind)


def link_of(mapping: IntakeMapping, item: Any) -> Link | None:
    """Return the link of the record that an item is about, or None if the mapping finds no valid one."""
    only_id = IntakeMapping(
        source=mapping.source, external_id=mapping.external_id, empty_values=mapping.empty_values
    )
    with suppress(Flawed, ValidationError):
        form = Form.model_validate(read_item(only_id, item).form)
        return Link(source=form.source, external_id=form.external_id)
    return None


def time_of(mapping: IntakeMapping, item: Any) -> datetime:
    """Return when the values of an item were set, or the earliest time if the mapping finds no valid time."""
    value = UNRESOLVED if mapping.at is None else PointerResolver(item).look_up(mapping.at)
    try:
        return TIME.validate_python(as_time(value))
    except ValidationError:
        return datetime.min.replace(tzinfo=UTC)


def may_be_about(mapping: IntakeMapping, payload: Any, rule: IdRule, keys: Collection[str]) -> bool:
    """Return whether a payload may be about a record with one of these match keys in the mapping's source.

    `rule` is the rule of the source. If the mapping finds no id in an item, the item counts as being about
    every id that it contains anywhere.
    """
    try:
        items = split_items(mapping, payload)
    except Flawed:
        return _contains(payload, rule, keys)
    return any(_item_may_be_about(mapping, item, rule, keys) for item in items) or (
        not items and _contains(payload, rule, keys)
    )


def _item_may_be_about(mapping: IntakeMapping, item: Any, rule: IdRule, keys: Collection[str]) -> bool:
    link = link_of(mapping, item)
    return match_key(rule, link.external_id) in keys if link else _contains(item, rule, keys)


def _contains(payload: Any, rule: IdRule, keys: Collection[str]) -> bool:
    pending = [payload]
    while pending:
        part = pending.pop()
        if isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list):
            pending.extend(part)
        elif isinstance(text := normalized_id(number_as_text(part)), str) and match_key(rule, text) in keys:
            return True
    return False
