"""When what did not arrive is sent again."""

import random
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# Standard Webhooks' example of a schedule: three days and four hours from the first attempt to the last.
GAPS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
# Up to so much later, so that what failed together does not come back together.
JITTER = 0.1
LONGEST_PAUSE = timedelta(hours=24)


def next_attempt(attempts: int, at: datetime) -> datetime | None:
    """When to try again after so many attempts; None if that was the last."""
    if attempts > len(GAPS):
        return None
    return at + GAPS[attempts - 1] * random.uniform(1, 1 + JITTER)  # noqa: S311  # no secret


def wish_of(retry_after: str | None, at: datetime) -> datetime | None:
    """Until when a Retry-After header, of seconds or a date (RFC 9110, 10.2.3), asks to be left alone.

    None for one that says nothing of use; at most 24 hours.
    """
    if retry_after is None:
        return None
    until = _after_seconds(retry_after.strip(), at) or _date(retry_after.strip())
    return min(until, at + LONGEST_PAUSE) if until and until > at else None


def _after_seconds(text: str, at: datetime) -> datetime | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return at + min(timedelta(seconds=int(text[:9])), LONGEST_PAUSE)


def _date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else None
