"""Many connections at once that send or read too little."""

import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from tests.conftest import ADMIN_KEY
from tests.edge.process import Served
from tests.waiting import PATIENCE, until

Crowd = dict[socket.socket, bytes]
OPEN_FILES = 4096


@contextmanager
def crowd(served: Served, number: int, sent: bytes) -> Iterator[Crowd]:
    """So many connections that send this as far as the service takes it, and read nothing."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(OPEN_FILES, hard)), hard))
    address = urlsplit(served.url)
    strangers: Crowd = {}
    try:
        for _ in range(number):
            stranger = socket.create_connection((address.hostname, address.port), timeout=PATIENCE)
            stranger.setblocking(False)
            strangers[stranger] = sent
        push(strangers)
        yield strangers
    finally:
        for stranger in strangers:
            stranger.close()


def push(strangers: Crowd) -> None:
    """Send until no connection has accepted any data for half a second."""
    quiet_since = time.monotonic()
    while time.monotonic() < quiet_since + 0.5:
        for stranger, rest in strangers.items():
            if rest and (done := _send(stranger, rest)):
                strangers[stranger] = rest[done:]
                quiet_since = time.monotonic()
        time.sleep(0.01)


def _send(stranger: socket.socket, rest: bytes) -> int:
    try:
        return stranger.send(rest)
    except BlockingIOError:
        return 0
    except OSError:
        # The service closed the connection.
        return len(rest)


def closed(strangers: Crowd) -> int:
    """The number of connections that the service has closed, with or without data to read before the end."""
    poll = select.poll()
    for stranger in strangers:
        poll.register(stranger, select.POLLRDHUP)
    return len(poll.poll(0))


def assert_serves(served: Served) -> None:
    """The service answers requests on new connections, both with and without a key."""
    for _ in range(3):
        assert httpx.get(f"{served.url}/livez", timeout=PATIENCE, verify=False).status_code == 200
        scored = httpx.post(
            f"{served.url}/v1/score",
            json={"ratings": {"budget": 3}},
            headers={"X-API-Key": ADMIN_KEY},
            timeout=PATIENCE,
            verify=False,
        )
        assert scored.status_code == 200


def assert_memory_is_given_back(served: Served, before: int) -> None:
    until(served.megabytes, lambda now: now < before + 25)


def assert_no_traceback(served: Served) -> None:
    assert [line for line in served.lines() if "exception" in line or line["level"] == "error"] == []
