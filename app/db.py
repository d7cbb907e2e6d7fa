"""The database: engines, and the one place where a transaction begins and is committed.

Nothing waits for a thread while it holds a transaction: a request makes one hop into a thread, and
the function that runs there opens the session, works, commits and returns. (A second hop inside a
transaction deadlocks the pool under load.)
"""

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Condition, Event
from time import monotonic, sleep
from typing import Any, TypeVar

import anyio
from anyio import to_thread
from psycopg.errors import DeadlockDetected
from pydantic_core import to_json
from sqlalchemy import DateTime, Dialect, Engine, TypeDecorator, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlmodel import Session as DatabaseSession
from sqlmodel import SQLModel, create_engine

from app.clock import Clock, utc_now
from app.problems import Problem, unavailable

T = TypeVar("T")
log = logging.getLogger(__name__)

SQLITE_READERS = 4
BUSY_SECONDS = 5
# So much longer than the database's own time-outs, which can tell that nothing was written.
GRACE_SECONDS = 2
# So often a transaction is begun anew that PostgreSQL ended because others waited for it, and it for them.
DEADLOCKS = 2


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a flow works with: the session of its one transaction, and its time (UTC)."""

    db: DatabaseSession
    at: datetime


class Database:
    """One database. `read` and `write` run a function in a transaction of its own."""

    def __init__(
        self, url: str, *, pool_size: int = 10, wait_seconds: float = 10, clock: Clock = utc_now
    ) -> None:
        self.engine = create_database_engine(url, pool_size, wait_seconds)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._reading = (
            self.engine.execution_options(read_only=True)
            if self.is_sqlite
            else self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )
        self.wait_seconds = wait_seconds
        self._clock = clock
        self._writers = anyio.CapacityLimiter(1 if self.is_sqlite else pool_size)
        self._readers = anyio.CapacityLimiter(SQLITE_READERS) if self.is_sqlite else self._writers
        self._threads = anyio.CapacityLimiter(pool_size + SQLITE_READERS)
        self.wal_truncation_pending = False
        self._at_work = 0
        self._at_rest = Condition()

    async def read(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read-only transaction, in a thread."""
        return await self._hop(self._readers, partial(self._transact, self._reading, work))

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction, in a thread; when this returns it is committed."""
        return await self._hop(self._writers, partial(self._transact, self.engine, work))

    def read_sync(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a read-only transaction, in this thread."""
        return self._transact(self._reading, work, Event())

    def write_sync(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction, in this thread; when this returns it is committed."""
        return self._transact(self.engine, work, Event())

    def _transact(self, engine: Engine, work: Callable[[Transaction], T], given_up: Event) -> T:
        self._count(1)
        try:
            for _ in range(DEADLOCKS):
                try:
                    return self._transact_once(engine, work, given_up)
                except OperationalError as error:
                    if not isinstance(error.orig, DeadlockDetected):
                        raise
                    log.info("a deadlock: all of the transaction is done again")
            return self._transact_once(engine, work, given_up)
        except (OperationalError, InterfaceError, PoolTimeoutError) as error:
            log.warning("database unavailable: %s", type(error.__cause__ or error).__name__)
            raise unavailable("The database is down or busy.") from error
        finally:
            self._count(-1)

    def _transact_once(self, engine: Engine, work: Callable[[Transaction], T], given_up: Event) -> T:
        with DatabaseSession(engine, expire_on_commit=False, close_resets_only=False, autoflush=False) as db:
            result = work(Transaction(db, self._clock()))
            if given_up.is_set():
                # The caller was told that nothing was written.
                raise unavailable("The database does not answer.")
            db.commit()
            return result

    def _count(self, more: int) -> None:
        with self._at_rest:
            self._at_work += more
            self._at_rest.notify_all()

    async def _hop(self, limiter: anyio.CapacityLimiter, run: Callable[[Event], T]) -> T:
        """Run in a thread. One that hangs on a silent database is given up; its event says so."""
        borrower, given_up = object(), Event()
        try:
            with anyio.fail_after(self.wait_seconds):
                await limiter.acquire_on_behalf_of(borrower)
        except TimeoutError as error:
            raise unavailable("Too many requests wait for the database.") from error
        try:
            with anyio.fail_after(self.wait_seconds + GRACE_SECONDS):
                return await to_thread.run_sync(run, given_up, limiter=self._threads, abandon_on_cancel=True)
        except TimeoutError as error:
            log.warning("database unavailable: no answer")
            raise unavailable("The database does not answer.") from error
        finally:
            given_up.set()
            limiter.release_on_behalf_of(borrower)

    async def truncate_wal(self) -> None:
        """After a deletion: let SQLite's journal forget it too. PostgreSQL's vacuum does that.

        Where somebody reads for long there are `wal_truncation_pending`, to be erased later.
        """
        if self.is_sqlite:
            self.wal_truncation_pending = True
            with suppress(Problem):
                await self._hop(self._writers, lambda _: self.truncate_wal_sync())

    def truncate_wal_sync(self) -> None:
        """The same, in this thread."""
        if not self.is_sqlite:
            return
        connection = self.engine.raw_connection()
        try:
            busy, *_ = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            self.wal_truncation_pending = bool(busy)
        finally:
            connection.close()

    def close(self) -> None:
        """Close every connection, when whoever was given up in the middle has ended as well."""
        with self._at_rest:
            self._at_rest.wait_for(lambda: self._at_work == 0, self.wait_seconds)
        self.engine.dispose()


def create_database_engine(url: str, pool_size: int, wait_seconds: float) -> Engine:
    """An engine with the time-outs and, on SQLite, the pragmas that make writes durable."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        if parsed.database:
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(
            url,
            pool_size=SQLITE_READERS + 1,
            max_overflow=0,
            hide_parameters=True,
            json_serializer=_to_json,
        )
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
        connect_args={
            "connect_timeout": 3,
            # A host that is gone without a word is noticed, and its connection becomes free.
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 3 * milliseconds,
            "options": f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={3 * milliseconds} -c timezone=UTC",
        },
    )


