"""GET /v1/events?wait=: it ends when there is something to tell, and holds nothing up meanwhile."""

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import anyio
import httpx
import pytest

from tests.api.calls import end_of_feed, events_after, new_prospect, ok, position_of, qualify, types_of
from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.edge.process import process
from tests.scoring.building import question, step, weighted
from tests.waiting import PATIENCE, soon

WAITERS = 100
# Of a wait of 30 seconds, the longest, an end within 20 is early.
LONG, EARLY = 30, 20
SENT = "http11.send_request_body.complete"
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)


@pytest.fixture(scope="module")
def other(new_database):
    """A service beside the processes, on their database."""
    with serving(settings_for(new_database())) as running:
        yield running


@pytest.fixture(scope="module")
def served(other, tmp_path_factory):
    """A process of its own, and the second service on its database."""
    with process(tmp_path_factory.mktemp("waited"), url_of(other)) as running:
        yield running, other.client


def url_of(running):
    return running.settings.database_url.get_secret_value()


@contextmanager
def waiting(url, cursor, **query):
    """A caller in another thread that waits for events after a cursor; its answer is a future."""
    asked = {"after": cursor, "wait": LONG, **query}
    headers = {"X-API-Key": ADMIN_KEY}
    sent = threading.Event()

    def tell(event, _):
        if event == SENT:
            sent.set()

    with (
        httpx.Client(base_url=url, headers=headers, timeout=PATIENCE) as client,
        ThreadPoolExecutor(1) as thread,
    ):
        answer = thread.submit(client.get, "/v1/events", params=asked, extensions={"trace": tell})
        assert sent.wait(PATIENCE)
        # What came before is at work by the time that something later is answered.
        ok(client.get("/readyz"))
        time.sleep(0.6)  # until it waits
        assert not answer.done()
        yield answer


def early(answer, client):
    """The page that a wait has to end with long before its time is over."""
    soon(lambda: ok(client.get("/livez")) and answer.done(), seconds=EARLY)
    return ok(answer.result())


def test_what_another_process_writes_ends_the_wait(served):
    running, other = served
    with waiting(running.url, end_of_feed(other)) as answer:
        made = new_prospect(other)["id"]
        assert [event["prospect_id"] for event in early(answer, other)["items"]] == [made]


def test_what_the_filter_leaves_out_does_not_end_it(served):
    running, other = served
    start = end_of_feed(other)
    with waiting(running.url, start, types="session.*") as answer:
        new_prospect(other)
        time.sleep(0.6)
        assert not answer.done()
        qualify(other, {"source": "test", "external_id": "1"})
        page = early(answer, other)
    assert types_of(page["items"]) == ["session.opened"]
    # The first prospect, the second, its session, the score.
    assert position_of(page["cursor"]) == position_of(start) + 4


def test_a_process_that_is_told_to_stop_answers_who_waits(other, tmp_path):
    start = end_of_feed(other.client)
    with process(tmp_path, url_of(other)) as running, waiting(running.url, start) as answer:
        os.kill(running.pid, signal.SIGTERM)
        page = early(answer, other.client)
    assert (page["items"], page["cursor"], page["next"]) == ([], start, None)


def test_nobody_waits_for_a_caller_that_is_gone(served):
    running, other = served
    with (
        httpx.Client(headers={"X-API-Key": ADMIN_KEY}, timeout=httpx.Timeout(PATIENCE, read=1)) as client,
        pytest.raises(httpx.ReadTimeout),
    ):
        client.get(f"{running.url}/v1/events?after={end_of_feed(other)}&wait={LONG}")

    def statuses():
        ok(httpx.get(f"{running.url}/livez", timeout=PATIENCE))
        return {line.get("status") for line in running.lines()}

    soon(statuses, lambda seen: 499 in seen, seconds=EARLY)


def test_with_nothing_to_tell_it_is_empty_after_the_time(client):
    start = end_of_feed(client)
    page = ok(client.get(f"/v1/events?after={start}&wait=1"))
    assert (page["items"], page["cursor"], page["next"]) == ([], start, None)


