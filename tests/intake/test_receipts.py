"""What is kept of a payload, for how long, and what it is good for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from app.intake.store import any_outdated, forget_outdated
from app.main import open_database
from tests.api.calls import every_page, merge, new_prospect, ok, pointers, ratings_of, refusal, session
from tests.api.test_erasure import everything_stored
from tests.catalogue import connected
from tests.conftest import serving, settings_for
from tests.intake.calls import (
    make,
    places,
    post,
    prospect_of,
    receipt,
    replay,
    settled,
    taken_in,
)

MAPPING = {"external_id": "/id", "name": "/name", "ratings": {"demand": "/d"}}


@pytest.fixture
def source(link):
    """A source that no other test uses."""
    return f"crm-{link['external_id']}"[:64]


@pytest.fixture
def intake(client, source, ruled):
    return make(client, mapping={"source": source, **MAPPING}, question_set=ruled)


def test_what_failed_is_replayed_by_the_mended_mapping(client, anybody, intake, source):
    failed = [taken_in(client, anybody, intake, {"key": n, "d": n + 1})["id"] for n in (1, 2, 3)]
    told = receipt(client, intake, failed[0])
    assert (told["status"], places(told), told["items"]) == ("failed", ["/mapping/external_id"], [])
    assert told["problem"]["type"] == "urn:prospect-fit:problem:invalid-request"
    assert ok(client.get(f"/v1/intakes/{intake['id']}"))["failed"] == 3
    assert ok(client.get("/v1/prospects?q=nothing"))["items"] == []

    mended = {"source": source, **MAPPING, "external_id": "/key"}
    ok(client.patch(f"/v1/intakes/{intake['id']}", json={"mapping": mended}))
    assert replay(client, intake, ids=[failed[1]]) == 1
    again = receipt(client, intake, failed[1])
    assert (again["status"], again["problem"]) == ("done", None)
    assert ratings_of(session(client, again["items"][0]["session_id"])) == {"demand": 3}
    assert replay(client, intake) == 2
    assert {one["status"] for one in settled(client, intake)} == {"done"}
    # What is done has its effect once, however often it is replayed.
    before = session(client, again["items"][0]["session_id"])
    assert replay(client, intake, ids=failed) == 3
    assert {one["status"] for one in settled(client, intake)} == {"done"}
    assert session(client, again["items"][0]["session_id"]) == before
    assert replay(client, intake) == 0


def test_an_id_that_is_no_receipt_is_named(client, anybody, intake):
    done = taken_in(client, anybody, intake, {"id": 1})["id"]
    sent = {"ids": [done, str(uuid4())]}
    refused = client.post(f"/v1/intakes/{intake['id']}/replay", json=sent)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/ids/1"])
    for ids in ([], ["x"]):
        assert refusal(client.post(f"/v1/intakes/{intake['id']}/replay", json={"ids": ids}))[0] == 422


def test_they_are_listed_newest_first_in_pages_and_by_status(client, anybody, intake):
    ids = [post(anybody, intake, {"id": n, "d": 9 if n % 2 else 3}) for n in range(5)]
    settled(client, intake)
    address = f"/v1/intakes/{intake['id']}/receipts"
    assert [one["id"] for one in every_page(client, f"{address}?limit=2")] == ids[::-1]
    failed = every_page(client, f"{address}?limit=1&status=failed")
    assert [one["id"] for one in failed] == [ids[3], ids[1]]
    assert all("payload" not in one for one in failed)
    assert pointers(client.get(f"{address}?status=lost")) == ["/status"]


def test_one_intakes_failure_stops_no_other_and_names_no_value(client, anybody, intake, service, source):
    """A mapping that no version of this service would store: a failure that nobody foresaw."""
    broken = make(client, mapping={"source": source, **MAPPING})
    url = service.settings.database_url.get_secret_value()
    with connected(url) as connection, connection.begin():
        there = "id = '%s'" % (broken["id"].replace("-", "") if service.is_sqlite else broken["id"])
        assert connection.exec_driver_sql(f"UPDATE intake SET mapping = '{{}}' WHERE {there}").rowcount == 1
    post(anybody, broken, {"id": "hush", "d": 3})
    assert taken_in(client, anybody, intake, {"id": "fine", "d": 3})["status"] == "done"
    with connected(url) as connection, connection.begin():
        fixed = f"""{{"source": "{source}", "external_id": "/id"}}"""
        stored = connection.exec_driver_sql(
            "SELECT problem, status FROM intake_receipt WHERE intake_" + there
        ).fetchall()
        assert [(str(problem).count("internal-error"), status) for problem, status in stored] == [
            (1, "failed")
        ]
        assert "hush" not in str(stored)
        connection.exec_driver_sql(f"UPDATE intake SET mapping = '{fixed}' WHERE {there}")
    assert client.delete(f"/v1/intakes/{broken['id']}").status_code == 204


def test_an_erased_prospect_takes_its_payloads_along(client, anybody, intake, database, source):
    """Those of which nothing came, too, and those that are about others as well."""
    word = "Evanescent"
    several = make(client, mapping={"source": source, **MAPPING, "each": "/all"})
    before_it_was = taken_in(client, anybody, intake, {"id": 1, "name": f"{word} early", "d": 7})
    done = taken_in(client, anybody, intake, {"id": 1, "name": word, "d": 3})
    failed = taken_in(client, anybody, intake, {"id": 1, "name": word, "d": 9})
    both = taken_in(client, anybody, several, {"all": [{"id": 1, "name": word}, {"id": 2, "name": "Hooli"}]})
    others = taken_in(client, anybody, intake, {"id": 2, "name": "Hooli", "d": 3})
    assert [one["status"] for one in (before_it_was, done, failed, both)] == [
        "failed",
        "done",
        "failed",
        "done",
    ]

    prospect = done["items"][0]["prospect_id"]
    assert client.delete(f"/v1/prospects/{prospect}").status_code == 204
    assert [one["id"] for one in settled(client, intake)] == [others["id"]]
    assert settled(client, several) == []
    assert word not in everything_stored(database)
    ok(prospect_of(client, source, "2"))


def test_what_was_merged_away_is_erased_with_what_it_was_merged_into(client, anybody, intake, source):
    done = taken_in(client, anybody, intake, {"id": 1, "name": "Twin", "d": 3})
    kept = new_prospect(client, name="Kept")["id"]
    ok(merge(client, kept, done["items"][0]["prospect_id"]))
    assert receipt(client, intake, done["id"])["items"][0]["prospect_id"] == kept
    ok(client.delete(f"/v1/prospects/{kept}/links/{source}/1"))
    assert client.delete(f"/v1/prospects/{kept}").status_code == 204
    assert settled(client, intake) == []
    assert prospect_of(client, source, "1").status_code == 404


def test_of_a_list_that_failed_everybody_is_known(client, anybody, source, ruled):
    several = make(client, mapping={"source": source, **MAPPING, "each": ""}, question_set=ruled)
    people = [{"id": 1, "d": 3}, {"d": 3}, {"id": "a/b"}, {"id": 2, "d": 9}]
    failed = taken_in(client, anybody, several, people)
    assert [item["external_id"] for item in failed["items"]] == ["1", "2"]
    assert prospect_of(client, source, "1").status_code == 404


def test_an_intake_that_has_to_wait_does_not_keep_the_others_waiting(postgres):
    """Somebody holds the prospect that the first payload is about for longer than a statement may take."""
    settings = settings_for(postgres(), wait_seconds=0.5)
    with serving(settings) as running, httpx.Client() as anybody:
        held, free = (make(running.client, mapping={"source": f"crm.{n}", **MAPPING}) for n in range(2))
        taken_in(running.client, anybody, held, {"id": 1})
        with connected(settings.database_url.get_secret_value()) as connection, connection.begin():
            connection.exec_driver_sql("SELECT id FROM prospect FOR UPDATE")
            waiting = post(anybody, held, {"id": 1, "name": "Waits"})
            assert taken_in(running.client, anybody, free, {"id": 2})["status"] == "done"
            assert ok(running.client.get(f"/v1/intakes/{held['id']}"))["waiting"] == 1
        assert receipt(running.client, held, waiting)["status"] == "done"
        assert ok(prospect_of(running.client, "crm.0", "1"))["name"] == "Waits"


def test_an_intake_that_another_process_is_at_work_on_takes_in_and_is_passed_over(postgres):
    settings = settings_for(postgres(), wait_seconds=0.5)
    with serving(settings) as running, httpx.Client() as anybody:
        held, free = (make(running.client, mapping={"source": f"crm.{n}", **MAPPING}) for n in range(2))
        with connected(settings.database_url.get_secret_value()) as connection, connection.begin():
            connection.exec_driver_sql("SELECT id FROM intake ORDER BY id LIMIT 1 FOR NO KEY UPDATE")
            waiting = post(anybody, held, {"id": 1})
            assert taken_in(running.client, anybody, free, {"id": 2})["status"] == "done"
            assert ok(running.client.get(f"/v1/intakes/{held['id']}"))["waiting"] == 1
        assert receipt(running.client, held, waiting)["status"] == "done"


class Clock:
    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


def test_a_payload_is_kept_for_its_time_and_no_longer(new_database):
    settings, clock = settings_for(new_database()), Clock()
    with serving(settings, clock=clock) as running, httpx.Client() as anybody:
        mapping = {"source": "crm.kept", **MAPPING}
        short = make(running.client, mapping=mapping, keep_hours=1)
        long = make(running.client, mapping=mapping, keep_hours=2)
        for intake in (short, long):
            taken_in(running.client, anybody, intake, {"id": 1, "name": "Hooli", "d": 3})
            taken_in(running.client, anybody, intake, {"name": "Failing"})
        database = open_database(settings, clock)
        for ahead, outdated, left in ((59, False, (2, 2)), (61, True, (0, 2)), (121, True, (0, 0))):
            clock.ahead = timedelta(minutes=ahead)
            assert database.read_here(any_outdated) is outdated
            database.write_here(forget_outdated)
            assert tuple(len(settled(running.client, intake)) for intake in (short, long)) == left
            assert database.read_here(any_outdated) is False
        database.close()
        assert prospect_of(running.client, "crm.kept", "1").status_code == 200


def test_the_service_itself_forgets_what_was_kept_long_enough(new_database):
    settings, clock = settings_for(new_database()), Clock()
    with serving(settings) as running, httpx.Client() as anybody:
        intake = make(running.client, mapping={"source": "crm.kept", **MAPPING}, keep_hours=1)
        taken_in(running.client, anybody, intake, {"id": 1, "name": "Evanescent", "d": 3})
    clock.ahead = timedelta(hours=1, minutes=1)
    with serving(settings, clock=clock) as running:
        until = datetime.now(UTC) + timedelta(seconds=10)
        while settled(running.client, intake):
            assert datetime.now(UTC) < until
    if running.is_sqlite:
        # Nor is it in the file, which is not written anew: deleted pages are overwritten.
        file = Path(settings.database_url.get_secret_value().removeprefix("sqlite:///"))
        assert b'{"id":1,"name":"Evanescent"' not in file.read_bytes()
