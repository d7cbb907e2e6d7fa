"""GET /v1/question-sets: what is published, and that it never changes."""

import hashlib
import json

from sqlmodel import SQLModel

from app.question_sets import service as question_sets
from app.scoring import read_question_set
from tests.api.calls import SMALL, ok, refusal

SET_VERSION = SQLModel.metadata.tables["question_set_version"]
BUILT_IN = {
    "bant", "champ", "firmographic-fit", "key-account-analysis", "key-account-congruence",
    "key-account-selection", "market-entry", "meddpicc", "purpose-before-self", "qualifying-a-sale",
    "qualifying-a-sale-short", "spiced",
}  # fmt: skip


def get(client, path=""):
    return client.get(f"/v1/question-sets{path}")


def newest(client):
    return {line["key"]: line for line in ok(get(client))["items"]}


def retire(database, key, version):
    statement = SET_VERSION.update().where(SET_VERSION.c.key == key, SET_VERSION.c.version == version)
    with database.engine.begin() as connection:
        connection.execute(statement.values(status="retired"))


def test_the_built_in_sets_are_published(client):
    assert newest(client).keys() >= BUILT_IN
    line = newest(client)["qualifying-a-sale"]
    assert (line["version"], line["status"], line["combine"]) == (1, "published", "reciprocal")


def test_a_version_is_told_with_its_whole_definition(client, small):
    told = ok(get(client, f"/{small}"))
    definition = told["definition"]
    assert (told["key"], told["version"], told["status"]) == (small, 1, "published")
    questions = [q["key"] for step in definition["steps"] for q in step["questions"]]
    assert questions == ["budget", "need", "timeline", "goal", "trust"]
    assert definition["scale"] == {"min": 1, "max": 5, "labels": []}
    assert [q["weight"] for step in definition["steps"] for q in step["questions"]] == [1] * 5


def test_what_is_told_can_be_read_as_a_definition_again(client, small, ruled):
    for key in (small, ruled, *BUILT_IN):
        told = ok(get(client, f"/{key}"))
        canonical = read_question_set(told["definition"]).canonical()
        text = json.dumps(canonical, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert hashlib.sha256(text.encode()).hexdigest() == told["content_hash"]


def test_a_key_alone_is_its_newest_version(client, small, publish):
    first = ok(get(client, f"/{small}"))
    assert publish(SMALL | {"key": small, "title": "Second"}) == 2
    second = ok(get(client, f"/{small}"))
    assert (second["version"], second["definition"]["title"]) == (2, "Second")
    assert ok(get(client, f"/{small}/versions/1")) == first
    assert ok(get(client, f"/{small}/versions/2")) == second
    assert newest(client)[small]["version"] == 2


def test_the_same_content_again_is_no_new_version(client, small, publish):
    assert publish(SMALL | {"key": small}) == 1
    assert [line["version"] for line in ok(get(client, f"/{small}/versions"))["items"]] == [1]


def test_a_retired_version_can_be_read_but_is_not_the_newest(client, small, publish, database):
    publish(SMALL | {"key": small, "title": "Second"})
    retire(database, small, 2)
    assert ok(get(client, f"/{small}"))["version"] == 1
    assert ok(get(client, f"/{small}/versions/2"))["status"] == "retired"
    versions = ok(get(client, f"/{small}/versions"))["items"]
    assert [(line["version"], line["status"]) for line in versions] == [(2, "retired"), (1, "published")]
    assert newest(client)[small]["version"] == 1


def test_what_was_retired_is_a_new_version_when_it_is_published_again(client, small, publish, database):
    publish(SMALL | {"key": small, "title": "Second"})
    retire(database, small, 2)
    assert publish(SMALL | {"key": small}) == 1
    assert publish(SMALL | {"key": small, "title": "Second"}) == 3
    assert ok(get(client, f"/{small}"))["version"] == 3


def test_a_built_in_set_that_was_retired_stays_retired_when_the_service_starts_again(client, small, database):
    built_in = read_question_set(SMALL | {"key": f"built-in-{small}"})

    def start():
        return database.write_sync(lambda tx: question_sets.publish_builtin(tx, [built_in]))

    assert [version.version for version in start()] == [1]
    retire(database, built_in.key, 1)
    assert start() == []
    assert refusal(get(client, f"/{built_in.key}")) == (404, "not-found")


def test_what_is_not_published_is_not_found(client, small):
    for path in ("/no-such-set", "/no-such-set/versions", "/no-such-set/versions/1", f"/{small}/versions/2"):
        assert refusal(get(client, path)) == (404, "not-found")


def test_what_is_no_key_or_number_is_refused(client, small):
    for path in (
        "/Not-A-Key",
        f"/{small}/versions/0",
        f"/{small}/versions/one",
        f"/{small}/versions/{2**31}",
    ):
        assert refusal(get(client, path)) == (422, "invalid-request")


def test_score_stores_nothing_and_always_says_the_same(client, small, database):
    asked = {"question_set": f"{small}@1", "ratings": {"budget": 5, "need": 4}}
    asked["as_of"] = "2026-01-05T09:00:00Z"
    first = ok(client.post("/v1/score", json=asked))
    assert (first["lowest"], first["coverage"]) == ((50 * 37.5) ** 0.5, 0.5)
    assert ok(client.post("/v1/score", json=asked)) == first
    tables = SQLModel.metadata.tables
    with database.engine.connect() as connection:
        stored = connection.execute(
            tables["session"].select().where(tables["session"].c.question_set == small)
        )
        assert stored.all() == []
