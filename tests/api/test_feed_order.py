"""The feed under writers that commit late: every event once, in one order that keeps each prospect's."""

import random
import time
from functools import partial
from itertools import count

import pytest
from sqlmodel import col, select

from app.db import open_database
from app.events.queries import has_pending_events, read_after
from app.events.schemas import parse_cursor
from app.events.service import assign_positions
from app.events.tables import Event
from app.prospects import service as prospects
from app.prospects.queries import find_prospect
from app.prospects.schemas import NewProspect, ProspectChange
from tests.api.at_once import at_once
from tests.api.calls import cursor_after, end_of_feed, events_after, new_prospect, ok, position_of
from tests.conftest import serving, settings_for

pytestmark = pytest.mark.usefixtures("patient_sqlite")

WRITERS = 16
WRITES = 25
PROSPECTS = 8


@pytest.fixture(scope="module")
def two(new_database):
    """Two services on one database of their own, as two processes would be."""
    settings = settings_for(new_database(), pool_size=WRITERS + 4)
    with serving(settings) as first, serving(settings) as second:
        yield first, second


@pytest.fixture
def database(two):
    """A third way in, with a connection for every writer."""
    database = open_database(two[0].settings)
    yield database
    database.close()


def change_and_dawdle(prospect_id, seconds, tx):
    """Change a prospect, and commit some time after the event was inserted."""
    prospect = find_prospect(tx, prospect_id, lock=True)
    known = prospect.attributes.get("counter", 0)
    prospects.apply_change(tx, prospect, ProspectChange(attributes={"counter": known + 1}), by="test")
    time.sleep(seconds)


class Naive:
    """A cursor on the number that a row is given when it is inserted."""

    def __init__(self, database, start):
        self._database, self._last, self.seen = database, start, []

    def look(self):
        wanted = select(Event.seq).where(col(Event.seq) > self._last).order_by(col(Event.seq))
        found = self._database.read_sync(lambda tx: tx.db.exec(wanted).all())
        self.seen += found
        self._last = max((self._last, *found))


def test_sixteen_writers_that_commit_late_and_two_that_read_all_the_time(two, database):
    """On SQLite the writers queue, and even a naive cursor sees all."""
    first, second = two
    made = partial(prospects.create, new=NewProspect(), entered_by="test")
    known = [database.write_sync(made).id for _ in range(PROSPECTS)]
    before = events_after(first.client, 0)
    start = cursor_after(before[-1])
    last_seq = database.read_sync(lambda tx: max(tx.db.exec(select(Event.seq)).all()))
    naive, done = Naive(database, last_seq), count()

    def write(number):
        dice = random.Random(number)
        try:
            for _ in range(WRITES):
                seconds = dice.random() * (0.002 if database.is_sqlite else 0.02)
                database.write_sync(partial(change_and_dawdle, dice.choice(known), seconds))
        finally:
            next(done)  # the readers wait for this, whatever happens
        return []

    def follow(client):
        """Read on and on from one's own cursor, until all is written and nothing more comes."""
        cursor, seen = start, []
        while True:
            complete = repr(done) == f"count({WRITERS})"
            page = ok(client.get(f"/v1/events?after={cursor}&limit=7"))
            seen += page["items"]
            cursor = page["cursor"]
            if complete and page["next"] is None:
                return seen

    def glance(_):
        while repr(done) != f"count({WRITERS})":
            naive.look()
        naive.look()
        return []

    calls = [partial(write, number) for number in range(WRITERS)]
    readers = [partial(follow, running.client) for running in (first, second)]
    *_, one, other, _ = at_once([*calls, *readers, partial(glance, None)])
    assert one == other
    assert len(one) == len({event["id"] for event in one}) == WRITERS * WRITES
    first_position = position_of(start) + 1
    assert [event["position"] for event in one] == [first_position + n for n in range(WRITERS * WRITES)]
    for prospect in map(str, known):
        told = [event["revision"] for event in one if event["prospect_id"] == prospect]
        assert told == list(range(2, len(told) + 2))
    skipped = WRITERS * WRITES - len(naive.seen)
    assert skipped > 0 or first.is_sqlite, "the naive cursor has to be seen to skip, or this proves nothing"
    assert events_after(second.client, start) == one


