"""A person decides: named by the request, or else the one whom the API key belongs to."""

import httpx
import pytest

from tests.api.calls import (
    end_of_feed,
    events_after,
    history,
    new_prospect,
    ok,
    open_session,
    pointers,
    qualify,
    refusal,
    session,
    types_of,
)
from tests.waiting import PATIENCE

ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture
def of_ana(client, service):
    """A client with a key that belongs to Ana."""
    sent = {"name": "Ana's notebook", "scopes": ["write"], "person": ANA}
    key = ok(client.post("/v1/keys", json=sent), 201)
    assert key["person"] == ANA
    with httpx.Client(base_url=service.url, headers={"X-API-Key": key["key"]}, timeout=PATIENCE) as caller:
        yield caller


@pytest.fixture
def opened(client, small):
    rated = {"budget": 5, "need": 4}
    return open_session(client, new_prospect(client)["id"], question_set=small, ratings=rated)["session_id"]


def actors(client, session_id):
    return [revision["actor"] for revision in history(client, session_id)["revisions"]]


def test_the_person_of_the_key_is_the_actor_of_all_that_it_does(client, of_ana, opened):
    address = f"/v1/sessions/{opened}"
    ok(of_ana.patch(f"{address}/answers", json={"ratings": {"budget": 4}}))
    ok(of_ana.post(f"{address}/decision", json={"decision": "pursue", "revision": 2}))
    told = ok(of_ana.post(f"{address}/outcome", json={"outcome": "won"}))
    assert actors(client, opened) == [None, ANA, ANA, ANA]
    assert (told["decision"]["actor"], told["outcome"]["actor"]) == (ANA, ANA)
    assert {one["question"]: one["actor"] for one in told["answers"]} == {"budget": ANA, "need": None}


def test_the_actor_of_a_request_goes_before_the_person_of_the_key(client, of_ana, link, small, opened):
    sent = {"decision": "nurture", "revision": 1, "actor": BEN}
    assert ok(of_ana.post(f"/v1/sessions/{opened}/decision", json=sent))["decision"]["actor"] == BEN
    told = qualify(of_ana, link, question_set=small, ratings={"need": 2}, actor=BEN)
    assert actors(client, told["session_id"]) == [BEN]


def test_a_form_of_a_persons_key_decides_as_that_person(client, of_ana, link, small):
    told = ok(of_ana.post(f"/v1/qualify/{small}", json={**link, "budget": 5, "decision": "pursue"}))
    assert session(client, told["session_id"])["decision"]["actor"] == ANA


@pytest.mark.parametrize("way", ["decide", "qualify", "form"])
def test_a_decision_without_an_actor_is_refused_and_writes_nothing(client, link, small, opened, way):
    address, sent = {
        "decide": (f"/v1/sessions/{opened}/decision", {"decision": "pursue", "revision": 1}),
        "qualify": ("/v1/qualify", {**link, "question_set": small, "decision": {"decision": "pursue"}}),
        "form": (f"/v1/qualify/{small}", {**link, "budget": 5, "decision": "pursue"}),
    }[way]
    start = end_of_feed(client)
    refused = client.post(address, json=sent)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/actor"])
    (error,) = refused.json()["errors"]
    assert error["code"] == "missing"
    assert "--person" in error["detail"]
    assert types_of(events_after(client, start)) == []
    assert session(client, opened)["revision"] == 1
    ok(client.post(address, json={**sent, "actor": ANA}))


def test_the_actor_of_the_decision_is_enough(client, link, small):
    decision = {"decision": "pursue", "actor": BEN}
    told = qualify(client, link, question_set=small, decision=decision, actor=ANA)
    assert told["decision"]["actor"] == BEN
    assert qualify(client, link, question_set=small, decision=decision)["revision"] == told["revision"]


def test_a_person_is_one_line(client):
    for wrong in ("", "two\nlines", 7):
        refused = client.post("/v1/keys", json={"name": "n", "scopes": ["read"], "person": wrong})
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/person"])
