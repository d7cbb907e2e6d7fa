"""Column types that SQLite and PostgreSQL store differently."""

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import DateTime, Dialect, TypeDecorator

from app.db import sqlite_file

MAX_CACHED_TIMES = 1000


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite has no type for times, so it stores them as text, without the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Return how a time is stored, or None if the driver stores it."""
        return _utc_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Return how a stored time is read, or None if the driver reads it."""
        return _utc_time if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


# Most answers of a session, and most rows of a transaction, have the same time.
@lru_cache(MAX_CACHED_TIMES)
def _utc_text(time: datetime | None) -> str | None:
    return None if time is None else sqlite_file.stored_time(time)


@lru_cache(MAX_CACHED_TIMES)
def _utc_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")
