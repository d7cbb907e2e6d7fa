"""Sessions, opened and asked step by step."""

from uuid import uuid4

from tests.api.calls import (
    SMALL,
    answer,
    as_read,
    asked_next,
    conclude,
    new_prospect,
    ok,
    open_session,
    patch,
    qualify,
    ratings_of,
    refusal,
    session,
)


def test_a_session_can_be_opened_without_any_answer(client, small):
    prospect = new_prospect(client)
    told = open_session(client, prospect["id"], question_set=small)
    assert (told["prospect_id"], told["question_set"], told["deal"]) == (prospect["id"], f"{small}@1", None)
    assert (told["status"], told["revision"], told["answers"]) == ("open", 1, [])
    assert (told["score"]["score"], told["score"]["indication"]) == (None, "undetermined")
    assert (told["score"]["lowest"], told["score"]["highest"]) == (0.0, 100.0)
    assert asked_next(told) == ["budget", "need", "timeline"]


def test_its_first_answers_can_come_along(client, small):
    """match: 4 of 8 rated best, 50 to 100; benefit: all open, 0 to 100."""
    told = open_session(client, new_prospect(client)["id"], question_set=small, ratings={"budget": 5})
    assert told["revision"] == 1
    match, benefit = told["score"]["dimensions"]
    assert (match["lowest"], match["highest"], match["estimate"]) == (50.0, 100.0, 100.0)
    assert (benefit["lowest"], benefit["highest"], benefit["estimate"]) == (0.0, 100.0, None)


def test_what_is_read_equals_what_was_returned(client, small):
    told = open_session(
        client, new_prospect(client)["id"], question_set=small, deal="d", ratings={"budget": 5}
    )
    assert session(client, told["session_id"]) == as_read(told)
    told = answer(client, told["session_id"], need=2)
    assert session(client, told["session_id"]) == told


def test_a_second_open_session_is_a_conflict_that_names_the_first(client, small):
    prospect = new_prospect(client)
    first = open_session(client, prospect["id"], question_set=small)
    refused = client.post("/v1/sessions", json={"prospect_id": prospect["id"], "question_set": small})
    assert refusal(refused) == (409, "session-is-open")
    assert first["session_id"] in refused.json()["detail"]


def test_it_conflicts_on_another_version_too(client, small, publish):
    publish(SMALL | {"key": small, "title": "Second"})
    prospect = new_prospect(client)
    open_session(client, prospect["id"], question_set=f"{small}@1")
    second = {"prospect_id": prospect["id"], "question_set": f"{small}@2"}
    assert refusal(client.post("/v1/sessions", json=second)) == (409, "session-is-open")


def test_another_deal_or_a_closed_one_is_no_conflict(client, small):
    prospect = new_prospect(client)
    first = open_session(client, prospect["id"], question_set=small)
    open_session(client, prospect["id"], question_set=small, deal="north")
    ok(conclude(client, first["session_id"], "lost"))
    second = open_session(client, prospect["id"], question_set=small)
    assert second["session_id"] != first["session_id"]


def test_a_session_needs_a_prospect_and_a_set_that_are_there(client, small):
    nobody = {"prospect_id": str(uuid4()), "question_set": small}
    assert refusal(client.post("/v1/sessions", json=nobody)) == (404, "not-found")
    nothing = {"prospect_id": new_prospect(client)["id"], "question_set": "no-such-set"}
    assert refusal(client.post("/v1/sessions", json=nothing)) == (422, "invalid-request")


def test_a_session_that_is_not_there_is_not_found_by_any_operation(client):
    address = f"/v1/sessions/{uuid4()}"
    decision = {"decision": "pursue", "revision": 1, "actor": "ana@example.com"}
    for response in (
        client.get(address),
        client.get(address + "/history"),
        client.patch(address + "/answers", json={"ratings": {}}),
        client.post(address + "/decision", json=decision),
        client.post(address + "/outcome", json={"outcome": "won"}),
    ):
        assert refusal(response) == (404, "not-found")


def test_a_closed_session_takes_no_answers(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 5}, outcome={"outcome": "won"})
    refused = patch(client, told["session_id"], ratings={"need": 5})
    assert refusal(refused) == (409, "session-is-closed")
    assert ratings_of(session(client, told["session_id"])) == {"budget": 5}


def test_times_and_people_are_kept_with_each_answer(client, small):
    opened = open_session(
        client, new_prospect(client)["id"], question_set=small, actor="ana", ratings={"budget": 5}
    )
    told = ok(
        patch(
            client,
            opened["session_id"],
            actor="ben",
            answers=[{"question": "need", "rating": 4}, {"question": "goal", "rating": 2, "actor": "cleo"}],
        )
    )
    by = {a["question"]: (a["actor"], a["revision"]) for a in told["answers"]}
    assert by == {"budget": ("ana", 1), "need": ("ben", 2), "goal": ("cleo", 2)}
    at = {a["question"]: a["answered_at"] for a in told["answers"]}
    assert (at["budget"], at["need"]) == (opened["updated_at"], told["updated_at"])
    assert told["updated_at"].endswith("Z")
