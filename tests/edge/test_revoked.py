"""A long request ends when the key of its caller expires, or when any process revokes it."""

import json
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from fastapi.responses import StreamingResponse

from app import main
from app.edge.key_watch import CHECK_SECONDS, STREAM_GRACE_SECONDS
from app.edge.routes import router
from app.keys.schemas import Scope
from app.problems import UNAUTHENTICATED
from tests.api.calls import end_of_feed, ok
from tests.conftest import serving, settings_for
from tests.edge.problem import assert_problem
from tests.edge.process import process
from tests.edge.wire import head
from tests.waiting import PATIENCE, until

pytestmark = pytest.mark.one_database
NDJSON = {"Content_Type": "application/x-ndjson", "Transfer_Encoding": "chunked"}
LINE = json.dumps({"ratings": {"budget": 4, "need": 5}}).encode() + b"\n"


@dataclass(frozen=True)
class Key:
    """A key of its own, and who can revoke it."""

    id: str
    secret: str
    owner: httpx.Client

    def revoke(self) -> None:
        ok(self.owner.delete(f"/v1/keys/{self.id}"))

    def expire(self) -> None:
        """Make the key expire now: its successor replaces it without an overlap."""
        ok(self.owner.post(f"/v1/keys/{self.id}/rotate", json={"overlap_hours": 0}), 201)


def new_key(owner: httpx.Client, *scopes: str) -> Key:
    made = ok(owner.post("/v1/keys", json={"name": "lasting", "scopes": list(scopes)}), 201)
    return Key(made["id"], made["key"], owner)


@pytest.fixture(scope="module")
def url_of_all(new_database):
    return new_database()


@pytest.fixture(scope="module")
def other(url_of_all) -> Iterator[httpx.Client]:
    """A second service on the same database: keys are revoked there."""
    with serving(settings_for(url_of_all)) as running:
        yield running.client


@pytest.fixture(scope="module")
def served(url_of_all, tmp_path_factory):
    """The process that the streams are of. However slow the machine is, it has time for the last line.

    It logs the key of each request that it watches.
    """
    patch = (
        "from app.edge import authorise, key_watch, ndjson\n"
        f"authorise.KEY_CACHE_SECONDS = {PATIENCE}\n"
        f"key_watch.STREAM_GRACE_SECONDS = {PATIENCE}\n"
        "ndjson.MAX_DRAIN_SECONDS_REVOKED = 5\n"
        "watching = key_watch.KeyWatch.watching\n"
        "def logged(self, request, *rest):\n"
        "    key_watch.log.warning('watching %s', request.state.caller.key_id)\n"
        "    return watching(self, request, *rest)\n"
        "key_watch.KeyWatch.watching = logged"
    )
    with process(tmp_path_factory.mktemp("revoked"), url_of_all, patch=patch) as running:
        yield running


