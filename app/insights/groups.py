"""The groups that deals belong to, with their names and their order."""

import sys
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from app.scoring import folded
from app.scoring.texts import BLANKS

Value = str | float | bool | None
# Numbers with more distinct values are grouped into bands.
MAX_DISTINCT_NUMBERS = 12
BANDS = 4


class Group(NamedTuple):
    """A group: its name, None if the value is not known, and its place.

    The group with the lowest place comes first, and of several with the same place the largest one.
    """

    name: str | None
    place: int


UNKNOWN = Group(None, sys.maxsize)


def largest_first(names: Sequence[str | None]) -> list[Group]:
    """Return the group of each name."""
    return [UNKNOWN if name is None else Group(name, 0) for name in names]


def in_order_of_names(names: Sequence[str]) -> list[Group]:
    """Return the group of each name. The groups are in the order of their names."""
    groups = {name: Group(name, place) for place, name in enumerate(sorted(set(names)))}
    return [groups[name] for name in names]


def groups_of_values(values: Sequence[Value]) -> list[Group]:
    """Return the group of each value. A missing or blank one is UNKNOWN.

    Texts that conditions of question sets treat as equal are one group, named in the most frequent spelling.
    Each number is a group, in their order. If there are more than MAX_DISTINCT_NUMBERS, the groups are at
    most BANDS of about as many values: "below 50", "50 to below 200", "200 or more".
    """
    numbers = sorted(value for value in values if not isinstance(value, str | bool | None))
    starts = sorted(set(numbers))
    if len(starts) > MAX_DISTINCT_NUMBERS:
        starts = sorted({numbers[len(numbers) * band // BANDS] for band in range(BANDS)})
        of_numbers = [Group(_band(starts, place), place) for place in range(len(starts))]
    else:
        of_numbers = [Group(_plain(number), place) for place, number in enumerate(starts)]
    texts = [_text(value) for value in values]
    of_texts = _groups_of_texts([text for text in texts if text is not None])

    def group_of(value: Value, text: str | None) -> Group:
        if text is not None:
            return of_texts[_key(text)]
        return UNKNOWN if value is None else of_numbers[bisect_right(starts, value) - 1]

    return [group_of(value, text) for value, text in zip(values, texts, strict=True)]


def _groups_of_texts(texts: Sequence[str]) -> dict[str, Group]:
    """Return the group of each text by its key. They come before numbers."""
    spellings: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for text, count in Counter(texts).items():
        spellings[_key(text)][text.strip(BLANKS)] += count
    return {
        key: Group(max(counts, key=lambda text: (counts[text], text)), -1) if key else UNKNOWN
        for key, counts in spellings.items()
    }


def _text(value: Value) -> str | None:
    """Return a text or a boolean as a text; None for other values."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else None


def _key(text: str) -> str:
    return str(folded(text))


def _band(starts: Sequence[float], place: int) -> str:
    """Return the name of the band that begins with one of the numbers."""
    following = starts[place + 1 : place + 2]
    if place == 0:
        return f"below {_plain(following[0])}" if following else "all numbers"
    start = _plain(starts[place])
    return f"{start} to below {_plain(following[0])}" if following else f"{start} or more"


def _plain(number: float) -> str:
    """Return a number without an exponent and without ".0" if it is a whole one of usual size."""
    return str(int(number)) if float(number).is_integer() and abs(number) < 10**18 else str(number)
