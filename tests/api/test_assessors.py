"""Several people rate one prospect, each in a session of their own."""

import pytest

from tests.api.calls import (
    conclude,
    end_of_feed,
    events_after,
    merge,
    new_prospect,
    ok,
    open_session,
    qualify,
    ratings_of,
    refusal,
    session,
)

ANA, BEN = "ana@example.com", "ben@example.com"


@pytest.fixture
def rated(client, link, small):
    """A function that qualifies one prospect as an assessor."""
    return lambda assessor=None, **sent: qualify(
        client, link, question_set=small, **({"assessor": assessor} if assessor else {}), **sent
    )


def fit(client, told, small, **query):
    query = {"question_set": small, **query}
    return ok(client.get(f"/v1/prospects/{told['prospect_id']}/fit", params=query))


def test_ratings_of_two_people_never_overwrite_each_other(client, rated):
    ana, ben = rated(ANA, ratings={"budget": 5}), rated(BEN, ratings={"budget": 1})
    assert (ana["assessor"], ben["assessor"]) == (ANA, BEN)
    again = rated(ANA, ratings={"need": 2})
    assert (again["session_id"], ratings_of(again)) == (ana["session_id"], {"budget": 5, "need": 2})
    assert ratings_of(session(client, ben["session_id"])) == {"budget": 1}


def test_a_session_without_an_assessor_is_another_one(rated):
    ana, nobody = rated(ANA, ratings={"budget": 5}), rated(ratings={"budget": 1})
    assert nobody["assessor"] is None
    assert nobody["session_id"] != ana["session_id"]


def test_an_assessor_opens_one_session_of_a_deal_and_set(client, small):
    prospect = new_prospect(client)["id"]
    sent = {"prospect_id": prospect, "question_set": small, "deal": "north"}
    opened = open_session(client, **sent, assessor=ANA)
    open_session(client, **sent, assessor=BEN)
    open_session(client, **sent)
    refused = client.post("/v1/sessions", json={**sent, "assessor": ANA})
    assert refusal(refused) == (409, "session-is-open")
    assert opened["session_id"] in refused.json()["detail"]


def test_an_outcome_of_one_assessors_session_leaves_the_others_open(client, rated):
    ana, ben = rated(ANA, ratings={"budget": 5}), rated(BEN, ratings={"budget": 1})
    assert rated(ANA, outcome={"outcome": "lost"})["session_id"] == ana["session_id"]
    assert session(client, ben["session_id"])["status"] == "open"


def test_the_fit_is_that_of_the_newest_session_and_names_its_assessor(client, small, rated):
    ana, ben = rated(ANA, ratings={"budget": 5}), rated(BEN, ratings={"budget": 1})
    shown = fit(client, ana, small)
    assert (shown["session_id"], shown["assessor"]) == (ben["session_id"], BEN)
    shown = fit(client, ana, small, assessor=ANA)
    assert (shown["session_id"], shown["assessor"]) == (ana["session_id"], ANA)


def test_the_fit_by_link_and_those_of_many_are_asked_for_by_assessor_too(client, link, small, rated):
    ana, _ = rated(ANA, ratings={"budget": 5}), rated(BEN, ratings={"budget": 1})
    address = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}/fit"
    query = {"question_set": small, "assessor": ANA}
    assert ok(client.get(address, params=query))["session_id"] == ana["session_id"]
    assert client.get(address, params=query | {"assessor": "nobody"}).status_code == 404
    (found,) = ok(client.post("/v1/fits", json={"prospects": [link], **query}))["items"]
    assert found["fit"]["session_id"] == ana["session_id"]
    (found,) = ok(client.post("/v1/fits", json={"prospects": [link], **query, "deal": "north"}))["items"]
    assert (found["status"], found["fit"]) == (404, None)


def test_sessions_are_listed_by_assessor(client, small, rated):
    ana, _ = rated(ANA, ratings={"budget": 5}), rated(BEN, ratings={"budget": 1})
    listed = ok(client.get("/v1/sessions", params={"question_set": small, "assessor": ANA}))["items"]
    assert [(one["session_id"], one["assessor"]) for one in listed] == [(ana["session_id"], ANA)]


def test_the_last_session_that_carries_over_is_that_of_the_same_assessor(client, rated):
    ana = rated(ANA, ratings={"budget": 5})
    rated(BEN, ratings={"budget": 1, "need": 1})
    rated(ratings={"need": 3})
    ok(conclude(client, ana["session_id"], "no_decision"))
    again = rated(ANA, carry_over=True)
    assert ratings_of(again) == {"budget": 5}
    assert rated("carol@example.com", carry_over=True)["answers"] == []


def test_without_a_set_the_only_open_session_is_that_of_the_assessor(client, link, small, ruled):
    ana = qualify(client, link, question_set=small, assessor=ANA, ratings={"budget": 5})
    ben = qualify(client, link, question_set=ruled, assessor=BEN, ratings={"demand": 2})
    for before, assessor in ((ana, ANA), (ben, BEN)):
        told = qualify(client, link, assessor=assessor)
        assert (told["session_id"], told["chosen_by"]) == (before["session_id"], "session")
    assert qualify(client, link)["chosen_by"] == "default"


def test_merging_keeps_the_sessions_of_different_assessors(client, small):
    kept, gone = new_prospect(client)["id"], new_prospect(client)["id"]
    ana = open_session(client, kept, question_set=small, assessor=ANA)
    ben = open_session(client, gone, question_set=small, assessor=BEN)
    ok(merge(client, kept, gone))
    for opened, assessor in ((ana, ANA), (ben, BEN)):
        told = session(client, opened["session_id"])
        assert (told["prospect_id"], told["assessor"]) == (kept, assessor)


def test_two_open_sessions_of_one_assessor_prevent_a_merge(client, small):
    prospects = [new_prospect(client)["id"] for _ in range(2)]
    sessions = [
        open_session(client, one, question_set=small, assessor=ANA)["session_id"] for one in prospects
    ]
    refused = merge(client, *prospects)
    assert refusal(refused) == (409, "session-is-open")
    assert all(session_id in refused.json()["detail"] for session_id in sessions)


def test_events_say_whose_session_they_are_about(client, rated):
    start = end_of_feed(client)
    ana = rated(ANA, ratings={"budget": 5})
    events = [event for event in events_after(client, start) if event["session_id"] == ana["session_id"]]
    assert {event["assessor"] for event in events} == {ANA}


def test_a_form_has_an_assessor(client, link, small):
    forms = [
        ok(client.post(f"/v1/qualify/{small}", json={**link, "assessor": assessor, "budget": rating}))
        for assessor, rating in ((ANA, 5), (7, 1), (ANA, 4))
    ]
    assert [form["assessor"] for form in forms] == [ANA, "7", ANA]
    assert forms[0]["session_id"] == forms[2]["session_id"] != forms[1]["session_id"]


def test_an_intake_finds_the_assessor_and_the_actor_where_its_mapping_says(client, link, small):
    mapping = {
        "source": link["source"],
        "external_id": "/id",
        "assessor": "/rater",
        "actor": "/user",
        "ratings": {"budget": "/money"},
    }
    payload = {"id": link["external_id"], "rater": ANA, "user": 7, "money": 4}
    dry = {"mapping": mapping, "question_set": small, "payload": payload}
    (item,) = ok(client.post("/v1/intake-dry-run", json=dry))["items"]
    assert (item["mapped"]["assessor"], item["mapped"]["actor"]) == (ANA, "7")
    assert item["answer"]["assessor"] == ANA
    assert [answer["actor"] for answer in item["answer"]["answers"]] == ["7"]
