"""Every route asks for a key, and for the scope that belongs to it."""

import re
from functools import partial
from uuid import uuid4

import pytest

from tests.api.at_once import at_once
from tests.api.calls import ok, refusal
from tests.conftest import ROOT, serving, settings_for

SCOPES = ("score", "read", "write", "author", "admin")
OVERVIEW = (ROOT / "openapi.md").read_text("utf-8")
SETS = ("score", "read", "author")
BY_LINK = "/v1/prospects/by-external-id/{source}/{external_id}"

# Who may call what: written from the design, not from the routes. Admin may everything.
MAY = {
    ("POST", "/v1/score"): ("score",),
    ("POST", "/v1/score/batch"): ("score",),
    ("GET", "/v1/question-sets"): SETS,
    ("GET", "/v1/question-sets/{key}"): SETS,
    ("GET", "/v1/question-sets/{key}/versions"): SETS,
    ("GET", "/v1/question-sets/{key}/versions/{number}"): SETS,
    ("POST", "/v1/question-sets/{key}/versions/{number}/retire"): ("author",),
    ("PUT", "/v1/question-sets/{key}/draft"): ("author",),
    ("GET", "/v1/question-sets/{key}/draft"): ("author",),
    ("DELETE", "/v1/question-sets/{key}/draft"): ("author",),
    ("POST", "/v1/question-sets/{key}/draft/publish"): ("author",),
    ("POST", "/v1/question-sets/{key}/draft/impact"): ("author",),
    ("POST", "/v1/qualify"): ("write",),
    ("POST", "/v1/qualify/{key}"): ("write",),
    ("POST", "/v1/qualify/batch"): ("write",),
    ("GET", "/v1/question-sets/{key}/openapi-{openapi}.json"): SETS,
    ("GET", "/v1/question-sets/{key}/versions/{number}/openapi-{openapi}.json"): SETS,
    ("GET", "/v1/question-sets/{key}/versions/{number}/sql"): SETS,
    ("GET", "/v1/sources"): ("read", "author"),
    ("GET", "/v1/sources/{source}"): ("read", "author"),
    ("PUT", "/v1/sources/{source}"): ("author",),
    ("GET", "/v1/value-aliases/{source}"): ("read", "author"),
    ("PUT", "/v1/value-aliases/{source}"): ("author",),
    ("POST", "/v1/sessions"): ("write",),
    ("GET", "/v1/sessions"): ("read",),
    ("GET", "/v1/sessions/export"): ("read",),
    ("GET", "/v1/sessions/{session_id}"): ("read",),
    ("PATCH", "/v1/sessions/{session_id}/answers"): ("write",),
    ("POST", "/v1/sessions/{session_id}/move"): ("write",),
    ("POST", "/v1/sessions/{session_id}/decision"): ("write",),
    ("POST", "/v1/sessions/{session_id}/outcome"): ("write",),
    ("GET", "/v1/sessions/{session_id}/history"): ("read",),
    ("POST", "/v1/prospects"): ("write",),
    ("POST", "/v1/prospects/import"): ("write",),
    ("GET", "/v1/prospects"): ("read",),
    ("GET", "/v1/prospects/export"): ("read",),
    ("GET", "/v1/prospects/{prospect_id}"): ("read",),
    ("PATCH", "/v1/prospects/{prospect_id}"): ("write",),
    ("DELETE", "/v1/prospects/{prospect_id}"): ("write",),
    ("GET", BY_LINK): ("read",),
    ("PUT", BY_LINK): ("write",),
    ("POST", "/v1/prospects/{prospect_id}/links"): ("write",),
    ("DELETE", "/v1/prospects/{prospect_id}/links/{source}/{external_id}"): ("write",),
    ("POST", "/v1/prospects/{prospect_id}/merge"): ("write",),
    ("GET", "/v1/prospects/{prospect_id}/fit"): ("read",),
    ("GET", BY_LINK + "/fit"): ("read",),
    ("GET", "/v1/prospects/{prospect_id}/comparison"): ("read",),
    ("POST", "/v1/fits"): ("read",),
    ("GET", "/v1/insights/calibration"): ("read",),
    ("GET", "/v1/insights/calibration.csv"): ("read",),
    ("GET", "/v1/insights/{report}/point"): ("read",),
    ("GET", "/v1/insights/calibration.svg"): ("read",),
    ("GET", "/v1/insights/questions"): ("read",),
    ("GET", "/v1/insights/questions.csv"): ("read",),
    ("GET", "/v1/insights/questions.svg"): ("read",),
    ("GET", "/v1/insights/assessors"): ("read",),
    ("GET", "/v1/insights/assessors.csv"): ("read",),
    ("GET", "/v1/insights/decisions"): ("read",),
    ("GET", "/v1/insights/decisions.csv"): ("read",),
    ("GET", "/v1/insights/outcomes"): ("read",),
    ("GET", "/v1/insights/outcomes.csv"): ("read",),
    ("GET", "/v1/insights/outcomes.svg"): ("read",),
    ("GET", "/v1/insights/portfolio"): ("read",),
    ("GET", "/v1/insights/portfolio.csv"): ("read",),
    ("GET", "/v1/insights/portfolio.svg"): ("read",),
    ("GET", "/v1/insights/concentration"): ("read",),
    ("GET", "/v1/insights/concentration.csv"): ("read",),
    ("GET", "/v1/insights/concentration.svg"): ("read",),
    ("GET", "/v1/events"): ("read",),
    ("GET", "/v1/events/latest"): ("read",),
    ("POST", "/v1/webhooks"): ("author",),
    ("GET", "/v1/webhooks"): ("author",),
    ("GET", "/v1/webhook-templates"): ("author",),
    ("GET", "/v1/webhook-samples"): ("read",),
    ("GET", "/v1/webhooks/{webhook_id}"): ("author",),
    ("PATCH", "/v1/webhooks/{webhook_id}"): ("author",),
    ("DELETE", "/v1/webhooks/{webhook_id}"): ("author",),
    ("POST", "/v1/webhooks/{webhook_id}/secret"): ("author",),
    ("POST", "/v1/webhooks/{webhook_id}/test"): ("author",),
    ("GET", "/v1/webhooks/{webhook_id}/deliveries"): ("author",),
    ("POST", "/v1/webhooks/{webhook_id}/deliveries/replay"): ("author",),
    ("POST", "/v1/intakes"): ("author",),
    ("GET", "/v1/intakes"): ("author",),
    ("GET", "/v1/intake-templates"): ("author",),
    ("POST", "/v1/intake-dry-run"): ("author",),
    ("GET", "/v1/intakes/{intake_id}"): ("author",),
    ("PATCH", "/v1/intakes/{intake_id}"): ("author",),
    ("DELETE", "/v1/intakes/{intake_id}"): ("author",),
    ("GET", "/v1/intakes/{intake_id}/receipts"): ("author",),
    ("GET", "/v1/intakes/{intake_id}/receipts/{receipt_id}"): ("author",),
    ("POST", "/v1/intakes/{intake_id}/replay"): ("author",),
    ("POST", "/v1/keys"): (),
    ("GET", "/v1/keys"): (),
    ("DELETE", "/v1/keys/{key_id}"): (),
    ("POST", "/v1/keys/{key_id}/rotate"): (),
}
# The scope that is needed besides, where the operation hands out or does what that scope allows.
ALSO = {
    ("POST", "/v1/webhooks"): "read",
    ("PATCH", "/v1/webhooks/{webhook_id}"): "read",
    ("POST", "/v1/webhooks/{webhook_id}/test"): "read",
    ("PUT", "/v1/sources/{source}"): "write",
    ("POST", "/v1/intakes"): "write",
    ("PATCH", "/v1/intakes/{intake_id}"): "write",
    ("DELETE", "/v1/intakes/{intake_id}"): "write",
    ("POST", "/v1/intake-dry-run"): "write",
    ("POST", "/v1/intakes/{intake_id}/replay"): "write",
    ("GET", "/v1/intakes/{intake_id}/receipts"): "read",
    ("GET", "/v1/intakes/{intake_id}/receipts/{receipt_id}"): "read",
}
WITHOUT_A_KEY = [("GET", "/livez"), ("GET", "/readyz"), ("GET", "/question-set.schema.json")]
# The token in the address is the key.
BY_TOKEN = [("POST", "/v1/intake/{token}")]


