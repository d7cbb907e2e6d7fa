"""The database, and the only place where transactions begin and commit.

No code waits for a thread while it holds a transaction: a request moves to a thread once, and the function
there opens the database session, works, commits and returns. Waiting for a second thread inside a transaction
would deadlock the pool under load.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from math import inf
from threading import Condition, Lock
from time import monotonic
from typing import TypeVar

import anyio
from anyio import to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from app.clock import Clock, utc_now
from app.db import sqlite_file
from app.db.engines import MAX_SQLITE_READERS, create_database_engine
from app.db.failures import database_problem, first_line
from app.db.transaction import Transaction
from app.problems import DATABASE_READ_ONLY, UNAVAILABLE, Problem, unavailable
from app.settings import Settings

T = TypeVar("T")
log = logging.getLogger(__name__)

# How much longer to wait than the time-outs of the database, which guarantee that nothing was written.
DATABASE_TIMEOUT_GRACE_SECONDS = 2
DEADLOCK_DETECTED = "40P01"  # as PostgreSQL calls it
# How often to repeat a transaction that PostgreSQL ended to resolve a deadlock.
MAX_DEADLOCK_RETRIES = 2
# How long to wait at the end for running transactions. What has not been committed by then is rolled back.
MAX_CLOSING_SECONDS = 1
# An SQLite file of this size is rewritten in about a second.
MAX_REWRITTEN_BYTES = 64 * 1024 * 1024
# How long the service is not ready after a write found the database full or read-only. A smaller write could
# still succeed.
RECENT_REFUSAL_SECONDS = 5
NO_ANSWER = "The database does not answer."
NO_ANSWER_TO_COMMIT = "The database did not confirm the commit, so the change may or may not have been saved."
FILE_REPLACED = (
    "The database file was deleted, moved or replaced while the service was using it: stop the service, "
    "check the file, and start the service again."
)


class _Call:
    """A call in another thread. Either its caller gives it up, or it commits: never both."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._is_given_up = False
        self._is_committing = False

    def give_up(self) -> bool:
        """Stop waiting. Returns False if the call commits already."""
        with self._lock:
            self._is_given_up = not self._is_committing
            return self._is_given_up

    def begin_commit(self) -> bool:
        """Return whether the caller still waits. It cannot give the call up any more then."""
        with self._lock:
            self._is_committing = not self._is_given_up
            return self._is_committing


