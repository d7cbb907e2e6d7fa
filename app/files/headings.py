"""Match the headings of a file to fields, questions and attributes.

Case, spaces and punctuation make no difference: `# Employees` is `employees`, `Annual Revenue` is
`annual_revenue`, and `Größe` is `groesse`.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from app.problems import invalid
from app.schemas import MAX_ATTRIBUTES, keyword, unaccented
from app.scoring import NAME, Flaw, pointer

# By field, its other name in files. It gives way to a question, an attribute or a column of that name.
ALIASES: Mapping[str, str] = {
    "external_id": "id",
    "outcome_amount": "amount",
    "outcome_currency": "currency",
    "outcome_reason": "reason",
    "outcome_closed_on": "closed_on",
}
# The columns that a file of rejects adds. They are ignored, so that a corrected file can be read as it is.
REJECT_COLUMNS = ("rejected_line", "rejected_because", "rejected_text")
# If the separator is unknown, a line of a megabyte can look like one heading.
MAX_HEADING_LENGTH = 1000
NO_NAME = (
    "its heading gives no attribute name: begin it with a letter from a to z, and use at most 48 characters"
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a file, by their index.

    `by_key` has the column of each key that was found. `others` are columns with a heading that matches no
    key, and `unnamed` those without a heading. A column that gives way to one that a mapping names is in none
    of them.
    """

    by_key: Mapping[str, int]
    others: tuple[int, ...]
    unnamed: tuple[int, ...]


def attribute_name(heading: str) -> str:
    """Return the attribute name for a heading, or "" if there is none: "Größe (m²)" becomes groesse_m2."""
    text = heading.strip().lower()
    if re.fullmatch(NAME, text):
        return text
    name = keyword(text[:MAX_HEADING_LENGTH])
    return name if re.fullmatch(NAME, name) else ""


def match_headings(
    headings: Sequence[str], keys: Collection[str], column_names: Mapping[str, str] | None = None
) -> Columns:
    """Find the column of each key.

    `column_names` maps a key to the heading of its column, where they differ; two keys can share a column.

    Raises:
        Problem: INVALID_REQUEST if two headings match one key, or a heading of `column_names` is missing.
    """
    flaws: list[Flaw] = []
    mapped: dict[str, int] = {}
    for key, heading in (column_names or {}).items():
        if (index := find_heading(headings, heading)) is None:
            detail = f"no column has the heading {heading!r} that is given for {key}: correct the heading"
            flaws.append(Flaw(pointer(key), detail, "missing"))
        else:
            mapped[key] = index
    found = _match(headings, {*keys, *mapped}, mapped)
    for key, indexes in found.items():
        if len(indexes) > 1 and key not in mapped:
            flaws.append(_repeated(headings, key, indexes))
    if flaws:
        raise invalid(flaws)
    matched = {index for indexes in found.values() for index in indexes} | set(mapped.values())
    rest = [index for index in range(len(headings)) if index not in matched]
    return Columns(
        {key: indexes[0] for key, indexes in found.items()} | mapped,
        tuple(index for index in rest if headings[index]),
        tuple(index for index in rest if not headings[index]),
    )


def name_attributes(headings: Sequence[str], indexes: Iterable[int]) -> dict[str, int]:
    """Return the columns by the names of the attributes that their headings give.

    Raises:
        Problem: INVALID_REQUEST if a heading gives no name, or two give the same, or there are too many.
    """
    names: dict[str, list[int]] = defaultdict(list)
    for index in indexes:
        names[attribute_name(headings[index])].append(index)
    nameless = names.pop("", [])
    flaws = [
        *(Flaw(pointer("columns", index + 1), NO_NAME, "bad_format") for index in nameless),
        *(_repeated(headings, name, same) for name, same in names.items() if len(same) > 1),
    ]
    if len(names) > MAX_ATTRIBUTES:
        detail = f"a prospect has at most {MAX_ATTRIBUTES} attributes: leave columns out"
        flaws.append(Flaw("/columns", detail, "too_long"))
    if flaws:
        raise invalid(flaws)
    return {name: index for name, (index,) in names.items()}


def _match(headings: Sequence[str], keys: set[str], mapped: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the indexes of the headings that match each key, without those that a mapping uses."""
    known = _Known(keys)
    found: dict[str, list[int]] = defaultdict(list)
    for index, heading in enumerate(headings):
        if index not in mapped.values() and (key := known.key_of(heading)):
            found[key].append(index)
    for field, alias in ALIASES.items():
        if alias in found and alias not in keys:
            indexes = found.pop(alias)
            if field in keys and field not in found:
                found[field] = indexes
    return found


class _Known:
    """The keys of a file, and the aliases of its fields."""

    def __init__(self, keys: set[str]) -> None:
        self._keys = keys | {alias for field, alias in ALIASES.items() if field in keys}
        self._squeezed: dict[str, set[str]] = defaultdict(set)
        for key in self._keys:
            self._squeezed[squeezed(key)].add(key)

    def key_of(self, heading: str) -> str | None:
        """Return the key that a heading matches; None if there is none, or several are as close."""
        name = attribute_name(heading)
        if name in self._keys:
            return name
        candidates = self._squeezed.get(squeezed(heading), set())
        return next(iter(candidates)) if len(candidates) == 1 else None


def find_heading(headings: Sequence[str], wanted: str) -> int | None:
    """Return the index of the heading that is written like this, or else of the only one that matches."""
    wanted = wanted.strip()
    if wanted in headings:
        return headings.index(wanted)
    matching = [i for i, heading in enumerate(headings) if squeezed(heading) == squeezed(wanted) != ""]
    return matching[0] if len(matching) == 1 else None


def _repeated(headings: Sequence[str], key: str, indexes: Sequence[int]) -> Flaw:
    named = " and ".join(f'"{headings[index]}" (column {index + 1})' for index in indexes)
    detail = f"{named} both match {key}: rename one of them"
    return Flaw(pointer("columns", indexes[1] + 1), detail, "repeated")


def squeezed(text: str) -> str:
    """Return only the letters a to z and digits of a text."""
    return re.sub(r"[^a-z0-9]", "", unaccented(text[:MAX_HEADING_LENGTH]))
