"""While callers without a key hold hundreds of connections, the service serves others, and can stop."""

import socket
import struct
from contextlib import ExitStack

import httpx
import pytest

from app.inbound.intake.mapping import FORM_MEDIA_TYPE
from app.keys.service import INTAKE_TOKEN_PREFIX, new_secret
from app.problems import OVERLOADED
from tests.conftest import ADMIN_KEY
from tests.edge.crowd import assert_memory_is_given_back, assert_no_traceback, assert_serves, closed, crowd
from tests.edge.problem import assert_problem
from tests.edge.process import process
from tests.edge.wire import answer, connection, head
from tests.waiting import PATIENCE, until

# The connection decides, and the few requests that reach the database only read.
pytestmark = pytest.mark.one_database

HALF_A_HEAD = head("GET", "/livez", A="b")[:-2]
HALF_A_BODY = b" " * 500_000
KEY = {"X_API_Key": ADMIN_KEY}
# Otherwise, free memory is returned only twice a minute. It may open only a thousand files, unless it raises
# this limit itself.
SOON_AND_FEW = """
import resource
from app.edge import memory
memory.RETURN_SECONDS = 1
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""


@pytest.fixture
def stack():
    """Ends what it has begun, at the latest after the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def attacked(new_database, tmp_path, stack):
    """A process of its own, with the memory that the first requests need."""
    served = stack.enter_context(process(tmp_path, new_database(), patch=SOON_AND_FEW))
    assert_serves(served)
    return served


def descriptions(served):
    """Many requests for the description, the first of which takes memory that the service keeps."""
    path = "/openapi.json"
    assert httpx.get(served.url + path, timeout=PATIENCE, verify=False).status_code == 200
    return head("GET", path) * 300


def half_a_body(path, **headers):
    return head(
        "POST", path, Content_Length=2 * len(HALF_A_BODY), Content_Type=FORM_MEDIA_TYPE, **headers
    ) + (HALF_A_BODY)


def intake_of(served):
    """The address of an intake, which is known to whoever reads the page that posts to it."""
    sent = {"name": "on a page", "mapping": {"source": "page", "external_id": "/id"}}
    made = httpx.post(
        f"{served.url}/v1/intakes",
        json=sent,
        headers={"X-API-Key": ADMIN_KEY},
        timeout=PATIENCE,
        verify=False,
    )
    return f"/v1/intake/{made.json()['token']}"


# What they send, how many they are, and how many megabytes that may take.
STATES = {
    "connections": (lambda _: b"", 1100, 30),
    "half heads": (lambda _: HALF_A_HEAD, 1100, 30),
    "half bodies without a key": (lambda _: half_a_body("/v1/qualify"), 600, 50),
    "half bodies to nobody's intake": (
        lambda _: half_a_body(f"/v1/intake/{new_secret(INTAKE_TOKEN_PREFIX)}"), 600, 100
    ),
    "half bodies to an intake": (lambda served: half_a_body(intake_of(served)), 600, 180),
    "half bodies with a key": (lambda _: half_a_body("/v1/qualify", **KEY), 600, 180),
    "unread responses": (lambda _: head("GET", "/livez") * 500, 400, 50),
    "unread descriptions": (descriptions, 400, 50),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_others_are_served_the_memory_is_given_back_and_the_service_stops(attacked, stack, state):
    """The process stops before the seven seconds after which it would cancel running requests."""
    sent, number, megabytes = STATES[state]
    payload = sent(attacked)
    before = attacked.megabytes()
    with crowd(attacked, number, payload):
        assert_serves(attacked)
        assert attacked.megabytes() < before + megabytes
    assert_memory_is_given_back(attacked, before)
    assert_serves(attacked)
    with crowd(attacked, number, payload):
        assert_serves(attacked)
        stack.close()
    assert_no_traceback(attacked)


def test_several_processes_hold_out_as_well(new_database, tmp_path, stack):
    served = stack.enter_context(process(tmp_path, new_database(), WORKERS="2"))
    with crowd(served, 2200, HALF_A_HEAD):
        assert_serves(served)
        stack.close()
    assert_no_traceback(served)


def test_a_new_connection_closes_the_one_that_was_idle_for_longest(new_database, tmp_path, stack):
    served = stack.enter_context(process(tmp_path, new_database(), MAX_CONNECTIONS="10"))
    with crowd(served, 10, HALF_A_HEAD) as first, crowd(served, 4, HALF_A_HEAD):
        until(lambda: closed(first) == 4)
        assert [closed({one: b""}) for one in first] == 4 * [1] + 6 * [0]


def test_while_every_connection_is_busy_a_new_one_is_refused(new_database, tmp_path, stack):
    served = stack.enter_context(process(tmp_path, new_database(), MAX_CONNECTIONS="10"))
    waiting = head("GET", "/v1/events?after=latest&wait=30", **KEY)
    # More than there may be: a connection whose request has not started yet makes room for a later one.
    with crowd(served, 30, waiting):
        until(lambda: is_refused(served))
        with connection(served.url) as one_too_many:
            refused = assert_problem(answer(one_too_many), OVERLOADED)
            assert refused["detail"]
    until(lambda: not is_refused(served))


def is_refused(served):
    with connection(served.url) as connected:
        connected.sendall(head("GET", "/livez"))
        try:
            return answer(connected).status_code == OVERLOADED.status
        except ConnectionError:
            return True


NO_REQUEST = {
    "nothing": b"",
    "a half TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "half a head": HALF_A_HEAD,
    "half a body": half_a_body("/v1/qualify", **KEY),
    "half a body that nobody may send": half_a_body("/v1/qualify"),
    "half an import": head("POST", "/v1/prospects/import", Content_Length=100, Content_Type="text/csv", **KEY)
    + b"external_id,name\n1,",
    "a wait for events": head("GET", "/v1/events?wait=30", **KEY),
    "a long answer": head("GET", "/openapi.json"),
    "many requests": head("GET", "/v1/question-sets", **KEY) * 100,
    "garbage after a request": head("GET", "/v1/question-sets", **KEY) + b"\0\0\0",
}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_who_breaks_off_leaves_no_traceback(served, reset):
    before = len(served.lines())
    for sent in NO_REQUEST.values():
        for _ in range(5):
            with connection(served.url) as connected:
                connected.sendall(sent)
                if reset:
                    linger = struct.pack("ii", 1, 0)
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    assert_serves(served)
    until(lambda: served.lines()[-1]["message"] == "request")
    assert [line for line in served.lines()[before:] if "exception" in line or line["level"] == "error"] == []
