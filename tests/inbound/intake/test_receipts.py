"""What is kept of a payload, for how long, and what it is good for."""

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest

from app.db import open_database
from app.inbound.intake.receipts.queries import PAYLOADS_PER_SEARCH, any_expired
from app.inbound.intake.receipts.service import delete_expired
from tests.api.calls import (
    every_page,
    history,
    merge,
    new_prospect,
    ok,
    pointers,
    ratings_of,
    refusal,
    session,
)
from tests.api.test_erasure import everything_stored
from tests.catalogue import connected
from tests.conftest import serving, settings_for
from tests.inbound.intake.calls import (
    calling,
    make,
    places,
    post,
    prospect_of,
    receipt,
    replay,
    settled,
    taken_in,
)
from tests.waiting import until

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
    assert (told["status"], places(told), told["problem"]) == ("failed", ["/mapping/external_id"], None)
    (item,) = told["items"]
    assert item["problem"]["type"] == "urn:prospect-fit:problem:invalid-request"
    assert (item["status"], item["external_id"], item["prospect_id"]) == ("failed", None, None)
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
    several = make(client, mapping={"source": source, **MAPPING, "items_pointer": "/all"})
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


def test_what_failed_without_telling_whom_it_is_about_goes_with_whom_it_may_be_about(client, anybody, intake):
    known = taken_in(client, anybody, intake, {"id": "a1"})
    about = ({"key": "a1"}, {"deep": [{"key": "a1"}]}, {"key": "\ufeffa\u200b1"})
    for payload in (*about, {"key": "a2"}, {"text": "of a1"}):
        assert taken_in(client, anybody, intake, payload)["status"] == "failed"
    assert taken_in(client, anybody, intake, {"id": "a2", "key": "a1", "d": 9})["status"] == "failed"
    assert client.delete(f"/v1/prospects/{known['items'][0]['prospect_id']}").status_code == 204
    left = [receipt(client, intake, one["id"])["payload"] for one in settled(client, intake)]
    assert [json.loads(one) for one in left[::-1]] == [
        {"key": "a2"},
        {"text": "of a1"},
        {"id": "a2", "key": "a1", "d": 9},
    ]


def test_what_a_mended_mapping_would_say_of_whom_it_is_about_counts(client, anybody, source, ruled):
    """The old mapping took the parent's id for that of the record."""
    mapping = {"source": source, **MAPPING, "external_id": "/parent"}
    intake = make(client, mapping=mapping, question_set=ruled)
    assert taken_in(client, anybody, intake, {"parent": 7, "id": "b1", "d": 9})["status"] == "failed"
    ok(client.patch(f"/v1/intakes/{intake['id']}", json={"mapping": {"source": source, **MAPPING}}))
    erased = taken_in(client, anybody, intake, {"id": "b1"})["items"][0]["prospect_id"]
    assert client.delete(f"/v1/prospects/{erased}").status_code == 204
    assert settled(client, intake) == []


def erased(client, prospect):
    assert client.delete(f"/v1/prospects/{prospect}").status_code == 204


def test_a_list_that_is_not_where_it_was_said_is_searched_as_a_whole(client, anybody, source):
    """A pointer that is meant for its items may lead to something else in the whole."""
    mapping = {"source": source, "external_id": "/id", "items_pointer": "/records"}
    several, plain = (make(client, mapping=one) for one in (mapping, mapping | {"items_pointer": None}))
    known = taken_in(client, anybody, plain, {"id": "7"})["items"][0]["prospect_id"]
    elsewhere = taken_in(client, anybody, several, {"id": "batch", "Records": [{"id": 7.0, "name": "A"}]})
    assert (elsewhere["status"], elsewhere["items"]) == ("failed", [])
    empty = taken_in(client, anybody, several, {"records": [], "deleted": [{"id": "7"}]})
    other = taken_in(client, anybody, several, {"records": [], "deleted": [{"id": "8"}]})
    assert (empty["status"], other["status"]) == ("done", "done")
    erased(client, known)
    assert [one["id"] for one in settled(client, several)] == [other["id"]]


def test_what_was_done_by_another_mapping_is_read_by_the_one_of_today(client, anybody, source):
    mapping = {"source": source, "external_id": "/owner"}
    intake = make(client, mapping=mapping)
    done = [taken_in(client, anybody, intake, {"owner": "o", "id": n})["id"] for n in ("b1", "b2")]
    ok(client.patch(f"/v1/intakes/{intake['id']}", json={"mapping": mapping | {"external_id": "/id"}}))
    erased(client, taken_in(client, anybody, intake, {"id": "b1"})["items"][0]["prospect_id"])
    assert [one["id"] for one in settled(client, intake)] == done[1:]