def test_what_is_there_already_is_not_waited_for(client):
    start = end_of_feed(client)
    made = new_prospect(client)["id"]
    with ThreadPoolExecutor(1) as thread:
        page = early(thread.submit(client.get, f"/v1/events?after={start}&wait={LONG}"), client)
    assert [event["prospect_id"] for event in page["items"]] == [made]


def test_a_hundred_wait_and_everybody_else_is_answered(service):
    address = f"/v1/events?after={end_of_feed(service.client)}&wait={LONG}"
    sent, told = [], []

    async def wait(client, all_sent):
        async def tell(event, _):
            sent.extend([event] if event == SENT else [])
            if len(sent) >= WAITERS:
                all_sent.set()

        page = {"items": []}
        while not page["items"]:
            page = ok(await client.get(address, extensions={"trace": tell}))
        told.append(page)

    async def all_of_them():
        limits = httpx.Limits(max_connections=WAITERS + 10)
        calling = {"base_url": service.url, "headers": {"X-API-Key": ADMIN_KEY}, "timeout": PATIENCE}
        all_sent = anyio.Event()
        async with (
            httpx.AsyncClient(limits=limits, **calling) as client,
            anyio.create_task_group() as waiters,
        ):
            for _ in range(WAITERS):
                waiters.start_soon(wait, client, all_sent)
            await all_sent.wait()
            for path in ("/livez", "/readyz", "/v1/prospects?limit=1", "/v1/sessions?limit=1"):
                ok(await client.get(path))
            assert told == []
            made = ok(await client.post("/v1/prospects", json={}), 201)
            for _ in range(10 * EARLY):  # as `soon` counts it
                ok(await client.get("/livez"))
                if len(told) == WAITERS:
                    return made["id"]
                await anyio.sleep(0.1)
        raise AssertionError("they wait on")

    made = anyio.run(all_of_them)
    assert [[event["prospect_id"] for event in page["items"]] for page in told] == [[made]] * WAITERS


@pytest.fixture
def ageing(new_database):
    """A service whose clock the test turns on, with a set whose one answer goes stale."""
    clock = [NOW]
    asked = question("need", stale_after_days=30)
    ageing = weighted(step("only", asked), thresholds={"fit_at": 60, "no_fit_below": 40})
    with serving(settings_for(new_database()), clock=lambda: clock[0]) as running:
        address = "/v1/question-sets/ageing/draft"
        ok(running.client.put(address, json=ageing | {"key": "ageing"}))
        ok(running.client.post(f"{address}/publish", headers={"If-Match": '"1"'}), 201)
        yield running.client, clock


def bring(client, number):
    link = {"source": "test", "external_id": f"{number}"}
    return qualify(client, link, question_set="ageing", ratings={"need": 5})["session_id"]


def test_what_time_alone_changes_is_told(ageing):
    client, clock = ageing
    session = bring(client, 1)
    start = end_of_feed(client)
    clock[0] += timedelta(days=30)
    told = events_after(client, start)
    assert types_of(told) == ["score.changed", "indication.reopened"]
    for event in told:
        figures = (
            event["indication"],
            event["settled"],
            event["lowest"],
            event["highest"],
            event["coverage"],
        )
        assert figures == ("undetermined", False, 0, 100, 0)
        assert (event["session_id"], event["change"], event["revision"]) == (session, "stale", 2)
    assert events_after(client, start) == told


def test_time_ends_a_wait_too(ageing):
    client, clock = ageing
    bring(client, 1)
    with waiting(str(client.base_url), end_of_feed(client), types="score.changed") as answer:
        clock[0] += timedelta(days=30)
        assert [event["change"] for event in early(answer, client)["items"]] == ["stale"]


def test_many_that_have_aged_are_told_call_by_call(ageing):
    client, clock = ageing
    sessions = {bring(client, number) for number in range(201)}
    start = end_of_feed(client)
    clock[0] += timedelta(days=30)
    pages = [ok(client.get(f"/v1/events?after={start}&types=score.changed&limit=200")) for _ in range(2)]
    assert [len(page["items"]) for page in pages] == [200, 200]
    told = events_after(client, start, types="score.changed")
    assert {event["session_id"] for event in told} == sessions
    assert len(told) == 201
