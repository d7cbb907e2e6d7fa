"""Logs: one JSON object in each line on standard error, with the request and the caller that it belongs to.

Both are in the context of the request. A thread that works for the request has the same context, so warnings
of the database contain them too.
"""

import logging.config
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from traceback import format_tb
from types import MappingProxyType
from typing import Any

import orjson

# The fields of every record that is logged for the current request. Set a new mapping to change them.
request_fields: ContextVar[Mapping[str, Any]] = ContextVar("request_fields", default=MappingProxyType({}))


class JsonFormatter(logging.Formatter):
    """Writes a record with its time, level, logger and message, those of the request, and its fields.

    The fields are those of `extra={"fields": …}`.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        entry = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **request_fields.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            entry["exception"] = _traceback(record.exc_info[1])
        return orjson.dumps(entry, default=str).decode()


def _traceback(error: BaseException) -> str:
    """Return the traceback with the first line of each message: other lines may repeat what was sent."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{_traceback(cause)}\nand then\n" if cause else ""
    message = str(error).partition("\n")[0]
    return f"{before}{''.join(format_tb(error.__traceback__))}{type(error).__qualname__}: {message}"


def configure_logs(level: str) -> None:
    """Log records of `level` (debug, info, warning, error) and above, of every logger, to standard error."""
    # No line contains these, and finding them takes longer than the rest of a record.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonFormatter}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"level": level.upper(), "handlers": ["stderr"]},
            # The middleware logs each request once. Migrations log too much. The addresses of webhooks, which
            # httpx logs, contain secrets.
            "loggers": {
                "uvicorn.access": {"level": "CRITICAL"},
                "alembic": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
            },
        }
    )
