"""How a wrong input is reported: where it is wrong, and how to correct it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import islice
from typing import Any, Self

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

# An object with more unknown fields than this is refused as a whole: every error takes a microsecond, in
# which no other thread can run, and the first few say enough.
MAX_UNKNOWN_FIELDS = 20
# To compare one name with 500 takes a few milliseconds.
MAX_HINTS = 100
MAX_COMPARED_NAMES = 500
MAX_COMPARED_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Flaw:
    """One error in an input.

    `pointer` is a JSON pointer (RFC 6901) from the root of the input. `detail` says what is wrong and what
    would be right, and does not repeat the value.
    """

    pointer: str
    detail: str
    kind: str = "invalid"


class Flawed(ValueError):
    """The input cannot be used; `flaws`, at least one, say why."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in self.flaws))


def pointer(*parts: str | int) -> str:
    """The JSON pointer (RFC 6901) to the place that `parts` lead to; the empty text without parts."""
    return "/" + "/".join([escaped(str(part)) for part in parts]) if parts else ""


def escaped(part: str) -> str:
    """One part of a JSON pointer, with `~` and `/` escaped (RFC 6901)."""
    # Every rating that is sent gets a pointer, and almost no part needs escaping.
    return part.replace("~", "~0").replace("/", "~1") if "~" in part or "/" in part else part


def parts_of(pointer: str) -> list[str]:
    """The unescaped parts of a JSON pointer; none for the whole document."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


# By pydantic's error type: our code, which stays the same when pydantic's changes, and our message.
# None keeps pydantic's message, or the one that `form` has for a pattern.
ERRORS: Mapping[str, tuple[str, str | None]] = {
    "missing": ("missing", "it is missing: add it"),
    "extra_forbidden": ("unknown_field", "there is no such field here: correct its name or remove it"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), ("wrong_type", "send a whole number")),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), ("wrong_type", "send a number")),
    **dict.fromkeys(("bool_type", "bool_parsing"), ("wrong_type", "send true or false")),
    **dict.fromkeys(("string_type", "string_sub_type"), ("wrong_type", "send a text")),
    "list_type": ("wrong_type", "send a list"),
    **dict.fromkeys(
        ("dict_type", "model_type", "model_attributes_type"), ("wrong_type", "send an object with fields")
    ),
    **dict.fromkeys(
        ("uuid_type", "uuid_parsing", "uuid_version"), ("wrong_type", "send an id as the service returned it")
    ),
    **dict.fromkeys(
        ("datetime_type", "datetime_parsing", "datetime_from_date_parsing", "timezone_aware"),
        ("bad_format", "send a time with its zone: 2026-01-31T09:00:00Z"),
    ),
    **dict.fromkeys(("date_type", "date_parsing"), ("bad_format", "send a date: 2026-01-31")),
    "string_pattern_mismatch": ("bad_format", None),
    **dict.fromkeys(("literal_error", "enum"), ("not_allowed", None)),
    **dict.fromkeys(
        ("greater_than", "greater_than_equal", "less_than", "less_than_equal"), ("out_of_range", None)
    ),
    "string_too_long": ("too_long", "send at most {max_length} characters"),
    "string_too_short": ("too_short", "send {min_length} or more characters"),
    "too_long": ("too_long", "send at most {max_length} entries"),
    "too_short": ("too_short", "send {min_length} or more entries"),
    "too_many": ("too_long", None),
}

# Errors that pydantic reports only beside the error that causes them.
SECONDARY_ERRORS = ("none_required", "default_factory_not_called")


_PATTERN_MESSAGES: dict[str, str] = {}


def form(pattern: str, message: str) -> str:
    """The pattern, registered with the message for a text that does not match it."""
    _PATTERN_MESSAGES[pattern] = message
    return pattern


def check_field_count(sent: Any, known: int) -> Any:
    """Return the input of a model with `known` fields; raises a pydantic error if it has far too many."""
    limit = known + MAX_UNKNOWN_FIELDS
    if isinstance(sent, dict) and len(sent) > limit:
        raise PydanticCustomError("too_many", "send at most {limit} fields", {"limit": limit})
    return sent


def closest(name: str, known: Iterable[str]) -> str | None:
    """The name in `known` that is most similar to a name; None if none is similar."""
    # Longer ones take long to compare, and are no names.
    if len(name) > MAX_COMPARED_LENGTH:
        return None
    return next(iter(get_close_matches(name.lower(), islice(known, MAX_COMPARED_NAMES), n=1)), None)


class UnknownName(str):
    """A detail about a name that is not among the known ones. `with_hints` adds the one that is meant."""

    __slots__ = ("known", "name")

    def __new__(cls, detail: str, name: str, known: Iterable[str]) -> Self:
        """The detail without a hint."""
        text = super().__new__(cls, detail)
        text.name, text.known = name, known
        return text

    name: str
    known: Iterable[str]


def with_hints(flaws: Iterable[Flaw]) -> tuple[Flaw, ...]:
    """The flaws; the first MAX_HINTS ones about an unknown name say which one is probably meant."""
    hinted, hints = [], 0
    for flaw in flaws:
        detail = flaw.detail
        if isinstance(detail, UnknownName) and hints < MAX_HINTS:
            hints += 1
            if meant := closest(detail.name, detail.known):
                detail = f"{detail.partition(': ')[0]}: did you mean `{meant}`?"
        hinted.append(replace(flaw, detail=str(detail)))
    return tuple(hinted)


def unknown_field(place: str, name: str, known: Iterable[str]) -> Flaw:
    """The flaw of a field with a name that is not among the known ones, at a JSON pointer."""
    kind, detail = ERRORS["extra_forbidden"]
    return Flaw(place, UnknownName(str(detail), name, known), kind)


def shape_flaws(error: ValidationError, data: Any = None) -> list[Flaw]:
    """The errors of pydantic as flaws; `data` is the input."""
    return [
        shape_flaw(one, one["loc"], data)
        for one in error.errors(include_input=False, include_url=False)
        if one["type"] not in SECONDARY_ERRORS
    ]


def shape_flaw(error: Mapping[str, Any], place: Sequence[str | int], data: Any) -> Flaw:
    """One error of pydantic at a place as a flaw, without the value.

    If `data` is given, the pointer leads only to places in it, or to what is missing there: pydantic adds a
    `[key]` to a wrong key, and its names of types to places in a union.
    """
    kind, remedy = ERRORS.get(str(error["type"]), ("invalid", None))
    context = error.get("ctx", {})
    remedy = remedy.format_map(context) if remedy else _PATTERN_MESSAGES.get(context.get("pattern", ""))
    path = place if data is None else place_in(data, place, missing=kind == "missing")
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "it must be")
    return Flaw(pointer(*path), remedy or message, kind)


def place_in(data: Any, place: Sequence[str | int], *, missing: bool = False) -> Iterator[str | int]:
    """The parts of a place of pydantic that exist in the data; if it is `missing`, the last one need not."""
    for part in place[:-1] if missing else place:
        if part in data if isinstance(data, dict) else isinstance(part, int) and isinstance(data, list):
            yield part
            data = data[part]
    if missing:
        yield place[-1]
