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
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


# What pydantic says of these would be no remedy.
REMEDIES = {
    "missing": "it is missing: add it",
    "extra_forbidden": "there is no such field here: correct its name or take it away",
    "model_type": "it must be an object with fields",
    "dict_type": "it must be an object with fields",
}


def shape_flaws(error: ValidationError, data: Any = None) -> list[Flaw]:
    """Pydantic's findings as flaws; `data` is what was read."""
    return [
        shape_flaw(found, found["loc"], data)
        for found in error.errors(include_input=False, include_url=False, include_context=False)
    ]


def shape_flaw(found: Mapping[str, Any], place: Iterable[str | int], data: Any) -> Flaw:
    """One of pydantic's findings as a flaw, without the input it was found in.

    The pointer goes as far as `data` goes, if that is known: pydantic adds a `[key]` of its own for a
    wrong name.
    """
    kind = str(found["type"])
    sent = place if kind == "missing" or data is None else _places_in(data, place)
    detail = REMEDIES.get(kind) or str(found["msg"]).removeprefix("Value error, ")
    return Flaw(pointer(*sent), detail, "unknown_field" if kind == "extra_forbidden" else kind)


def _places_in(data: Any, place: Iterable[str | int]) -> Iterator[str | int]:
    for part in place:
        inside = part in data if isinstance(data, dict) else isinstance(part, int) and isinstance(data, list)
        if not inside:
            return
        yield part
        data = data[part]
