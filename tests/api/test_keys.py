"""API keys: made once, shown once, stored nowhere, revoked for good."""

from uuid import uuid4

import pytest
from sqlmodel import SQLModel

from tests.api.calls import ok, pointers, refusal
from tests.catalogue import files_beside
from tests.conftest import ADMIN_KEY
from tests.waiting import soon

REVOKED_WITHIN = 5


def made(client, *scopes, name="a test"):
    return ok(client.post("/v1/keys", json={"name": name, "scopes": list(scopes)}), 201)


def revoke(client, key_id):
    return client.delete(f"/v1/keys/{key_id}")


def asks(client, headers):
    return client.get("/v1/prospects", params={"limit": 1}, headers=headers)


def test_a_key_works_in_either_header(client, anybody):
    key = made(client, "read")["key"]
    for headers in (
        {"X-API-Key": key},
        {"Authorization": f"Bearer {key}"},
        {"Authorization": f"bearer {key}"},
    ):
        ok(asks(anybody, headers))


def test_a_key_looks_like_one_of_ours(client):
    told = made(client, "read", "write")
    assert told["key"].startswith("pfk_")
    assert len(told["key"]) == 42
    assert told["key"].startswith(told["prefix"])
    assert (told["scopes"], told["revoked_at"]) == (["read", "write"], None)
    assert made(client, "read")["key"] != told["key"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "pfk_"},
        {"X-API-Key": "nobody-knows-this-key"},
        {"X-API-Key": "k\xe9y"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nobody-knows-this-key"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "nonsense"},
    ],
)
def test_without_a_key_that_is_known_nothing_is_told(anybody, headers):
    encoded = [(name, value.encode("latin-1")) for name, value in headers.items()]
    refused = asks(anybody, encoded)
    assert refusal(refused) == (401, "unauthenticated")
    assert refused.headers["www-authenticate"] == "Bearer"
    assert "nobody" not in refused.text


def test_a_key_in_the_query_is_no_key(client, anybody):
    key = made(client, "read")["key"]
    assert refusal(anybody.get("/v1/prospects", params={"api_key": key})) == (401, "unauthenticated")


def mistyped(key):
    """The same key with two characters swapped, or one changed."""
    a, b = key[10], key[11]
    swapped = key[:10] + b + a + key[12:] if a != b else key[:10] + chr(ord(a) ^ 1) + key[11:]
    return [swapped, key[:-1], key + "0", key[:-1] + ("0" if key[-1] != "0" else "1"), key.upper()]


def test_a_mistyped_key_is_refused_by_its_checksum(client, anybody):
    key = made(client, "read")["key"]
    for wrong in mistyped(key):
        assert refusal(asks(anybody, {"X-API-Key": wrong})) == (401, "unauthenticated")


def test_a_revoked_key_is_refused_everywhere_within_five_seconds(client, anybody):
    told = made(client, "read")
    headers = {"X-API-Key": told["key"]}
    ok(asks(anybody, headers))
    revoked = ok(revoke(client, told["id"]))
    soon(lambda: asks(anybody, headers).status_code != 200, seconds=REVOKED_WITHIN)
    assert refusal(asks(anybody, headers)) == (401, "unauthenticated")
    assert revoked["revoked_at"] is not None
    assert ok(revoke(client, told["id"])) == revoked


def test_a_key_that_is_not_there_cannot_be_revoked(client):
    assert refusal(revoke(client, uuid4())) == (404, "not-found")


def test_the_list_shows_every_key_and_no_secret(client):
    first, second = made(client, "read", name="first"), made(client, "score", name="second")
    revoke(client, first["id"])
    response = client.get("/v1/keys")
    lines = {line["id"]: line for line in ok(response)["items"]}
    assert lines[second["id"]] == {name: part for name, part in second.items() if name != "key"}
    assert lines[first["id"]]["revoked_at"] is not None
    for told in (first, second):
        assert told["key"] not in response.text
        assert told["key"][12:] not in response.text


def test_the_database_never_holds_a_secret(client, service, database):
    key = made(client, "read")["key"]
    with database.engine.connect() as connection:
        rows = connection.execute(SQLModel.metadata.tables["api_key"].select()).all()
    secrets = (key, key[12:], service.settings.admin_key.get_secret_value())
    assert [secret for secret in secrets if secret in str(rows)] == []
    if service.is_sqlite:
        stored = b"".join(files_beside(service.settings.database_url.get_secret_value()).values())
        assert [secret for secret in secrets if secret.encode() in stored] == []


def test_admin_holds_every_scope(client, anybody):
    headers = {"X-API-Key": made(client, "admin")["key"]}
    ok(asks(anybody, headers))
    ok(anybody.get("/v1/keys", headers=headers))
    ok(anybody.post("/v1/score", json={}, headers=headers))


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["root"]}, "/scopes/0"),
        ({"scopes": "read"}, "/scopes"),
        ({"name": ""}, "/name"),
        ({"key": "pfk_mine"}, "/key"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused(client, wrong, where):
    refused = client.post("/v1/keys", json={"name": "a test", "scopes": ["read"], **wrong})
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == [where]


def test_the_history_names_the_key_and_the_person(client, anybody, link, small):
    key = made(client, "write", name="Salesforce")["key"]
    sent = {**link, "question_set": small, "actor": "ana@example.com"}
    told = ok(anybody.post("/v1/qualify", json=sent, headers={"X-API-Key": key}))
    past = ok(client.get(f"/v1/sessions/{told['session_id']}/history"))["revisions"]
    assert [(r["key_name"], r["actor"]) for r in past] == [("Salesforce", "ana@example.com")]


@pytest.mark.parametrize("user", ["", "zapier", "a b"])
def test_a_key_may_come_as_the_password_of_anybody(anybody, user):
    assert anybody.get("/v1/question-sets", auth=(user, ADMIN_KEY)).status_code == 200


@pytest.mark.parametrize(
    "sent", ["Basic", "Basic !", "Basic " + "é" * 4, "Basic YWRtaW4=", "Basic OndpdGgteA=="]
)
def test_a_password_that_is_no_key_is_refused(anybody, sent):
    response = anybody.get("/v1/question-sets", headers=[(b"authorization", sent.encode("latin-1"))])
    assert refusal(response) == (401, "unauthenticated")
