"""Events wait in the feed while a webhook has many deliveries: no writer waits, and no event is lost."""

import threading
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import Engine, event

from tests.api.calls import new_prospect, ok, refusal
from tests.catalogue import connected
from tests.conftest import serving, settings_for
from tests.inbound.imports.conftest import NDJSON, lines
from tests.waiting import PATIENCE, PAUSE, until
from tests.webhooks.conftest import HERE, Clock, deliveries
from tests.webhooks.far_end import accept, says

WEBHOOKS, PROSPECTS = 100, 150
CREATED = {"types": ["prospect.created"]}
# What the service may write in one transaction, however many webhooks there are: the most is one position for
# each of 1,000 events.
MAX_ROWS = 1001


@contextmanager
def rows_per_transaction():
    """Count the rows that every transaction of this process writes."""
    written, totals = {}, []

    def count(connection, cursor, statement, parameters, _, many):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            rows = len(parameters) if many else max(cursor.rowcount, 0)
            written[connection] = written.get(connection, 0) + rows

    def end(connection):
        totals.append(written.pop(connection, 0))

    hooks = [("after_cursor_execute", count), ("commit", end), ("rollback", end)]
    for name, hook in hooks:
        event.listen(Engine, name, hook)
    try:
        yield totals
    finally:
        for name, hook in hooks:
            event.remove(Engine, name, hook)


def webhook(client, hook):
    return ok(client.get(f"/v1/webhooks/{hook['id']}"))


