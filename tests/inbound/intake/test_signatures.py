"""HubSpot's signature, version 3: made here once more, and by openssl."""

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from app.edge.payload_signature import check_signature
from app.inbound.intake.schemas import SignatureRule
from app.problems import Problem
from tests.api.calls import ok, refusal
from tests.conftest import serving, settings_for
from tests.inbound.intake.calls import HUBSPOT, by_hubspot, make, post, prospect_of, receipt, settled
from tests.waiting import PATIENCE

SECRET = "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"
MAPPING = {"source": "hubspot.signed", "external_id": "/vid", "name": "/name"}
MINUTES = 60_000


def now():
    return int(datetime.now(UTC).timestamp() * 1000)


def signed(uri, body, sent_at, secret=SECRET):
    """The headers that HubSpot sends: HMAC by its definition in RFC 2104, of what its page says."""
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha256(
        bytes(byte ^ 0x36 for byte in key) + f"POST{uri}".encode() + body + sent_at.encode()
    )
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner.digest())
    signature = base64.b64encode(outer.digest()).decode()
    return {"X-HubSpot-Signature-v3": signature, "X-HubSpot-Request-Timestamp": sent_at}


@pytest.fixture
def intake(client):
    return make(client, mapping=MAPPING, signature=by_hubspot(SECRET))


def payload(**said):
    return json.dumps({"vid": now(), "name": "Hooli — Ä", **said}, ensure_ascii=False).encode()


def send(anybody, intake, body, headers, query=""):
    sent = {"Content-Type": "application/json", **headers}
    return anybody.post(intake["address"] + query, content=body, headers=sent)


def why(response):
    assert refusal(response) == (401, "bad-signature")
    return response.json()["detail"]


def check(secret, uri, body, signature, sent_at, at):
    headers = {HUBSPOT["header"]: signature, HUBSPOT["timestamp_header"]: sent_at}
    check_signature(SignatureRule.model_validate(HUBSPOT), secret, uri, body, headers, at)


def test_what_openssl_signs_holds():
    """printf 'POST…{"vid":1}1700000000000' | openssl dgst -sha256 -hmac $SECRET -binary | base64."""
    uri = "https://fit.example.com/v1/intake/pfi_abc?tag=a%3Ab%40c"
    made = "zN8H0ekArDvkQgaT9rJ4oBjFuaT5t2zB5jPhaDMgr6o="
    at = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    for minutes in (0, -5, 5):
        check(SECRET, uri, b'{"vid":1}', made, "1700000000000", at + timedelta(minutes=minutes))
    for wrong in (
        ("another-secret", uri, b'{"vid":1}', made, "1700000000000"),
        (SECRET, uri + "d", b'{"vid":1}', made, "1700000000000"),
        (SECRET, uri.replace("https", "http"), b'{"vid":1}', made, "1700000000000"),
        (SECRET, uri, b'{"vid":2}', made, "1700000000000"),
        (SECRET, uri, b'{"vid":1}', made.lower(), "1700000000000"),
        (SECRET, uri, b'{"vid":1}', made, "1700000000001"),
        (SECRET, uri, b'{"vid":1}', made, "x"),
        (SECRET, uri, b'{"vid":1}', made, " 1700000000000"),
        (SECRET, uri, b'{"vid":1}', made, "1700000000000.0"),
        (SECRET, uri, b'{"vid":1}', "é", "1700000000000"),
    ):
        with pytest.raises(Problem, match="does not match the secret"):
            check(*wrong, at)


def test_no_digit_moves_from_the_payload_to_its_time():
    """The signature of the number 10 says the same of 1, with a zero more before the time."""
    at = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    made = signed("https://a", b"10", "1700000000000")["X-HubSpot-Signature-v3"]
    check(SECRET, "https://a", b"10", made, "1700000000000", at)
    with pytest.raises(Problem, match="does not match the secret"):
        check(SECRET, "https://a", b"1", made, "01700000000000", at)