def test_more_receipts_than_are_looked_at_at_a_time(client, anybody, intake):
    for n in range(2 * PAYLOADS_PER_SEARCH + 1):
        post(anybody, intake, {"key": n % 2})
    known = taken_in(client, anybody, intake, {"id": 1})
    erased(client, known["items"][0]["prospect_id"])
    left = settled(client, intake)
    assert len(left) == PAYLOADS_PER_SEARCH + 1
    assert {receipt(client, intake, one["id"])["payload"] for one in left} == {'{"key":0}'}


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
    several = make(client, mapping={"source": source, **MAPPING, "items_pointer": ""}, question_set=ruled)
    people = [{"id": 1, "d": 7}, {"d": 3}, {"id": "a/b"}, {"id": 2, "d": 9}]
    failed = taken_in(client, anybody, several, people)
    assert [item["external_id"] for item in failed["items"]] == ["1", None, None, "2"]
    assert [item["status"] for item in failed["items"]] == ["failed"] * 4
    assert prospect_of(client, source, "1").status_code == 404


def test_an_intake_that_has_to_wait_does_not_keep_the_others_waiting(postgres):
    """Somebody holds the prospect that the first payload is about for longer than a statement may take."""
    settings = settings_for(postgres(), wait_seconds=2)
    with serving(settings) as running, calling() as anybody:
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
    settings = settings_for(postgres(), wait_seconds=2)
    with serving(settings) as running, calling() as anybody:
        held, free = (make(running.client, mapping={"source": f"crm.{n}", **MAPPING}) for n in range(2))
        with connected(settings.database_url.get_secret_value()) as connection, connection.begin():
            connection.exec_driver_sql("SELECT id FROM intake ORDER BY id LIMIT 1 FOR NO KEY UPDATE")
            waiting = post(anybody, held, {"id": 1})
            assert taken_in(running.client, anybody, free, {"id": 2})["status"] == "done"
            assert ok(running.client.get(f"/v1/intakes/{held['id']}"))["waiting"] == 1
        assert receipt(running.client, held, waiting)["status"] == "done"


def test_what_still_waits_is_erased_with_its_prospect_and_does_not_bring_it_back(postgres):
    settings = settings_for(postgres())
    with serving(settings) as running, calling() as anybody:
        mapping = {"source": "crm.waits", **MAPPING, "items_pointer": "/all"}
        intake = make(running.client, mapping=mapping)
        done = taken_in(running.client, anybody, intake, {"all": [{"id": 1, "name": "Gone"}]})
        with connected(settings.database_url.get_secret_value()) as connection, connection.begin():
            connection.exec_driver_sql("SELECT id FROM intake FOR NO KEY UPDATE")
            post(anybody, intake, {"all": [{"id": 2}, {"id": 1, "name": "Gone again"}]})
            other = post(anybody, intake, {"all": [{"id": 2}]})
            erased = running.client.delete(f"/v1/prospects/{done['items'][0]['prospect_id']}")
            assert erased.status_code == 204
        assert [one["id"] for one in settled(running.client, intake)] == [other]
        assert prospect_of(running.client, "crm.waits", "1").status_code == 404


def waits(connection):
    """How many wait for a lock, of all who use this database."""
    here = "datname = current_database() AND wait_event_type = 'Lock'"
    return connection.exec_driver_sql(f"SELECT count(*) FROM pg_stat_activity WHERE {here}").scalar()


def is_free(connection, prospect):
    """Whether nobody holds a prospect; it is held from now on."""
    free = f"SELECT id FROM prospect WHERE id = '{prospect}' FOR UPDATE SKIP LOCKED"
    return connection.exec_driver_sql(free).one_or_none() is not None


def test_an_erasure_holds_nothing_that_a_receipt_in_process_needs(postgres):
    settings = settings_for(postgres())
    with (
        serving(settings) as running,
        calling() as anybody,
        ThreadPoolExecutor() as aside,
    ):
        intake = make(running.client, mapping={"source": "crm.circle", **MAPPING})
        prospect = taken_in(running.client, anybody, intake, {"id": 1})["items"][0]["prospect_id"]
        with connected(settings.database_url.get_secret_value()) as connection:
            with connection.begin():
                # As if it were in process: its prospect comes next.
                connection.exec_driver_sql("SELECT id FROM intake FOR NO KEY UPDATE")
                in_process = post(anybody, intake, {"id": 1, "name": "Changed"})
                taken = f"SELECT id FROM intake_receipt WHERE id = '{in_process}' FOR UPDATE"
                connection.exec_driver_sql(taken)
                erasing = aside.submit(running.client.delete, f"/v1/prospects/{prospect}")
                until(lambda: waits(connection) == 1)
                assert is_free(connection, prospect)
            assert erasing.result().status_code == 204
        assert settled(running.client, intake) == []
        assert prospect_of(running.client, "crm.circle", "1").status_code == 404