@pytest.fixture(scope="module")
def keys(service):
    """A key for each scope, with nothing else."""
    return {
        scope: ok(service.client.post("/v1/keys", json={"name": scope, "scopes": [scope]}), 201)["key"]
        for scope in SCOPES
    }


@pytest.fixture
def call(anybody):
    """Calls a route with a key or without, with a body that no operation accepts."""

    def make(method, path, key=None):
        address = path.format(
            source="test",
            external_id="nobody",
            key="no-such-set",
            number=1,
            openapi="3.0",
            report="outcomes",
            session_id=uuid4(),
            prospect_id=uuid4(),
            key_id=uuid4(),
            webhook_id=uuid4(),
            intake_id=uuid4(),
            receipt_id=uuid4(),
            token="pfi_of-nobody",
        )
        body = {"json": {"no": "such field"}} if method in ("POST", "PATCH", "PUT") else {}
        return anybody.request(method, address, headers={"X-API-Key": key} if key else {}, **body)

    return make


def test_every_route_is_in_the_table(service):
    described = ok(service.client.get("/openapi.json"))["paths"]
    routes = {(method.upper(), path) for path, methods in described.items() for method in methods}
    assert routes == MAY.keys() | {*WITHOUT_A_KEY, *BY_TOKEN}


@pytest.mark.parametrize(("method", "path"), ALSO)
def test_with_both_scopes_it_gets_through(service, call, method, path):
    both = {"name": "both", "scopes": ["author", ALSO[method, path]]}
    key = ok(service.client.post("/v1/keys", json=both), 201)["key"]
    assert call(method, path, key).status_code in (404, 422)


