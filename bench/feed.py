"""What the change feed costs, and what it skips, on PostgreSQL: python -m bench.feed

Sixteen writers write all the time, and a reader reads all the time, each kind of feed in turn.
"""

import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from sqlalchemy import text
from sqlmodel import SQLModel

from app.clock import new_id
from app.db import Database, Transaction
from app.events.queries import has_pending_events, read_after
from app.events.service import EventSubject, assign_positions, record_events
from app.main import open_database
from app.migrate import migrate
from app.prospects import service as prospects
from app.prospects.schemas import NewProspect
from app.settings import Settings
from bench.server import PostgreSQL, postgresql
from bench.table import Measure, in_turns, median_ratio, print_table

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


class Run(NamedTuple):
    """Writes per second, the events that the reader skipped, and those that were recorded."""

    rate: float
    skipped: int
    recorded: int


def by_position(database: Database, after: int) -> tuple[list[object], int]:
    """Give positions, and read what has one."""
    if database.read_sync(has_pending_events):
        database.write_sync(assign_positions)
    stretch = database.read_sync(lambda tx: read_after(tx, after, 200, ()))
    return [event.id for event in stretch.events], stretch.end


def by_number(database: Database, after: int) -> tuple[list[object], int]:
    """Read by the number that a row is given when it is inserted."""
    wanted = EVENT.select().where(EVENT.c.seq > after).order_by(EVENT.c.seq).limit(200)
    rows = database.read_sync(lambda tx: tx.db.execute(wanted).all())
    return [row.id for row in rows], rows[-1].seq if rows else after


# What is told, what the database is prepared with, and how a reader looks.
KINDS: dict[str, tuple[bool, str, Look | None]] = {
    "no events": (False, "", None),
    "events that nobody reads": (True, "", None),
    "positions": (True, "", by_position),
    "statement trigger": (True, TRIGGER, by_number),
    "plain identity": (True, "", by_number),
}


def measures() -> Iterator[Measure]:
    """Writes per second beside writers without events, and the events that the reader skips."""
    with postgresql() as server:
        for dawdle in (0.0, DAWDLE):
            kinds = {kind: partial(run_on, server, kind, dawdle) for kind in KINDS}
            runs = in_turns(ROUNDS, kinds)
            taken = {kind: [run.rate for run in done] for kind, done in runs.items()}
            rates = {kind: f"{statistics.median(measured):,.0f} writes/s" for kind, measured in taken.items()}
            for kind in list(KINDS)[1:]:
                yield Measure(
                    f"{kind}, {WRITERS} writers, {1000 * dawdle:.0f} ms to commit",
                    rates[kind],
                    f"no events, {rates['no events']}",
                    median_ratio(taken[kind], taken["no events"]),
                )
                if KINDS[kind][2]:
                    skipped = sum(done.skipped for done in runs[kind])
                    recorded = sum(done.recorded for done in runs[kind])
                    yield Measure("… events that the reader skipped", f"{skipped:,} of {recorded:,}")


def run_on(server: PostgreSQL, kind: str, dawdle: float) -> Run:
    """One run with one kind of feed, on a database of its own."""
    tells, prepared, look = KINDS[kind]
    database = open_database(Settings(database_url=server.new_database(), pool_size=WRITERS + 2))
    migrate(database)
    if prepared:
        with database.engine.begin() as connection:
            connection.execute(text(prepared))
    done = run(database, tells=tells, look=look, dawdle=dawdle)
    database.close()
    return done


def run(database: Database, *, tells: bool, look: Look | None, dawdle: float) -> Run:
    """Write and read for some seconds."""
    known = [database.write_sync(lambda tx: prospects.create(tx, NewProspect())).id for _ in range(WRITERS)]
    with database.engine.begin() as connection:
        connection.execute(EVENT.delete())
    stop, done, seen = threading.Event(), threading.Event(), []
    counts = [0] * WRITERS

    def write(number: int) -> None:
        dice = random.Random(number)
        while not stop.is_set():
            database.write_sync(partial(_change, known[number], dice.random() * dawdle, tells=tells))
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
    return Run(sum(counts) / taken, told - len(seen), told)


def _change(prospect_id, seconds: float, tx: Transaction, *, tells: bool) -> None:
    """One change of one row, and one event about it."""
    tx.db.execute(
        PROSPECT.update()
        .where(PROSPECT.c.id == prospect_id)
        .values(revision=PROSPECT.c.revision + 1, searchable=str(new_id()))
    )
    if tells:
        record_events(tx, EventSubject(prospect_id=prospect_id, revision=1), ["prospect.updated"])
    if seconds:
        time.sleep(seconds)


if __name__ == "__main__":
    print_table(measures())
