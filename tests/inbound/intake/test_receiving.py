"""What an intake takes in, from whom, and what becomes of it when somebody hangs up."""

import json
import socket
import sqlite3
import threading
from contextlib import contextmanager

import anyio
import httpx
import psycopg
import pytest

from app.inbound.intake.mapping import MAX_PAYLOAD_ITEMS
from app.inbound.intake.worker import IntakeWorker
from app.keys.service import INTAKE_TOKEN_PREFIX, new_secret
from tests.api.calls import new_prospect, ok, refusal
from tests.catalogue import connected
from tests.conftest import serving, settings_for
from tests.inbound.intake.calls import (
    calling,
    make,
    places,
    post,
    prospect_of,
    receipt,
    replay,
    settled,
    taken_in,
)
from tests.waiting import PATIENCE, until

MAPPING = {"source": "crm.received", "external_id": "/id", "name": "/name"}
FORM = "application/x-www-form-urlencoded"
# Odoo waits so long for an answer.
ODOO_WAITS = 1


@pytest.fixture
def intake(client):
    return make(client, mapping=MAPPING)


def send(anybody, intake, body, media_type=None):
    headers = {} if media_type is None else {"Content-Type": media_type}
    return anybody.post(intake["address"], content=body, headers=headers)


@pytest.mark.parametrize(
    "media_type",
    [
        None,
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.crm+json",
        "text/plain",
        "text/json; charset=utf-8",
    ],
)
def test_json_is_taken_whatever_it_is_called(client, anybody, intake, media_type):
    body = json.dumps({"id": f"{media_type}".replace("/", "-"), "name": "Ä — 𝄞"}, ensure_ascii=False).encode()
    told = receipt(client, intake, ok(send(anybody, intake, body, media_type), 202)["receipt_id"])
    assert (told["status"], told["payload"]) == ("done", body.decode())
    assert told["media_type"] == (media_type or "").partition(";")[0].lower()


def test_a_web_form_is_taken(client, anybody, intake):
    body = "id=7%2B1&name=J%C3%BCrgen+%26+Co&tick=a&tick=b&empty="
    told = receipt(
        client, intake, ok(send(anybody, intake, body, f"{FORM};charset=UTF-8"), 202)["receipt_id"]
    )
    assert (told["status"], told["payload"], told["media_type"]) == ("done", body, FORM)
    assert ok(prospect_of(client, MAPPING["source"], "7+1"))["name"] == "Jürgen & Co"


