"""POST /v1/qualify: a CRM tells what it knows, as often as it likes."""

from math import sqrt

import pytest

from tests.api.calls import (
    asked_next,
    history,
    new_prospect,
    ok,
    open_session,
    qualify,
    ratings_of,
    refusal,
    session,
)


def by_link(client, link):
    return client.get(f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}")


def test_the_first_call_creates_a_prospect_and_opens_its_session(client, link, small):
    told = qualify(client, link, name="Example Logistics", question_set=small, ratings={"budget": 5})
    assert (told["prospect_created"], told["session_opened"]) == (True, True)
    assert (told["question_set"], told["revision"], told["status"]) == (f"{small}@1", 1, "open")
    prospect = ok(by_link(client, link))
    assert (prospect["id"], prospect["name"]) == (told["prospect_id"], "Example Logistics")
    assert prospect["links"] == [link]


def test_the_next_call_continues_the_session_and_adds_to_its_answers(client, link, small):
    first = qualify(client, link, question_set=small, ratings={"budget": 5})
    told = qualify(client, link, question_set=small, ratings={"need": 4})
    assert (told["prospect_created"], told["session_opened"]) == (False, False)
    assert (told["session_id"], told["revision"]) == (first["session_id"], 2)
    assert ratings_of(told) == {"budget": 5, "need": 4}


def test_the_response_holds_the_score_and_the_next_questions(client, link, small):
    """match: 4 of 4 rated, 4 to 8 of 8; benefit: 3 of 4 rated, 3 to 7 of 8; half of each is rated."""
    told = qualify(client, link, question_set=small, ratings={"budget": 5, "need": 4})
    score = told["score"]
    assert (score["coverage"], score["reportable"]) == (0.5, True)
    assert score["score"] == pytest.approx(sqrt(100 * 75))
    assert score["lowest"] == pytest.approx(sqrt(50 * 37.5))
    assert score["highest"] == pytest.approx(sqrt(100 * 87.5))
    assert (score["indication"], score["leaning"]) == ("undetermined", "fit")
    assert score["weaker_side"] == "benefit"
    assert asked_next(told) == ["timeline", "goal"]


def test_an_answer_sent_again_with_another_rating_is_changed(client, link, small):
    qualify(client, link, question_set=small, ratings={"budget": 5, "need": 4})
    told = qualify(client, link, question_set=small, ratings={"budget": 2})
    assert ratings_of(told) == {"budget": 2, "need": 4}


def test_the_same_request_again_changes_nothing(client, link, small):
    sent = {
        "name": "Example",
        "attributes": {"employees": 120, "public": True},
        "question_set": small,
        "answers": [{"question": "budget", "rating": 4, "text": "approved", "evidence": "fact"}],
        "ratings": {"need": 3},
        "actor": "ana@example.com",
    }
    first = qualify(client, link, **sent)
    prospect, past = ok(by_link(client, link)), history(client, first["session_id"])
    again = qualify(client, link, **sent)
    assert again | {"prospect_created": True, "session_opened": True} == first
    assert ok(by_link(client, link)) == prospect
    assert history(client, first["session_id"]) == past


def test_a_name_that_is_not_sent_stays_and_a_null_removes_it(client, link, small):
    qualify(client, link, name="Example", question_set=small)
    qualify(client, link, question_set=small, ratings={"budget": 1})
    assert ok(by_link(client, link))["name"] == "Example"
    qualify(client, link, name=None, question_set=small)
    assert ok(by_link(client, link))["name"] is None


def test_attributes_merge_and_a_null_removes_one(client, link, small):
    qualify(client, link, question_set=small, attributes={"employees": 120, "industry": "retail"})
    qualify(client, link, question_set=small, attributes={"employees": 130, "region": "europe"})
    known = {"employees": 130, "industry": "retail", "region": "europe"}
    assert ok(by_link(client, link))["attributes"] == known
    qualify(client, link, question_set=small, attributes={"industry": None})
    assert ok(by_link(client, link))["attributes"] == {"employees": 130, "region": "europe"}


def test_every_deal_has_a_session_of_its_own(client, link, small):
    north = qualify(client, link, question_set=small, deal="north", ratings={"budget": 5})
    south = qualify(client, link, question_set=small, deal="south", ratings={"budget": 1})
    none = qualify(client, link, question_set=small, ratings={"budget": 3})
    assert len({told["session_id"] for told in (north, south, none)}) == 3
    assert len({told["prospect_id"] for told in (north, south, none)}) == 1
    again = qualify(client, link, question_set=small, deal="north", ratings={"need": 5})
    assert (again["session_id"], again["deal"]) == (north["session_id"], "north")
    assert ratings_of(again) == {"budget": 5, "need": 5}
    assert ratings_of(session(client, south["session_id"])) == {"budget": 1}


def test_every_question_set_has_a_session_of_its_own(client, link, small, ruled):
    one = qualify(client, link, question_set=small, ratings={"budget": 5})
    two = qualify(client, link, question_set=ruled, ratings={"demand": 5})
    assert one["session_id"] != two["session_id"]
    assert one["prospect_id"] == two["prospect_id"]


def test_it_continues_a_session_that_was_opened_step_by_step(client, link, small):
    prospect = new_prospect(client, links=[link])
    opened = open_session(client, prospect["id"], question_set=small, ratings={"budget": 5})
    told = qualify(client, link, question_set=small, ratings={"need": 5})
    assert told["session_id"] == opened["session_id"]
    assert (told["prospect_created"], told["session_opened"]) == (False, False)


def test_without_a_question_set_the_default_one_is_used(client, link):
    assert qualify(client, link)["question_set"] == "qualifying-a-sale@1"


@pytest.mark.parametrize(
    "wrong",
    [
        {"ratings": {"budget": 6}},
        {"ratings": {"charm": 3}},
        {"ratings": {"budget": 3}, "answers": [{"question": "budget", "rating": 3}]},
        {"question_set": "no-such-set"},
        {"decision": {"decision": "win", "actor": "ana@example.com"}},
    ],
)
def test_a_request_that_is_refused_leaves_nothing_behind(client, link, small, wrong):
    sent = {**link, "name": "Nobody", "question_set": small, **wrong}
    assert refusal(client.post("/v1/qualify", json=sent)) == (422, "invalid-request")
    assert refusal(by_link(client, link)) == (404, "not-found")


def test_a_decision_that_is_refused_takes_the_answers_of_its_call_back(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 5}, outcome={"outcome": "lost"})
    refused = client.post(
        "/v1/qualify",
        json={
            **link,
            "name": "New",
            "decision": {"decision": "pursue", "actor": "ana@example.com"},
            "question_set": small,
        },
    )
    assert refusal(refused) == (409, "session-is-closed")
    assert session(client, told["session_id"])["revision"] == told["revision"]
    assert ok(by_link(client, link))["name"] is None
