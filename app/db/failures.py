"""Turn failures of the database into problems that name the cause in plain words.

SQLite and PostgreSQL name their failures differently, and their drivers raise different exceptions for them.
"""

import sqlite3
from collections.abc import Iterator, Mapping

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.problems import (
    DATABASE_FULL,
    DATABASE_READ_ONLY,
    RETRY_AFTER_SECONDS,
    UNAVAILABLE,
    Kind,
    Problem,
)

Cause = tuple[Kind, str]
# These last longer than a lock, because a person has to act.
OPERATOR_RETRY_AFTER_SECONDS = 10

FULL: Cause = (DATABASE_FULL, "The disk of the database is full.")
LOCKED: Cause = (UNAVAILABLE, "Another program or transaction holds a lock on the database for too long.")
IO_ERROR: Cause = (UNAVAILABLE, "The database cannot read or write its files: check its disk.")
DAMAGED: Cause = (UNAVAILABLE, "The database is damaged: restore a backup.")
MISSING: Cause = (
    UNAVAILABLE,
    "The database file cannot be opened: it does not exist, or its folder is read-only.",
)
TOO_MANY_CONNECTIONS: Cause = (UNAVAILABLE, "The database server has no free connection.")
NO_LOGIN: Cause = (UNAVAILABLE, "The database server refuses the login of the service.")
NO_DATABASE: Cause = (UNAVAILABLE, "The database does not exist on the server.")
TOO_SLOW: Cause = (UNAVAILABLE, "The database did not finish in time.")
STOPPED: Cause = (UNAVAILABLE, "The database server is starting or stopping.")
OUT_OF_MEMORY: Cause = (UNAVAILABLE, "The database has no memory left.")
DOWN: Cause = (UNAVAILABLE, "The database is down or busy.")
POOL_EXHAUSTED: Cause = (UNAVAILABLE, "All database connections of this process are in use.")

BY_SQLITE_CODE: Mapping[int, Cause] = {
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_READONLY: (
        DATABASE_READ_ONLY,
        "The database file, its folder or its file system is read-only.",
    ),
    sqlite3.SQLITE_BUSY: LOCKED,
    sqlite3.SQLITE_LOCKED: LOCKED,
    sqlite3.SQLITE_IOERR: IO_ERROR,
    sqlite3.SQLITE_CANTOPEN: MISSING,
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_NOTADB: DAMAGED,
    sqlite3.SQLITE_NOMEM: OUT_OF_MEMORY,
}
BY_SQLSTATE: Mapping[str, Cause] = {
    "53100": FULL,
    "25006": (DATABASE_READ_ONLY, "The database server accepts only reads, as a standby does."),
    "55P03": LOCKED,
    "57014": TOO_SLOW,
    "25P03": TOO_SLOW,
    "53300": TOO_MANY_CONNECTIONS,
    "53200": OUT_OF_MEMORY,
    "58030": IO_ERROR,
    "58P01": IO_ERROR,
    "XX001": DAMAGED,
    "XX002": DAMAGED,
    "57P01": STOPPED,
    "57P02": STOPPED,
    "57P03": STOPPED,
}
# libpq reports only as text why a connection failed. If the server does not use English, the cause is DOWN.
BY_CONNECTION_ERROR: Mapping[str, Cause] = {
    "too many clients": TOO_MANY_CONNECTIONS,
    "remaining connection slots": TOO_MANY_CONNECTIONS,
    "too many connections": TOO_MANY_CONNECTIONS,
    "authentication failed": NO_LOGIN,
    "is not permitted to log in": NO_LOGIN,
    "does not exist": NO_DATABASE,
    "is starting up": STOPPED,
    "is shutting down": STOPPED,
    "No space left on device": FULL,
}


def database_problem(error: BaseException) -> Problem | None:
    """Return the problem that describes a failure of the database.

    Returns None for any other error. An error about a statement or its values is a bug in the service.
    """
    if isinstance(error, PoolTimeoutError):
        return _problem(POOL_EXHAUSTED)
    if not isinstance(error, DBAPIError | sqlite3.Error):
        return None
    if cause := _known_cause(error):
        return _problem(cause)
    if not isinstance(error, OperationalError | InterfaceError | sqlite3.OperationalError):
        return None
    # If the disk is full, SQLite ends the whole transaction, and the end of a savepoint fails as well.
    return _problem(next(filter(None, map(_known_cause, _contexts(error))), DOWN))


def first_line(error: BaseException) -> str:
    """Return the type and the first line of an error. Other lines may repeat what was sent."""
    original = getattr(error, "orig", None) or error
    return f"{type(original).__name__}: {str(original).partition(chr(10))[0]}"


def _problem(cause: Cause) -> Problem:
    kind, detail = cause
    seconds = RETRY_AFTER_SECONDS if kind is UNAVAILABLE else OPERATOR_RETRY_AFTER_SECONDS
    return Problem(kind, detail, headers={"Retry-After": str(seconds)})


def _contexts(error: BaseException) -> Iterator[BaseException]:
    while (context := error.__cause__ or error.__context__) is not None:
        yield context
        error = context


def _known_cause(error: BaseException) -> Cause | None:
    original = getattr(error, "orig", None) or error
    if isinstance(original, sqlite3.Error):
        # The lowest byte is the primary code; the others only say more about it.
        return BY_SQLITE_CODE.get((getattr(original, "sqlite_errorcode", None) or 0) & 0xFF)
    sqlstate = getattr(original, "sqlstate", None)
    if sqlstate is None and isinstance(error, OperationalError):
        text = str(original)
        return next((cause for part, cause in BY_CONNECTION_ERROR.items() if part in text), None)
    return BY_SQLSTATE.get(sqlstate or "")