def test_an_event_that_is_committed_late_is_not_passed(two, database):
    """The later one is read first, and the one that was inserted before it is read after it."""
    if two[0].is_sqlite:
        pytest.skip("SQLite has one writer: nothing is inserted beside an open transaction")
    client = two[0].client
    start = end_of_feed(client)
    naive = Naive(database, database.read_sync(lambda tx: max(tx.db.exec(select(Event.seq)).all())))

    def late(tx):
        slow = prospects.create(tx, NewProspect(), "test").id
        quick = new_prospect(client)["id"]
        naive.look()
        (seen,) = events_after(client, start)
        assert seen["prospect_id"] == quick
        return str(slow), quick, cursor_after(seen)

    slow, quick, cursor = database.write_sync(late)
    assert [event["prospect_id"] for event in events_after(client, cursor)] == [slow]
    assert [event["prospect_id"] for event in events_after(client, start)] == [quick, slow]
    naive.look()
    assert len(naive.seen) == 1


def test_who_gives_positions_waits_for_no_writer_and_no_writer_for_them(two, database):
    """With events that are not committed, and with positions that are not: each goes on beside the other."""
    if two[0].is_sqlite:
        pytest.skip("SQLite has one writer")
    client = two[0].client
    new_prospect(client)

    def hold(tx):
        assert assign_positions(tx) > 0
        return new_prospect(client)["id"]

    made = database.write_sync(hold)
    assert ok(client.get("/v1/events/latest?limit=1"))[0]["prospect_id"] == made


def test_no_more_than_a_thousand_are_given_positions_at_a_time(two, database):
    client = two[0].client
    start = end_of_feed(client)

    def many(tx):
        for _ in range(1003):
            prospects.create(tx, NewProspect(), "test")

    database.write_sync(many)
    assert [database.write_sync(assign_positions) for _ in range(3)] == [1000, 3, 0]
    assert not database.read_sync(has_pending_events)
    stretch = database.read_sync(lambda tx: read_after(tx, parse_cursor(start), 2000, ()))
    assert [event.position for event in stretch.events] == [position_of(start) + n for n in range(1, 1004)]
    assert [event.seq for event in stretch.events] == sorted(event.seq for event in stretch.events)
    assert (stretch.end.position, stretch.more) == (position_of(start) + 1003, False)


def test_a_reader_after_a_long_silence_catches_up_in_one_call(two, database):
    client = two[0].client
    database.write_sync(lambda tx: [prospects.create(tx, NewProspect(), "test") for _ in range(2100)])
    newest = database.write_sync(lambda tx: prospects.create(tx, NewProspect(), "test")).id
    assert ok(client.get("/v1/events/latest?limit=1"))[0]["prospect_id"] == str(newest)


def test_erasing_and_reading_at_once_lock_nobody_out(two):
    client = two[0].client
    prospects = [new_prospect(client)["id"] for _ in range(20)]
    start = end_of_feed(client)

    def erase(mine):
        for prospect in mine:
            for number in range(5):
                ok(client.patch(f"/v1/prospects/{prospect}", json={"attributes": {"n": number}}))
            assert client.delete(f"/v1/prospects/{prospect}").status_code == 204

    def read(running):
        for _ in range(40):
            ok(running.client.get(f"/v1/events?after={start}"))

    at_once([*(partial(erase, prospects[n::4]) for n in range(4)), *(partial(read, one) for one in two)])
    left = events_after(client, start)
    assert {event["type"] for event in left} == {"prospect.erased"}
    assert sorted(event["prospect_id"] for event in left) == sorted(prospects)