def test_an_import_for_a_hundred_webhooks_writes_little_at_a_time_and_keeps_no_other_write_waiting(
    new_database,
):
    """15,000 deliveries to receivers that asked for a pause, so that only their creation is measured.

    The longest of the other writes takes less than half of the time that all of it takes.
    """
    settings = settings_for(new_database(), webhook_networks=HERE)
    with serving(settings) as running:
        client = running.client
        hooks = [
            ok(client.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/", **CREATED}), 201)
            for _ in range(WEBHOOKS)
        ]
        with connected(settings.database_url.get_secret_value()) as connection, connection.begin():
            connection.exec_driver_sql("UPDATE webhook SET paused_until = '2999-01-01 00:00:00.000000'")
        other = new_prospect(client)
        taken, stop = [], threading.Event()

        def write():
            number = 0
            while not stop.is_set():
                number += 1
                began = time.monotonic()
                ok(client.patch(f"/v1/prospects/{other['id']}", json={"name": f"{number}"}))
                taken.append(time.monotonic() - began)
                stop.wait(PAUSE)

        writing = threading.Thread(target=write)
        with rows_per_transaction() as totals:
            writing.start()
            began = time.monotonic()
            text = lines(*({"source": "s", "external_id": f"a{n}"} for n in range(PROSPECTS)))
            path = "/v1/prospects/import?notify=true"
            client.post(path, content=text, headers=NDJSON).raise_for_status()
            # With the other prospect, which was created after the webhooks.
            until(
                lambda: ok(client.get("/v1/webhooks"))["items"],
                lambda found: all(one["pending"] == PROSPECTS + 1 for one in found),
            )
            whole = time.monotonic() - began
            stop.set()
            writing.join()
        assert max(totals) <= MAX_ROWS
        assert max(taken) < whole / 2
        assert len(hooks) == WEBHOOKS
        for hook in hooks[:: WEBHOOKS // 2]:
            found = ok(client.get(f"/v1/webhooks/{hook['id']}/deliveries?limit=200"))["items"]
            assert len({one["event_id"] for one in found}) == len(found) == PROSPECTS + 1


@pytest.fixture
def small(new_database):
    """A service whose webhooks have at most five pending deliveries, and its clock, which stands still."""
    clock = Clock()
    clock.stop()
    settings = settings_for(
        new_database(), webhook_networks=HERE, webhook_seconds=60, webhook_pending_deliveries=5
    )
    with serving(settings, clock=clock) as running:
        yield running.client, clock


def names(end):
    """In the order of their first arrival."""
    return list(dict.fromkeys(one.json["data"]["prospect_id"] for one in end.received))


def test_events_wait_in_the_feed_until_earlier_deliveries_are_settled(small, end):
    client, clock = small
    end.answer = says(503)
    hook = ok(client.post("/v1/webhooks", json={"url": end.url, **CREATED}), 201)
    assert (hook["pending"], hook["waiting"]) == (0, 0)
    created = [new_prospect(client)["id"] for _ in range(12)]
    full = until(lambda: webhook(client, hook), lambda one: (one["pending"], one["waiting"]) == (5, 7))
    assert full["status"] == "active"
    until(lambda: [one["last_status"] for one in deliveries(client, hook)] == [503] * 5)
    assert set(names(end)) == set(created[:5])
    end.answer = accept
    clock.turn(seconds=6)
    done = until(lambda: webhook(client, hook), lambda one: (one["pending"], one["waiting"]) == (0, 0))
    assert done["status"] == "active"
    assert set(names(end)) == set(created)
    assert [one["status"] for one in deliveries(client, hook)] == ["delivered"] * 12


def test_events_that_wait_keep_the_filter_and_those_while_disabled_are_not_sent(small, end):
    client, clock = small
    end.answer = says(503)
    hook = ok(client.post("/v1/webhooks", json={"url": end.url, **CREATED}), 201)
    path = f"/v1/webhooks/{hook['id']}"
    first = [new_prospect(client)["id"] for _ in range(7)]
    until(lambda: webhook(client, hook)["waiting"] == 2)
    # From here on, only updates are subscribed to, and nothing while it is disabled.
    ok(client.patch(path, json={"types": ["prospect.updated"]}))
    new_prospect(client)
    ok(client.patch(f"/v1/prospects/{first[0]}", json={"name": "while active"}))
    until(lambda: ok(client.get("/v1/events?after=0"))["items"][-1]["type"] == "prospect.updated")
    disabled = ok(client.patch(path, json={"status": "disabled"}))
    assert (disabled["pending"], disabled["waiting"]) == (5, 4)
    ok(client.patch(f"/v1/prospects/{first[1]}", json={"name": "while disabled"}))
    until(lambda: ok(client.get("/v1/events?after=0"))["items"][-1]["prospect_id"] == first[1])
    ok(client.patch(path, json={"status": "active"}))
    ok(client.patch(f"/v1/prospects/{first[2]}", json={"name": "active again"}))
    end.answer = accept
    clock.turn(seconds=6)
    until(lambda: webhook(client, hook), lambda one: (one["pending"], one["waiting"]) == (0, 0))
    sent = {(one.json["type"], one.json["data"]["prospect_id"]) for one in end.received}
    assert sent == {("prospect.created", prospect) for prospect in first} | {
        ("prospect.updated", first[0]),
        ("prospect.updated", first[2]),
    }


def test_what_waits_for_a_receiver_that_is_gone_waits_until_it_is_enabled_again(small, end):
    client, clock = small
    answered = threading.Event()
    end.answer = lambda _: (answered.wait(PATIENCE), (410, {}, ""))[1]
    hook = ok(client.post("/v1/webhooks", json={"url": end.url, **CREATED}), 201)
    created = [new_prospect(client)["id"] for _ in range(7)]
    until(lambda: webhook(client, hook)["waiting"] == 2)
    answered.set()
    until(lambda: webhook(client, hook)["status"] == "disabled")
    assert webhook(client, hook)["waiting"] == 2
    new_prospect(client)
    end.answer = accept
    # The last results of the attempts from before do not disable the webhook again.
    clock.turn(seconds=1)
    ok(client.patch(f"/v1/webhooks/{hook['id']}", json={"status": "active"}))

    def later():
        """The attempts that ended with 410 after that are due again later."""
        clock.turn(seconds=60)
        return webhook(client, hook)

    until(later, lambda one: (one["pending"], one["waiting"]) == (0, 0))
    delivered, every = deliveries(client, hook, status="delivered"), deliveries(client, hook)
    sent = {one.json["data"]["prospect_id"] for one in end.received}
    assert sent == set(created)
    assert len(every) == 7
    assert {one["position"] for one in every[:2]} <= {one["position"] for one in delivered}


def test_a_replay_needs_room(small, end):
    client, _ = small
    hook = ok(client.post("/v1/webhooks", json={"url": end.url, **CREATED}), 201)
    for _ in range(3):
        new_prospect(client)
    settled = until(lambda: deliveries(client, hook, status="delivered"), lambda found: len(found) == 3)
    end.answer = says(503)
    for _ in range(4):
        new_prospect(client)
    until(lambda: webhook(client, hook)["pending"] == 4)
    again, ids = f"/v1/webhooks/{hook['id']}/deliveries/replay", [one["id"] for one in settled]
    refused = client.post(again, json={"delivery_ids": ids[:2]})
    assert refusal(refused) == (429, "quota-exceeded")
    assert "PROSPECT_FIT_WEBHOOK_PENDING_DELIVERIES" in refused.json()["detail"]
    assert refused.headers["retry-after"] == "60"
    assert len(deliveries(client, hook, status="delivered")) == 3
    assert ok(client.post(again, json={"delivery_ids": ids[:1]})) == {"replayed": 1}
