"""The database: engines, and the only place where transactions begin and commit.

No code waits for a thread while it holds a transaction: a request moves to a thread once, and the function
there opens the database session, works, commits and returns. Waiting for a second thread inside a transaction
would deadlock the pool under load.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import copy_context
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from math import inf
from pathlib import Path
from threading import Condition
from time import monotonic
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from pydantic_core import from_json, to_json
from sqlalchemy import DateTime, Dialect, Engine, Row, Table, TypeDecorator, event
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session as DatabaseSession
from sqlmodel import SQLModel, create_engine

from app import sqlite_file
from app.clock import Clock, utc_now
from app.compiled import Parameters, Values, compiled_for, execute
from app.database_failures import database_problem, first_line
from app.problems import DATABASE_READ_ONLY, UNAVAILABLE, Problem, unavailable
from app.settings import Settings

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_SQLITE_READERS = 4
SQLITE_BUSY_TIMEOUT_SECONDS = 5
# How much longer to wait than the time-outs of the database: those guarantee that nothing was written.
DATABASE_TIMEOUT_GRACE_SECONDS = 2
DEADLOCK_DETECTED = "40P01"  # as PostgreSQL calls it
# How often to repeat a transaction that PostgreSQL ended to resolve a deadlock.
MAX_DEADLOCK_RETRIES = 2
# An SQLite file of this size is rewritten in about a second.
MAX_REWRITTEN_BYTES = 64 * 1024 * 1024
# How long the service is not ready after a write found the database full or read-only. A smaller write could
# still succeed.
RECENT_REFUSAL_SECONDS = 5
FILE_REPLACED = (
    "The database file was deleted, moved or replaced while the service was using it: stop the service, "
    "check the file, and start the service again."
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """A running transaction, and its time in UTC, which all its writes use.

    `run` runs constant statements. `sql` runs any statement, and `db` also loads objects of the ORM; both take
    more time. If the transaction is `silent`, the events that it records are not sent to webhooks.
    """

    sql: Connection
    at: datetime
    silent: bool = False
    _sessions: list[DatabaseSession] = field(default_factory=list)

    @property
    def db(self) -> DatabaseSession:
        """The session of the ORM, opened when it is first used. Copies of the transaction share it."""
        if not self._sessions:
            self._sessions.append(
                DatabaseSession(self.sql, expire_on_commit=False, close_resets_only=False, autoflush=False)
            )
        return self._sessions[0]

    @contextmanager
    def using_orm(self) -> Iterator[None]:
        """Flush the session of the ORM at the end of the block, if it was used, and close it."""
        try:
            yield
            for session in self._sessions:
                session.flush()
        finally:
            for session in self._sessions:
                session.close()

    def savepoint(self) -> SessionTransaction:
        """Begin a part of the transaction that can be rolled back alone. Use it as a context manager."""
        savepoint = self.db.begin_nested()
        # The session sets the savepoint only when it is used: `sql` and `run` would write before that.
        self.db.connection()
        return savepoint

    def run(self, statement: Any, parameters: Parameters) -> list[Values]:
        """Run a constant statement, and return its rows, with values of the types of the columns."""
        compiled = compiled_for(self.sql.dialect, statement, tuple(parameters))
        return compiled.rows(execute(self.sql, compiled.text, compiled.bound(parameters)))

    def run_for_each(self, statement: Any, rows: Sequence[Parameters]) -> None:
        """Run a constant statement for each of several rows, which have the same names."""
        compiled = compiled_for(self.sql.dialect, statement, tuple(rows[0]))
        bound = list(map(compiled.bound, rows))
        if len(bound) == 1:
            execute(self.sql, compiled.text, bound[0])
        else:
            execute(self.sql, compiled.text, bound, many=True)


@dataclass(slots=True)
class _Call:
    """A call in another thread: whether it has begun, and whether its caller still waits for it."""

    has_begun: bool = False
    is_abandoned: bool = False


class Database:
    """A database. `read` and `write` run a function in a transaction of its own.

    Both return what the function returns, and raise what it raises. They raise one of DATABASE_FAILURES if
    the database is down, busy, full or read-only, or does not answer in time. Nothing is written then, unless
    the connection breaks during the commit.

    Args:
        pool_size: the maximum number of PostgreSQL connections.
        wait_seconds: how long to wait for a connection, a lock or a statement.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, wait_seconds: float = 10, clock: Clock = utc_now
    ) -> None:
        self.engine = create_database_engine(url, pool_size, wait_seconds)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.file = sqlite_file.path_of(url)
        self._file_number: int | None = None
        # Read this before anything opens the file, because opening it creates a new journal.
        self.lost_journal_since = sqlite_file.used_without_journal(self.file) if self.file else None
        """When a service began to use the SQLite file, if its journal is missing; otherwise None."""
        self._read_engine = (
            self.engine.execution_options(read_only=True)
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        self.wait_seconds = wait_seconds
        self._clock = clock
        # SQLite has one writer at a time.
        self._writers = ThreadPoolExecutor(1 if self.is_sqlite else pool_size, "database")
        self._readers = (
            ThreadPoolExecutor(MAX_SQLITE_READERS, "database") if self.is_sqlite else self._writers
        )
        self.wal_truncation_pending = False
        self.rewrite_pending = False
        """Whether data was deleted from an SQLite file since it was rewritten."""
        self._refusal = -inf, unavailable("")
        self._running_count = 0
        self._running_changed = Condition()

    def create(self) -> None:
        """Create the file of an SQLite database if it is missing. No other method creates it."""
        if self.file:
            sqlite_file.create(self.file)

    async def mark_in_use(self) -> None:
        """Mark the file of an SQLite database as used by a service, until `close`."""
        self.lost_journal_since = None
        if self.file:
            await to_thread.run_sync(sqlite_file.mark_in_use, self.file, self._clock())

    def recent_refusal(self) -> Problem | None:
        """Return the problem if a write of the last seconds found the database full or read-only."""
        at, problem = self._refusal
        return problem if monotonic() - at < RECENT_REFUSAL_SECONDS else None

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read-only transaction in another thread."""
        return await self._run_in_thread(
            self._readers, partial(self._run_with_retries, self._read_engine, work)
        )

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction in another thread, and commit before returning."""
        return await self._run_in_thread(self._writers, partial(self._run_with_retries, self.engine, work))

    async def write_in_turns(self, work: Callable[[Transaction], bool], seconds: float = inf) -> bool:
        """Run `work` in one transaction after another until it returns False, for at most `seconds`.

        Returns the last result: whether `work` has more to do.
        """
        until = monotonic() + seconds
        while True:
            started = monotonic()
            more = await self.write(work)
            if not more or monotonic() > until:
                return more
            await self.give_way(started)

    async def give_way(self, started: float) -> None:
        """Let others write between two transactions. The first one began at `started`, a monotonic time.

        Only SQLite needs this: a process that waits for the lock of its file only checks now and then whether
        the lock is free. Without a pause, it would rarely find the lock free.
        """
        if self.is_sqlite:
            await anyio.sleep(monotonic() - started)

    def read_sync(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read-only transaction in this thread."""
        return self._run_with_retries(self._read_engine, work, _Call())

    def write_sync(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction in this thread, and commit before returning."""
        return self._run_with_retries(self.engine, work, _Call())

    def _run_with_retries(self, engine: Engine, work: Callable[[Transaction], T], call: _Call) -> T:
        call.has_begun = True
        self._change_running_count(1)
        try:
            for _ in range(MAX_DEADLOCK_RETRIES):
                try:
                    return self._run_once(engine, work, call)
                except OperationalError as error:
                    if getattr(error.orig, "sqlstate", None) != DEADLOCK_DETECTED:
                        raise
                    log.info("deadlock: the transaction is repeated")
            return self._run_once(engine, work, call)
        except (DBAPIError, PoolTimeoutError) as error:
            problem = database_problem(error)
            # A write in a read transaction is a fault of the service, and not a failure of the database.
            if problem is None or (problem.kind is DATABASE_READ_ONLY and engine is self._read_engine):
                raise
            log.warning(problem.detail, extra={"fields": {"error": first_line(error)}})
            if engine is self.engine and problem.kind is not UNAVAILABLE:
                self._refusal = monotonic(), problem
                # A file that was read-only when it was opened stays so until it is opened again.
                self.engine.dispose()
            raise problem from error
        finally:
            self._change_running_count(-1)

    def _run_once(self, engine: Engine, work: Callable[[Transaction], T], call: _Call) -> T:
        with engine.begin() as connection:
            self._require_same_file()
            tx = Transaction(connection, self._clock())
            with tx.using_orm():
                result = work(tx)
            if call.is_abandoned:
                # Do not commit: the caller already has the response that nothing was written.
                raise unavailable("The database does not answer.")
        return result

    def _require_same_file(self) -> None:
        """Raise UNAVAILABLE if the SQLite file is no longer the one that was opened first.

        A connection keeps a file that is deleted or replaced. What it writes then is lost when it is closed.
        """
        if self.file:
            number = sqlite_file.number_of(self.file)
            self._file_number = self._file_number or number
            if number != self._file_number:
                log.error(FILE_REPLACED)
                raise unavailable(FILE_REPLACED)

    def _change_running_count(self, change: int) -> None:
        with self._running_changed:
            self._running_count += change
            self._running_changed.notify_all()

    async def _run_in_thread(self, threads: ThreadPoolExecutor, run: Callable[[_Call], T]) -> T:
        """Run a function in one of `threads`, and tell it if the caller no longer waits for the result.

        A thread that hangs because the database does not answer is abandoned. This uses asyncio, because
        anyio takes three times as long to run a small function in a thread.
        """
        call, loop = _Call(), asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self.wait_seconds + DATABASE_TIMEOUT_GRACE_SECONDS):
                return await loop.run_in_executor(threads, copy_context().run, run, call)
        except TimeoutError as error:
            if not call.has_begun:
                raise unavailable("Too many requests are waiting for the database.") from error
            log.warning("database unavailable: no answer")
            raise unavailable("The database does not answer.") from error
        finally:
            call.is_abandoned = True

    async def purge_deleted(self) -> None:
        """Remove deleted data from the files of SQLite. On PostgreSQL, vacuum does that.

        This truncates the write-ahead log, and sets `rewrite_pending`.
        """
        self.rewrite_pending = self.is_sqlite
        await self.truncate_wal()

    async def rewrite_file(self) -> None:
        """Rewrite the SQLite file if it is not larger than MAX_REWRITTEN_BYTES.

        A deleted row is overwritten, but not the copies of it in pages from which it was moved earlier. Other
        writers wait meanwhile. If it fails, `rewrite_pending` stays set.
        """
        with suppress(Problem):
            await self._run_in_thread(self._writers, lambda _: self._rewrite_file_sync())
            await self.truncate_wal()

    def _rewrite_file_sync(self) -> None:
        if self.file and self.file.stat().st_size <= MAX_REWRITTEN_BYTES:
            connection = self.engine.raw_connection()
            try:
                # The file is copied to memory first, because the copy has personal data.
                connection.cursor().execute("PRAGMA temp_store=MEMORY")
                connection.cursor().execute("VACUUM")
            except sqlite3.OperationalError as error:
                log.warning(
                    "the file cannot be rewritten now", extra={"fields": {"error": first_line(error)}}
                )
                return
            finally:
                connection.close()
        self.rewrite_pending = False

    async def truncate_wal(self) -> None:
        """Remove deleted data from SQLite's write-ahead log.

        If a reader blocks it, `wal_truncation_pending` stays set, and the caller has to try again later.
        """
        if self.is_sqlite:
            self.wal_truncation_pending = True
            with suppress(Problem):
                await self._run_in_thread(self._writers, lambda _: self.truncate_wal_sync())

    def truncate_wal_sync(self) -> None:
        """Do the same as `truncate_wal` in this thread."""
        if not self.is_sqlite:
            return
        self.wal_truncation_pending = True
        connection = self.engine.raw_connection()
        try:
            busy, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.wal_truncation_pending = bool(busy)
        except sqlite3.OperationalError as error:
            # What was deleted is committed, so the caller gets no problem.
            log.warning("the journal cannot be truncated now", extra={"fields": {"error": first_line(error)}})
        finally:
            connection.close()

    def close(self) -> None:
        """Wait for running transactions, including abandoned ones, and close all connections."""
        with self._running_changed:
            self._running_changed.wait_for(lambda: self._running_count == 0, self.wait_seconds)
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.engine.dispose()
        # If the journal is missing, the mark stays, because only the mark shows this.
        if self.file and not self.lost_journal_since:
            sqlite_file.mark_closed(self.file)


def open_database(settings: Settings, clock: Clock = utc_now) -> Database:
    """Open the database of the settings. The schema may still be missing or old."""
    return Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.pool_size,
        wait_seconds=settings.wait_seconds,
        clock=clock,
    )


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
    return create_engine(
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
            # Detects a host that disappeared without closing the connection, and frees the connection.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 3 * milliseconds,
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={3 * milliseconds} -c timezone=UTC",
        },
    )


