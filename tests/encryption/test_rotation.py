"""A rotation: complete, while services run, and killed at any of its steps."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
from standardwebhooks.webhooks import Webhook as Verifier

from tests.api.calls import ok, refusal
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, ROOT, NewDatabase, Running, serving, settings_for
from tests.edge.process import process
from tests.encryption.conftest import (
    CLIENT_SECRET,
    HERE,
    HUBSPOT,
    SIGNING,
    TOKEN,
    Command,
    a_key,
    change,
    fill,
    key_file_of,
    key_ids,
    keys_in,
    stored,
)
from tests.inbound.intake.calls import by_hubspot
from tests.inbound.intake.test_signatures import now, signed
from tests.waiting import PATIENCE, until
from tests.webhooks.far_end import far_end


def test_killed_at_any_step_it_leaves_secrets_that_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with serving(settings_for(f"sqlite:///{folder}/fit.db", webhook_networks=HERE)) as running:
        ids = fill(running)
        ok(running.client.post(f"/v1/webhooks/{ids['message']}/secret", json={"secret": SIGNING}))
    command = [sys.executable, "-m", "tests.encryption.killing", str(folder)]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    kills = [json.loads(line) for line in done.stdout.splitlines()]
    assert [kill["ended"] for kill in kills] == [-9] * (len(kills) - 1) + [0]
    assert len(kills) > 30
    (old,) = {kills[0]["left"]["named"]}
    secrets = kills[0]["left"]["read"]
    assert sorted(secrets.values()).count(SIGNING) == 2
    assert {HUBSPOT, SIGNING} <= set(secrets.values())
    assert all(any(secret in read for read in secrets.values()) for secret in (TOKEN, CLIENT_SECRET))
    seen = []
    for kill in kills:
        left, after = kill["left"], kill["after"]
        assert left["read"] == after["read"] == secrets
        assert (left["named"] in left["keys"], left["mode"]) == (True, "0o600")
        # The next rotation ends what this one began, or begins another.
        assert (kill["again"], after["keys"], after["mode"]) == (0, [after["named"]], "0o600")
        assert after["named"] not in {old, left["named"]}
        assert kill["files"] == ["fit.db", "fit.db.key"]
        seen.append((len(left["keys"]), left["named"] == old))
    # Both keys are in the file before the secrets are encrypted again, and until that is committed.
    assert list(dict.fromkeys(seen)) == [(1, True), (2, True), (2, False), (1, False)]


def test_running_services_continue_with_a_key_file(tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/data/fit.db"
    with ExitStack() as stack:
        end = stack.enter_context(far_end())
        (tmp_path / "served").mkdir()
        served = stack.enter_context(process(tmp_path / "served", url, WEBHOOK_NETWORKS=HERE))
        client = stack.enter_context(
            httpx.Client(
                base_url=served.url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE, verify=False
            )
        )
        hook = {"types": ["prospect.created"], "secret": SIGNING}
        first = ok(client.post("/v1/webhooks", json=hook | {"url": f"{end.url}/0"}), 201)
        keys = keys_in(url)
        for number in (1, 2):
            code, said = command(url, "secrets", "rotate")
            assert (code, said.startswith(f"Encrypted {number} secret")) == (0, True)
            keys += keys_in(url)
            # What was encrypted before is sent, and what is encrypted now has the new key.
            ok(client.post("/v1/prospects", json={"name": f"number {number}"}), 201)
            for received in end.wait_for(number * (number + 1) // 2):
                Verifier(SIGNING).verify(received.body, received.headers)
            ok(client.post("/v1/webhooks", json=hook | {"url": f"{end.url}/{number}"}), 201)
            assert (len(key_ids(url)), len(keys_in(url))) == (1, 1)
        assert len(set(keys)) == 3
        assert ok(client.get(f"/v1/webhooks/{first['id']}"))["revision"] == 1


def test_secrets_that_are_stored_during_rotations_are_encrypted_with_the_newest_key(
    tmp_path: Path, command: Command
) -> None:
    url = f"sqlite:///{tmp_path}/data/fit.db"
    with serving(settings_for(url)) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
        write_and_rotate(running, hook, lambda: command(url, "secrets", "rotate"))
    assert (len(key_ids(url)), len(keys_in(url))) == (1, 1)


def write_and_rotate(running: Running, hook: dict[str, Any], rotate: Callable[[], tuple[int, str]]) -> None:
    """Four writers that store secrets, until three rotations are done."""
    rotated = [False]

    def write(_: int) -> int:
        count = 0
        while not rotated[0] or count == 0:
            made = ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
            ok(running.client.post(f"/v1/webhooks/{hook['id']}/secret", json={}))
            assert running.client.delete(f"/v1/webhooks/{made['id']}").status_code == 204
            count += 1
        ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
        return count

    with ThreadPoolExecutor(4) as writers:
        writing = [writers.submit(write, number) for number in range(4)]
        try:
            done = [rotate() for _ in range(3)]
            assert [code for code, _ in done] == [0, 0, 0], done
        finally:
            rotated[0] = True
        assert all(one.result(PATIENCE) for one in writing)


def test_with_the_setting_processes_that_have_both_keys_continue(
    new_database: NewDatabase, command: Command
) -> None:
    url, old, new = new_database(), ENCRYPTION_KEY, a_key()
    with serving(settings_for(url, encryption_key=old, webhook_networks=HERE)) as running:
        fill(running)
    (old_id,) = key_ids(url)
    for wrong, expected in {
        old: "There is no new key.",
        new: "PROSPECT_FIT_ENCRYPTION_KEY is another key.",
        f"{new},{a_key()}": "PROSPECT_FIT_ENCRYPTION_KEY is another key.",
    }.items():
        code, said = command(url, "secrets", "rotate", key=wrong)
        assert (code, expected in said) == (1, True)
    assert key_ids(url) == {old_id}
    with (
        far_end() as end,
        serving(settings_for(url, encryption_key=f"{new},{old}", webhook_networks=HERE)) as both,
        serving(settings_for(url, encryption_key=old, webhook_networks=HERE)) as behind,
    ):
        # Before the rotation, both processes encrypt with the key that the database names.
        hook = {"url": end.url, "types": ["prospect.created"], "secret": SIGNING}
        made = ok(both.client.post("/v1/webhooks", json=hook), 201)
        ok(behind.client.post(f"/v1/webhooks/{made['id']}/test"))
        code, said = command(url, "secrets", "rotate", key=f"{new},{old}")
        assert (code, "Remove the old key" in said) == (0, True)
        (new_id,) = key_ids(url)
        assert new_id != old_id
        # A process without the new key says so, and writes nothing with the old one.
        told = behind.client.post("/v1/webhooks", json=hook)
        assert refusal(told) == (503, "wrong-encryption-key")
        assert refusal(behind.client.post(f"/v1/webhooks/{made['id']}/test")) == (503, "wrong-encryption-key")
        ok(both.client.post("/v1/webhooks", json=hook), 201)
        assert ok(both.client.post(f"/v1/webhooks/{made['id']}/test"))["status"] == 204
    assert key_ids(url) == {new_id}
    assert command(url, "migrate", key=old)[0] == 1
    assert command(url, "migrate", key=new)[0] == 0
    if url.startswith("sqlite"):
        assert not key_file_of(url).exists()


def test_writers_and_rotations_with_the_setting(postgres: NewDatabase, command: Command) -> None:
    url, keys = postgres(), [a_key() for _ in range(4)]
    with serving(settings_for(url, encryption_key=",".join(keys))) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
        # Each rotation is to the key before the last.
        orders = iter([[keys[1], *keys], [keys[2], *keys], [keys[3], *keys]])
        write_and_rotate(running, hook, lambda: command(url, "secrets", "rotate", key=",".join(next(orders))))
    assert len(key_ids(url)) == 1
    assert command(url, "migrate", key=keys[3])[0] == 0


def test_a_secret_that_was_changed_or_copied_from_another_row_is_not_used(
    new_database: NewDatabase, command: Command
) -> None:
    url = new_database()
    with far_end() as end, serving(settings_for(url, webhook_networks=HERE)) as running:
        hook = {"url": end.url, "types": ["prospect.created"]}
        one, two = (ok(running.client.post("/v1/webhooks", json=hook), 201)["id"] for _ in range(2))
        change(url, "UPDATE webhook SET secret = (SELECT max(secret) FROM webhook)")
        copied = next(text for place, text in stored(url).items() if place.startswith("webhook.secret"))
        tests = {
            identifier: running.client.post(f"/v1/webhooks/{identifier}/test") for identifier in (one, two)
        }
        (bad,) = (identifier for identifier, told in tests.items() if told.status_code != 200)
        (good,) = {one, two} - {bad}
        assert refusal(tests[bad]) == (503, "wrong-encryption-key")
        assert ok(tests[good])["status"] == 204
        ok(running.client.post("/v1/prospects", json={"name": "Acme"}), 201)
        log = f"/v1/webhooks/{bad}/deliveries"
        failed = until(lambda: [item for item in ok(running.client.get(log))["items"] if item["last_error"]])
        wrong = f"The encrypted signing secret of {bad} was changed, or copied from another row."
        assert (failed[0]["last_error"], failed[0]["status"]) == (wrong, "pending")
        # The other webhook is not affected.
        end.wait_for(2)
        both = f"{a_key()},{ENCRYPTION_KEY}" if url.startswith("postgresql") else None
        code, said = command(url, "secrets", "rotate", key=both)
        assert (code, said.endswith(wrong)) == (1, True)
        assert copied in stored(url).values()


def test_a_lost_key_is_replaced_and_no_intake_becomes_unsigned(
    new_database: NewDatabase, command: Command
) -> None:
    url, new = new_database(), a_key()
    settings = {"webhook_networks": HERE}
    with far_end() as end, serving(settings_for(url, **settings)) as running:
        ids = fill(running, end.url)
        # The key is not lost.
        assert command(url, "secrets", "forget", "--yes")[0] == 1
    lost = set(stored(url).values())
    if url.startswith("sqlite"):
        key_file_of(url).unlink()
        key = None
    else:
        key = new
        assert "to a new key first" in command(url, "secrets", "forget", "--yes", key="")[1]
    code, said = command(url, "secrets", "forget", key=key)
    assert (code, "add --yes" in said) == (1, True)
    assert set(stored(url).values()) == lost
    code, said = command(url, "secrets", "forget", "--yes", key=key)
    assert (code, said.startswith("Replaced 6 secrets, and disabled 3 webhooks.")) == (0, True)
    assert lost.isdisjoint(stored(url).values())
    with far_end() as end, serving(settings_for(url, encryption_key=key, **settings)) as running:
        enter_again(running, ids, end.url)


def enter_again(running: Running, ids: dict[str, str], address: str) -> None:
    """What the guide says to do after a key was lost."""
    client = running.client
    hooks = ok(client.get("/v1/webhooks"))["items"]
    assert [(hook["status"], "key was lost" in hook["disabled_because"]) for hook in hooks] == [
        ("disabled", True)
    ] * 3
    intake = ok(client.get(f"/v1/intakes/{ids['intake']}"))
    assert intake["signature"]["encoding"] == "base64"
    secret = ok(client.post(f"/v1/webhooks/{ids['message']}/secret", json={}))["secret"]
    assert secret.startswith("whsec_")
    url = {"url": address, "status": "active"}
    assert ok(client.patch(f"/v1/webhooks/{ids['message']}", json=url))["disabled_because"] is None
    assert ok(client.post(f"/v1/webhooks/{ids['message']}/test"))["status"] == 204
    body = {"signature": by_hubspot(HUBSPOT)}
    assert ok(client.patch(f"/v1/intakes/{ids['intake']}", json=body))["revision"] == 2


def test_an_intake_without_its_key_refuses_every_payload(new_database: NewDatabase) -> None:
    url = new_database()
    with serving(settings_for(url)) as running:
        intake = {"name": "HubSpot", "mapping": {"source": "crm", "external_id": "/id"}}
        made = ok(running.client.post("/v1/intakes", json=intake | {"signature": by_hubspot(HUBSPOT)}), 201)

        def post(secret: str) -> httpx.Response:
            headers = signed(made["address"], b'{"id":"1"}', str(now()), secret)
            return running.client.post(made["address"], content=b'{"id":"1"}', headers=headers)

        ok(post(HUBSPOT), 202)
        assert refusal(post("another-secret")) == (401, "bad-signature")
        change(url, "UPDATE intake SET signature_secret = 'enc:0123456789abcdef:AAAA'")
        assert refusal(post(HUBSPOT)) == (503, "wrong-encryption-key")
        address = f"/v1/intakes/{made['id']}"
        assert ok(running.client.get(address))["signature"]["encoding"] == "base64"
        ok(running.client.patch(address, json={"signature": by_hubspot(HUBSPOT)}))
        ok(post(HUBSPOT), 202)