def test_it_is_told_nowhere(client, intake):
    assert intake["signature"] == {"prefix": "", **HUBSPOT}
    for address in ("/v1/intakes", f"/v1/intakes/{intake['id']}"):
        assert SECRET not in client.get(address).text


def test_a_signed_payload_is_taken_in(client, anybody, intake):
    body = payload()
    headers = signed(intake["address"], body, str(now()))
    told = receipt(client, intake, ok(send(anybody, intake, body, headers), 202)["receipt_id"])
    assert told["status"] == "done"


def test_encoded_characters_of_the_query_are_signed_as_themselves(anybody, intake):
    body, at = payload(), str(now())
    headers = signed(intake["address"] + "?who=a:b@c/d?(e)'*!,;$&also=%20%C3%A4", body, at)
    query = "?who=a%3Ab%40c%2fd%3F%28e%29%27%2A%21%2C%3B%24&also=%20%C3%A4"
    ok(send(anybody, intake, body, headers, query), 202)


def test_one_that_does_not_hold_is_refused(client, anybody, intake):
    body, at = payload(), str(now())
    good = signed(intake["address"], body, at)
    for name in good:
        told = why(send(anybody, intake, body, {other: good[other] for other in good if other != name}))
        assert "missing" in told
    others = "does not match the secret"
    assert others in why(send(anybody, intake, body, signed(intake["address"], body, at, "another-secret")))
    assert others in why(send(anybody, intake, body + b" ", good))
    assert others in why(send(anybody, intake, body, good, "?more=1"))
    assert others in why(send(anybody, intake, body, good | {"X-HubSpot-Request-Timestamp": str(now() + 1)}))
    old, early = str(now() - 5 * MINUTES - 2000), str(now() + 5 * MINUTES + 10_000)
    assert "more than 5 minutes ago" in why(send(anybody, intake, body, signed(intake["address"], body, old)))
    assert "ahead" in why(send(anybody, intake, body, signed(intake["address"], body, early)))
    assert SECRET not in send(anybody, intake, body, {}).text
    assert ok(client.get(f"/v1/intakes/{intake['id']}/receipts"))["items"] == []


def test_one_that_comes_again_is_refused_and_has_one_effect(client, anybody, intake):
    body = payload()
    headers = signed(intake["address"], body, str(now()))
    ok(send(anybody, intake, body, headers), 202)
    assert "replay" in why(send(anybody, intake, body, headers))
    # HubSpot itself, who tries again, signs again.
    ok(send(anybody, intake, body, signed(intake["address"], body, str(now() + 1))), 202)
    assert len(ok(client.get(f"/v1/intakes/{intake['id']}/receipts"))["items"]) == 2


def test_one_that_comes_again_is_refused_after_its_payload_was_erased(client, anybody, intake):
    body = payload(vid="leaver")
    headers = signed(intake["address"], body, str(now()))
    told = receipt(client, intake, ok(send(anybody, intake, body, headers), 202)["receipt_id"])
    assert client.delete(f"/v1/prospects/{told['items'][0]['prospect_id']}").status_code == 204
    assert settled(client, intake) == []
    assert "replay" in why(send(anybody, intake, body, headers))
    assert prospect_of(client, MAPPING["source"], "leaver").status_code == 404


def test_the_secret_can_be_changed_and_taken_away(client, anybody, intake):
    address = f"/v1/intakes/{intake['id']}"
    ok(client.patch(address, json={"signature": by_hubspot("another-secret")}))
    body, at = payload(), str(now())
    why(send(anybody, intake, body, signed(intake["address"], body, at)))
    ok(send(anybody, intake, body, signed(intake["address"], body, at, "another-secret")), 202)
    assert ok(client.patch(address, json={"signature": None}))["signature"] is None
    post(anybody, intake, {"vid": "unsigned"})