def _to_json(value: Any) -> str:
    """Serialise without spaces: there are many small JSON values in the database."""
    return to_json(value).decode()


def _open_sqlite(_dialect: Dialect, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
    """Change the arguments of the driver so that it never creates a file."""
    arguments[0] = sqlite_file.uri(Path(arguments[0]))
    options["uri"] = True


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Otherwise the driver begins transactions itself, too late, and acknowledged writes get lost.
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


def insert_if_new(tx: Transaction, table: type[SQLModel], values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same unique values exists, and return whether it was inserted.

    The insert waits for concurrent inserts of the same values.
    """
    rows = SQLModel.metadata.tables[str(table.__tablename__)]
    return bool(tx.run(_insert_new(rows, dialect_of(tx)), values))


def insert_new(
    tx: Transaction, table: type[SQLModel], values: Sequence[dict[str, Any]]
) -> set[tuple[Any, ...]]:
    """Insert the rows whose unique values do not exist yet, and return their primary keys."""
    rows = SQLModel.metadata.tables[str(table.__tablename__)]
    return {tuple(row) for row in tx.sql.execute(_insert_new(rows, dialect_of(tx)), values)}


@cache
def _insert_new(table: Table, dialect: str) -> Any:
    """Return the statement of `insert_new`. It is built once, because that takes longer than running it."""
    return insert_into(table, dialect).on_conflict_do_nothing().returning(*table.primary_key)


def insert_or_replace(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows. A row whose primary key exists replaces the existing one."""
    tx.run_for_each(_insert_or_replace(table, dialect_of(tx)), rows)


@cache
def _insert_or_replace(table: Table, dialect: str) -> Any:
    """Return the statement of `insert_or_replace`, built once."""
    statement = insert_into(table, dialect)
    others = {name: value for name, value in statement.excluded.items() if name not in table.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


def insert_or_update(
    tx: Transaction, table: Table, values: dict[str, Any], changes: dict[str, Any]
) -> Row[Any]:
    """Insert a row, or make the changes to the row with its primary key; return the row as it is then.

    Concurrent calls for one row wait for each other until their transactions end.
    """
    statement = insert_into(table, dialect_of(tx)).values(values)
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)
    return tx.sql.execute(statement.returning(*table.c)).one()


def dialect_of(tx: Transaction) -> str:
    """Return "sqlite" or "postgresql"."""
    return tx.sql.dialect.name


def insert_into(table: Table, dialect: str) -> Any:
    """Return an INSERT that can say what happens on a conflict, in the dialect of the database."""
    # A dialect imports its drivers, which takes longer than many commands.
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert(table)


def lock_table(tx: Transaction, table: type[SQLModel]) -> None:
    """Block all other writers of a table until the transaction ends. SQLite has only one writer anyway."""
    _lock_table(tx, table, "SHARE ROW EXCLUSIVE")


def enter_as_writer(tx: Transaction, table: type[SQLModel]) -> None:
    """Wait for a transaction that blocks the writers of a table, and prevent others from blocking them.

    An insert does the same. A transaction calls this first if what it inserts depends on what it reads.
    """
    _lock_table(tx, table, "ROW EXCLUSIVE")


def _lock_table(tx: Transaction, table: type[SQLModel], mode: str) -> None:
    if dialect_of(tx) == "postgresql":
        execute(tx.sql, f'LOCK TABLE "{table.__tablename__}" IN {mode} MODE', ())


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC. SQLite has no times: they are texts there, without the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: Dialect) -> Callable[[datetime | None], Any] | None:
        """Return how a time is stored, or None if the driver stores it."""
        return _utc_text if dialect.name == "sqlite" else super().bind_processor(dialect)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[Any], datetime | None] | None:
        """Return how a stored time is read, or None if the driver reads it."""
        return _utc_time if dialect.name == "sqlite" else super().result_processor(dialect, coltype)


def _utc_text(time: datetime | None) -> str | None:
    return None if time is None else sqlite_file.stored_time(time)


def _utc_time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text + "+00:00")