class Database:
    """A database. `read` and `write` run a function in a transaction of its own.

    Both return what the function returns, and raise what it raises. They raise one of DATABASE_FAILURES if
    the database is down, busy, full or read-only, or does not answer in time. Nothing is written then, unless
    the connection breaks during the commit, or the database does not answer it.

    Args:
        pool_size: the maximum number of PostgreSQL connections.
        wait_seconds: how long to wait for a connection, a lock or a statement. `read` and `write` take at
            most DATABASE_TIMEOUT_GRACE_SECONDS longer, with the wait for a thread. They wait for a commit
            that has begun by then for as long again.
    """

    def __init__(
        self, url: str, *, pool_size: int = 10, wait_seconds: float = 10, clock: Clock = utc_now
    ) -> None:
        self.engine = create_database_engine(url, pool_size, wait_seconds)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self.file = sqlite_file.path_of(url)
        self._inode: int | None = None
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
        """Return the problem if a write in the last seconds found the database full or read-only."""
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

    async def write_in_batches(self, work: Callable[[Transaction], bool], seconds: float = inf) -> bool:
        """Run `work` in one transaction after another until it returns False, for at most `seconds`.

        Returns the last result: whether `work` has more to do.
        """
        until = monotonic() + seconds
        while True:
            started = monotonic()
            more = await self.write(work)
            if not more or monotonic() > until:
                return more
            await self.pause_for_others(started)

    async def pause_for_others(self, started: float) -> None:
        """Pause after a transaction that began at `started`, a monotonic time, so that others can write.

        Only SQLite needs this: a process that waits for the lock of its file polls the lock at intervals.
        Without a pause, it would rarely find the lock free.
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
            # A write in a read transaction is a bug in the service, and not a failure of the database.
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
            if not call.begin_commit():
                # Do not commit: the caller already has the response that nothing was written.
                raise unavailable(NO_ANSWER)
        return result

    def _require_same_file(self) -> None:
        """Raise UNAVAILABLE if the SQLite file is no longer the one that was opened first.

        A connection still uses a file that was deleted or replaced. What it writes is lost when it is closed.
        """
        if self.file:
            inode = sqlite_file.inode_of(self.file)
            self._inode = self._inode or inode
            if inode != self._inode:
                log.error(FILE_REPLACED)
                raise unavailable(FILE_REPLACED)

    def _change_running_count(self, change: int) -> None:
        with self._running_changed:
            self._running_count += change
            self._running_changed.notify_all()

    async def _run_in_thread(self, threads: ThreadPoolExecutor, run: Callable[[_Call], T]) -> T:
        """Run a function in one of `threads`, and give it up if it takes too long.

        If the function has begun to commit by then, wait for as long again, because it is too late to report
        that nothing was written. If the request is cancelled during a commit, wait for MAX_CLOSING_SECONDS.

        A thread that hangs because the database does not answer is abandoned. This uses asyncio, because
        anyio takes three times as long to run a small function in a thread.

        Raises:
            Problem: UNAVAILABLE if no thread was free in time, or if the database did not answer in time.
                The detail says so if it is not known whether something was written.
        """
        call, seconds = _Call(), self.wait_seconds + DATABASE_TIMEOUT_GRACE_SECONDS
        try:
            running = threads.submit(copy_context().run, _run_for_future, run, call)
        except RuntimeError:
            raise unavailable("The service is stopping.") from None
        try:
            with suppress(TimeoutError):
                return await _result_of(running, seconds)
            if running.cancelled():
                raise unavailable("Too many requests are waiting for the database.")
            if running.done() or not call.give_up():
                return await _committed(running, seconds)
        except asyncio.CancelledError:
            if not call.give_up():
                with anyio.CancelScope(shield=True):
                    return await _committed(running, MAX_CLOSING_SECONDS)
            raise
        finally:
            call.give_up()
        log.warning("database unavailable: no answer")
        raise unavailable(NO_ANSWER)

    async def purge_deleted(self) -> None:
        """Remove deleted data from the files of SQLite. On PostgreSQL, vacuum does that.

        This truncates the write-ahead log, and sets `rewrite_pending`.
        """
        self.rewrite_pending = self.is_sqlite
        await self.truncate_wal()

    async def rewrite_file(self) -> None:
        """Rewrite the SQLite file if it is not larger than MAX_REWRITTEN_BYTES.

        SQLite overwrites a deleted row, but not the copies in pages from which it moved the row earlier.
        Other writers wait meanwhile. If the rewrite fails, `rewrite_pending` stays set.
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
        """Wait a moment for running transactions, including abandoned ones, and close all connections."""
        with self._running_changed:
            self._running_changed.wait_for(lambda: self._running_count == 0, MAX_CLOSING_SECONDS)
        self._writers.shutdown(wait=False, cancel_futures=True)
        self._readers.shutdown(wait=False, cancel_futures=True)
        self.engine.dispose()
        # If the journal is missing, the mark stays, because only the mark shows this.
        if self.file and not self.lost_journal_since:
            sqlite_file.mark_closed(self.file)


async def _committed(running: Future[T], seconds: float) -> T:
    """Wait for a call that has begun to commit. Raises UNAVAILABLE if this takes too long."""
    try:
        return await _result_of(running, seconds)
    except TimeoutError:
        log.warning("database unavailable: no answer to a commit")
        raise unavailable(NO_ANSWER_TO_COMMIT) from None


async def _result_of(running: Future[T], seconds: float) -> T:
    """Wait for a call in another thread. Raises TimeoutError if it takes too long."""
    async with asyncio.timeout(seconds):
        return await asyncio.wrap_future(running)


def _run_for_future(run: Callable[[_Call], T], call: _Call) -> T:
    """Call `run`, and raise RuntimeError for exceptions that must not reach the waiter of a future.

    A future cannot raise StopIteration, so its waiter would wait for ever. The waiter would take a
    TimeoutError for its own time limit, and an exception such as SystemExit would end the event loop.
    """
    try:
        return run(call)
    except BaseException as error:
        if isinstance(error, Exception) and not isinstance(error, StopIteration | TimeoutError):
            raise
        raise RuntimeError(f"a transaction raised {type(error).__name__}") from error


def open_database(settings: Settings, clock: Clock = utc_now) -> Database:
    """Open the database of the settings. The schema may still be missing or old."""
    return Database(
        settings.database_url.get_secret_value(),
        pool_size=settings.pool_size,
        wait_seconds=settings.wait_seconds,
        clock=clock,
    )
