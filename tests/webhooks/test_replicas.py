"""Processes are killed at any moment: what was acknowledged arrives, and nothing else does."""

import os
import signal
import threading
from contextlib import ExitStack, suppress

import httpx
import pytest

from app.db import open_database
from app.main import prepare_database
from tests.api.calls import events_after, every_page, ok
from tests.conftest import ADMIN_KEY, settings_for
from tests.edge.process import process
from tests.waiting import PATIENCE, until
from tests.webhooks.far_end import accept

SETTINGS = {"WEBHOOK_NETWORKS": "127.0.0.0/8", "WEBHOOK_SECONDS": "2"}


@pytest.fixture
def url(new_database):
    """A database that is ready."""
    settings = settings_for(new_database())
    database = open_database(settings)
    prepare_database(database, settings)
    database.close()
    return settings.database_url.get_secret_value()


@pytest.fixture
def replica(tmp_path, url):
    """Starts serving processes on one database, with a client each."""
    with ExitStack() as running:

        def start(name):
            (tmp_path / name).mkdir()
            served = running.enter_context(process(tmp_path / name, url, **SETTINGS))
            client = httpx.Client(base_url=served.url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE)
            return served, running.enter_context(client)

        yield start


def kill(served):
    os.kill(served.pid, signal.SIGKILL)


def written(client, name):
    """The id of a prospect that was acknowledged; None if the answer never came."""
    with suppress(httpx.HTTPError):
        return ok(client.post("/v1/prospects", json={"name": name}), 201)["id"]
    return None


def test_killed_between_commit_and_send_and_between_send_and_mark(replica, end):
    first, client = replica("a")
    second, other = replica("b")
    hook = {"url": end.url, "types": ["prospect.created"]}
    ok(client.post("/v1/webhooks", json=hook), 201)
    acknowledged = []
    # Committed, and not sent: the process is gone with its answer.
    acknowledged.append(written(client, "before the send"))
    kill(first)
    # Sent, and not marked: the far end has it, and whoever sent it is gone before the answer.
    arrived, killed = threading.Event(), threading.Event()

    def slowly(received):
        arrived.set()
        killed.wait(PATIENCE)
        return accept(received)

    end.wait_for(1)
    end.answer = slowly
    acknowledged.append(written(other, "before the mark"))
    assert arrived.wait(PATIENCE)
    kill(second)
    end.answer = accept
    killed.set()
    last, third = replica("c")
    acknowledged.append(written(third, "after all"))
    feed = events_after(third, 0, types="prospect.created")
    assert {event["prospect_id"] for event in feed} == set(acknowledged)
    end.wait_for(1, lambda one: one.json["data"]["prospect_id"] == acknowledged[2])
    twice = end.wait_for(2, lambda one: one.json["data"]["prospect_id"] == acknowledged[1])
    assert {(one.id, one.body) for one in twice} == {(twice[0].id, twice[0].body)}
    until(lambda: not ok(third.get(hooks(third) + "/deliveries?status=pending"))["items"])
    for served in (first, second, last):
        assert any(line["message"] == "request" for line in served.lines())
        assert "/hook" not in served.log.read_text("utf-8"), "addresses of webhooks hold secrets"
    assert {one.json["data"]["prospect_id"] for one in end.received} == set(acknowledged)
    assert {one.id for one in end.received} == {event["id"] for event in feed}


def hooks(client):
    (hook,) = ok(client.get("/v1/webhooks"))["items"]
    return f"/v1/webhooks/{hook['id']}"


def test_two_replicas_send_from_one_outbox_while_one_is_killed_in_the_middle(replica, end):
    first, client = replica("a")
    _, other = replica("b")
    ok(client.post("/v1/webhooks", json={"url": end.url, "types": ["prospect.created"]}), 201)
    acknowledged, refused = set(), set()

    def write(mine, name):
        for number in range(60):
            acknowledged.add(written(mine, f"{name} {number}"))
            if number % 5 == 0:
                # Rolled back: the second link is another prospect's.
                taken = {"name": "never", "links": [{"source": "x", "external_id": "1"}]}
                with suppress(httpx.HTTPError):
                    refused.add(mine.post("/v1/prospects", json=taken).status_code)

    threads = [threading.Thread(target=write, args=(c, n)) for c, n in ((client, "a"), (other, "b"))]
    for thread in threads:
        thread.start()
    end.wait_for(20)
    kill(first)
    for thread in threads:
        thread.join()
    acknowledged.discard(None)
    assert 409 in refused
    feed = events_after(other, 0, types="prospect.created")
    assert acknowledged <= {event["prospect_id"] for event in feed}
    until(lambda: {one.id for one in end.received} == {event["id"] for event in feed})
    until(lambda: not ok(other.get(hooks(other) + "/deliveries?status=pending"))["items"])
    # A lease is a lease: each was sent once an attempt, but for what the killed one had in hand.
    log = every_page(other, hooks(other) + "/deliveries?limit=200")
    assert len(end.received) - sum(one["attempts"] for one in log) <= 8
