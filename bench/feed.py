"""The cost of the change feed, and the events that readers miss, on PostgreSQL: python -m bench.feed

Sixteen writers and one reader work without a pause. Each kind of feed runs in turn.
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
from app.db import Database, Transaction, open_database
from app.events.queries import has_pending_events, read_after
from app.events.schemas import BEGINNING, Cursor
from app.events.service import EventSubject, assign_positions, record_events
from app.migrate import migrate
from app.prospects import service as prospects
from app.prospects.schemas import NewProspect
from app.settings import Settings
from bench.server import PostgreSQL, postgresql
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

WRITERS = 16
RUN_SECONDS = 5
# The longest delay between insert and commit, in the runs that have one.
MAX_COMMIT_DELAY_SECONDS = 0.002

TRIGGER = """
CREATE FUNCTION one_at_a_time() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock(4711); RETURN NULL; END $$;
CREATE TRIGGER one_at_a_time BEFORE INSERT ON event FOR EACH STATEMENT EXECUTE FUNCTION one_at_a_time();
"""
PROSPECT = SQLModel.metadata.tables["prospect"]
EVENT = SQLModel.metadata.tables["event"]
ReadPage = Callable[[Database, Cursor], tuple[list[object], Cursor]]


class Run(NamedTuple):
    """Writes per second, the events that the reader missed, and the events that were recorded."""

    rate: float
    missed: int
    recorded: int


def by_position(database: Database, after: Cursor) -> tuple[list[object], Cursor]:
    """Assign positions to new events, and read the events that have one."""
    if database.read_sync(has_pending_events):
        database.write_sync(assign_positions)
    page = database.read_sync(lambda tx: read_after(tx, after, 200, ()))
    return [event.id for event in page.events], page.end


def by_number(database: Database, after: Cursor) -> tuple[list[object], Cursor]:
    """Read by the sequence number that a row gets when it is inserted."""
    query = EVENT.select().where(EVENT.c.seq > after.position).order_by(EVENT.c.seq).limit(200)
    rows = database.read_sync(lambda tx: tx.db.execute(query).all())
    return [row.id for row in rows], Cursor(rows[-1].seq) if rows else after


# For each kind: whether writers record events, SQL that prepares the database, and how the reader reads.
FEED_KINDS: dict[str, tuple[bool, str, ReadPage | None]] = {
    "no events": (False, "", None),
    "events that nobody reads": (True, "", None),
    "positions": (True, "", by_position),
    "statement trigger": (True, TRIGGER, by_number),
    "plain identity": (True, "", by_number),
}


def measures() -> Iterator[Measure]:
    """Yield writes per second, compared with no events at all, and the events that the reader misses."""
    with postgresql() as server:
        for commit_delay in (0.0, MAX_COMMIT_DELAY_SECONDS):
            kinds = {kind: partial(run_on, server, kind, commit_delay) for kind in FEED_KINDS}
            runs = in_turns(ROUNDS, kinds)
            taken = {kind: [run.rate for run in done] for kind, done in runs.items()}
            rates = {kind: f"{statistics.median(measured):,.0f} writes/s" for kind, measured in taken.items()}
            for kind in list(FEED_KINDS)[1:]:
                yield Measure(
                    f"{kind}, {WRITERS} writers, {1000 * commit_delay:.0f} ms to commit",
                    rates[kind],
                    f"no events, {rates['no events']}",
                    median_ratio(taken[kind], taken["no events"]),
                )
                if FEED_KINDS[kind][2]:
                    missed = sum(done.missed for done in runs[kind])
                    recorded = sum(done.recorded for done in runs[kind])
                    yield Measure("… events that the reader missed", f"{missed:,} of {recorded:,}")


def run_on(server: PostgreSQL, kind: str, commit_delay: float) -> Run:
    """Run one kind of feed once, on a new database."""
    records_events, preparation, read_page = FEED_KINDS[kind]
    database = open_database(Settings(database_url=server.new_database(), pool_size=WRITERS + 2))
    migrate(database)
    if preparation:
        with database.engine.begin() as connection:
            connection.execute(text(preparation))
    done = run(database, records_events=records_events, read_page=read_page, commit_delay=commit_delay)
    database.close()
    return done


def run(database: Database, *, records_events: bool, read_page: ReadPage | None, commit_delay: float) -> Run:
    """Write and read for `RUN_SECONDS`."""
    prospect_ids = [
        database.write_sync(lambda tx: prospects.create(tx, NewProspect(), "bench")).id
        for _ in range(WRITERS)
    ]
    with database.engine.begin() as connection:
        connection.execute(EVENT.delete())
    stop, done, seen = threading.Event(), threading.Event(), []
    counts = [0] * WRITERS

    def write(number: int) -> None:
        rng = random.Random(number)
        while not stop.is_set():
            database.write_sync(
                partial(
                    _change, prospect_ids[number], rng.random() * commit_delay, records_events=records_events
                )
            )
            counts[number] += 1

    def read() -> None:
        after = BEGINNING
        while True:
            is_last = done.is_set()
            found, after = read_page(database, after)
            seen.extend(found)
            if is_last and not found:
                return

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    reader = threading.Thread(target=read if read_page else done.wait)
    started = time.perf_counter()
    for thread in (*writers, reader):
        thread.start()
    time.sleep(RUN_SECONDS)
    stop.set()
    for thread in writers:
        thread.join()
    elapsed = time.perf_counter() - started
    done.set()
    reader.join()
    recorded = sum(counts) if records_events else 0
    assert len(seen) == len(set(seen))
    return Run(sum(counts) / elapsed, recorded - len(seen), recorded)


def _change(prospect_id, seconds: float, tx: Transaction, *, records_events: bool) -> None:
    """Change one row, and record one event about it."""
    tx.db.execute(
        PROSPECT.update()
        .where(PROSPECT.c.id == prospect_id)
        .values(revision=PROSPECT.c.revision + 1, searchable=str(new_id()))
    )
    if records_events:
        record_events(tx, EventSubject(prospect_id=prospect_id, revision=1), ["prospect.updated"])
    if seconds:
        time.sleep(seconds)


if __name__ == "__main__":
    print_table(measures())
