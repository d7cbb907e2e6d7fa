"""No secret is in the database, its files, a log or a response, except in the response that creates it."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import Any

import httpx
import pytest

from tests.api.calls import ok
from tests.catalogue import connected, contents, files_beside
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, NewDatabase
from tests.edge.process import process
from tests.encryption.conftest import CLIENT_SECRET, HERE, HUBSPOT, MAPPING, RECORD, SIGNING, TOKEN, file_of
from tests.inbound.intake.calls import by_hubspot
from tests.inbound.intake.test_signatures import signed
from tests.waiting import PATIENCE, until
from tests.webhooks.far_end import Answer, FarEnd, Received, far_end

ROTATED = "whsec_" + base64.b64encode(b"the second signing secret, of a rotation").decode()
REFRESH_TOKEN = "1000.a-refresh-token-of-a-record-update"
HEADER = "a-subscription-key-in-a-header"
ACCESS_TOKEN = "00D-an-access-token-of-a-token-endpoint"


@dataclass(frozen=True)
class Story:
    """A service that was used with every kind of secret: what it stored, logged and returned."""

    url: str
    secrets: dict[str, str]
    log: str
    returned: str


def echo(received: Received) -> Answer:
    """A CRM that repeats the whole request in its errors."""
    if received.path == "/token":
        return 200, {}, json.dumps({"access_token": ACCESS_TOKEN})
    return 400, {}, json.dumps({"headers": received.headers, "body": received.body})


@pytest.fixture(scope="module")
def story(new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    url, folder = new_database(), tmp_path_factory.mktemp("served")
    settings = {"WEBHOOK_NETWORKS": HERE, "LOG_LEVEL": "debug", "WEBHOOK_TEST_SHOWS_ANSWER": "true"}
    with far_end() as end, process(folder, url, **settings) as served:
        end.answer = echo
        headers = {"X-API-Key": ADMIN_KEY}
        with httpx.Client(base_url=served.url, headers=headers, timeout=PATIENCE) as client:
            secrets, returned = tell(client, end)
        # While it runs, the log of SQLite has what was written.
        yield Story(url, secrets, served.log.read_text("utf-8"), returned)


def tell(client: httpx.Client, end: FarEnd) -> tuple[dict[str, str], str]:
    """The secrets that were used, and what the service returned besides the responses that show them."""
    secrets = {
        "signing secret": SIGNING,
        "rotated secret": ROTATED,
        "token": TOKEN,
        "client secret": CLIENT_SECRET,
        "refresh token": REFRESH_TOKEN,
        "header": HEADER,
        "access token": ACCESS_TOKEN,
        "HubSpot secret": HUBSPOT,
        "admin key": ADMIN_KEY,
    }
    returned: list[Any] = []
    host = end.url.removesuffix("/hook")
    credentials = {"token_url": f"{host}/token", "client_id": "us", "client_secret": CLIENT_SECRET}
    credentials["refresh_token"] = REFRESH_TOKEN
    to_record = {"url": f"{host}/{{external_id}}"}
    by_token = RECORD | {"token": {"token": TOKEN}, "headers": {"X-Subscription-Key": HEADER}}
    hooks = {
        "given": {"url": end.url, "secret": SIGNING},
        "generated": {"url": end.url},
        "token": to_record | {"record_update": by_token},
        "client": to_record | {"record_update": RECORD | {"client_credentials": credentials}},
    }
    made = {}
    for name, body in hooks.items():
        keyed = {"Idempotency-Key": name}
        made[name] = ok(client.post("/v1/webhooks", json=body, headers=keyed), 201)
        secrets[f"secret of {name}"] = made[name]["secret"]
        returned.append(ok(client.post("/v1/webhooks", json=body, headers=keyed), 201))
    address = f"/v1/webhooks/{made['given']['id']}"
    ok(client.post(f"{address}/secret", json={"secret": ROTATED}))
    secrets["second rotated secret"] = ok(client.post(f"{address}/secret", json={}))["secret"]
    changed = {"record_update": by_token, "name": "again"}
    returned.append(ok(client.patch(f"/v1/webhooks/{made['token']['id']}", json=changed)))

    intake = {"name": "HubSpot", "mapping": MAPPING, "signature": by_hubspot(HUBSPOT)}
    keyed = {"Idempotency-Key": "intake"}
    received = ok(client.post("/v1/intakes", json=intake, headers=keyed), 201)
    secrets["intake token"] = received["token"]
    returned.append(ok(client.post("/v1/intakes", json=intake, headers=keyed), 201))
    body = b'{"id":"1"}'
    headers = signed(received["address"], body, str(int(time() * 1000)), HUBSPOT)
    returned.append(ok(client.post(received["address"], content=body, headers=headers), 202))
    key = ok(client.post("/v1/keys", json={"name": "reader", "scopes": ["read"]}), 201)
    secrets["API key"] = key["key"]

    ok(client.post("/v1/qualify", json={"source": "crm", "external_id": "1", "ratings": {"budget": 4}}))
    logs = [f"/v1/webhooks/{hook['id']}/deliveries" for hook in made.values()]
    for log in logs:
        until(lambda log=log: [one for one in ok(client.get(log))["items"] if one["last_status"]])
    tests = [client.post(f"/v1/webhooks/{hook['id']}/test") for hook in made.values()]
    returned += [ok(test) for test in tests]
    refused = [
        client.post("/v1/webhooks", json=hooks["token"] | {"unknown": 1}),
        client.post("/v1/webhooks", json=hooks["given"] | {"url": "http://10.0.0.1"}),
        client.post("/v1/webhooks", json={"url": end.url, "secret": SIGNING + "!"}),
        client.post("/v1/intakes", json=intake | {"keep_hours": 0}),
    ]
    returned += [refusal.json() for refusal in refused]
    assert [refusal.status_code for refusal in refused] == [422] * len(refused)
    listed = ("webhooks", "intakes", "keys", "events?after=0", f"intakes/{received['id']}/receipts")
    returned += [ok(client.get(f"/v1/{path}")) for path in listed]
    returned += [ok(client.get(log)) for log in logs] + [ok(client.get(address))]
    sent = {request.headers.get("authorization", "").removeprefix("Bearer ") for request in end.received}
    assert {TOKEN, ACCESS_TOKEN} <= sent, "the far end got what it needs"
    assert HEADER in {request.headers.get("x-subscription-key") for request in end.received}
    assert any(REFRESH_TOKEN in request.body for request in end.received)
    return secrets, json.dumps(returned)


def spellings(secret: str) -> list[bytes]:
    """A secret without the first characters, which people see, in other codes, and what its base64 means."""
    plain = secret.encode()
    bytes_of_base64 = [base64.b64decode(secret[6:])] if secret.startswith("whsec_") else []
    return [plain[10:], base64.b64encode(plain).rstrip(b"=")[:-2], plain.hex().encode(), *bytes_of_base64]


def found(secrets: dict[str, str], content: bytes) -> list[str]:
    return [name for name, secret in secrets.items() if any(part in content for part in spellings(secret))]


def test_no_column_and_no_file_of_the_database_has_a_secret(story: Story) -> None:
    with connected(story.url) as connection:
        tables = contents(connection)
    assert len(tables["webhook"]) == 4
    # Bytes are shown with escapes, and so as the text that they are.
    assert {
        table: names for table, rows in tables.items() if (names := found(story.secrets, str(rows).encode()))
    } == {}

    if story.url.startswith("sqlite"):
        files = files_beside(story.url)
        del files["test.db.key"]
        assert set(files) == {"test.db", "test.db-wal", "test.db-shm"}
        assert {name: names for name, file in files.items() if (names := found(story.secrets, file))} == {}


def test_neither_the_log_nor_a_later_response_has_a_secret(story: Story) -> None:
    assert '"level":"info"' in story.log
    assert found(story.secrets, story.log.encode()) == []
    assert found(story.secrets, story.returned.encode()) == []


def test_the_database_does_not_have_the_encryption_key(story: Story) -> None:
    is_sqlite = story.url.startswith("sqlite")
    key = Path(f"{file_of(story.url)}.key").read_text().strip() if is_sqlite else ENCRYPTION_KEY
    raw = base64.b64decode(key)
    with connected(story.url) as connection:
        rows = str(contents(connection))
    assert key not in rows
    assert raw.hex() not in rows
    if is_sqlite:
        files = files_beside(story.url)
        content = b"".join(files[name] for name in files if name != "test.db.key")
        assert [spelling for spelling in (raw, key.encode(), raw.hex().encode()) if spelling in content] == []


def test_what_is_stored_says_that_it_is_encrypted_and_never_the_same_twice(story: Story) -> None:
    with connected(story.url) as connection:
        rows = str(contents(connection)["webhook"] + contents(connection)["intake"])
    texts = re.findall(r"enc:[0-9a-f]{16}:[0-9A-Za-z+/=]{40,}", rows)
    # Four secrets, one of them with an old one; two credentials; one intake.
    assert (len(texts), len(set(texts))) == (8, 8)
    assert len({stored.split(":")[1] for stored in texts}) == 1
