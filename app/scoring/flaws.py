"""How a wrong input is reported: where, and what to do about it."""

from collections.abc import Iterable
from dataclasses import dataclass


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
