"""The service closes the connections of callers that are too slow, but not of those within its limits."""

import json
import threading
import time

import pytest

from app.problems import REQUEST_TIMEOUT, UNAUTHENTICATED
from tests.conftest import ADMIN_KEY
from tests.edge.crowd import closed, crowd
from tests.edge.problem import assert_problem
from tests.edge.process import process
from tests.edge.wire import answer, connection, head
from tests.waiting import until

# The connection decides, before anything asks the database.
pytestmark = pytest.mark.one_database

# The limits of the process, which are shorter than usual. A whole minute would prove no more.
MAX_HEAD_SECONDS, MAX_BODY_SECONDS, MAX_UNREAD_SECONDS = 5, 20, 10
SHORTER = f"""
from app.edge import bodies, ndjson, protocol
protocol.MAX_HEAD_SECONDS = {MAX_HEAD_SECONDS}
protocol.MAX_UNREAD_SECONDS = {MAX_UNREAD_SECONDS}
bodies.MAX_BODY_SECONDS = {MAX_BODY_SECONDS}
ndjson.MAX_SILENT_SECONDS = {MAX_BODY_SECONDS}
"""
KEY = {"X_API_Key": ADMIN_KEY}
JSON = {"Content_Type": "application/json"}
LINES = {"Content_Type": "application/x-ndjson", "Transfer_Encoding": "chunked"}
BODY = b'{"ratings": {"budget": 3}}'


@pytest.fixture(scope="module")
def served(new_database, tmp_path_factory):
    with process(tmp_path_factory.mktemp("slow"), new_database(), patch=SHORTER) as running:
        yield running


@pytest.fixture
def dripping():
    """Sends bytes one at a time, each at its time, until the test is over."""
    over = threading.Event()
    threads = []

    def drip(connected, sent, pause):
        began = time.monotonic()
        for number, byte in enumerate(sent, 1):
            if over.wait(max(0, began + number * pause - time.monotonic())):
                return
            try:
                connected.sendall(bytes([byte]))
            except OSError:
                return

    def start(connected, sent, pause):
        threads.append(threading.Thread(target=drip, args=(connected, sent, pause)))
        threads[-1].start()

    yield start
    over.set()
    for thread in threads:
        thread.join()


def test_a_head_has_to_arrive_in_time(served, dripping):
    with connection(served.url) as half, connection(served.url) as slow, crowd(served, 1, b"") as silent:
        half.sendall(b"GET /livez HTTP/1.1\r\n")
        dripping(slow, head("GET", "/livez", A="x" * 100), MAX_HEAD_SECONDS / 5)
        for connected in (half, slow):
            refused = assert_problem(answer(connected), REQUEST_TIMEOUT)
            assert f"{MAX_HEAD_SECONDS} seconds" in refused["detail"]
        # Nothing is said on a connection that was never used: it may be one that a browser opened in advance.
        until(lambda: closed(silent) == 1)
        assert next(iter(silent)).recv(1) == b""


def test_the_next_head_on_a_connection_has_to_arrive_in_time_as_well(served):
    with connection(served.url) as connected:
        connected.sendall(head("GET", "/livez") + b"GET /li")
        assert answer(connected).status_code == 200
        assert_problem(answer(connected), REQUEST_TIMEOUT)


def test_the_rest_of_a_body_that_was_refused_has_to_arrive_in_time(served, dripping):
    with connection(served.url) as silent, connection(served.url) as slow:
        for connected in (silent, slow):
            connected.sendall(head("POST", "/v1/qualify", Content_Length=1000, **JSON))
            assert_problem(answer(connected), UNAUTHENTICATED)
        dripping(slow, BODY * 10, 1)
        for connected in (silent, slow):
            assert connected.recv(1) == b""


def test_who_sends_the_rest_in_time_may_send_another_request(served):
    with connection(served.url) as connected:
        connected.sendall(head("POST", "/v1/qualify", Content_Length=2 * len(BODY), **JSON) + BODY)
        assert_problem(answer(connected), UNAUTHENTICATED)
        connected.sendall(BODY + head("GET", "/livez"))
        assert answer(connected).status_code == 200


def test_a_body_has_to_arrive_in_time_and_a_steady_one_does(served, dripping):
    scoring = head("POST", "/v1/score", Content_Length=len(BODY), **JSON, **KEY)
    with (
        connection(served.url) as half,
        connection(served.url) as slow,
        connection(served.url) as steady,
        connection(served.url) as silent_import,
        connection(served.url) as steady_batch,
    ):
        half.sendall(scoring + BODY[:5])
        for connected, seconds in ((slow, 2 * MAX_BODY_SECONDS), (steady, MAX_BODY_SECONDS * 2 / 3)):
            connected.sendall(scoring)
            dripping(connected, BODY, seconds / len(BODY))
        silent_import.sendall(head("POST", "/v1/prospects/import", **LINES, **KEY) + b'4\r\n{"ex\r\n')
        steady_batch.sendall(head("POST", "/v1/score/batch", **LINES, **KEY))
        chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
        dripping(steady_batch, chunks, MAX_BODY_SECONDS * 1.3 / len(chunks))
        assert answer(steady).status_code == 200
        for connected in (half, slow):
            refused = assert_problem(answer(connected), REQUEST_TIMEOUT)
            assert f"{MAX_BODY_SECONDS} seconds" in refused["detail"]
        assert_problem(answer(silent_import), REQUEST_TIMEOUT)
        assert last_line(steady_batch)["line"] == 1


def last_line(connected):
    """The last line of a response in chunks."""
    received = b""
    while not received.endswith(b"0\r\n\r\n"):
        received += (more := connected.recv(65536))
        assert more, received
    return json.loads(received.splitlines()[-4])


def test_a_response_has_to_be_read(served):
    """Each description has some hundred kilobytes, so that a hundred of them fit into no buffer."""
    with crowd(served, 3, head("GET", "/openapi.json") * 100) as reading_nothing:
        assert closed(reading_nothing) == 0
        until(lambda: closed(reading_nothing) == 3)


def test_who_reads_slowly_but_steadily_gets_everything(served):
    """More than the buffers hold, for longer than a caller may read nothing."""
    wanted, received = 15, b""
    with connection(served.url) as connected:
        connected.sendall(head("GET", "/openapi.json") * wanted + head("GET", "/livez", Connection="close"))
        while more := connected.recv(300_000):
            received += more
            time.sleep(1)
    assert received.count(b"HTTP/1.1 200 OK") == wanted + 1
    assert received.endswith(b'{"status":"alive"}')
