"""The columns of a file that is written: names and types."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Literal

# A "time" is a datetime in UTC.
ColumnType = Literal["text", "integer", "number", "boolean", "day", "time"]
Value = str | int | float | bool | date | datetime | None


@dataclass(frozen=True, slots=True)
class Column:
    """One column. Each value in it has its type, or is None for an empty cell."""

    name: str
    type: ColumnType = "text"


def as_text(value: Value) -> str:
    """Return a value as text files show it: true, false, and days and times in ISO 8601."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else str(value)


def as_rounded_text(value: Value) -> str:
    """Return a value for people. Fractions have two decimals, or one digit if they are smaller."""
    if isinstance(value, bool):
        return "yes" if value else ""
    if not isinstance(value, int | float):
        return as_text(value)
    if isinstance(value, int) or value.is_integer() or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.1g}"
