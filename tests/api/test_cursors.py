"""The cursor of the feed: which are accepted, which are gone, and what an erasure leaves of them."""

import re
import time
from functools import partial
from uuid import UUID, uuid4

import anyio
import pytest
from sqlalchemy import event, func, text
from sqlmodel import col, select

from app.db import Database, open_database
from app.events.queries import has_pending_events, newest_cursor, read_after
from app.events.schemas import BEGINNING, Cursor, parse_cursor
from app.events.service import FEED_POLL_SECONDS, EventSubject, FeedPublisher, assign_positions, record_events
from app.events.tables import ErasedEvent
from app.migrate import migrate
from app.prospect_lifecycle import erase
from app.prospects import service as prospects
from app.prospects.schemas import NewProspect
from tests.api.calls import (
    cursor_after,
    end_of_feed,
    events_after,
    merge,
    new_prospect,
    ok,
    position_of,
    qualify,
    refusal,
    types_of,
)
from tests.conftest import settings_for

SOMEBODY = UUID("0198e0d4-0000-7000-8000-000000000001")


@pytest.fixture
def alone(new_database):
    """A database that no service uses, without any event."""
    database = open_database(settings_for(new_database.empty()))
    migrate(database)
    yield database
    database.close()


def record(database: Database, *types: str) -> None:
    """Record events, and give them positions."""
    for type_ in types:
        database.write_sync(lambda tx: record_events(tx, EventSubject(), [type_]))  # noqa: B023
    database.write_sync(assign_positions)


def gone(client, cursor, **query):
    return refusal(client.get("/v1/events", params={"after": cursor, **query})) == (410, "cursor-gone")


def test_the_text_of_a_cursor_is_the_position_and_the_id():
    assert str(BEGINNING) == "0"
    assert parse_cursor("0") == BEGINNING
    text = "38.0198e0d4-0000-7000-8000-000000000001"
    assert parse_cursor(text) == Cursor(38, SOMEBODY)
    assert str(Cursor(38, SOMEBODY)) == text


def test_a_page_names_its_last_event(client):
    start = end_of_feed(client)
    for _ in range(3):
        new_prospect(client)
    page = ok(client.get(f"/v1/events?after={start}&limit=2"))
    assert page["cursor"] == cursor_after(page["items"][1])
    assert page["next"].endswith(f"limit=2&after={page['cursor']}")
    last = ok(client.get(page["next"]))
    assert (last["cursor"], last["next"]) == (cursor_after(last["items"][0]), None)


@pytest.mark.parametrize("query", [{}, {"types": "session.*"}, {"wait": 30}, {"limit": 1}])
def test_a_cursor_whose_event_is_not_at_its_position_is_gone(client, query):
    start = end_of_feed(client)
    for _ in range(2):
        new_prospect(client)
    first, second = events_after(client, start)
    position, id_ = second["position"], second["id"]
    for cursor in (
        f"{position}.{uuid4()}",
        f"{position}.{first['id']}",
        f"{first['position']}.{id_}",
        f"{position + 1}.{id_}",
        f"999999999.{id_}",
        f"{10**15 - 1}.{uuid4()}",
        f"0.{id_}",
    ):
        assert gone(client, cursor, **query), cursor


def test_a_position_alone_is_no_cursor(client):
    new_prospect(client)
    position = position_of(end_of_feed(client))
    for alone in (1, position, position + 1, 999999999):
        assert gone(client, alone)
    assert "only a position" in client.get("/v1/events?after=1").json()["detail"]


def test_the_first_cursor_is_zero_and_stays_valid(alone):
    assert alone.read_sync(newest_cursor) == BEGINNING
    record(alone, "question_set.published")
    page = alone.read_sync(lambda tx: read_after(tx, BEGINNING, 1, ()))
    assert page.end == Cursor(1, page.events[0].id) == alone.read_sync(newest_cursor)


def test_latest_begins_with_the_next_event(client):
    known = new_prospect(client)["id"]
    page = ok(client.get("/v1/events?after=latest&types=session.*"))
    assert (page["items"], page["next"]) == ([], None)
    (newest,) = ok(client.get("/v1/events/latest?limit=1"))
    assert (newest["prospect_id"], cursor_after(newest)) == (known, page["cursor"])
    made = new_prospect(client)["id"]
    assert [told["prospect_id"] for told in events_after(client, page["cursor"])] == [made]