@contextmanager
def stream(url: str, path: str, key: Key, **headers: object) -> Iterator[socket.socket]:
    """A request whose body is still to come."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connected:
        connected.sendall(head("POST", path, X_API_Key=key.secret, **{**NDJSON, **headers}))
        yield connected


def send(connected: socket.socket, body: bytes) -> None:
    connected.sendall(b"%x\r\n%s\r\n" % (len(body), body))


def lines_of(connected: socket.socket) -> Iterator[dict]:
    """The lines of a chunked NDJSON response, until its proper end."""
    with connected.makefile("rb") as received:
        while received.readline() not in (b"\r\n", b""):
            pass
        rest = b""
        while size := int(received.readline(), 16):
            *whole, rest = (rest + received.read(size)).split(b"\n")
            received.readline()
            yield from map(json.loads, whole)
        assert received.readline() == b"\r\n", "the response has no end"


@contextmanager
def sending(connected: socket.socket, body: bytes) -> Iterator[None]:
    """Send the body again and again in the background, for as long as the service reads it."""
    enough = threading.Event()

    def send_on() -> None:
        with suppress(OSError):
            while not enough.wait(0.005):
                send(connected, body)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(send_on)
        try:
            yield
        finally:
            enough.set()


def test_the_check_and_the_grace_make_less_than_two_seconds():
    assert CHECK_SECONDS + STREAM_GRACE_SECONDS < 2


@pytest.mark.parametrize("end", [Key.revoke, Key.expire])
def test_a_wait_for_events_gets_a_401(served, other, end):
    key = new_key(other, "read")
    asked = {"after": end_of_feed(other), "wait": 30}
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(
            httpx.get,
            f"{served.url}/v1/events",
            params=asked,
            headers={"X-API-Key": key.secret},
            timeout=PATIENCE,
        )
        until(lambda: f"watching {key.id}" in served.log.read_text())
        end(key)
        problem = assert_problem(waiting.result(), UNAUTHENTICATED)
    assert problem["detail"] == "This API key was revoked or expired while the request was running."
    # It is not cached any longer.
    again = httpx.get(
        f"{served.url}/v1/events", headers={"X-API-Key": key.secret}, timeout=PATIENCE, verify=False
    )
    assert_problem(again, UNAUTHENTICATED)


@pytest.mark.parametrize("sends_on", [True, False])
def test_a_batch_ends_with_a_line_that_says_so(served, other, sends_on):
    key, unharmed = new_key(other, "score"), new_key(other, "score")
    with (
        stream(served.url, "/v1/score/batch?question_set=bant", unharmed) as going_on,
        stream(served.url, "/v1/score/batch?question_set=bant", key) as connected,
    ):
        send(connected, LINE * 3)
        lines = lines_of(connected)
        scored = [next(lines)]
        with sending(connected, LINE * 10) if sends_on else nullcontext():
            key.revoke()
            scored += lines
        last = scored.pop()
        assert all("score" in line for line in scored)
        assert last["problem"]["type"] == UNAUTHENTICATED.type
        assert last["line"] == 1 + len(scored)
        # A request with another key does not end.
        send(going_on, LINE)
        going_on.sendall(b"0\r\n\r\n")
        assert [list(line) for line in lines_of(going_on)] == [["line", "score"]]


def test_a_batch_of_qualifications_names_the_line_to_continue_from(served, other):
    key = new_key(other, "write")
    with stream(served.url, "/v1/qualify/batch", key) as connected:
        send(connected, b'{"source": "revoked", "external_id": "1", "question_set": "bant"}\n' * 3)
        lines = lines_of(connected)
        done = [next(lines)]
        key.revoke()
        done += lines
        last = done.pop()
        assert all("result" in line for line in done)
        assert last["problem"]["type"] == UNAUTHENTICATED.type
        assert last["line"] == 1 + len(done)


def imported_lines(count):
    return b"".join(b'{"external_id": "revoked-%d"}\n' % number for number in range(count))


def test_an_import_ends_with_what_it_has_stored(served, other):
    key = new_key(other, "write")
    with stream(served.url, "/v1/prospects/import?source=stored", key) as connected:
        send(connected, imported_lines(20_000))
        connected.sendall(b"0\r\n\r\n")
        lines = lines_of(connected)
        next(lines)
        key.revoke()
        *_, last = lines
    assert (last["done"], last["problem"]["type"]) == (False, UNAUTHENTICATED.type)
    assert 0 < last["committed_to"] < 20_000
    found = ok(other.get("/v1/prospects?source=stored&limit=200"))["items"]
    assert len(found) == min(200, last["created"])


@pytest.mark.parametrize("sends_on", [True, False])
def test_an_import_whose_file_has_not_arrived_gets_a_401(served, other, sends_on):
    key = new_key(other, "write")
    with stream(served.url, "/v1/prospects/import?source=crm", key) as connected:
        send(connected, imported_lines(5))
        until(lambda: ok(httpx.get(f"{served.url}/readyz", timeout=PATIENCE, verify=False)))
        with sending(connected, imported_lines(5)) if sends_on else nullcontext():
            key.revoke()
            answers = connected.makefile("rb")
            assert answers.readline().startswith(b"HTTP/1.1 401 ")
    assert ok(other.get("/v1/prospects?source=crm"))["items"] == []


def test_a_body_that_has_not_come_when_the_key_is_revoked_writes_nothing(served, other):
    key = new_key(other, "write")
    body = json.dumps({"source": "revoked", "external_id": "slow"}).encode()
    with stream(served.url, "/v1/prospects", key, Content_Type="application/json") as connected:
        send(connected, body[:10])
        until(lambda: ok(httpx.get(f"{served.url}/readyz", timeout=PATIENCE, verify=False)))
        key.revoke()
        assert connected.makefile("rb").readline().startswith(b"HTTP/1.1 401 ")
    assert other.get("/v1/prospects/by-external-id/revoked/slow").status_code == 404


def test_who_does_not_read_is_cut_off(url_of_all, other, tmp_path):
    key = new_key(other, "score")
    with (
        process(tmp_path, url_of_all) as served,
        stream(served.url, "/v1/score/batch?question_set=bant", key) as connected,
    ):
        send(connected, LINE)
        next(lines_of(connected))
        connected.settimeout(2)
        with suppress(TimeoutError):
            while True:
                send(connected, LINE * 1000)
        key.revoke()

        def ended():
            ok(httpx.get(f"{served.url}/livez", timeout=PATIENCE, verify=False))
            by_key = [line for line in served.lines() if line.get("key") == key.id]
            return [line["status"] for line in by_key if line["message"] == "request"]

        assert until(ended) == [499]
        connected.settimeout(PATIENCE)
        with pytest.raises(ConnectionError):
            connected.sendall(b"x" * 10**8)
        assert [line for line in served.lines() if line["level"] in ("error", "ERROR")] == []


def test_a_stream_that_nobody_thought_of_ends_too(new_database, monkeypatch):
    """It gets that from the router alone."""
    routes = router("test", Scope.SCORE)

    async def for_ever() -> AsyncIterator[bytes]:
        while True:
            yield b"more\n"
            await anyio.sleep(0.01)

    @routes.post("/endless", operation_id="endless")
    async def endless() -> StreamingResponse:
        return StreamingResponse(for_ever())

    @routes.get("/endless-wait", operation_id="endless_wait")
    async def endless_wait() -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(main, "ROUTERS", (*main.ROUTERS, routes))
    with serving(settings_for(new_database())) as running:
        key = new_key(running.client, "score")
        headers = {"X-API-Key": key.secret}
        with (
            httpx.Client(base_url=running.url, headers=headers, timeout=PATIENCE, verify=False) as caller,
            ThreadPoolExecutor(1) as thread,
            caller.stream("POST", "/v1/endless") as response,
        ):
            waiting = thread.submit(caller.get, "/v1/endless-wait")
            parts = response.iter_bytes()
            assert next(parts).startswith(b"more\n")
            until(lambda: ok(running.client.get("/readyz")))
            key.revoke()
            with pytest.raises(httpx.RemoteProtocolError):
                for _ in parts:
                    pass
            assert_problem(waiting.result(), UNAUTHENTICATED)
