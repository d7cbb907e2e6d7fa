"""The two things a write takes from outside the request: the time, and a new id."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, in UTC, to the microsecond."""
    return datetime.now(UTC)


def new_id() -> UUID:
    """A UUIDv7: ids sort by the time they were made."""
    return uuid7()
