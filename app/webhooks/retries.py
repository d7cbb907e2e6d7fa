"""When a delivery that did not succeed is sent again, and how fast after a receiver refused some."""

import random
from dataclasses import dataclass
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
# Requests per second. The first rate is that of the eight requests that a receiver gets at the same time.
FIRST_RATE = 8.0
MIN_RATE = 1 / 60
MAX_RATE = 64.0
RATE_DOUBLES_IN = timedelta(seconds=60)
MAX_DOUBLINGS = 64
FIRST_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 2.0, 300.0
PAUSE_DOUBLES_WITHIN = timedelta(seconds=30)
# As long as the worker waits between two passes.
MAX_BURST = timedelta(seconds=0.25)


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


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast requests are sent to a receiver that responded with 429.

    `rate` is in requests per second, as of `since`, the end of the last pause, which lasted `pause_seconds`.
    From then on, the rate doubles every minute, until the requests are no longer paced.
    """

    rate: float
    since: datetime
    pause_seconds: float

    def rate_at(self, at: datetime) -> float | None:
        """Return the rate at a time; None if the requests are no longer paced."""
        doublings = min(max(0, (at - self.since) / RATE_DOUBLES_IN), MAX_DOUBLINGS)
        rate = self.rate * 2**doublings
        return rate if rate < MAX_RATE else None

    def count_at(self, at: datetime, next_at: datetime | None) -> int | None:
        """Return how many requests can be sent now, if the next one can be sent from `next_at` on.

        None means that the requests are no longer paced.
        """
        if (rate := self.rate_at(at)) is None:
            return None
        waited = (at - self._first(at, next_at)).total_seconds()
        return 1 + int(waited * rate) if waited >= 0 else 0

    def next_after(self, count: int, at: datetime, next_at: datetime | None) -> datetime:
        """Return when the next request can be sent, after `count` were sent now."""
        rate = self.rate_at(at) or MAX_RATE
        return self._first(at, next_at) + timedelta(seconds=count / rate)

    def _first(self, at: datetime, next_at: datetime | None) -> datetime:
        # Requests that were not sent in time are not caught up on: the receiver would refuse them.
        return max(at - MAX_BURST, next_at or at)


def slower_pace(pace: Pace | None, at: datetime, pause_until: datetime | None) -> Pace:
    """Return the pace after a 429 to a request that was sent at `pace`: half of its rate, after a pause.

    `pause_until` comes from Retry-After. Without it, the pause is a few seconds, and twice as long as the one
    before if that ended only a short time ago.
    """
    rate = max(MIN_RATE, ((pace and pace.rate_at(at)) or 2 * FIRST_RATE) / 2)
    again = pace is not None and at < pace.since + PAUSE_DOUBLES_WITHIN
    seconds = min(2 * pace.pause_seconds, MAX_PAUSE_SECONDS) if pace and again else FIRST_PAUSE_SECONDS
    return Pace(rate, pause_until or at + timedelta(seconds=seconds), seconds)