@pytest.mark.parametrize(
    ("body", "media_type", "expected"),
    [
        (b"", None, (400, "malformed-body")),
        (b"{", None, (400, "malformed-body")),
        (b'{"id": 1, "id": 2}', None, (400, "malformed-body")),
        (b'{"id": NaN}', "application/json", (400, "malformed-body")),
        (b'{"id": "\xff"}', "application/json", (400, "malformed-body")),
        (b"[" * 40 + b"]" * 40, None, (400, "malformed-body")),
        *((body, None, (422, "invalid-request")) for body in (b"true", b"null", b"1", b'"text"', b" 4.5 ")),
        (b"\xff", FORM, (400, "malformed-body")),
        (b"&", FORM, (400, "malformed-body")),
        (b"&".join([b"a=1"] * 1001), FORM, (400, "malformed-body")),
        (b"<id>1</id>", "text/xml", (415, "unsupported-media-type")),
        (b"id: 1", "text/plain", (400, "malformed-body")),
        (b'{"id": 1}', "application/octet-stream", (415, "unsupported-media-type")),
        (b'{"id": "' + b"x" * 10_000_000 + b'"}', "application/json", (413, "body-too-large")),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_cannot_be_read_is_refused_at_once_and_not_kept(
    client, anybody, intake, body, media_type, expected
):
    assert refusal(send(anybody, intake, body, media_type)) == expected
    assert settled(client, intake) == []


ODD = {
    "half a pair": rb'"ok \ud83d"',
    "the other half, in a list": rb'["\udcff"]',
    "NUL": rb'"a\u0000b"',
    "20 digits": b"12345678901234567890",
    "5000 digits": b"9" * 5000,
    "beyond any float": b"-1e400",
    "NUL in a name": rb'{"\u0000": 1}',
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["no mark", "byte order mark"])
def test_an_odd_value_that_nobody_maps_changes_nothing_and_is_kept(client, anybody, intake, link, mark, odd):
    body = mark + b'{"id": "%s", "name": "x", "note": %s}' % (link["external_id"].encode(), odd)
    told = receipt(client, intake, ok(send(anybody, intake, body), 202)["receipt_id"])
    assert (told["status"], told["payload"].encode()) == ("done", body)
    prospect = ok(prospect_of(client, MAPPING["source"], link["external_id"]))
    assert prospect["name"] == "x"
    assert client.delete(f"/v1/prospects/{prospect['id']}").status_code == 204
    assert settled(client, intake) == []


@pytest.mark.parametrize("odd", [ODD[name] for name in ODD if name != "NUL in a name"])
def test_an_odd_value_that_is_mapped_fails_in_the_receipt(client, anybody, intake, link, odd):
    body = b'{"id": "%s", "name": %s}' % (link["external_id"].encode(), odd)
    told = receipt(client, intake, ok(send(anybody, intake, body), 202)["receipt_id"])
    assert (told["status"], told["payload"].encode()) == ("failed", body)
    assert places(told) == ["/mapping/name"]
    assert refusal(prospect_of(client, MAPPING["source"], link["external_id"])) == (404, "not-found")


def test_a_payload_with_odd_values_is_erased_with_its_prospect(client, anybody, intake, link):
    """The mapping finds no id in it, so all of its values count."""
    odd = link["external_id"].encode()
    body = rb'{"id": "\ud83d", "more": [1e400, 12345678901234567890, "a\u0000", "%s"]}' % odd
    told = receipt(client, intake, ok(send(anybody, intake, body), 202)["receipt_id"])
    assert (told["status"], places(told)) == ("failed", ["/mapping/external_id"])
    prospect = new_prospect(client, links=[link | {"source": MAPPING["source"]}])
    assert client.delete(f"/v1/prospects/{prospect['id']}").status_code == 204
    assert settled(client, intake) == []


@pytest.mark.parametrize("odd", ["%00", "%FF"])
def test_an_odd_field_of_a_form_fails_only_if_it_is_mapped(client, anybody, intake, link, odd):
    body = f"id={link['external_id']}&name=x&note={odd}"
    told = receipt(client, intake, ok(send(anybody, intake, body, FORM), 202)["receipt_id"])
    assert (told["status"], told["payload"]) == ("done", body)
    mapped = ok(send(anybody, intake, f"id={link['external_id']}&name={odd}", FORM), 202)["receipt_id"]
    told = receipt(client, intake, mapped)
    assert (told["status"], places(told)) == ("failed", ["/mapping/name"])


def test_a_body_of_10_mb_that_does_not_say_so_is_refused(client, anybody, intake):
    def endless():
        yield b'{"id": "'
        for _ in range(160):
            yield b"x" * 65536

    assert refusal(send(anybody, intake, endless())) == (413, "body-too-large")
    assert settled(client, intake) == []


def test_nobodys_token_is_a_404_that_does_not_repeat_it(anybody, intake):
    for token in (
        new_secret(prefix=INTAKE_TOKEN_PREFIX),
        "pfi_",
        "x",
        intake["token"][:-1],
        intake["token"] + "x",
    ):
        told = anybody.post(f"/v1/intake/{token}", json={"id": 1})
        assert refusal(told) == (404, "not-found")
        assert len(token) < 5 or token not in told.text
    assert refusal(anybody.get(intake["address"])) == (405, "method-not-allowed")


def test_an_intake_that_is_deleted_while_a_payload_arrives_is_a_404(client, anybody, intake):
    def slowly():
        yield b'{"id":'
        assert client.delete(f"/v1/intakes/{intake['id']}").status_code == 204
        yield b" 1}"

    assert refusal(send(anybody, intake, slowly())) == (404, "not-found")


def test_the_token_is_stored_and_told_nowhere(client, anybody, intake, service):
    post(anybody, intake, {"id": "told"})
    settled(client, intake)
    with connected(service.settings.database_url.get_secret_value()) as connection:
        stored = str(connection.exec_driver_sql("SELECT * FROM intake").fetchall())
    assert intake["token"] not in stored + client.get("/v1/intakes").text
    assert intake["token"] not in client.get(f"/v1/intakes/{intake['id']}").text


def test_made_twice_under_one_key_it_is_one_intake_whose_token_is_shown_once(client, anybody, link):
    sent = {"name": "twice", "mapping": MAPPING}
    headers = {"Idempotency-Key": f"intake-{link['external_id']}"}
    first, again = (ok(client.post("/v1/intakes", json=sent, headers=headers), 201) for _ in range(2))
    masked = first["prefix"] + "…"
    assert again == first | {"token": masked, "address": first["address"].replace(first["token"], masked)}
    post(anybody, first, {"id": "by the first"})


def test_the_address_of_a_deleted_intake_never_works_again(client, anybody, link):
    sent = {"name": "gone", "mapping": MAPPING}
    headers = {"Idempotency-Key": f"gone-{link['external_id']}"}
    first = ok(client.post("/v1/intakes", json=sent, headers=headers), 201)
    assert client.delete(f"/v1/intakes/{first['id']}").status_code == 204
    ok(client.post("/v1/intakes", json=sent, headers=headers), 201)
    ok(client.post("/v1/intakes", json=sent), 201)
    assert anybody.post(first["address"], json={"id": 1}).status_code == 404


def test_the_answer_does_not_wait_for_the_work(client, anybody, link, monkeypatch):
    """Nothing is processed until it was given."""
    begun, answered, work = threading.Event(), threading.Event(), IntakeWorker._process_waiting

    async def late(self):
        begun.set()
        await anyio.to_thread.run_sync(answered.wait, PATIENCE)
        await work(self)

    monkeypatch.setattr(IntakeWorker, "_process_waiting", late)
    assert begun.wait(PATIENCE)
    intake = make(client, mapping={"source": "crm.slow", "external_id": "/id", "items_pointer": ""})
    told = post(anybody, intake, [{"id": f"{link['external_id']}-{n}"} for n in range(MAX_PAYLOAD_ITEMS)])
    assert ok(client.get(f"/v1/intakes/{intake['id']}"))["waiting"] == 1
    answered.set()
    assert len(receipt(client, intake, told)["items"]) == MAX_PAYLOAD_ITEMS


@contextmanager
def busy(settings):
    """Nobody can write a receipt meanwhile."""
    url = settings.database_url.get_secret_value()
    if url.startswith("sqlite"):
        holder = sqlite3.connect(
            url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False
        )
        holder.execute("BEGIN IMMEDIATE")
    else:
        holder = psycopg.connect(url.replace("+psycopg", ""))
        holder.execute("LOCK TABLE intake_receipt IN EXCLUSIVE MODE")
    yield
    holder.rollback()
    holder.close()


@pytest.mark.usefixtures("patient_sqlite")
def test_odoo_hangs_up_after_a_second_and_nothing_is_lost(new_database):
    """What was sent whole is stored, although nobody is there any more to be told."""
    settings = settings_for(new_database())
    with serving(settings) as running, calling() as odoo:
        intake = make(running.client, mapping=MAPPING)
        sent = {"_action": "Tell(#1)", "_id": 7, "_model": "crm.lead", "id": 7, "name": "Hooli"}
        with busy(settings), pytest.raises(httpx.ReadTimeout):
            odoo.post(intake["address"], json=sent, timeout=httpx.Timeout(PATIENCE, read=ODOO_WAITS))
        until(lambda: [one for one in settled(running.client, intake) if one["status"] != "received"])
        told = settled(running.client, intake)
        assert [(one["status"], one["items"][0]["external_id"]) for one in told] == [("done", "7")]


@pytest.mark.parametrize("padding", [0, 500_000])
def test_who_hangs_up_at_once_is_heard(service, client, link, padding):
    intake = make(client, mapping={"source": "crm.hasty", "external_id": "/id"})
    host, port = service.url.removeprefix("http://").split(":")
    ids = [f"{link['external_id']}-{number}" for number in range(20)]
    for one in ids:
        body = json.dumps({"id": one}) + " " * padding
        head = f"POST /v1/intake/{intake['token']} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}"
        with socket.create_connection((host, int(port))) as hasty:
            hasty.sendall(f"{head}\r\n\r\n{body}".encode())
    received = f"/v1/intakes/{intake['id']}/receipts?limit=200"
    until(lambda: len(ok(client.get(received))["items"]) == len(ids))
    assert sorted(one["items"][0]["external_id"] for one in settled(client, intake)) == sorted(ids)


def test_a_busy_database_is_a_503_with_retry_after(new_database):
    settings = settings_for(new_database(), wait_seconds=2)
    with serving(settings) as running, calling() as anybody:
        intake = make(running.client, mapping=MAPPING)
        with busy(settings):
            told = anybody.post(intake["address"], json={"id": 1})
        assert refusal(told) == (503, "unavailable")
        assert int(told.headers["retry-after"]) >= 1
        # The worker, too, waits for better times.
        assert taken_in(running.client, anybody, intake, {"id": 2})["status"] == "done"
        assert replay(running.client, intake) == 0
