"""How pages show figures and times."""

from collections.abc import Collection
from datetime import datetime

from app.clock import utc_now
from app.question_sets.tables import QuestionSetVersion
from app.scoring import rounded

DAY_SECONDS = 24 * 3600


def figure(value: float | None, cuts: Collection[int] = ()) -> str:
    """Return a figure from 0 to 100 rounded for people, or a dash. It is not rounded up to one of `cuts`."""
    return "–" if value is None else str(rounded(value, cuts))


def score_range(lowest: float | None, highest: float | None, cuts: Collection[int] = ()) -> str:
    """Return a range rounded for people, such as 58–64, or one figure if both ends round to it."""
    start, end = figure(lowest, cuts), figure(highest, cuts)
    return start if start == end else f"{start}–{end}"


def day(value: datetime | None) -> str:
    """Return the day of a time in UTC, such as 30 Nov 2026, or a dash."""
    return "–" if value is None else f"{value.day} {value:%b %Y}"


def days_ago(value: datetime | None) -> int | None:
    """Return the number of whole days since a time."""
    return None if value is None else max(0, int((utc_now() - value).total_seconds() // DAY_SECONDS))


def set_option(version: QuestionSetVersion) -> tuple[str, str]:
    """Return the option of a list that selects a question set: its key and its title."""
    return version.key, version.definition["title"]


def name_in_words(name: str) -> str:
    """Return the name of an attribute or a field for people: "annual_revenue" becomes "Annual revenue"."""
    return name.replace("_", " ").capitalize()


FILTERS = {
    "figure": figure,
    "score_range": score_range,
    "day": day,
    "days_ago": days_ago,
    "set_option": set_option,
    "name_in_words": name_in_words,
}
