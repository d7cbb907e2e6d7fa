"""Read the numbers of a workbook as people see them: percentages, padded numbers, days and times."""

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from app.files.table import Cell

# Excel computes with this number of digits. Further ones are noise: 0.1 + 0.2 is 0.30000000000000004.
DIGITS = 15
MAX_EXACT_INTEGER = 10**DIGITS
# What a format shows as it stands, widths, colours and conditions.
LITERAL = re.compile(r'"[^"]*"|[\\_*].|\[[^\]]*\]')
Stored = bool | int | float | datetime | date | time | timedelta


class NumberFormat(NamedTuple):
    """What a format shows: a `plain` number, or one with at least `width` digits."""

    kind: Literal["plain", "percent", "padded"] = "plain"
    width: int = 0


def read_value(stored: Stored, code: str) -> Cell:
    """Return a stored value as its format shows it; a day or a time in ISO 8601.

    `code` is the text of the format, such as `0.0%`. A duration is a number of days, as it is stored.
    """
    if isinstance(stored, bool):
        return stored
    if isinstance(stored, int | float):
        return _read_number(stored, _format(code))
    if isinstance(stored, timedelta):
        return _without_noise(stored / timedelta(days=1))
    if isinstance(stored, datetime) and stored.time() == time():
        return stored.date().isoformat()
    return stored.isoformat()


@lru_cache
def _format(code: str) -> NumberFormat:
    """Return what a format shows. Of several sections, the first one is for positive numbers."""
    plain = LITERAL.sub("", code.partition(";")[0]).strip()
    if "%" in plain:
        return NumberFormat("percent")
    return NumberFormat("padded", len(plain)) if re.fullmatch("00+", plain) else NumberFormat()


def _read_number(stored: float, shown: NumberFormat) -> Cell:
    number = _without_noise(stored)
    if shown.kind == "percent":
        return _without_noise(float(f"{Decimal(repr(stored)) * 100:.{DIGITS}g}"))
    if shown.kind == "padded" and isinstance(number, int):
        return f"{number:0{shown.width + (number < 0)}}"
    return number


def _without_noise(number: float) -> int | float:
    # A larger integer may have lost digits: it stays a float.
    return int(number) if float(number).is_integer() and abs(number) < MAX_EXACT_INTEGER else float(number)