def test_what_is_processed_while_an_erasure_waits_is_erased_as_well(postgres):
    settings = settings_for(postgres())
    with (
        serving(settings) as running,
        calling() as anybody,
        ThreadPoolExecutor() as aside,
    ):
        intake = make(running.client, mapping={"source": "crm.meanwhile", **MAPPING})
        done = taken_in(running.client, anybody, intake, {"id": 1})
        prospect = done["items"][0]["prospect_id"]
        with connected(settings.database_url.get_secret_value()) as connection:
            with connection.begin():
                held = f"SELECT id FROM intake_receipt WHERE id = '{done['id']}' FOR UPDATE"
                connection.exec_driver_sql(held)
                erasing = aside.submit(running.client.delete, f"/v1/prospects/{prospect}")
                until(lambda: waits(connection) == 1)
                again = taken_in(running.client, anybody, intake, {"id": 1, "name": "Meanwhile"})
                assert again["items"][0]["prospect_id"] == prospect
            assert erasing.result().status_code == 204
        assert settled(running.client, intake) == []


def test_the_prospects_of_a_list_are_locked_in_the_order_that_all_keep(postgres):
    settings = settings_for(postgres())
    with serving(settings) as running, calling() as anybody:
        intake = make(running.client, mapping={"source": "crm.order", **MAPPING, "items_pointer": ""})
        told = taken_in(running.client, anybody, intake, [{"id": 1}, {"id": 2}])
        first, second = sorted(item["prospect_id"] for item in told["items"])
        ids = {item["prospect_id"]: item["external_id"] for item in told["items"]}
        with connected(settings.database_url.get_secret_value()) as connection:
            with connection.begin():
                assert is_free(connection, first)
                payload = [{"id": ids[second], "name": "B"}, {"id": ids[first], "name": "A"}]
                again = post(anybody, intake, payload)
                until(lambda: waits(connection) == 1)
                assert is_free(connection, second)
            # What is told of it has the order of the payload.
            told = receipt(running.client, intake, again)
            assert [item["prospect_id"] for item in told["items"]] == [second, first]


class Clock:
    def __init__(self):
        self.ahead = timedelta()

    def __call__(self):
        return datetime.now(UTC) + self.ahead


def test_a_payload_is_kept_for_its_time_and_no_longer(new_database):
    settings, clock = settings_for(new_database()), Clock()
    with serving(settings, clock=clock) as running, calling() as anybody:
        mapping = {"source": "crm.kept", **MAPPING}
        short = make(running.client, mapping=mapping, keep_hours=1)
        long = make(running.client, mapping=mapping, keep_hours=2)
        for intake in (short, long):
            taken_in(running.client, anybody, intake, {"id": 1, "name": "Hooli", "d": 3})
            taken_in(running.client, anybody, intake, {"name": "Failing"})
        database = open_database(settings, clock)
        for ahead, outdated, left in ((59, False, (2, 2)), (61, True, (0, 2)), (121, True, (0, 0))):
            clock.ahead = timedelta(minutes=ahead)
            assert database.read_sync(any_expired) is outdated
            database.write_sync(delete_expired)
            assert tuple(len(settled(running.client, intake)) for intake in (short, long)) == left
            assert database.read_sync(any_expired) is False
        database.close()
        assert prospect_of(running.client, "crm.kept", "1").status_code == 200


def test_the_service_itself_forgets_what_was_kept_long_enough(new_database):
    settings, clock = settings_for(new_database()), Clock()
    with serving(settings) as running, calling() as anybody:
        intake = make(running.client, mapping={"source": "crm.kept", **MAPPING}, keep_hours=1)
        taken_in(running.client, anybody, intake, {"id": 1, "name": "Evanescent", "d": 3})
    clock.ahead = timedelta(hours=1, minutes=1)
    with serving(settings, clock=clock) as running:
        until(lambda: settled(running.client, intake) == [])
    if running.is_sqlite:
        # Nor is it in the file, which is not written anew: deleted pages are overwritten.
        file = Path(settings.database_url.get_secret_value().removeprefix("sqlite:///"))
        assert b'{"id":1,"name":"Evanescent"' not in file.read_bytes()


def test_the_history_names_the_actor_of_the_payload_or_else_the_intake(client, anybody, small):
    mapping = {"source": "crm.acting", "external_id": "/id", "actor": "/user", "decision": "/stage"}
    intake = make(client, mapping=mapping | {"ratings": {"budget": "/r"}}, question_set=small)
    for payload in ({"id": 1, "r": 4, "user": "ana@example.com"}, {"id": 1, "r": 5, "stage": "nurture"}):
        assert taken_in(client, anybody, intake, payload)["status"] == "done"
    told = ok(prospect_of(client, "crm.acting", "1"))
    (opened,) = ok(client.get("/v1/sessions", params={"prospect_id": told["id"]}))["items"]
    past = history(client, opened["session_id"])["revisions"]
    assert [(one["key_name"], one["actor"]) for one in past] == [
        ("intake: of a test", "ana@example.com"),
        *[("intake: of a test", "of a test")] * 2,
    ]
    assert session(client, opened["session_id"])["decision"]["actor"] == "of a test"
