"""What has a revision tells it as an ETag, and If-Match names the one that a change is based on."""

import pytest

from tests.api.calls import new_prospect, ok, open_session, pointers, refusal


@pytest.fixture
def session(client, small):
    prospect = new_prospect(client, name="Acme")["id"]
    return open_session(client, prospect, question_set=small, ratings={"budget": 3})


def test_whoever_reads_or_changes_a_prospect_is_told_its_revision(client, link):
    address = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}"
    created = client.put(address, json={"name": "Acme"})
    prospect = f"/v1/prospects/{created.json()['id']}"
    assert (created.headers["etag"], client.get(address).headers["etag"]) == ('"1"', '"1"')
    assert client.patch(prospect, json={"name": "Acme Ltd"}).headers["etag"] == '"2"'
    assert client.get(prospect).headers["etag"] == '"2"'


def test_whoever_reads_or_changes_a_session_is_told_its_revision(client, session):
    address = f"/v1/sessions/{session['session_id']}"
    assert client.get(address).headers["etag"] == '"1"'
    assert client.patch(f"{address}/answers", json={"ratings": {"need": 2}}).headers["etag"] == '"2"'
    decided = client.post(
        f"{address}/decision", json={"decision": "pursue", "revision": 2, "actor": "ana@example.com"}
    )
    assert decided.headers["etag"] == '"3"'
    assert client.post(f"{address}/outcome", json={"outcome": "won"}).headers["etag"] == '"4"'


def changes(session, small):
    """Every change that may say what it is based on."""
    prospect, opened = f"/v1/prospects/{session['prospect_id']}", f"/v1/sessions/{session['session_id']}"
    return [
        ("PATCH", prospect, {"name": "Renamed"}),
        ("PATCH", f"{opened}/answers", {"ratings": {"budget": 5}}),
        ("POST", f"{opened}/move", {"question_set": small}),
        ("POST", f"{opened}/decision", {"decision": "nurture", "actor": "ana@example.com"}),
    ]


def test_a_change_of_what_has_changed_since_is_refused_wherever_the_revision_is_named(client, session, small):
    ok(client.patch(f"/v1/prospects/{session['prospect_id']}", json={"name": "Second"}))
    opened = f"/v1/sessions/{session['session_id']}"
    ok(client.patch(f"{opened}/answers", json={"ratings": {"budget": 4}}))
    for method, path, body in changes(session, small):
        by_header = client.request(method, path, json=body, headers={"If-Match": '"1"'})
        in_body = client.request(method, path, json=body | {"revision": 1})
        assert refusal(by_header) == refusal(in_body) == (412, "stale-revision"), path


def test_two_revisions_in_one_request_are_refused(client, session, small):
    for method, path, body in changes(session, small):
        refused = client.request(method, path, json=body | {"revision": 1}, headers={"If-Match": '"2"'})
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/revision"]), path


@pytest.mark.parametrize("named", ['"1"', 'W/"1"'])
def test_a_change_of_what_was_seen_goes_through(client, session, named):
    address = f"/v1/prospects/{session['prospect_id']}"
    assert ok(client.patch(address, json={"name": "Renamed"}, headers={"If-Match": named}))["revision"] == 2
