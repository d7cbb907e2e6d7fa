"""Lines of qualifications: each is carried out as POST /v1/qualify does it, and fails on its own."""

import json

import pytest

from app.problems import BODY_TOO_LARGE, INVALID_REQUEST, KEY_REUSED, MALFORMED_BODY, TOO_MANY_ROWS
from tests.api.calls import history, ok, pointers, refusal, session
from tests.conftest import serving, settings_for

NDJSON = {"Content-Type": "application/x-ndjson"}


def batch(client, *lines, end="\n"):
    text = end.join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    response = client.post("/v1/qualify/batch", content=text.encode(), headers=NDJSON)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_every_line_has_the_result_of_a_single_call(client, link, other_link, small):
    lines = [
        {**link, "question_set": small, "ratings": {"budget": 5}, "actor": "ana@example.com"},
        {**link, "question_set": small, "ratings": {"need": 4}, "outcome": {"outcome": "won"}},
        {**other_link, "question_set": small, "opened_on": "2025-01-15"},
    ]
    told = batch(client, *lines)
    assert [one["line"] for one in told] == [1, 2, 3]
    first, second, third = (one["result"] for one in told)
    assert (first["prospect_created"], second["session_opened"]) == (True, False)
    assert second["session_id"] == first["session_id"]
    assert second["status"] == "closed"
    assert third["opened_at"] == "2025-01-15T00:00:00Z"
    assert [one["actor"] for one in history(client, first["session_id"])["revisions"]] == [
        "ana@example.com", None, None,
    ]  # fmt: skip
    again = ok(client.post("/v1/qualify", json=lines[2]))
    assert again == third | {"prospect_created": False, "session_opened": False}


def test_a_bad_line_writes_nothing_and_the_others_are_carried_out(client, link, small):
    good = {**link, "question_set": small, "ratings": {"budget": 5}}
    bad = {
        1: ("{", MALFORMED_BODY),
        2: ({**link, "question_set": small, "ratings": {"budget": 9}}, INVALID_REQUEST),
        4: ({**link, "mood": 3}, INVALID_REQUEST),
        5: ("[]", INVALID_REQUEST),
        6: ({**link, "question_set": "nobodys-set"}, INVALID_REQUEST),
        7: ({**link, "name": "x" * 1_100_000}, BODY_TOO_LARGE),
        8: ({**link, "question_set": small, "opened_on": "2999-01-01"}, INVALID_REQUEST),
    }
    lines = [bad[n][0] if n in bad else " " if n == 3 else good for n in range(1, 10)]
    told = {one["line"]: one for one in batch(client, *lines, end="\r\n")}
    assert sorted(told) == [1, 2, 4, 5, 6, 7, 8, 9]
    assert {n: one["problem"]["type"] for n, one in told.items() if "problem" in one} == {
        n: kind.type for n, (_, kind) in bad.items()
    }
    assert told[2]["problem"]["errors"][0]["pointer"] == "/ratings/budget"
    assert (told[9]["result"]["prospect_created"], told[9]["result"]["revision"]) == (True, 1)


def test_the_key_of_a_line_makes_it_safe_to_send_again_here_and_alone(client, link, small):
    line = {**link, "question_set": small, "ratings": {"budget": 5}, "idempotency_key": link["external_id"]}
    (first,) = batch(client, line)
    later = {**link, "question_set": small, "ratings": {"budget": 1}}
    (changed,) = batch(client, later)
    assert batch(client, line) == [first]
    alone = client.post("/v1/qualify", json=line)
    assert (ok(alone), alone.headers["Idempotent-Replayed"]) == (first["result"], "true")
    assert session(client, first["result"]["session_id"])["revision"] == changed["result"]["revision"]
    (other,) = batch(client, line | {"ratings": {"budget": 2}})
    assert other["problem"]["type"] == KEY_REUSED.type


@pytest.mark.one_database
def test_an_empty_body_gets_no_lines_and_another_media_type_is_refused(client, link):
    assert batch(client) == []
    assert client.post("/v1/qualify/batch", json=link).status_code == 415
    assert client.get("/v1/qualify/batch").headers["allow"] == "POST"


@pytest.mark.one_database
def test_a_set_cannot_have_the_batch_as_its_key(client):
    draft = ok(client.put("/v1/question-sets/batch/draft", json={"extends": "bant@1"}))
    assert [flaw["pointer"] for flaw in draft["flaws"]] == ["/key"]
    refused = client.post("/v1/question-sets/batch/draft/publish", headers={"If-Match": '"1"'})
    assert (refusal(refused), pointers(refused)) == ((422, "draft-has-flaws"), ["/key"])
    client.delete("/v1/question-sets/batch/draft", headers={"If-Match": '"1"'})


@pytest.mark.one_database
def test_a_call_has_a_limit_and_names_the_line_to_continue_from(new_database):
    with serving(settings_for(new_database(), import_rows=3)) as running:
        lines = [{"source": "crm", "external_id": f"a{n}", "question_set": "bant"} for n in range(5)]
        *done, end = batch(running.client, *lines)
        assert [one["line"] for one in done] == [1, 2, 3]
        assert (end["line"], end["problem"]["type"]) == (4, TOO_MANY_ROWS.type)
        assert [one["line"] for one in batch(running.client, *lines[end["line"] - 1 :])] == [1, 2]
