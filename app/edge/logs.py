"""Logs: one JSON object in each line on standard error, with the request and the caller that it belongs to.

The middleware binds both to the context once. A thread that works for the request has the same context, so
warnings of the database contain them too.
"""

import logging.config
from datetime import UTC, datetime
from logging import LogRecord
from traceback import format_tb
from typing import cast

import orjson
from structlog.contextvars import merge_contextvars
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger


def _add_record(_logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Return the time, level, logger and message of a record, and the fields of `extra={"fields": …}`."""
    record = cast("LogRecord", event["_record"])
    return {
        "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
        "level": level,
        "logger": record.name,
        "message": event.pop("event"),
        **event,
        **getattr(record, "fields", {}),
    }


def _format_exception(_logger: WrappedLogger, _level: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    if exc_info and exc_info[1]:
        event["exception"] = _traceback(exc_info[1])
    return event


def _traceback(error: BaseException) -> str:
    """Return the traceback with the first line of each message: other lines may repeat what was sent."""
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    before = f"{_traceback(cause)}\nand then\n" if cause else ""
    message = str(error).partition("\n")[0]
    return f"{before}{''.join(format_tb(error.__traceback__))}{type(error).__qualname__}: {message}"


def _as_json(_logger: WrappedLogger, _level: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str).decode()


def log_formatter() -> ProcessorFormatter:
    """Return the formatter for the logging of the standard library."""
    return ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars, _add_record, _format_exception],
        processors=[ProcessorFormatter.remove_processors_meta, _as_json],
    )


def configure_logs(level: str) -> None:
    """Log records of `level` (debug, info, warning, error) and above, of every logger, to standard error."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": log_formatter}},
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
