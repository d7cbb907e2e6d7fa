"""Logs as JSON lines on standard error."""

import json
import logging
import logging.config
from datetime import UTC, datetime
from traceback import format_tb


class JsonLines(logging.Formatter):
    """One JSON object a line; what is passed as `extra={"fields": …}` becomes fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of a record."""
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1]:
            line["exception"] = _told(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def _told(error: BaseException) -> str:
    """Where it failed and why. Of a message the first line: the others may repeat what was sent."""
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    first = f"{_told(before)}\nand then\n" if before else ""
    message = str(error).partition("\n")[0]
    return f"{first}{''.join(format_tb(error.__traceback__))}{type(error).__qualname__}: {message}"


def configure_logs(level: str) -> None:
    """Send every logger's lines of `level` (debug, info, warning, error) and above there."""
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JsonLines}},
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
            "root": {"level": level.upper(), "handlers": ["stderr"]},
            # One line a request is the middleware's; the migrations' chatter is nobody's; and the
            # addresses of webhooks, which httpx would tell, hold secrets.
            "loggers": {
                "uvicorn.access": {"level": "CRITICAL"},
                "alembic": {"level": "WARNING"},
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
            },
        }
    )
