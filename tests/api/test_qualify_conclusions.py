"""Decisions and outcomes that come with a qualification, and what is asked after a decision."""

import pytest

from tests.api.calls import (
    answer,
    asked_next,
    history,
    ok,
    qualify,
    ratings_of,
    refusal,
    session,
)

PURSUE = {
    "decision": "pursue",
    "match": "yes",
    "benefit": "unsure",
    "reason": "They called us.",
    "actor": "ana@example.com",
}
WON = {"outcome": "won", "amount": 12000.5, "closed_on": "2026-03-31"}
ALL_BEST = {"budget": 5, "need": 5, "timeline": 5, "goal": 5}


def test_a_decision_stands_on_the_answers_of_its_own_call(client, link, small):
    """match: 4 of 8 known and the rest open, benefit: 0 of 8 known: 50 and 0 at worst."""
    told = qualify(client, link, question_set=small, ratings={"budget": 5, "need": 1}, decision=PURSUE)
    decision = told["decision"]
    assert {name: decision[name] for name in PURSUE} == PURSUE
    assert (decision["revision"], told["revision"]) == (1, 2)
    assert (decision["lowest"], decision["indication"]) == (0.0, "undetermined")
    assert told["status"] == "open"


def test_a_later_answer_never_changes_what_a_decision_stood_on(client, link, small):
    decided = qualify(client, link, question_set=small, ratings={"budget": 5, "need": 4}, decision=PURSUE)
    told = qualify(client, link, question_set=small, ratings={"budget": 1, "need": 1, "timeline": 1})
    assert told["score"]["indication"] == "no_fit"
    assert told["decision"] == decided["decision"]
    assert told["decision"]["indication"] == "undetermined"
    assert history(client, told["session_id"])["decisions"] == [decided["decision"]]


def test_an_outcome_in_the_call_closes_the_session(client, link, small):
    told = qualify(client, link, question_set=small, ratings=ALL_BEST, decision=PURSUE, outcome=WON)
    assert (told["status"], told["revision"]) == ("closed", 3)
    assert told["closed_at"] is not None
    assert {name: told["outcome"][name] for name in WON} == WON
    assert (told["decision"]["revision"], told["outcome"]["revision"]) == (1, 2)
    assert told["decision"]["indication"] == "fit"


def test_answers_after_an_outcome_open_a_new_session(client, link, small):
    closed = qualify(client, link, question_set=small, ratings={"budget": 5}, outcome=WON)
    told = qualify(client, link, question_set=small, ratings={"need": 2})
    assert (told["session_opened"], told["prospect_id"]) == (True, closed["prospect_id"])
    assert ratings_of(told) == {"need": 2}
    assert ratings_of(session(client, closed["session_id"])) == {"budget": 5}


def test_an_outcome_alone_goes_to_the_open_session(client, link, small):
    opened = qualify(client, link, question_set=small, ratings={"budget": 5})
    told = qualify(client, link, question_set=small, outcome=WON)
    assert (told["session_id"], told["status"]) == (opened["session_id"], "closed")


def test_an_outcome_alone_goes_to_the_last_closed_session_and_again_changes_nothing(client, link, small):
    qualify(client, link, question_set=small, ratings={"budget": 1}, outcome={"outcome": "lost"})
    closing = {"decision": "disqualify", "actor": "ana@example.com"}
    last = qualify(client, link, question_set=small, ratings={"budget": 5}, decision=closing)
    told = qualify(client, link, question_set=small, outcome=WON)
    assert (told["session_id"], told["session_opened"]) == (last["session_id"], False)
    again = qualify(client, link, question_set=small, outcome=WON)
    assert again == told
    assert len(history(client, told["session_id"])["outcomes"]) == 1


@pytest.mark.parametrize(
    "conclusion",
    [
        {"outcome": WON},
        {"decision": {"decision": "disqualify", "actor": "ana@example.com"}},
        {"decision": PURSUE, "outcome": {"outcome": "no_decision"}},
    ],
    ids=" and ".join,
)
@pytest.mark.parametrize("ratings", [{"budget": 4, "need": 2}, {}], ids=["with answers", "without"])
def test_a_conclusion_that_is_sent_again_is_the_same_one(client, link, small, conclusion, ratings):
    """A caller who got no answer sends it again: that is no second deal won or lost."""
    sent = {"question_set": small, "ratings": ratings, **conclusion}
    first = qualify(client, link, **sent)
    assert first["status"] == "closed"
    for _ in range(2):
        again = qualify(client, link, **sent)
        assert again == first | {"prospect_created": False, "session_opened": False}
    line = {"prospect_id": first["prospect_id"]}
    assert len(ok(client.get("/v1/sessions", params=line))["items"]) == 1


