"""What the assessors of a prospect say, side by side."""

from uuid import uuid4

import pytest

from tests.api.calls import (
    RULED,
    SMALL,
    conclude,
    new_prospect,
    ok,
    open_session,
    pointers,
    refusal,
)
from tests.api.conftest import published

ANA, BEN, CAROL = "ana@example.com", "ben@example.com", "carol@example.com"


def compared(client, prospect, **query):
    return client.get(f"/v1/prospects/{prospect}/comparison", params=query)


def spreads(told):
    return [(line["question"], line["spread"]) for line in told["questions"]]


def ratings(told, question):
    (line,) = [one for one in told["questions"] if one["question"] == question]
    return {
        one["assessor"]: one["rating"] if one["state"] == "rated" else one["state"] for one in line["ratings"]
    }


@pytest.fixture
def prospect(client):
    return new_prospect(client)["id"]


def test_it_shows_each_verdict_and_the_widest_spread_first(client, small, prospect):
    """SMALL has 4 scored questions: Ana's sides are (4+3)/8 and (4+4)/8, of 100."""
    ana = open_session(
        client, prospect, question_set=small, assessor=ANA,
        ratings={"budget": 5, "timeline": 4, "need": 5, "goal": 5},
    )  # fmt: skip
    ben = open_session(
        client, prospect, question_set=small, assessor=BEN,
        ratings={"budget": 4, "timeline": 1, "need": 5},
        answers=[{"question": "goal", "state": "not_applicable", "text": "None."}],
    )  # fmt: skip
    nobody = open_session(client, prospect, question_set=small, ratings={"budget": 2})
    told = ok(compared(client, prospect, question_set=small))
    assert (told["prospect_id"], told["question_set"], told["deal"]) == (prospect, small, None)
    assert [(one["assessor"], one["session_id"]) for one in told["assessors"]] == [
        (None, nobody["session_id"]),
        (ANA, ana["session_id"]),
        (BEN, ben["session_id"]),
    ]
    assert [one["indication"] for one in told["assessors"]] == ["undetermined", "fit", "no_fit"]
    for one, opened in zip(told["assessors"], (nobody, ana, ben), strict=True):
        for figure in ("indication", "leaning", "score", "lowest", "highest", "coverage", "summary"):
            assert one[figure] == opened["score"][figure]
    assert spreads(told) == [("budget", 3), ("timeline", 3), ("need", 0), ("goal", None), ("trust", None)]
    assert ratings(told, "budget") == {None: 2, ANA: 5, BEN: 4}
    assert ratings(told, "timeline") == {None: "open", ANA: 4, BEN: 1}
    assert ratings(told, "goal") == {None: "open", ANA: 5, BEN: "not_applicable"}


def test_an_assessors_open_session_goes_before_a_closed_one_and_the_last_closed_one_before_others(
    client, small, prospect
):
    def rated(assessor, budget):
        return open_session(
            client, prospect, question_set=small, assessor=assessor, ratings={"budget": budget}
        )["session_id"]

    for budget in (1, 2):
        ok(conclude(client, rated(ANA, budget), "lost"))
    ok(conclude(client, rated(BEN, 3), "lost"))
    rated(BEN, 5)
    assert ratings(ok(compared(client, prospect, question_set=small)), "budget") == {ANA: 2, BEN: 5}


def test_without_a_set_or_a_deal_it_is_those_of_the_newest_session(client, small, ruled, prospect):
    for assessor, rating in ((ANA, 5), (BEN, 2)):
        open_session(
            client, prospect, question_set=ruled, deal="north", assessor=assessor, ratings={"demand": rating}
        )
    open_session(client, prospect, question_set=small, deal="south", assessor=ANA, ratings={"budget": 1})
    open_session(client, prospect, question_set=ruled, deal="south", assessor=CAROL, ratings={"demand": 4})
    told = ok(compared(client, prospect))
    assert (told["question_set"], told["deal"], ratings(told, "demand")) == (ruled, "south", {CAROL: 4})
    told = ok(compared(client, prospect, deal="north"))
    assert (told["question_set"], ratings(told, "demand")) == (ruled, {ANA: 5, BEN: 2})
    told = ok(compared(client, prospect, question_set=small))
    assert (told["question_set"], told["deal"], ratings(told, "budget")) == (small, "south", {ANA: 1})


def test_sessions_on_two_versions_are_compared_by_the_keys_of_their_questions(
    client, publish, small, prospect
):
    open_session(client, prospect, question_set=small, assessor=ANA, ratings={"budget": 5, "goal": 1})
    steps = [{**step, "questions": step["questions"][:1]} for step in SMALL["steps"][:1]]
    more = {**steps[0]["questions"][0], "label": "money"}
    steps[0]["questions"] = [more, SMALL["steps"][0]["questions"][1]]
    assert publish(SMALL | {"key": small, "steps": steps}) == 2
    open_session(client, prospect, question_set=f"{small}@2", assessor=BEN, ratings={"budget": 2})
    told = ok(compared(client, prospect, question_set=small))
    assert spreads(told)[0] == ("budget", 3)
    assert told["questions"][0]["label"] == "money"
    assert ratings(told, "goal") == {ANA: 1}
    only = ok(compared(client, prospect, question_set=f"{small}@1"))
    assert [one["assessor"] for one in only["assessors"]] == [ANA]


def test_a_rating_by_rule_says_so_and_a_question_that_does_not_apply_is_left_out(client, ruled):
    prospect = new_prospect(client, attributes={"employees": 50})["id"]
    for assessor in (ANA, BEN):
        open_session(client, prospect, question_set=ruled, assessor=assessor)
    told = ok(compared(client, prospect))
    assert spreads(told) == [("size", 0), ("demand", None)]
    assert [(one["rating"], one["rated_by"]) for one in told["questions"][0]["ratings"]] == [(3, "rule")] * 2


def test_sets_about_a_person_are_left_out_unless_the_subject_or_the_set_is_asked_for(
    client, publish, small, prospect
):
    about_a_person = published(publish, RULED | {"subject": "person"})
    open_session(client, prospect, question_set=small, assessor=ANA)
    open_session(client, prospect, question_set=about_a_person, assessor=ANA)
    assert ok(compared(client, prospect))["question_set"] == small
    assert ok(compared(client, prospect, subject="person"))["question_set"] == about_a_person
    assert ok(compared(client, prospect, question_set=about_a_person))["question_set"] == about_a_person
    refused = compared(client, prospect, question_set=about_a_person, subject="prospect")
    assert refusal(refused) == (404, "not-found")


def test_without_a_session_there_is_nothing_to_compare(client, small, ruled, prospect):
    assert refusal(compared(client, prospect)) == (404, "not-found")
    assert refusal(compared(client, uuid4())) == (404, "not-found")
    open_session(client, prospect, question_set=small)
    assert refusal(compared(client, prospect, question_set=ruled)) == (404, "not-found")
    refused = compared(client, prospect, question_set="no-such-set")
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/question_set"])


def test_erasing_the_prospect_erases_its_comparison(client, small, prospect):
    open_session(client, prospect, question_set=small, assessor=ANA)
    assert client.delete(f"/v1/prospects/{prospect}").status_code == 204
    assert refusal(compared(client, prospect)) == (404, "not-found")
