"""Read the numbers of a workbook as people see them: percentages, padded numbers, days and times."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, NamedTuple

from app.files.table import BadCell, Cell

# Excel computes with this number of digits. Further ones are noise: 0.1 + 0.2 is 0.30000000000000004.
DIGITS = 15
MAX_EXACT_INTEGER = 10**DIGITS
# Formats that have a number but no text in a file. Those from 27 on are days in East Asian languages.
PERCENT_NUMBERS = {9, 10}
TIME_NUMBERS = {18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56}
DAY_NUMBERS = {14, 15, 16, 17, 22, *range(27, 32), 36, *range(50, 55), 57, 58}
# What a format shows as it stands, widths, colours and conditions. An elapsed time, [h], is no time of day.
LITERAL = re.compile(r'"[^"]*"|[\\_*].|\[(?!h+\]|m+\]|s+\])[^\]]*\]', re.IGNORECASE)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,15}")
# Serial numbers count from this day on. Excel has a 29 February 1900, so earlier days have one less.
DAY_0, LAST_WRONG_DAY, DAY_0_OF_1904 = datetime(1899, 12, 30), 60, datetime(1904, 1, 1)  # noqa: DTZ001
MAX_DAY = 2_958_465
SECONDS_PER_DAY = 86_400


class NumberFormat(NamedTuple):
    """What a format shows: a `plain` number, or one with at least `width` digits."""

    kind: Literal["plain", "percent", "padded", "day", "time"] = "plain"
    width: int = 0


PLAIN = NumberFormat()


def number_formats(numbers: Sequence[int], codes: Mapping[int, str]) -> list[NumberFormat]:
    """Return the format of each style of a workbook.

    `numbers` has the number of the format of each style, `codes` the texts of the formats that have one.
    """
    return [_format(codes[number]) if number in codes else _numbered_format(number) for number in numbers]


@lru_cache
def _format(code: str) -> NumberFormat:
    """Return what a format shows. Of several sections, the first one is for positive numbers."""
    plain = LITERAL.sub("", code.partition(";")[0]).strip().lower()
    if "%" in plain:
        return NumberFormat("percent")
    if re.fullmatch("00+", plain):
        return NumberFormat("padded", len(plain))
    if "[" in plain or plain == "general":
        return PLAIN
    if re.search("[yd]", plain) or re.fullmatch("m+", plain):
        return NumberFormat("day")
    return NumberFormat("time") if re.search("[hs]", plain) else PLAIN


def _numbered_format(number: int) -> NumberFormat:
    if number in PERCENT_NUMBERS:
        return NumberFormat("percent")
    if number in TIME_NUMBERS:
        return NumberFormat("time")
    return NumberFormat("day") if number in DAY_NUMBERS else PLAIN


def read_number(text: str, shown: NumberFormat, *, from_1904: bool) -> Cell:
    """Return a stored number as its format shows it. `from_1904` says how days are numbered."""
    number = _stored_number(text)
    if number is None:
        return BadCell(text, "is not a number that a workbook can have")
    if shown.kind == "percent":
        return _stored_number(f"{Decimal(repr(number)) * 100:.{DIGITS}g}")
    if shown.kind == "padded":
        return f"{number:0{shown.width + (number < 0)}}" if isinstance(number, int) else number
    if shown.kind in ("day", "time") and 0 <= number <= MAX_DAY:
        return _read_time(number, shown, from_1904=from_1904)
    return number


def _stored_number(text: str) -> int | float | None:
    if WHOLE_NUMBER.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return None
    # A larger integer may have lost digits: it stays a float.
    return int(number) if number.is_integer() and abs(number) < MAX_EXACT_INTEGER else number


def _read_time(number: float, shown: NumberFormat, *, from_1904: bool) -> str:
    """Return a day, a time or both in ISO 8601."""
    first = DAY_0_OF_1904 if from_1904 else DAY_0 + timedelta(days=number < LAST_WRONG_DAY)
    time = first + timedelta(seconds=round(number * SECONDS_PER_DAY))
    if number < 1 and shown.kind == "time":
        return time.time().isoformat()
    has_time = shown.kind == "time" or number != int(number)
    return time.isoformat() if has_time else time.date().isoformat()
