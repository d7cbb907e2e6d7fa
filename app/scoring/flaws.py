"""How a wrong input is reported: where, and what to do about it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing that is wrong.

    `pointer` is a JSON pointer (RFC 6901) from the root of what was read; `detail` says what is
    wrong and what would be right, without repeating the value that was sent.
    """

    pointer: str
    detail: str
    kind: str = "invalid"


class Flawed(ValueError):
    """Something read from outside cannot be used; `flaws` says why, never empty."""

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(flaws)
        super().__init__("; ".join(f"{flaw.pointer}: {flaw.detail}" for flaw in self.flaws))


def pointer(*parts: str | int) -> str:
    """The JSON pointer to the place reached by `parts`, escaped as RFC 6901 asks."""
    return "/" + "/".join([escaped(str(part)) for part in parts]) if parts else ""


def escaped(part: str) -> str:
    """A part of a JSON pointer, escaped as RFC 6901 asks."""
    # Nearly no part needs it, and every rating that is sent has a pointer.
    return part.replace("~", "~0").replace("/", "~1") if "~" in part or "/" in part else part


def parts_of(pointer: str) -> list[str]:
    """The parts that a JSON pointer is made of; none for the whole."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]


# What pydantic finds, by its name for it: our code, which stays when pydantic's changes, and what to
# do about it, with what pydantic knows of it, where its own words do not say that or repeat what was sent.
FINDINGS: Mapping[str, tuple[str, str | None]] = {
    "missing": ("missing", "it is missing: add it"),
    "extra_forbidden": ("unknown_field", "there is no such field here: correct its name or take it away"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), ("wrong_type", "send a whole number")),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), ("wrong_type", "send a number")),
    **dict.fromkeys(("bool_type", "bool_parsing"), ("wrong_type", "send true or false")),
    **dict.fromkeys(("string_type", "string_sub_type"), ("wrong_type", "send a text")),
    "list_type": ("wrong_type", "send a list"),
    **dict.fromkeys(
        ("dict_type", "model_type", "model_attributes_type"), ("wrong_type", "send an object with fields")
    ),
    **dict.fromkeys(
        ("uuid_type", "uuid_parsing", "uuid_version"), ("wrong_type", "send an id as the service told it")
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
    "string_too_short": ("too_short", "send at least {min_length} characters"),
    "too_long": ("too_long", "send at most {max_length} of them"),
    "too_short": ("too_short", "send at least {min_length} of them"),
    "too_many": ("too_long", None),
}

# Findings that only come beside others: what the value should rather be, or what its default is made from.
CONSEQUENCES = ("none_required", "default_factory_not_called")


_FORMS: dict[str, str] = {}


def form(pattern: str, words: str) -> str:
    """A pattern, remembered with the words that tell it to who sent something else."""
    _FORMS[pattern] = words
    return pattern


def shape_flaws(error: ValidationError, data: Any = None) -> list[Flaw]:
    """Pydantic's findings as flaws; `data` is what was read."""
    return [
        shape_flaw(found, found["loc"], data)
        for found in error.errors(include_input=False, include_url=False)
        if found["type"] not in CONSEQUENCES
    ]


def shape_flaw(found: Mapping[str, Any], place: Iterable[str | int], data: Any) -> Flaw:
    """One of pydantic's findings as a flaw, without the input it was found in.

    The pointer goes as far as `data` goes, if that is known: pydantic adds a `[key]` of its own for a
    wrong name.
    """
    kind, remedy = FINDINGS.get(str(found["type"]), ("invalid", None))
    known = found.get("ctx", {})
    remedy = remedy.format_map(known) if remedy else _FORMS.get(known.get("pattern", ""))
    sent = place if kind == "missing" or data is None else _places_in(data, place)
    said = str(found["msg"]).removeprefix("Value error, ").replace("Input should be", "it must be")
    return Flaw(pointer(*sent), remedy or said, kind)


def _places_in(data: Any, place: Iterable[str | int]) -> Iterator[str | int]:
    for part in place:
        inside = part in data if isinstance(data, dict) else isinstance(part, int) and isinstance(data, list)
        if not inside:
            return
        yield part
        data = data[part]
