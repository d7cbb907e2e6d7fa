"""A request that is sent again under its idempotency key has one effect and one answer."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import httpx
import psycopg
import pytest
from sqlmodel import SQLModel

from app.db import open_database
from app.keys import idempotency
from tests.api.at_once import at_once
from tests.api.calls import (
    history,
    merge,
    new_prospect,
    ok,
    open_session,
    patch,
    qualify,
    ratings_of,
    refusal,
    session,
)
from tests.conftest import serving, settings_for
from tests.waiting import PATIENCE, until

numbers = count(1)
# Public, and nothing that the tests do is told to it.
HOOK = {"url": "https://1.1.1.1/hook", "types": ["question_set.retired"], "question_set": "bant"}
MAPPING = {"source": "once", "external_id": "/id"}
KEPT = SQLModel.metadata.tables["idempotency"]


@pytest.fixture
def key():
    return f"key-{next(numbers)}-{datetime.now(UTC).isoformat()}"


def send(client, key, method, path, body=None):
    return client.request(method, path, json=body, headers={"Idempotency-Key": key} if key else {})


@pytest.fixture
def writes(client, link, small):
    """Every POST and PATCH that writes, each with a body that it accepts once."""
    told = qualify(client, link, question_set=small, ratings={"budget": 4})
    other = new_prospect(client)["id"]
    intake = ok(client.post("/v1/intakes", json={"name": "twice", "mapping": MAPPING}), 201)["id"]
    draft = f"/v1/question-sets/once-{small}/draft"
    ok(client.put(draft, json={"extends": f"{small}@1"}))
    hook = f"/v1/webhooks/{ok(client.post('/v1/webhooks', json=HOOK), 201)['id']}"
    key = ok(client.post("/v1/keys", json={"name": "twice", "scopes": ["read"]}), 201)["id"]
    prospect, opened = f"/v1/prospects/{told['prospect_id']}", f"/v1/sessions/{told['session_id']}"
    return {
        "qualify": ("POST", "/v1/qualify", {**link, "question_set": small, "ratings": {"need": 2}}),
        "qualify_by_form": ("POST", f"/v1/qualify/{small}", {**link, "deal": "flat", "need": "2"}),
        "open_session": (
            "POST", "/v1/sessions",
            {"prospect_id": told["prospect_id"], "question_set": small, "deal": "new"},
        ),
        "answer": ("PATCH", f"{opened}/answers", {"ratings": {"goal": 3}}),
        "move_session": ("POST", f"{opened}/move", {"question_set": small}),
        "decide": (
            "POST",
            f"{opened}/decision",
            {"decision": "pursue", "revision": told["revision"], "actor": "ana@example.com"},
        ),
        "record_outcome": ("POST", f"{opened}/outcome", {"outcome": "won", "amount": 5}),
        "create_prospect": ("POST", "/v1/prospects", {"name": "Once only"}),
        "update_prospect": ("PATCH", prospect, {"attributes": {"employees": 9}}),
        "add_link": ("POST", f"{prospect}/links", {"source": "once", "external_id": small}),
        "merge_prospects": ("POST", f"{prospect}/merge", {"prospect_id": other}),
        "create_key": ("POST", "/v1/keys", {"name": "once", "scopes": ["read"]}),
        "rotate_key": ("POST", f"/v1/keys/{key}/rotate", {}),
        "create_intake": ("POST", "/v1/intakes", {"name": "once", "mapping": MAPPING}),
        "update_intake": ("PATCH", f"/v1/intakes/{intake}", {"keep_hours": 2}),
        "replay_receipts": ("POST", f"/v1/intakes/{intake}/replay", {}),
        "retire_version": ("POST", f"/v1/question-sets/{small}/versions/1/retire", None),
        "publish_draft": ("POST", f"{draft}/publish", None),
        "create_webhook": ("POST", "/v1/webhooks", HOOK),
        "update_webhook": ("PATCH", hook, {"types": ["question_set.retired"], "name": "once"}),
        "rotate_secret": ("POST", f"{hook}/secret", {}),
        "replay_deliveries": ("POST", f"{hook}/deliveries/replay", {}),
    }  # fmt: skip


READS = ("score", "score_batch", "get_fits", "preview_draft", "test_webhook", "dry_run_intake")
# These take no key. A line of a file that is sent again changes nothing: tests/inbound/imports shows that. A
# line of a batch has a key of its own: tests/api/test_qualify_batch.py.
HARMLESS_AGAIN = ("import_prospects", "qualify_batch")
# Who posts here knows nothing of idempotency keys.
FROM_OUTSIDE = ("receive_payload",)
WRITES = [
    "qualify", "qualify_by_form", "open_session", "answer", "move_session", "decide", "record_outcome",
    "create_prospect", "update_prospect", "add_link", "merge_prospects", "create_key", "retire_version",
    "publish_draft", "create_webhook", "update_webhook", "rotate_secret", "replay_deliveries",
    "create_intake", "update_intake", "replay_receipts", "rotate_key",
]  # fmt: skip


def test_every_operation_that_writes_is_tried_here(service):
    described = ok(service.client.get("/openapi.json"))["paths"]
    named = {
        said["operationId"]
        for methods in described.values()
        for method, said in methods.items()
        if any(parameter["name"].lower() == "idempotency-key" for parameter in said.get("parameters", []))
        and method in ("post", "patch")
    }
    writing = {
        said["operationId"]
        for methods in described.values()
        for method, said in methods.items()
        if method in ("post", "patch") and said["operationId"] not in READS + HARMLESS_AGAIN + FROM_OUTSIDE
    }
    assert named == writing == set(WRITES)


def masked(first):
    """The bytes that a request sent again gets: a secret is returned once, and then only its beginning."""
    content = first.content
    for name in ("key", "token", "secret"):
        secret = first.json().get(name) or ""
        if secret.startswith(("pfk_", "pfi_", "whsec_")):
            content = content.replace(secret.encode(), f"{secret[:10]}…".encode())
    return content


@pytest.mark.parametrize("name", WRITES)
def test_the_same_request_again_gets_the_same_bytes(client, key, writes, name):
    method, path, body = writes[name]
    headers = {"Idempotency-Key": key} | ({"If-Match": '"1"'} if name == "publish_draft" else {})
    first, *others = (client.request(method, path, json=body, headers=headers) for _ in range(3))
    assert first.is_success, first.text
    for again in others:
        assert (again.status_code, again.content) == (first.status_code, masked(first))
        assert again.headers.get("etag") == first.headers.get("etag")
        assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers


def test_what_happened_meanwhile_does_not_show_in_the_answer(client, key, link, small):
    sent = {**link, "question_set": small, "ratings": {"budget": 4}}
    first = send(client, key, "POST", "/v1/qualify", sent)
    qualify(client, link, question_set=small, ratings={"budget": 1})
    assert send(client, key, "POST", "/v1/qualify", sent).content == first.content
    assert session(client, first.json()["session_id"])["answers"][0]["rating"] == 1


def test_a_key_in_the_body_is_as_good_as_one_in_the_header(client, key, link, small):
    sent = {**link, "question_set": small, "ratings": {"budget": 4}}
    first = client.post("/v1/qualify", json=sent | {"idempotency_key": key})
    assert ok(first)["session_opened"] is True
    for again in (
        client.post("/v1/qualify", json={"idempotency_key": key} | dict(reversed(sent.items()))),
        send(client, key, "POST", "/v1/qualify", sent),
        send(client, key, "POST", "/v1/qualify", sent | {"idempotency_key": key}),
    ):
        assert again.content == first.content


@pytest.mark.parametrize("bad", ["", "two words", "ä", "k" * 256, "tab\t"])
def test_a_key_that_is_none_is_refused(client, bad):
    refused = client.post("/v1/prospects", json={"name": "N", "idempotency_key": bad})
    assert refusal(refused) == (422, "invalid-request")
    assert [e["pointer"] for e in refused.json()["errors"]] == ["/idempotency_key"]


def test_two_keys_are_refused(client, key):
    refused = send(client, key, "POST", "/v1/prospects", {"name": "N", "idempotency_key": "other"})
    assert refusal(refused) == (422, "invalid-request")


def test_another_payload_or_another_route_under_the_key_is_refused(client, key):
    ok(send(client, key, "POST", "/v1/prospects", {"name": "One"}), 201)
    prospect = new_prospect(client)["id"]
    for method, path, body in (
        ("POST", "/v1/prospects", {"name": "Two"}),
        ("POST", "/v1/prospects", {"name": "One", "attributes": {"a": 1}}),
        ("PATCH", f"/v1/prospects/{prospect}", {"name": "One"}),
    ):
        assert refusal(send(client, key, method, path, body)) == (422, "idempotency-key-reused")


def test_true_is_another_payload_than_1(client, key):
    ok(send(client, key, "POST", "/v1/prospects", {"attributes": {"a": 1}}), 201)
    refused = send(client, key, "POST", "/v1/prospects", {"attributes": {"a": True}})
    assert refusal(refused) == (422, "idempotency-key-reused")


def test_a_key_belongs_to_the_api_key_that_used_it(client, service, key):
    made = ok(client.post("/v1/keys", json={"name": "another", "scopes": ["write"]}), 201)["key"]
    ok(send(client, key, "POST", "/v1/prospects", {"name": "One"}), 201)
    with httpx.Client(base_url=service.url, headers={"X-API-Key": made}, timeout=PATIENCE) as another:
        ok(send(another, key, "POST", "/v1/prospects", {"name": "Two"}), 201)


def test_a_refusal_is_not_kept_and_uses_no_key_up(client, key, link, small):
    wrong = {**link, "question_set": small, "ratings": {"budget": 9}}
    for _ in range(2):
        assert refusal(send(client, key, "POST", "/v1/qualify", wrong)) == (422, "invalid-request")
    told = send(client, key, "POST", "/v1/qualify", wrong | {"ratings": {"budget": 5}})
    assert ok(told)["session_opened"] is True


def test_sixteen_at_once_have_one_effect_and_one_answer(client, key, link, small):
    sent = {**link, "question_set": small, "ratings": {"budget": 4}, "outcome": {"outcome": "won"}}
    told = at_once([partial(send, client, key, "POST", "/v1/qualify", sent)] * 16)
    done = [response for response in told if response.status_code != 409]
    assert {(response.status_code, response.content) for response in done} == {(200, done[0].content)}
    assert all(response.headers["retry-after"] for response in told if response.status_code == 409)
    prospect = done[0].json()["prospect_id"]
    assert len(ok(client.get("/v1/sessions", params={"prospect_id": prospect}))["items"]) == 1
    assert len(history(client, done[0].json()["session_id"])["outcomes"]) == 1


def test_a_new_key_is_returned_once_random_and_stored_nowhere(client, key, database):
    sent = {"name": "once", "scopes": ["read"]}
    first, again = (ok(send(client, key, "POST", "/v1/keys", sent), 201) for _ in range(2))
    assert again == first | {"key": first["prefix"] + "…"}
    with database.engine.connect() as connection:
        bodies = connection.execute(KEPT.select()).all()
    assert not [row for row in bodies if first["key"] in str(row)]
    other = ok(send(client, f"{key}-other", "POST", "/v1/keys", sent), 201)
    assert other["key"] != first["key"]
    assert len([k for k in ok(client.get("/v1/keys"))["items"] if k["id"] == first["id"]]) == 1


def test_a_new_key_is_not_computed_from_the_key_that_made_it(new_database):
    sent = {"name": "child", "scopes": ["read"]}
    with serving(settings_for(new_database())) as one, serving(settings_for(new_database())) as other:
        made = [ok(send(running.client, "same", "POST", "/v1/keys", sent), 201) for running in (one, other)]
    assert made[0]["key"] != made[1]["key"]


def test_erasing_a_prospect_erases_the_answers_that_are_kept_about_it(client, key, link, small, database):
    sent = {**link, "question_set": small, "name": "Erase me"}
    told = ok(send(client, key, "POST", "/v1/qualify", sent))
    ok(send(client, f"{key}-2", "PATCH", f"/v1/prospects/{told['prospect_id']}", {"name": "Erase me too"}))
    assert client.delete(f"/v1/prospects/{told['prospect_id']}").status_code == 204
    with database.engine.connect() as connection:
        assert not [row for row in connection.execute(KEPT.select()).all() if "Erase me" in str(row)]


def test_what_was_sent_before_a_merge_is_not_done_again_after_it(client, key, link, small, database):
    sent = {**link, "question_set": small, "ratings": {"budget": 1}, "name": "Merge me"}
    first = send(client, key, "POST", "/v1/qualify", sent)
    ok(patch(client, first.json()["session_id"], ratings={"budget": 5}))
    kept = new_prospect(client)["id"]
    ok(merge(client, kept, first.json()["prospect_id"]))
    assert send(client, key, "POST", "/v1/qualify", sent).content == first.content
    assert ratings_of(session(client, first.json()["session_id"])) == {"budget": 5}
    assert client.delete(f"/v1/prospects/{kept}").status_code == 204
    with database.engine.connect() as connection:
        assert not [row for row in connection.execute(KEPT.select()).all() if "Merge me" in str(row)]


def test_after_a_day_a_key_is_new_again_and_its_answer_is_gone(new_database):
    now = [datetime(2026, 5, 1, 9, tzinfo=UTC)]
    with serving(settings_for(new_database()), clock=lambda: now[0]) as running:
        make = partial(send, running.client, "daily", "POST", "/v1/prospects", {"name": "Daily"})
        first = ok(make(), 201)
        now[0] += timedelta(hours=24)
        assert ok(make(), 201) == first
        now[0] += timedelta(seconds=1)
        assert ok(make(), 201)["id"] != first["id"]
        key = ok(send(running.client, "a-key", "POST", "/v1/keys", {"name": "k", "scopes": ["read"]}), 201)
        now[0] += timedelta(hours=25)
        again = ok(send(running.client, "a-key", "POST", "/v1/keys", {"name": "k", "scopes": ["read"]}), 201)
        assert (again["id"], again["key"]) != (key["id"], key["key"])
        now[0] += timedelta(hours=25)
        ok(send(running.client, "another", "POST", "/v1/prospects", {"name": "Another"}), 201)
        items = ok(running.client.get("/v1/prospects"))["items"]
        assert len(items) == 3


def test_after_a_day_an_answer_is_deleted_though_nothing_is_written(new_database, monkeypatch):
    monkeypatch.setattr(idempotency, "CLEANUP_SECONDS", 0.1)
    now = [datetime(2026, 5, 1, 9, tzinfo=UTC)]
    with serving(settings_for(new_database()), clock=lambda: now[0]) as running:
        ok(send(running.client, "once", "POST", "/v1/prospects", {"name": "Once"}), 201)
        database = open_database(running.settings)

        def left():
            with database.engine.connect() as connection:
                return len(connection.execute(KEPT.select()).all())

        assert left() == 1
        now[0] += timedelta(hours=24, seconds=1)
        until(lambda: left() == 0)
        database.close()


def test_a_session_opened_under_a_key_is_opened_once(client, key, small):
    prospect = new_prospect(client)["id"]
    sent = {"prospect_id": prospect, "question_set": small}
    first = ok(send(client, key, "POST", "/v1/sessions", sent), 201)
    assert ok(send(client, key, "POST", "/v1/sessions", sent), 201) == first
    with pytest.raises(AssertionError, match="session-is-open"):
        open_session(client, prospect, question_set=small)


def test_who_waits_too_long_for_the_first_request_is_told_to_try_again(postgres, key):
    """Another process is at work under the key, and then is gone without having done anything."""
    settings = settings_for(postgres(), wait_seconds=1)
    with serving(settings) as running:
        make = partial(send, running.client, key, "POST", "/v1/prospects", {"name": "Slow"})
        caller = ok(running.client.get("/v1/keys"))["items"][0]["id"]
        with psycopg.connect(settings.database_url.get_secret_value().replace("+psycopg", "")) as other:
            other.execute(
                "INSERT INTO idempotency (api_key_id, key, fingerprint, claimed_at)"
                " VALUES (%s, %s, '', now())",
                [caller, key],
            )
            refused = make()
            assert refusal(refused) == (409, "idempotency-key-in-flight")
            assert int(refused.headers["retry-after"]) > 0
            other.rollback()
        ok(make(), 201)