def _to_json(value: Any) -> str:
    """Without spaces: most of what is stored as JSON is small, and there is much of it."""
    return to_json(value).decode()


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # Without this the driver begins transactions by itself, late, and acknowledged writes get lost.
    connection.isolation_level = None
    _use_wal(connection)
    for pragma in (
        f"busy_timeout={BUSY_SECONDS * 1000}",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Of processes that ask for it at once on a new file, SQLite lets none wait for the other."""
    until = monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if monotonic() > until:
                raise
            sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    reading = connection.get_execution_options().get("read_only")
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def insert_if_new(tx: Transaction, table: type[SQLModel], values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same unique values is there; whether it was inserted.

    A concurrent insert of the same values is waited for.
    """
    return bool(insert_new(tx, table, [values]))


def insert_new(
    tx: Transaction, table: type[SQLModel], values: Sequence[dict[str, Any]]
) -> set[tuple[Any, ...]]:
    """Insert those of several rows whose unique values are not there; the primary keys of the inserted."""
    insert = sqlite.insert if tx.db.get_bind().dialect.name == "sqlite" else postgresql.insert
    rows = SQLModel.metadata.tables[str(table.__tablename__)]
    statement = insert(rows).on_conflict_do_nothing().returning(*rows.primary_key)
    return {tuple(row) for row in tx.db.execute(statement, values)}


def lock_table(tx: Transaction, table: type[SQLModel]) -> None:
    """Let nobody else write to a table until the transaction ends; SQLite has one writer anyway."""
    if tx.db.get_bind().dialect.name == "postgresql":
        tx.db.execute(text(f'LOCK TABLE "{table.__tablename__}" IN SHARE ROW EXCLUSIVE MODE'))


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite, which knows no zones, gets it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None or dialect.name != "sqlite":
            return value
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
