"""What arrives before there is a request: no HTTP at all, and heads that never end."""

import re
import socket

import pytest

from app.problems import HEAD_TOO_LARGE, MALFORMED_REQUEST, UNAUTHENTICATED
from tests.conftest import ADMIN_KEY
from tests.edge.problem import assert_problem
from tests.edge.wire import answer, connection, exchange, head

pytestmark = pytest.mark.one_database

KEY = f"X-API-Key: {ADMIN_KEY}\r\n".encode()
POST = b"POST /v1/score HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + KEY

NO_HTTP = {
    "words": b"hello\r\n\r\n",
    "an unknown method": b"FROB /livez HTTP/1.1\r\nHost: x\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/3": b"GET /livez HTTP/3.0\r\nHost: x\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "a tunnel": b"CONNECT elsewhere:80 HTTP/1.1\r\nHost: x\r\n\r\n",
    "a tunnel with an upgrade": b"CONNECT x:80 HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: a\r\n\r\n",
    "a blank in the path": b"GET /v1/prospects?q=a b HTTP/1.1\r\nHost: x\r\n\r\n",
    "NUL in the path": b"GET /livez\0 HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw bytes in the path": b"GET /v1/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    "raw bytes in the query": b"GET /v1/prospects?limit=1&q=\xff HTTP/1.1\r\nHost: x\r\n" + KEY + b"\r\n",
    "a folded header": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a control character in a header": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n",
    "a header without a name": b"GET /livez HTTP/1.1\r\nHost: x\r\n: a\r\n\r\n",
    "a negative length": POST + b"Content-Length: -5\r\n\r\n{}",
    "a length in words": POST + b"Content-Length: two\r\n\r\n{}",
    "a length in raised digits": POST + b"Content-Length: \xb2\r\n\r\n{}",
    "a length of 30 digits": POST + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n{}",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "a length and chunks": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "an unknown encoding": POST + b"Transfer-Encoding: gzip\r\n\r\n{}",
    "a chunk of nonsense": POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("sent", NO_HTTP.values(), ids=NO_HTTP)
def test_what_is_no_http_is_refused_with_a_problem_too(served, sent):
    assert_problem(exchange(served.url, sent), MALFORMED_REQUEST)


ENDLESS = {
    "one header": (b"GET /livez HTTP/1.1\r\nHost: x\r\nA: ", b"x" * 1_000_000),
    "many headers": (b"GET /livez HTTP/1.1\r\nHost: x\r\n", b"a: b\r\n" * 100_000),
    "the address": (b"GET /livez?", b"x" * 1_000_000),
    "a chunk's extension": (POST + b"Transfer-Encoding: chunked\r\n\r\n2;", b"x" * 1_000_000),
    "the trailers": (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", b"a: b\r\n" * 100_000),
}


@pytest.mark.parametrize(("first", "more"), ENDLESS.values(), ids=ENDLESS)
def test_what_never_ends_is_cut_off_and_not_kept(served, first, more):
    """Without a limit, 18 MB of headers took 300 MB, and nobody needed a key for it."""
    before = served.megabytes()
    with connection(served.url) as connected, pytest.raises(OSError, match=r"reset|pipe"):
        _send_all(connected, [first, *[more] * 60])
    assert served.megabytes() < before + 15
    assert exchange(served.url, head("GET", "/livez")).status_code == 200


def _send_all(connected, pieces):
    for piece in pieces:
        connected.sendall(piece)


@pytest.mark.parametrize("long", [{"A": "x" * 70_000}, {f"A{n}": "x" * 50 for n in range(1500)}])
def test_a_head_that_is_too_large_is_told_so(served, long):
    not_yet_at_its_end = head("GET", "/livez", **long)[:-2]
    assert_problem(exchange(served.url, not_yet_at_its_end), HEAD_TOO_LARGE)


def test_a_head_that_is_too_large_is_refused_even_if_all_of_it_arrives_at_once(served):
    """It arrives in pieces of 32 KB, so the limit is noticed before the end of the head."""
    assert_problem(exchange(served.url, head("GET", "/livez", A="x" * 100_000)), HEAD_TOO_LARGE)


def test_a_large_head_is_taken_and_so_is_the_next_on_the_same_connection(served):
    large = head("GET", "/v1/keys", A="x" * 60_000)
    with connection(served.url) as connected:
        for _ in range(3):
            connected.sendall(large)
            assert_problem(answer(connected), UNAUTHENTICATED)


def test_many_requests_and_bodies_on_one_connection_never_add_up_to_a_large_head(served):
    body = b'{"ratings": {"budget": 3}}' + b" " * 50_000
    scoring = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with connection(served.url) as connected:
        for _ in range(5):
            connected.sendall(scoring)
            assert answer(connected).status_code == 200
            connected.sendall(head("GET", "/livez", A="x" * 20_000))
            assert answer(connected).status_code == 200


HOSTS = ["", "[", "[::1", "]", "a b", "a@b", "a/b", "x:", "x:99999", "x:y", "\xff", "x" * 5000, "evil.test"]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: f"{host[:10]!r} of {len(host)}")
def test_a_strange_host_breaks_no_list(served, host):
    address = "GET /v1/prospects?limit=1 HTTP/1.1\r\n"
    request = f"{address}Host: {host}\r\n".encode("latin-1") + KEY + b"\r\n"
    assert exchange(served.url, request).status_code == 200


SCORING = b'{"ratings": {"budget": 3},\r\n\r\n "attributes": {}}'
# What Java's client sends, and what a caller puts into a body that a proxy passes on.
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
LOOKS_LIKE_A_REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
ONE_AFTER_THE_OTHER = [
    (head("GET", "/livez"), 200),
    (POST + b"Content-Length: %d\r\n\r\n" % len(SCORING) + SCORING, 200),
    (POST + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(SCORING), SCORING), 200),
    (POST.replace(KEY, b"") + b"Content-Length: %d\r\n\r\n" % len(SCORING) + SCORING, 401),
    (POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(SCORING) + SCORING, 200),
    (
        POST + UPGRADE + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(SCORING), SCORING),
        200,
    ),
    (POST + UPGRADE + b"Content-Length: %d\r\n\r\n" % len(LOOKS_LIKE_A_REQUEST) + LOOKS_LIKE_A_REQUEST, 400),
    (b"GET /nowhere HTTP/1.1\r\nConnection:upgrade\r\nUpgrade:a\r\n\r\n", 404),
    (b"\r\n\r\n" + head("GET", "/nowhere"), 404),
    (POST + b"Content-Length: 70000\r\n\r\n" + SCORING.ljust(70_000), 200),
    (head("GET", "/livez", Connection="close"), 200),
]


@pytest.mark.parametrize("size", [1, 7, 64, 1000, 16_384, 100_000])
def test_requests_that_are_sent_at_once_are_answered_one_after_the_other(served, size):
    """However they are divided; after the last one the service closes the connection."""
    sent = b"".join(request for request, _ in [*ONE_AFTER_THE_OTHER[:-1] * 3, ONE_AFTER_THE_OTHER[-1]])
    received = b""
    with connection(served.url) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send_all(connected, [sent[start : start + size] for start in range(0, len(sent), size)])
        while more := connected.recv(65536):
            received += more
    found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", received)]
    expected = [status for _, status in ONE_AFTER_THE_OTHER]
    assert found == [*expected[:-1] * 3, expected[-1]]
