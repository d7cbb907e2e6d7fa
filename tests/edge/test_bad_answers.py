"""Answers that cannot be used are refused with the place of each, and nothing is written."""

import pytest

from app.problems import INVALID_REQUEST
from tests.edge.problem import PRIVATE, assert_problem

pytestmark = pytest.mark.usefixtures("unwritten")

BUDGET = {"question": "budget", "rating": 3}


def answer(**said):
    return {"answers": [{"question": "budget", "text": PRIVATE, **said}]}


BAD = {
    "a rating of 3.5": ({"ratings": {"budget": 3.5}}, "/ratings/budget"),
    "a rating as text": ({"ratings": {"budget": "4"}}, "/ratings/budget"),
    "a rating of true": ({"ratings": {"budget": True}}, "/ratings/budget"),
    "a rating of null": ({"ratings": {"budget": None}}, "/ratings/budget"),
    "a list of ratings": ({"ratings": {"budget": [4]}}, "/ratings/budget"),
    "ratings that are no map": ({"ratings": [4]}, "/ratings"),
    "ratings that are null": ({"ratings": None}, "/ratings"),
    "answers that are no list": ({"answers": {"budget": 4}}, "/answers"),
    "an answer that is a number": ({"answers": [4]}, "/answers/0"),
    "an answer that is a list": ({"answers": [["budget", 4]]}, "/answers/0"),
    "an answer without a question": ({"answers": [{"rating": 4}]}, "/answers/0/question"),
    "an answer that says nothing": ({"answers": [{"question": "budget"}]}, "/answers/0"),
    "an answer of 3.5": (answer(rating=3.5), "/answers/0/rating"),
    "an answer as text": (answer(rating="4"), "/answers/0/rating"),
    "an answer of true": (answer(rating=True), "/answers/0/rating"),
    "an unknown state": (answer(state="maybe"), "/answers/0/state"),
    "a text of an answer that is taken back": (answer(state="open"), "/answers/0"),
    "evidence of an answer that is taken back": (
        {"answers": [{"question": "budget", "state": "open", "evidence": "fact"}]},
        "/answers/0",
    ),
    "an answer without a zone": (
        answer(rating=3, answered_at="2026-01-05T09:00:00"),
        "/answers/0/answered_at",
    ),
    "a time that is a number": (answer(rating=3, answered_at=1767603600), "/answers/0/answered_at"),
    "an unknown kind of evidence": (answer(rating=3, evidence=PRIVATE), "/answers/0/evidence"),
    "a text that is a number": (answer(rating=3, text=5), "/answers/0/text"),
    "a text that is too long": (answer(rating=3, text=PRIVATE * 200), "/answers/0/text"),
    "an empty actor": (answer(rating=3, actor=""), "/answers/0/actor"),
    "an actor with a line break": (answer(rating=3, actor="ana\nbob"), "/answers/0/actor"),
    "an unknown field": (answer(rating=3, weight=9), "/answers/0/weight"),
    "a question that is no text": ({"answers": [{"question": 5, "rating": 3}]}, "/answers/0/question"),
    "10,000 ratings": ({"ratings": {f"question_{n}": 3 for n in range(10_000)}}, "/ratings"),
    "10,000 answers": ({"answers": [BUDGET] * 10_000}, "/answers"),
    "501 answers": ({"answers": [BUDGET] * 501}, "/answers"),
}
# Only the set can tell: in the transaction that has made the prospect by then, and does not keep it.
BAD_FOR_THE_SET = {
    "a rating below the scale": ({"ratings": {"budget": 0}}, "/ratings/budget"),
    "a rating above the scale": ({"ratings": {"budget": 6}}, "/ratings/budget"),
    "a negative rating": ({"ratings": {"budget": -1}}, "/ratings/budget"),
    "a rating of 2 to the 62nd": ({"ratings": {"budget": 2**62}}, "/ratings/budget"),
    "a rating of 1e300": ({"ratings": {"budget": 1e300}}, "/ratings/budget"),
    "an answer off the scale": (answer(rating=9), "/answers/0/rating"),
    "an answer that is rated without a rating": (answer(state="rated"), "/answers/0/rating"),
    "a rating beside not applicable": (answer(state="not_applicable", rating=3), "/answers/0/rating"),
    "a rating beside unknown": (answer(state="unknown", rating=3), "/answers/0/rating"),
    "a rating beside open": ({"answers": [{**BUDGET, "state": "open"}]}, "/answers/0/rating"),
    "an unknown question": ({"ratings": {"bugdet": 3}}, "/ratings/bugdet"),
    "a nameless question": ({"ratings": {"": 3}}, "/ratings/"),
    "a question with signs": ({"ratings": {"bud/get~": 3}}, "/ratings/bud~1get~0"),
    "an unknown question in the list": (
        {"answers": [BUDGET, {"question": "x", "rating": 3}]},
        "/answers/1/question",
    ),
    "a question twice": ({"answers": [BUDGET, BUDGET]}, "/answers/1/question"),
    "a question in both": ({"ratings": {"budget": 3}, "answers": [BUDGET]}, "/answers/0/question"),
    "a question in both, late": (
        {"ratings": {"timeline": 3}, "answers": [BUDGET, {"question": "timeline", "state": "unknown"}]},
        "/answers/1/question",
    ),
}


def refuse(client, link, target, sent, pointer):
    for response in (
        client.post("/v1/score", json=sent),
        client.post("/v1/qualify", json={**link, **sent}),
        client.patch(f"/v1/sessions/{target.session_id}/answers", json=sent),
        client.post("/v1/sessions", json={"prospect_id": target.prospect_id, "deal": "new", **sent}),
    ):
        assert_problem(response, INVALID_REQUEST, pointer)


@pytest.mark.one_database
@pytest.mark.parametrize(("sent", "pointer"), BAD.values(), ids=BAD)
def test_answers_that_cannot_be_used(client, link, target, sent, pointer):
    refuse(client, link, target, sent, pointer)


@pytest.mark.parametrize(("sent", "pointer"), BAD_FOR_THE_SET.values(), ids=BAD_FOR_THE_SET)
def test_answers_that_the_set_has_no_use_for(client, link, target, sent, pointer):
    refuse(client, link, target, sent, pointer)


def test_a_question_with_a_name_that_is_too_long_is_not_told_at_length(client):
    told = assert_problem(client.post("/v1/score", json={"ratings": {"q" * 5000: 3}}), INVALID_REQUEST)
    assert len(told["errors"][0]["pointer"]) == 200
    assert len(told["detail"]) < 600


def test_every_wrong_answer_is_told_at_once(client, link):
    sent = {"ratings": {"budget": 9, "timeline": 3, "bugdet": 1}, "answers": [{**BUDGET, "rating": 4}]}
    told = client.post("/v1/qualify", json={**link, **sent})
    assert_problem(told, INVALID_REQUEST, "/ratings/budget", "/ratings/bugdet")
    assert [e["code"] for e in told.json()["errors"]] == ["off_scale", "unknown_question"]


def test_4_point_0_is_4(client):
    as_of = {"as_of": "2026-01-05T09:00:00Z"}
    told = client.post("/v1/score", json={"ratings": {"budget": 4.0}, **as_of})
    assert told.status_code == 200
    assert told.json() == client.post("/v1/score", json={"ratings": {"budget": 4}, **as_of}).json()
