"""Bodies that are too large, too slow or never end."""

import json
import time

import pytest

from app.problems import BODY_TOO_LARGE, INVALID_REQUEST, MALFORMED_BODY
from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.edge.problem import assert_problem
from tests.edge.wire import answer, connection, exchange, head

pytestmark = pytest.mark.usefixtures("unwritten")

MEGABYTE = 1_000_000
TO_QUALIFY = {"X_API_Key": ADMIN_KEY, "Content_Type": "application/json"}
CHUNKED = head("POST", "/v1/qualify", Transfer_Encoding="chunked", **TO_QUALIFY)
CHUNK = b"F4240\r\n" + b" " * MEGABYTE + b"\r\n"


def declared(size, **others):
    return head("POST", "/v1/qualify", Content_Length=size, **TO_QUALIFY, **others)


@pytest.mark.one_database
@pytest.mark.parametrize("size", [MEGABYTE + 1, 50 * MEGABYTE, 2**40, 2**63 - 1])
def test_a_body_that_is_declared_too_large_is_refused_before_it_is_sent(service, size):
    assert_problem(exchange(service.url, declared(size)), BODY_TOO_LARGE)
    assert_problem(exchange(service.url, declared(size, Expect="100-continue")), BODY_TOO_LARGE)


@pytest.mark.one_database
def test_50_megabytes_are_refused_however_they_come(service):
    with connection(service.url) as connected:
        connected.sendall(declared(50 * MEGABYTE))
        for _ in range(50):
            connected.sendall(b" " * MEGABYTE)
        assert_problem(answer(connected), BODY_TOO_LARGE)
    with connection(service.url) as connected:
        connected.sendall(CHUNKED)
        for _ in range(50):
            connected.sendall(CHUNK)
        connected.sendall(b"0\r\n\r\n")
        assert_problem(answer(connected), BODY_TOO_LARGE)


@pytest.mark.one_database
def test_a_body_without_an_end_is_refused_at_the_limit(service):
    assert_problem(exchange(service.url, CHUNKED + 2 * CHUNK), BODY_TOO_LARGE)


@pytest.mark.one_database
def test_the_limit_itself_is_within(client):
    headers = {"Content-Type": "application/json"}
    for size, kind in ((MEGABYTE, MALFORMED_BODY), (MEGABYTE + 1, BODY_TOO_LARGE)):
        assert_problem(client.post("/v1/qualify", content=b" " * size, headers=headers), kind)


LARGE = {
    "60,000 attributes": {"attributes": {f"A{n}": [] for n in range(60_000)}},
    "60,000 ratings": {"ratings": {f"A{n}": "x" for n in range(60_000)}},
    "60,000 unknown fields": {f"field_{n}": 1 for n in range(60_000)},
    "400,000 answers": {"answers": [1] * 400_000},
    "70,000 fields in answers": {"answers": [{f"f{n}": 1 for n in range(140)}] * 500},
    "a long key": {"ratings": {"q" * 900_000: 3}},
    "a long text": {"attributes": {"a": "x" * 900_000}},
    "a long number": {"attributes": {"a": "9" * 900_000}},
    "many lists": {"attributes": {"a": [[]] * 90_000}},
    "brackets in a text": {"attributes": {"a": "[" * 200_000}},
}


@pytest.fixture(scope="module")
def at_hand(tmp_path_factory):
    """A client of a service on one database only: what is refused never comes to it."""
    settings = settings_for(f"sqlite:///{tmp_path_factory.mktemp('limits')}/test.db")
    with serving(settings) as running:
        yield running.client


@pytest.mark.one_database
@pytest.mark.parametrize("sent", LARGE.values(), ids=LARGE)
def test_a_large_body_of_errors_does_not_keep_the_service_busy(at_hand, sent):
    """It tells of the first errors only: 60,000 of them took seconds to write out."""
    body = json.dumps(sent, separators=(",", ":")).encode()
    assert len(body) < MEGABYTE
    response = at_hand.post("/v1/score", content=body, headers={"Content-Type": "application/json"})
    told = assert_problem(response, INVALID_REQUEST)
    assert len(told["detail"]) < 600
    assert len(told["errors"]) <= 20


def test_a_slow_body_is_waited_for_and_nobody_else_has_to(service, client):
    body = b'{"ratings": {"budget": 3}}'
    with connection(service.url) as connected:
        connected.sendall(head("POST", "/v1/score", Content_Length=len(body), **TO_QUALIFY))
        for byte in body:
            connected.sendall(bytes([byte]))
            time.sleep(0.01)
            assert client.get("/livez").status_code == 200
        assert answer(connected).status_code == 200


@pytest.mark.parametrize("part", [0, 1, 20])
def test_a_body_that_breaks_off_writes_nothing(service, client, link, part):
    body = json.dumps(link).encode()
    with connection(service.url) as connected:
        connected.sendall(declared(len(body)) + body[:part])
        time.sleep(0.05)
    with connection(service.url) as connected:
        connected.sendall(CHUNKED + b"%x\r\n" % len(body) + body[:part])
        time.sleep(0.05)
    found = client.get("/v1/prospects", params={"q": link["external_id"]})
    assert found.json()["items"] == []


def test_tiny_chunks_are_read_like_any_others(service):
    body = b'{"ratings": {"budget": 3}}'
    request = head("POST", "/v1/score", Transfer_Encoding="chunked", **TO_QUALIFY)
    request += b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    assert exchange(service.url, request).status_code == 200
