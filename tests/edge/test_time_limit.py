"""A transaction that ends as its time does: it is either committed and reported, or neither."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import event, text

from app.db import Database, Transaction, open_database
from app.db.database import DATABASE_TIMEOUT_GRACE_SECONDS
from app.problems import UNAVAILABLE, Problem
from tests.conftest import NewDatabase, settings_for
from tests.waiting import PATIENCE, until

WAIT = 2
LIMIT = WAIT + DATABASE_TIMEOUT_GRACE_SECONDS


@pytest.fixture
def database(new_database: NewDatabase) -> Iterator[Database]:
    opened = open_database(settings_for(new_database(), wait_seconds=WAIT))
    opened.create()
    opened.write_sync(lambda tx: tx.sql.execute(text("CREATE TABLE written (number INTEGER)")))
    yield opened
    opened.close()


def write_one(tx: Transaction) -> str:
    tx.sql.execute(text("INSERT INTO written VALUES (1)"))
    return "written"


def count(database: Database) -> int:
    return database.read_sync(lambda tx: tx.sql.execute(text("SELECT count(*) FROM written")).scalar_one())


def test_what_was_written_while_the_event_loop_was_busy_is_reported(database: Database) -> None:
    async def write() -> str:
        writing = asyncio.create_task(database.write(write_one))
        await asyncio.sleep(0)
        end = time.monotonic() + LIMIT + 0.5
        until(lambda: count(database) == 1 and time.monotonic() > end)
        return await writing

    assert asyncio.run(write()) == "written"


def test_a_commit_that_has_begun_in_time_is_reported(database: Database) -> None:
    begun, may_end = threading.Event(), threading.Event()
    event.listen(database.engine, "commit", lambda _: (begun.set(), may_end.wait(PATIENCE)))

    async def write() -> str:
        writing = asyncio.create_task(database.write(write_one))
        await asyncio.to_thread(begun.wait, PATIENCE)
        await asyncio.sleep(LIMIT + 0.5)
        may_end.set()
        return await writing

    assert asyncio.run(write()) == "written"
    assert count(database) == 1


def test_a_commit_that_takes_too_long_is_reported_as_unknown(database: Database) -> None:
    may_end = threading.Event()
    event.listen(database.engine, "commit", lambda _: may_end.wait(PATIENCE))
    with pytest.raises(Problem, match="may or may not have been saved"):
        asyncio.run(database.write(write_one))
    may_end.set()
    until(lambda: database.engine.pool.checkedout() == 0)


def test_a_write_that_was_reported_as_failed_is_never_committed(database: Database) -> None:
    may_end = threading.Event()

    def write_slowly(tx: Transaction) -> str:
        written = write_one(tx)
        may_end.wait(PATIENCE)
        return written

    with pytest.raises(Problem) as raised:
        asyncio.run(database.write(write_slowly))
    assert raised.value.kind is UNAVAILABLE
    may_end.set()
    until(lambda: database.engine.pool.checkedout() == 0)
    assert count(database) == 0


@pytest.mark.parametrize(
    "kind",
    [StopIteration, TimeoutError, KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError],
)
def test_whatever_a_transaction_raises_is_an_error_and_nothing_is_written(
    database: Database, kind: type[BaseException]
) -> None:
    def fail(tx: Transaction) -> None:
        write_one(tx)
        raise kind

    with pytest.raises(RuntimeError, match=kind.__name__):
        asyncio.run(database.write(fail))
    assert count(database) == 0
    assert asyncio.run(database.write(write_one)) == "written"
