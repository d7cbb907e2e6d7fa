"""The table of a report for people: readable headings, names instead of ids, intervals in one column."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.files.columns import Value, as_rounded_text
from app.insights.report import Table
from app.insights.schemas import Estimate
from app.insights.words import percent, percent_with_range
from app.pages.rendering import text, texts

ESTIMATE_SUFFIXES = ("", "_low", "_high")
# The columns that repeat others, or that only programs use.
LEFT_OUT = {"prospect_id", "session_id", "question", "from_score", "to_score"}
# The columns with shares of 0..1.
SHARES = {
    *("win_rate", "win_rate_lower_bound", "win_rate_upper_bound", "share", "share_of_won", "share_of_lost"),
    *("skipped_share", "cumulative"),
}
# The columns with codes of the service, and the family of texts for each. None: the code is shown as words.
WORDS: Mapping[str, str | None] = {
    "indication": "indication.",
    "decision": "decision.",
    "direction": "direction.",
    "place": "place.",
    "place_before": "place.",
    "leaning": "place.",
    "cells": "place.",
    "status": "status.",
    "by": "by.",
    "step": None,
}


class Cell(NamedTuple):
    """A cell: its text, and the prospect that it links to, if it is the name of one."""

    text: str
    prospect_id: str | None = None


class Heading(NamedTuple):
    """The heading of a column, and whether its cells are aligned as numbers."""

    text: str
    is_number: bool


@dataclass(frozen=True, slots=True)
class ReadableTable:
    """A table as a page shows it."""

    headings: list[Heading]
    rows: list[list[Cell]]


def readable(table: Table, limit: int) -> ReadableTable:
    """Return the first rows of a table for people. Columns without any value are left out."""
    names = [column.name for column in table.columns]
    rows = table.rows[:limit]
    shown = [
        name
        for place, name in enumerate(names)
        if name not in LEFT_OUT
        and not _is_limit(name, names)
        and any(row[place] not in (None, False) for row in rows)
    ]
    places = {name: place for place, name in enumerate(names)}
    numbers = {column.name for column in table.columns if column.type in ("integer", "number")}
    cells = {name: _cell_of(name, places) for name in shown}
    return ReadableTable(
        [Heading(column_in_words(name), name in numbers) for name in shown],
        [[cells[name](row) for name in shown] for row in rows],
    )


def column_in_words(name: str) -> str:
    """Return the heading of a column."""
    known = texts().get("column." + name)
    return known or name.replace("_", " ").capitalize()


def word(family: str, value: str) -> str:
    """Return the text for a code of the service, such as no_fit. `family` is, for example, `indication.`."""
    return texts().get(family + value) or value.replace("_", " ")


def group_in_words(name: Value) -> str:
    """Return the name of a group of deals, such as a reason. A group can have none."""
    return text("insights.no_group") if name is None else str(name).replace("_", " ")


def _is_limit(name: str, names: Sequence[str]) -> bool:
    """Whether a column is a limit of an interval, which is shown beside its estimate."""
    return any(name.endswith(end) and name.removesuffix(end) in names for end in ESTIMATE_SUFFIXES[1:])


def _cell_of(name: str, places: Mapping[str, int]) -> Callable[[Sequence[Value]], Cell]:
    place = places[name]
    if name == "name" and "prospect_id" in places:
        return lambda row: Cell(str(row[place] or text("review.unnamed")), str(row[places["prospect_id"]]))
    if f"{name}_low" in places:
        ends = [places[name + end] for end in ESTIMATE_SUFFIXES]
        return lambda row: Cell(_interval(name, [row[one] for one in ends]))
    if name == "group":
        # Of "all", there is one group without a name.
        return lambda row: Cell("" if row[places["by"]] == "all" else group_in_words(row[place]))
    if name in WORDS:
        return lambda row: Cell(_words(WORDS[name], row[place]))
    if name in SHARES:
        return lambda row: Cell(percent(value) if isinstance(value := row[place], int | float) else "")
    return lambda row: Cell(as_rounded_text(row[place]))


def _interval(name: str, values: Sequence[Value]) -> str:
    if not all(isinstance(value, int | float) for value in values):
        return ""
    estimate, low, high = (float(value) for value in values if isinstance(value, int | float))
    if name in SHARES:
        return percent_with_range(Estimate(estimate=estimate, low=low, high=high))
    return f"{estimate:.2f} ({low:.2f} to {high:.2f})"


def _words(family: str | None, value: Value) -> str:
    if not isinstance(value, str):
        return "" if value is None else str(value)
    # A list of cells is one text.
    return ", ".join(word(family, one) for one in value.split(", ")) if family else value.replace("_", " ")
