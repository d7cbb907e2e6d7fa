"""Engines: how the service connects to SQLite and PostgreSQL."""

import select
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json
from sqlalchemy import Dialect, Engine, event
from sqlalchemy.engine import Connection, make_url
from sqlmodel import create_engine

from app.db import sqlite_file
from app.db.compiled import execute

MAX_SQLITE_READERS = 4
SQLITE_BUSY_TIMEOUT_SECONDS = 5


def create_database_engine(url: str, pool_size: int, wait_seconds: float) -> Engine:
    """Create an engine with time-outs and, on SQLite, the pragmas that make writes durable."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            url,
            pool_size=MAX_SQLITE_READERS + 1,
            max_overflow=0,
            hide_parameters=True,
            json_serializer=_to_json,
            json_deserializer=from_json,
        )
        event.listen(engine, "do_connect", _open_sqlite)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    milliseconds = int(wait_seconds * 1000)
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_seconds,
        pool_pre_ping=True,
        hide_parameters=True,
        json_serializer=_to_json,
        json_deserializer=from_json,
        connect_args={
            "connect_timeout": 3,
            # These detect a host that disappeared without closing the connection, and free the connection.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 3 * milliseconds,
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={3 * milliseconds} -c timezone=UTC",
        },
    )
    # `pool_pre_ping` calls this before each transaction. The driver's own ping always takes a round trip.
    engine.dialect.do_ping = partial(_is_alive, ping=engine.dialect.do_ping)  # type: ignore[method-assign]
    return engine


def _is_alive(connection: Any, ping: Callable[[Any], bool]) -> bool:
    """Return whether an idle connection still works, with a round trip only if the server has sent something.

    A server that stops, or that closes the connection, leaves something to read.
    """
    unread = select.poll()
    unread.register(connection.fileno(), select.POLLIN)
    return not unread.poll(0) or ping(connection)


def _to_json(value: Any) -> str:
    """Serialise without spaces: there are many small JSON values in the database."""
    return to_json(value).decode()


def _open_sqlite(_dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
    """Change the arguments of the driver so that it never creates a file."""
    arguments[0] = sqlite_file.uri(Path(arguments[0]))
    options["uri"] = True


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Otherwise the driver begins transactions itself, which is too late: acknowledged writes would be lost.
    connection.isolation_level = None
    for pragma in (
        f"busy_timeout={SQLITE_BUSY_TIMEOUT_SECONDS * 1000}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only")
    execute(connection, "BEGIN" if read_only else "BEGIN IMMEDIATE", ())
