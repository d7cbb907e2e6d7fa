"""The log tells of every request, and nothing that is nobody's business."""

import json
import logging
import sys
import time

import httpx
import pytest
from pydantic import ValidationError

from app.edge.logs import JsonFormatter
from app.prospects.schemas import Link
from tests.conftest import ADMIN_KEY
from tests.edge.problem import PRIVATE
from tests.edge.wire import connection, exchange, head
from tests.waiting import PATIENCE, until

WHO = "somebody-with-a-name"
LINK = {"source": "private", "external_id": WHO}
SAID = {
    **LINK,
    "name": PRIVATE,
    "actor": PRIVATE,
    "deal": PRIVATE,
    "assessor": PRIVATE,
    "attributes": {"note": PRIVATE},
    "answers": [{"question": "budget", "rating": 3, "text": PRIVATE, "actor": PRIVATE}],
    "decision": {"decision": "nurture", "reason": PRIVATE},
}


@pytest.fixture(scope="module")
def told(served):
    """What is logged of a service that is used, misused and attacked, and a key that it made."""
    before = len(served.lines())
    with httpx.Client(base_url=served.url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE) as client:
        made = client.post("/v1/keys", json={"name": "second", "scopes": ["read"]}).json()["key"]
        assert client.post("/v1/qualify", json=SAID).status_code == 200
        linked = f"/v1/prospects/by-external-id/private/{WHO}"
        assert client.get(linked).status_code == 200
        assert client.get(f"{linked}/fit", params={"deal": PRIVATE, "assessor": PRIVATE}).status_code == 200
        assert client.get("/v1/prospects", params={"q": PRIVATE}).status_code == 200
        assert client.get("/v1/keys", headers={"X-API-Key": made}).status_code == 403
        for wrong in ({"ratings": {"budget": PRIVATE}}, {PRIVATE: 1}, {"answers": [{"text": PRIVATE}]}):
            assert client.post("/v1/qualify", json={**LINK, **wrong}).status_code == 422
        broken = json.dumps(SAID)[:-1].encode()
        headers = {"Content-Type": "application/json"}
        assert client.post("/v1/qualify", content=broken, headers=headers).status_code == 400
        assert client.get(f"/v1/{WHO}").status_code == 404
        assert client.head("/v1/question-sets").status_code == 200
        assert client.get("/v1/keys", headers={"Authorization": f"Basic {made}"}).status_code == 401
        assert client.get("/v1/keys", params={"key": made}).status_code == 422
    exchange(served.url, f"GET /{WHO} {PRIVATE}\r\n\r\n".encode())
    with connection(served.url) as connected:
        body = json.dumps(SAID).encode()
        sent = {"X_API_Key": ADMIN_KEY, "Content_Type": "application/json", "Content_Length": len(body)}
        connected.sendall(head("POST", "/v1/qualify", **sent) + body[:-5])
        time.sleep(0.2)
    return until(lambda: served.lines()[before:], lambda lines: any(map(is_of_who_left, lines))), made


def is_of_who_left(line):
    return line.get("status") == 499


def test_it_holds_no_key_and_nothing_that_anybody_said_or_is_called(told):
    lines, made = told
    log = json.dumps(lines, ensure_ascii=False)
    for private in (ADMIN_KEY, made, PRIVATE, WHO):
        assert private not in log


def test_it_tells_of_every_request_by_its_route_and_key(told):
    lines, _ = told
    requests = [line for line in lines if line["message"] == "request"]
    assert len({line["request_id"] for line in requests}) == len(requests)
    assert {"/v1/qualify", "/v1/prospects/by-external-id/{source}/{external_id}"} <= {
        line["route"] for line in requests
    }
    assert ("HEAD", "/v1/question-sets") in {(line["method"], line["route"]) for line in requests}
    assert [line["status"] for line in requests].count(422) == 4
    assert all(line["key"] for line in requests if line["status"] in (200, 201, 422))


def test_a_client_that_goes_away_is_no_failure_of_the_service(told):
    lines, _ = told
    assert [line for line in lines if line["level"] in ("error", "critical")] == []
    assert [line["status"] for line in lines if line["message"] == "request"].count(499) == 1


def test_a_failure_is_told_with_its_place_but_without_the_values_that_caused_it():
    """Pydantic and PostgreSQL put them in the lines after the first."""
    try:
        try:
            Link.model_validate({"source": PRIVATE, "external_id": 5})
        except ValidationError as error:
            raise RuntimeError("it went wrong\nDETAIL: Failing row contains " + PRIVATE) from error
    except RuntimeError:
        record = logging.LogRecord("app", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    line = json.loads(JsonFormatter().format(record))
    assert PRIVATE not in line["exception"]
    assert __file__ in line["exception"]
    assert "ValidationError: 2 validation errors for Link" in line["exception"]
    assert line["exception"].endswith("RuntimeError: it went wrong")