def test_behind_a_proxy_the_public_address_is_signed(new_database):
    settings = settings_for(new_database(), public_url="https://fit.example.com/api")
    with serving(settings) as running, httpx.Client(base_url=running.url, timeout=PATIENCE) as anybody:
        intake = make(running.client, mapping=MAPPING, signature=by_hubspot(SECRET))
        assert intake["address"] == f"https://fit.example.com/api/v1/intake/{intake['token']}"
        body = payload(vid="behind")
        headers = signed(intake["address"], body, str(now())) | {"Content-Type": "application/json"}
        told = ok(anybody.post(f"/v1/intake/{intake['token']}", content=body, headers=headers), 202)
        assert receipt(running.client, intake, told["receipt_id"])["status"] == "done"
        ok(prospect_of(running.client, MAPPING["source"], "behind"))


def hmac_of(secret, text):
    """HMAC-SHA256 by its definition in RFC 2104."""
    key = secret.encode().ljust(64, b"\0")
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in key) + text)
    return hashlib.sha256(bytes(byte ^ 0x5C for byte in key) + inner.digest()).digest()


def test_the_example_that_github_documents_holds():
    """Validating webhook deliveries, "Testing the webhook payload validation"."""
    rule = SignatureRule(header="X-Hub-Signature-256", prefix="sha256=")
    secret, body = "It's a Secret to Everybody", b"Hello, World!"
    made = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    at = datetime(2026, 11, 30, tzinfo=UTC)
    assert check_signature(rule, secret, "https://a", body, {"X-Hub-Signature-256": made}, at) is None
    for wrong in (made.upper(), made.removeprefix("sha256="), made[:-1], made + "0", "sha256=é"):
        with pytest.raises(Problem, match="does not match the secret"):
            check_signature(rule, secret, "https://a", body, {"X-Hub-Signature-256": wrong}, at)


TWENTY = {
    "header": "X-Twenty-Webhook-Signature",
    "signed": "{timestamp}:{body}",
    "timestamp_header": "X-Twenty-Webhook-Timestamp",
}
ESPOCRM = {"header": "Signature", "encoding": "hex_in_base64", "prefix": "5b55e7aadd39ae97f:"}


def by_twenty(body, at):
    digest = hmac_of(SECRET, f"{at}:".encode() + body).hex()
    return {"X-Twenty-Webhook-Signature": digest, "X-Twenty-Webhook-Timestamp": str(at)}


def test_twenty_signs_the_time_and_the_payload(client, anybody):
    intake = make(client, mapping=MAPPING, signature=TWENTY | {"secret": SECRET})
    body = payload()
    ok(send(anybody, intake, body, by_twenty(body, now())), 202)
    # The time can be in seconds too.
    seconds = by_twenty(body, now() // 1000)
    ok(send(anybody, intake, body, seconds), 202)
    assert "replay" in why(send(anybody, intake, body, seconds))
    assert "more than 5 minutes ago" in why(send(anybody, intake, body, by_twenty(body, now() // 1000 - 301)))
    late = by_twenty(body, now()) | {"X-Twenty-Webhook-Timestamp": str(now() + 1000)}
    assert "does not match" in why(send(anybody, intake, body, late))
    assert "missing" in why(send(anybody, intake, body, {TWENTY["header"]: seconds[TWENTY["header"]]}))


def test_espocrm_signs_without_a_time(client, anybody):
    """base64 of the id of the webhook, a colon and the digest: EspoCRM's page on webhooks."""
    intake = make(client, mapping=MAPPING, signature=ESPOCRM | {"secret": SECRET})
    body = payload()
    made = base64.b64encode(b"5b55e7aadd39ae97f:" + hmac_of(SECRET, body).hex().encode()).decode()
    # It tries again with the same signature.
    for _ in range(2):
        ok(send(anybody, intake, body, {"Signature": made}), 202)
    other = base64.b64encode(b"5b55e7aadd39ae970:" + hmac_of(SECRET, body).hex().encode()).decode()
    for wrong in (other, made + "=", hmac_of(SECRET, body).hex()):
        assert "does not match" in why(send(anybody, intake, body, {"Signature": wrong}))
