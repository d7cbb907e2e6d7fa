"""Which version of a set a qualification is on."""

import time

from sqlmodel import SQLModel

from app.question_sets.plans import NEWEST_CACHE_SECONDS
from tests.api.calls import SMALL, ok, qualify, refusal

SET_VERSION = SQLModel.metadata.tables["question_set_version"]


def published_again(publish, key, title="Second"):
    assert publish(SMALL | {"key": key, "title": title}) == 2


def retire(database, key):
    with database.engine.begin() as connection:
        connection.execute(SET_VERSION.update().where(SET_VERSION.c.key == key).values(status="retired"))


def forget_what_is_newest():
    time.sleep(NEWEST_CACHE_SECONDS + 0.1)


def test_a_bare_key_continues_an_open_session_on_its_version_and_opens_the_newest(
    client, link, other_link, small, publish
):
    first = qualify(client, link, question_set=small, ratings={"budget": 5})
    published_again(publish, small)
    forget_what_is_newest()
    told = qualify(client, link, question_set=small, ratings={"need": 5})
    assert (told["session_id"], told["question_set"]) == (first["session_id"], f"{small}@1")
    assert told["score"]["question_set"] == f"{small}@1"
    assert qualify(client, other_link, question_set=small)["question_set"] == f"{small}@2"


def test_its_own_version_by_number_continues_it_too(client, link, small, publish):
    first = qualify(client, link, question_set=small)
    published_again(publish, small)
    assert qualify(client, link, question_set=f"{small}@1")["session_id"] == first["session_id"]


def test_another_version_is_a_conflict_that_names_the_session(client, link, small, publish):
    first = qualify(client, link, question_set=small)
    published_again(publish, small)
    refused = client.post("/v1/qualify", json={**link, "question_set": f"{small}@2", "name": "New"})
    assert refusal(refused) == (409, "session-is-open")
    assert first["session_id"] in refused.json()["detail"]
    assert ok(client.get(f"/v1/prospects/{first['prospect_id']}"))["name"] is None


def test_a_version_that_is_not_there_is_refused(client, link, small):
    refused = client.post("/v1/qualify", json={**link, "question_set": f"{small}@2"})
    assert refusal(refused) == (422, "invalid-request")
    assert refused.json()["errors"][0]["code"] == "unknown_question_set"


def test_a_session_goes_on_after_its_set_was_retired(client, link, other_link, small, database):
    first = qualify(client, link, question_set=small, ratings={"budget": 5})
    retire(database, small)
    forget_what_is_newest()
    assert qualify(client, link, question_set=small, ratings={"need": 5})["session_id"] == first["session_id"]
    opened = client.post("/v1/qualify", json={**other_link, "question_set": small})
    assert refusal(opened) == (422, "invalid-request")