def test_the_reference_shows_the_same_scopes():
    """The matrix is generated from the routes; the table here is written from the design."""
    shown = {}
    for row in re.findall(r"^\| `([A-Z]+) (/v1/\S+)` \|((?: ?[●◐]? \|){5})$", OVERVIEW, re.MULTILINE):
        method, path, signs = row
        shown[method, path] = [sign.strip() for sign in signs.split("|")[:5]]
    for place, allowed in MAY.items():
        also = ALSO.get(place)
        alone = "◐" if also else "●"
        expected = [alone if scope in (*allowed, also) else "" for scope in SCOPES[:4]]
        assert shown[place] == [*expected, "●"], place
    assert shown.keys() == MAY.keys()


def test_the_last_admin_key_cannot_be_revoked(new_database):
    with serving(settings_for(new_database())) as running:
        (only,) = ok(running.client.get("/v1/keys"))["items"]
        assert refusal(running.client.delete(f"/v1/keys/{only['id']}")) == (409, "last-admin-key")
        sent = {"name": "reader", "scopes": ["read", "write", "author", "score"]}
        ok(running.client.post("/v1/keys", json=sent), 201)
        assert refusal(running.client.delete(f"/v1/keys/{only['id']}")) == (409, "last-admin-key")
        other = ok(running.client.post("/v1/keys", json={"name": "second", "scopes": ["admin"]}), 201)
        ok(running.client.delete(f"/v1/keys/{only['id']}"))
        headers = {"X-API-Key": other["key"]}
        refused = running.client.delete(f"/v1/keys/{other['id']}", headers=headers)
        assert refusal(refused) == (409, "last-admin-key")


def test_two_admin_keys_that_revoke_each_other_leave_one(new_database):
    with serving(settings_for(new_database())) as running:
        (first,) = ok(running.client.get("/v1/keys"))["items"]
        second = ok(running.client.post("/v1/keys", json={"name": "second", "scopes": ["admin"]}), 201)
        calls = [
            partial(running.client.delete, f"/v1/keys/{second['id']}"),
            partial(running.client.delete, f"/v1/keys/{first['id']}", headers={"X-API-Key": second["key"]}),
        ]
        answers = at_once(calls)
        assert sorted(answer.status_code for answer in answers) in ([200, 401], [200, 409])


@pytest.mark.one_database
@pytest.mark.parametrize(("method", "path"), MAY)
def test_without_a_key_it_is_401(call, method, path):
    assert refusal(call(method, path)) == (401, "unauthenticated")


@pytest.mark.one_database
@pytest.mark.parametrize(("method", "path"), WITHOUT_A_KEY)
def test_operations_need_no_key(call, method, path):
    ok(call(method, path))


@pytest.mark.parametrize(("method", "path"), BY_TOKEN)
def test_a_token_is_as_good_as_a_key_and_nobodys_is_a_404(call, keys, method, path):
    for key in (None, keys["admin"]):
        assert refusal(call(method, path, key)) == (404, "not-found")


@pytest.mark.one_database
@pytest.mark.parametrize(("method", "path"), MAY)
def test_the_wrong_scope_is_403_and_the_right_one_gets_through(call, keys, method, path):
    also = ALSO.get((method, path))
    for scope in SCOPES:
        response = call(method, path, keys[scope])
        if scope == "admin" or (scope in MAY[method, path] and also is None):
            assert response.status_code in (200, 404, 415, 422, 428), (scope, response.text)
        elif scope in MAY[method, path]:
            assert refusal(response) == (403, "forbidden"), scope
            assert f"scope {also} as well" in response.json()["detail"]
        else:
            assert refusal(response) == (403, "forbidden"), scope
            assert any(needed in response.json()["detail"] for needed in (*MAY[method, path], "admin"))