def test_another_answer_with_the_same_conclusion_is_a_new_session(client, link, small):
    first = qualify(client, link, question_set=small, ratings={"budget": 4}, outcome=WON)
    for ratings in ({"budget": 3}, {"budget": 4, "need": 2}):
        told = qualify(client, link, question_set=small, ratings=ratings, outcome=WON)
        assert told["session_opened"] is True
        assert told["session_id"] != first["session_id"]


def test_news_of_the_prospect_alone_open_nothing_over_a_closed_session(client, link, small):
    closed = qualify(client, link, question_set=small, ratings={"budget": 4}, outcome=WON)
    told = qualify(client, link, question_set=small, name="Renamed", attributes={"region": "north"})
    assert (told["session_id"], told["session_opened"]) == (closed["session_id"], False)
    assert told["score"] == closed["score"]
    fit = ok(client.get(f"/v1/prospects/{told['prospect_id']}/fit", params={"question_set": small}))
    assert fit["outcome"] == "won"


def test_another_outcome_is_appended_as_a_correction(client, link, small):
    first = qualify(client, link, question_set=small, ratings={"budget": 5}, outcome=WON)
    told = qualify(client, link, question_set=small, outcome={"outcome": "lost"})
    assert told["session_id"] == first["session_id"]
    assert (told["outcome"]["outcome"], told["outcome"]["amount"]) == ("lost", None)
    outcomes = history(client, told["session_id"])["outcomes"]
    assert [outcome["outcome"] for outcome in outcomes] == ["won", "lost"]
    assert told["closed_at"] == first["closed_at"]


def test_an_outcome_of_a_deal_leaves_the_other_deals_alone(client, link, small):
    north = qualify(client, link, question_set=small, deal="north", ratings={"budget": 5})
    told = qualify(client, link, question_set=small, deal="south", outcome={"outcome": "lost"})
    assert told["session_opened"] is True
    assert session(client, north["session_id"])["status"] == "open"


def test_disqualifying_closes_the_session(client, link, small):
    told = qualify(
        client,
        link,
        question_set=small,
        ratings={"budget": 1},
        decision={"decision": "disqualify", "actor": "ana@example.com"},
    )
    assert (told["status"], told["decision"]["decision"]) == ("closed", "disqualify")


def test_a_decision_on_a_closed_session_is_refused(client, link, small):
    told = qualify(client, link, question_set=small, outcome=WON)
    refused = client.post("/v1/qualify", json={**link, "question_set": small, "decision": PURSUE})
    assert refusal(refused) == (409, "session-is-closed")
    assert told["session_id"] in refused.json()["detail"]


def test_the_same_decision_again_is_one_decision(client, link, small):
    sent = {"question_set": small, "ratings": {"budget": 5}, "decision": PURSUE}
    first = qualify(client, link, **sent)
    again = qualify(client, link, **sent)
    assert again["revision"] == first["revision"]
    assert len(history(client, first["session_id"])["decisions"]) == 1


def test_a_decision_that_comes_again_with_a_new_answer_is_no_new_decision(client, link, small):
    qualify(client, link, question_set=small, ratings={"budget": 5}, decision=PURSUE)
    told = qualify(client, link, question_set=small, ratings={"budget": 4}, decision=PURSUE)
    decisions = history(client, told["session_id"])["decisions"]
    assert (ratings_of(told), [decision["revision"] for decision in decisions]) == ({"budget": 4}, [1])


@pytest.mark.parametrize("decision", ["nurture", "pursue"])
def test_rapport_is_asked_only_after_pursue_and_when_nothing_else_is_open(client, link, small, decision):
    told = qualify(
        client, link, question_set=small, decision={"decision": decision, "actor": "ana@example.com"}
    )
    assert asked_next(told) == ["budget", "need", "timeline"]
    told = answer(client, told["session_id"], budget=5, need=4)
    assert asked_next(told) == ["timeline", "goal"]
    told = answer(client, told["session_id"], timeline=5, goal=4)
    assert asked_next(told) == (["trust"] if decision == "pursue" else [])


def test_rapport_never_enters_the_score(client, link, small):
    told = qualify(client, link, question_set=small, ratings=ALL_BEST, decision=PURSUE)
    after = answer(client, told["session_id"], trust=1)
    assert (after["score"]["score"], after["score"]["indication"]) == (100.0, "fit")
    rapport = after["score"]["steps"][2]
    assert (rapport["gated"], rapport["estimate"], rapport["rated"]) == (True, 0.0, 1)
