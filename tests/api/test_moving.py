"""A session stays on its version, and is moved to a newer one on purpose."""

import pytest

from tests.api.calls import (
    SMALL,
    answer,
    as_read,
    change,
    conclude,
    decide,
    history,
    new_prospect,
    ok,
    open_session,
    patch,
    pointers,
    ratings_of,
    refusal,
    session,
    verdict_in,
)
from tests.scoring.building import question, step


def move(client, session_id, question_set, **sent):
    return client.post(f"/v1/sessions/{session_id}/move", json={"question_set": question_set, **sent})


SECOND = SMALL | {
    "steps": [
        step("discovery", question("need", "benefit"), question("reach", "match")),
        step(
            "drill_down",
            question("timeline", "match", weight=3),
            question(
                "size",
                "match",
                rate_from={"attribute": "employees", "bands": [{"below": 10, "rating": 1}, {"rating": 5}]},
            ),
        ),
    ],
    "attributes": {"employees": "number"},
}


@pytest.fixture
def opened(client, publish, small):
    """A session of version 1, with a version 2 that has no budget and no goal, but more."""
    prospect = new_prospect(client, attributes={"employees": 50})["id"]
    told = open_session(
        client, prospect, question_set=small, ratings={"budget": 5, "need": 4, "timeline": 2}, actor="ana"
    )
    assert publish(SECOND | {"key": small}) == 2
    return told


def test_publishing_alone_moves_nobody(client, small, opened):
    told = answer(client, opened["session_id"], goal=3)
    assert told["question_set"] == f"{small}@1"
    assert ratings_of(told)["goal"] == 3


def test_answers_go_along_by_their_question_and_what_has_no_place_is_told(client, small, opened):
    told = ok(move(client, opened["session_id"], small))
    assert (told["moved_from"], told["question_set"], told["revision"]) == (f"{small}@1", f"{small}@2", 2)
    assert [(line["question"], line["rating"], line["actor"]) for line in told["dropped"]] == [
        ("budget", 5, "ana")
    ]
    assert ratings_of(told) == {"need": 4, "timeline": 2}
    assert told["attributes"] == {"employees": 50}
    benefit, match = (told["score"]["dimensions"][n] for n in (1, 0))
    assert benefit["estimate"] == 75
    # timeline 2 with weight 3, size 5 by rule, reach open: x = 3 + 4 of 4·4
    assert (match["estimate"], match["lowest"], match["highest"]) == (700 / 16, 700 / 20, 1100 / 20)
    without = {name: value for name, value in told.items() if name not in ("moved_from", "dropped")}
    assert session(client, told["session_id"]) == as_read(without)


def test_the_past_stays_as_it_was(client, small, opened):
    ok(decide(client, opened["session_id"], "pursue", revision=1))
    ok(move(client, opened["session_id"], small))
    past = history(client, opened["session_id"])
    assert [r["change"] for r in past["revisions"]] == ["opened", "decided", "moved"]
    assert past["revisions"][0]["verdict"] == verdict_in(opened["score"])
    assert past["revisions"][2]["changed"] == {
        "attributes": {"employees": 50}, "question_set": f"{small}@2", "dropped": ["budget"],
    }  # fmt: skip
    told = session(client, opened["session_id"])
    assert (told["decision"]["indication"], told["decision"]["decision"]) == ("undetermined", "pursue")
    assert told["score"]["question_set"] == f"{small}@2"


def test_after_that_the_new_questions_can_be_answered_and_the_old_ones_not(client, small, opened):
    ok(move(client, opened["session_id"], f"{small}@2"))
    assert ratings_of(answer(client, opened["session_id"], reach=5))["reach"] == 5
    refused = patch(client, opened["session_id"], ratings={"budget": 3})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/ratings/budget"])


def test_moving_to_where_it_is_changes_nothing(client, small, opened):
    ok(move(client, opened["session_id"], small))
    told = ok(move(client, opened["session_id"], small))
    assert (told["revision"], told["dropped"], told["moved_from"]) == (2, [], f"{small}@2")


def test_only_to_a_newer_version_of_the_same_set_that_is_not_retired(client, small, opened):
    session_id = opened["session_id"]
    ok(client.post(f"/v1/question-sets/{small}/versions/2/retire"))
    for name in (f"{small}@2", f"{small}@3", "bant", "bant@1", "not a name"):
        refused = move(client, session_id, name)
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/question_set"]), name
    assert session(client, session_id) == as_read(opened)


def test_never_back(client, small, opened):
    ok(move(client, opened["session_id"], small))
    refused = move(client, opened["session_id"], f"{small}@1")
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/question_set"])


def test_a_closed_session_stays_where_it_is(client, small, opened):
    ok(conclude(client, opened["session_id"], "won"))
    assert refusal(move(client, opened["session_id"], small)) == (409, "session-is-closed")


def test_who_names_a_revision_moves_only_what_they_saw(client, small, opened):
    answer(client, opened["session_id"], goal=3)
    assert refusal(move(client, opened["session_id"], small, revision=1)) == (412, "stale-revision")
    assert ok(move(client, opened["session_id"], small, revision=2))["revision"] == 3


def test_an_attribute_of_another_type_there_is_missing_and_listed(client, small, opened):
    ok(change(client, opened["prospect_id"], attributes={"employees": "many"}))
    moved = ok(move(client, opened["session_id"], small))
    (unread,) = moved["score"]["unread_attributes"]
    assert unread == {"attribute": "employees", "reason": "not a number"}
    assert "employees" in [one["attribute"] for one in moved["score"]["missing_attributes"]]


def test_a_qualification_that_names_another_version_says_that_it_could_be_moved(client, small, opened):
    linked = {"source": "test", "external_id": f"moved-{small}"}
    ok(client.post(f"/v1/prospects/{opened['prospect_id']}/links", json=linked))
    refused = client.post("/v1/qualify", json={**linked, "question_set": f"{small}@2"})
    assert refusal(refused) == (409, "session-is-open")
    assert "move it" in refused.json()["remedy"]
