"""When a delivery that did not succeed is sent again."""

import random
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

# Standard Webhooks' example of a schedule: three days and four hours from the first attempt to the last.
RETRY_DELAYS = tuple(
    timedelta(seconds=seconds)
    for seconds in (5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600)
)
# A retry is delayed by up to this fraction more, so that deliveries that failed together spread out.
MAX_JITTER_FRACTION = 0.1
MAX_RETRY_AFTER = timedelta(hours=24)


def next_attempt(attempts: int, at: datetime) -> datetime | None:
    """Return the time of the next attempt after `attempts` attempts, or None after the last one."""
    if attempts > len(RETRY_DELAYS):
        return None
    return at + RETRY_DELAYS[attempts - 1] * random.uniform(1, 1 + MAX_JITTER_FRACTION)  # noqa: S311  # no secret


def parse_retry_after(retry_after: str | None, at: datetime) -> datetime | None:
    """Return the time that a Retry-After header names, in seconds or as a date (RFC 9110, 10.2.3).

    The time is at most 24 hours after `at`. Returns None if there is no header, or if it is not valid or
    names a time in the past.
    """
    if retry_after is None:
        return None
    until = _parse_delay(retry_after.strip(), at) or _parse_date(retry_after.strip())
    return min(until, at + MAX_RETRY_AFTER) if until and until > at else None


def _parse_delay(text: str, at: datetime) -> datetime | None:
    if not (text.isascii() and text.isdigit()):
        return None
    return at + min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)


def _parse_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else None