def test_an_erasure_resets_no_follower(client, link, other_link, small, database):
    """A follower that read any of the erased events last continues, and gets the event of the erasure."""
    start = end_of_feed(client)
    rated = {"question_set": small, "ratings": {"budget": 5}}
    kept = qualify(client, link, **rated, deal="north")["prospect_id"]
    merged = qualify(client, other_link, **rated, deal="south")["prospect_id"]
    client.delete(f"/v1/prospects/{merged}/links/{other_link['source']}/{other_link['external_id']}")
    stays = new_prospect(client)["id"]
    ok(merge(client, kept, merged))
    told = events_after(client, start)
    erased = [one for one in told if one["prospect_id"] != stays]
    assert len(erased) == len(told) - 1 == 10
    assert client.delete(f"/v1/prospects/{kept}").status_code == 204
    for one in told:
        left = events_after(client, cursor_after(one))
        expected = ["prospect.created"] if one["position"] < told[-2]["position"] else []
        assert types_of(left) == [*expected, "prospect.erased"]
    places = select(ErasedEvent.position, ErasedEvent.id).where(
        col(ErasedEvent.position) > position_of(start)
    )
    found = database.read_sync(lambda tx: tx.db.exec(places.order_by(col(ErasedEvent.position))).all())
    assert [f"{position}.{id_}" for position, id_ in found] == [cursor_after(one) for one in erased]


def test_the_newest_cursor_is_valid_when_the_newest_events_are_erased(alone):
    """The erasure is committed, and its own event has no position yet."""
    prospect = alone.write_sync(partial(prospects.create, new=NewProspect(), entered_by="test"))
    alone.write_sync(assign_positions)
    before = alone.read_sync(newest_cursor)
    alone.write_sync(lambda tx: erase(tx, prospect.id))
    assert alone.read_sync(newest_cursor) == before != BEGINNING
    assert alone.read_sync(lambda tx: read_after(tx, before, 5, ())).end == before


def test_events_that_nobody_could_read_leave_nothing(alone):
    prospect = alone.write_sync(partial(prospects.create, new=NewProspect(), entered_by="test"))
    alone.write_sync(lambda tx: erase(tx, prospect.id))
    alone.write_sync(assign_positions)
    assert alone.read_sync(lambda tx: tx.db.exec(select(func.count()).select_from(ErasedEvent)).one()) == 0
    (left,) = alone.read_sync(lambda tx: read_after(tx, BEGINNING, 5, ())).events
    assert (left.type, left.position) == ("prospect.erased", 1)


def plans_of(database, work):
    """How the database finds the rows of every statement that `work` runs."""
    statements = []

    def remember(_, __, statement, parameters, *___):
        statements.append((statement, parameters))

    event.listen(database.engine, "before_cursor_execute", remember)
    database.read_sync(work)
    event.remove(database.engine, "before_cursor_execute", remember)
    explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    with database.engine.connect() as connection:
        if not database.is_sqlite:
            # The tables are small, and PostgreSQL would rather read them whole.
            connection.execute(text("SET enable_seqscan = off"))
        return {
            statement: "\n".join(
                str(row) for row in connection.exec_driver_sql(explain + statement, parameters)
            )
            for statement, parameters in statements
            if statement.startswith("SELECT")
        }


@pytest.mark.parametrize("subject", ["prospect", "person"])
@pytest.mark.parametrize("types", [(), ("question_set.retired",)])
def test_a_page_is_read_by_index(alone, types, subject):
    record(alone, *["question_set.published", "question_set.retired"] * 3)
    middle = alone.read_sync(lambda tx: read_after(tx, BEGINNING, 2, ())).end
    plans = plans_of(alone, lambda tx: read_after(tx, middle, 200, types, subject))
    assert len(plans) == 4  # the cursor, the events, the newest cursor, and whether more are pending
    for statement, plan in plans.items():
        # The table with the last position has one row.
        scanned = [line for line in plan.splitlines() if re.search(r"Seq Scan|SCAN (?!.*USING)", line)]
        assert [line for line in scanned if "event_last_position" not in line] == [], (statement, plan)
    assert ["SEARCH" in plan or "Index Cond" in plan for plan in plans.values()][:3] == [True] * 3


def test_a_restored_database_makes_no_waiting_reader_miss_an_event(alone):
    """After the restore, the poll that all readers of a process share starts again from the beginning."""
    record(alone, *["question_set.published"] * 2)
    kept = alone.read_sync(newest_cursor)
    record(alone, *["question_set.published"] * 3)
    feed = FeedPublisher(alone, lambda _: False, lambda _: None)

    def may_have(types):
        time.sleep(FEED_POLL_SECONDS)  # until the next poll is due
        return anyio.run(feed.may_have_events, kept.position, types)

    assert may_have(["question_set.published"])
    restore_in_place(alone, kept)
    assert not may_have([])
    assert not alone.read_sync(has_pending_events)
    record(alone, *["question_set.published"] * 3)
    assert may_have([])
    # More than before are there at the next poll, and one of another type is among the first of them.
    restore_in_place(alone, kept)
    record(alone, "question_set.retired", *["question_set.published"] * 5)
    assert may_have(["question_set.retired"])


def restore_in_place(database, cursor):
    """Take the database back to a cursor while processes use it."""
    with database.engine.begin() as connection:
        connection.execute(text(f"DELETE FROM event WHERE position > {cursor.position}"))
        connection.execute(text(f"UPDATE event_last_position SET position = {cursor.position}"))
