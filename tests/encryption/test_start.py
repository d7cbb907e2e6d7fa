"""Where the key comes from, and what happens at the start if it is not the right one."""

import base64
import os
import re
import stat
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from app.db import open_database
from app.main import prepare_database
from app.settings import Settings
from tests.api.calls import ok, refusal
from tests.cli.started import ENVIRONMENT
from tests.conftest import ADMIN_KEY, ENCRYPTION_KEY, NewDatabase, Running, serving, settings_for
from tests.edge.process import process
from tests.encryption.conftest import (
    HUBSPOT,
    MAPPING,
    SIGNING,
    Command,
    a_key,
    copied,
    file_of,
    fill,
    key_file_of,
    key_ids,
    keys_in,
    stored,
)
from tests.inbound.intake.calls import by_hubspot
from tests.test_starting_together import greeting
from tests.waiting import PATIENCE


def mode(path: Path) -> str:
    return oct(stat.S_IMODE(path.stat().st_mode))


def without_key(url: str) -> Settings:
    """The settings without an encryption key, on both kinds of database."""
    return settings_for(url, encryption_key=None)


@pytest.fixture
def filled(new_database: NewDatabase) -> str:
    """A database that has secrets. Nobody uses it at the moment."""
    url = new_database()
    with serving(settings_for(url, webhook_networks="127.0.0.0/8")) as running:
        fill(running)
    return url


def started(url: str, key: str | None) -> None:
    """What a start does before it serves."""
    settings = settings_for(url, encryption_key=key)
    database = open_database(settings)
    try:
        prepare_database(database, settings)
    finally:
        database.close()


def test_the_first_start_creates_a_key_file_that_only_its_owner_can_read(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new/folder/fit.db"
    earlier = os.umask(0)
    try:
        started(url, None)
        with open_database(settings_for(url)).engine.connect() as connection:
            connection.exec_driver_sql("CREATE TABLE more (n INTEGER)")
            modes = {path.name: mode(path) for path in (tmp_path / "new" / "folder").iterdir()}
    finally:
        os.umask(earlier)
    assert modes == dict.fromkeys(["fit.db", "fit.db-wal", "fit.db-shm", "fit.db.key"], "0o600")
    assert [mode(tmp_path / "new"), mode(tmp_path / "new" / "folder")] == ["0o700", "0o700"]
    (key,) = keys_in(url)
    assert len(base64.b64decode(key, validate=True)) == 32
    started(url, None)
    assert keys_in(url) == [key]


def test_the_mode_of_what_was_there_is_reported_and_stays(tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/data/fit.db"
    started(url, None)
    assert "only their owner" in command(url, "doctor")[1]
    for path in (file_of(url), key_file_of(url)):
        path.chmod(0o640)
    with process(tmp_path, url) as served:
        httpx.get(f"{served.url}/livez", timeout=PATIENCE, verify=False).raise_for_status()
        warned = [line["message"] for line in served.lines() if line["level"] == "warning"]
    assert [
        path for path in (file_of(url), key_file_of(url)) if f"run 'chmod 600 {path}'" not in str(warned)
    ] == []
    code, said = command(url, "doctor")
    assert (code, f"run 'chmod 600 {file_of(url)} {key_file_of(url)}'" in said) == (1, True)
    assert mode(file_of(url)) == "0o640"


def test_services_that_start_at_once_on_a_new_database_use_one_key(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/data/fit.db"
    environment = ENVIRONMENT | {"PROSPECT_FIT_DATABASE_URL": url, "PYTHONUNBUFFERED": "1"}
    environment["PROSPECT_FIT_ADMIN_KEY"] = ADMIN_KEY
    serve = [sys.executable, "-c", "from app.cli.main import main; main()", "serve", "--port", "0"]
    starting = {"env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with ExitStack() as stack:
        services = [stack.enter_context(subprocess.Popen(serve, **starting)) for _ in range(3)]
        try:
            addresses = [re.search(r"http://[\d.:]+", greeting(one))[0] for one in services]
            hook = {"url": "https://1.1.1.1", "types": ["score.*"], "secret": SIGNING}
            for address in addresses:
                created = httpx.post(
                    f"{address}/v1/webhooks",
                    json=hook,
                    headers={"X-API-Key": ADMIN_KEY},
                    timeout=PATIENCE,
                    verify=False,
                )
                assert created.status_code == 201
        finally:
            for one in services:
                one.terminate()
    assert {path.name for path in (tmp_path / "data").iterdir()} - {"fit.db-wal", "fit.db-shm"} == {
        "fit.db",
        "fit.db.key",
    }
    assert (len(keys_in(url)), len(key_ids(url)), len(stored(url))) == (1, 1, 3)


def test_only_serve_and_migrate_create_a_key_file(tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/data/fit.db"
    assert command(url, "keys", "create", "crm")[0] == 1
    assert command(url, "doctor")[0] == 1
    assert not key_file_of(url).exists()
    assert command(url, "migrate")[0] == 0
    assert len(keys_in(url)) == 1


@pytest.mark.parametrize("name", ["serve", "migrate"])
def test_a_wrong_key_stops_the_start_with_the_remedy(filled: str, command: Command, name: str) -> None:
    arguments = [name, "--port", "0"] if name == "serve" else [name]
    code, said = command(filled, *arguments, key=a_key())
    assert code == 1
    assert said.startswith(
        "This database has encrypted secrets, and PROSPECT_FIT_ENCRYPTION_KEY is another key. Set it to the "
        "key of this database."
    )
    assert "prospect-fit secrets forget" in said
    code, said = command(filled, "doctor", key=a_key())
    assert (code, "PROSPECT_FIT_ENCRYPTION_KEY is another key" in said) == (1, True)
    # The right one, from the setting.
    right = keys_in(filled)[0] if filled.startswith("sqlite") else ENCRYPTION_KEY
    assert command(filled, "migrate", key=right)[0] == 0
    assert "it decrypts the secrets" in command(filled, "doctor", key=right)[1]


def test_a_missing_key_stops_the_start(filled: str, tmp_path: Path, command: Command) -> None:
    if filled.startswith("sqlite"):
        url = copied(filled, tmp_path)
        expected = f"there is no key file {key_file_of(url)}. Copy it from where the database was before"
    else:
        url, expected = filled, "PROSPECT_FIT_ENCRYPTION_KEY is not set. Set it to the key of this database"
    code, said = command(url, "migrate", key="")
    assert (code, expected in said) == (1, True)
    assert "Traceback" not in said
    if filled.startswith("sqlite"):
        assert not key_file_of(url).exists()
        key_file_of(url).write_bytes(key_file_of(filled).read_bytes())
        assert command(url, "migrate")[0] == 0


def test_a_damaged_or_another_key_file_stops_the_start(tmp_path: Path, command: Command) -> None:
    url = f"sqlite:///{tmp_path}/data/fit.db"
    with serving(settings_for(url)) as running:
        ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
    right = key_file_of(url).read_bytes()
    for wrong, expected in {
        f"{a_key()}\n".encode(): "has another key. Restore the right file",
        right[:-9]: "is damaged: each line must be 32 bytes in base64",
        b"\xff\xfe": "is damaged",
    }.items():
        key_file_of(url).write_bytes(wrong)
        code, said = command(url, "migrate")
        assert (code, expected in said, "Traceback" in said) == (1, True, False)
    key_file_of(url).write_bytes(right)
    assert command(url, "migrate")[0] == 0


def test_as_long_as_nothing_is_encrypted_any_key_will_do(new_database: NewDatabase, tmp_path: Path) -> None:
    """So a copy of a database without secrets needs no key."""
    url = new_database()
    with serving(settings_for(url, encryption_key=a_key())) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
        assert running.client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    if url.startswith("sqlite"):
        url = copied(url, tmp_path)
    key = a_key()
    with serving(settings_for(url, encryption_key=key)) as running:
        ok(running.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
    started(url, key)


@pytest.mark.parametrize("sent", ["webhook", "record update", "intake"])
def test_postgresql_needs_the_setting_before_the_first_secret(postgres: NewDatabase, sent: str) -> None:
    with serving(without_key(postgres())) as running:
        assert_refused(running, sent)
        plain = {"name": "no secret", "mapping": MAPPING}
        made = ok(running.client.post("/v1/intakes", json=plain), 201)
        change = {"signature": by_hubspot(HUBSPOT)}
        told = running.client.patch(f"/v1/intakes/{made['id']}", json=change)
        assert refusal(told) == (409, "no-encryption-key")


def assert_refused(running: Running, sent: str) -> None:
    update = {"fields": {"/fit": "score"}, "token": {"token": "a-token"}}
    path, body = {
        "webhook": ("webhooks", {"url": "https://1.1.1.1"}),
        "record update": ("webhooks", {"url": "https://1.1.1.1/{deal}", "record_update": update}),
        "intake": ("intakes", {"name": "HubSpot", "mapping": MAPPING, "signature": by_hubspot(HUBSPOT)}),
    }[sent]
    told = running.client.post(f"/v1/{path}", json=body)
    assert refusal(told) == (409, "no-encryption-key")
    assert "PROSPECT_FIT_ENCRYPTION_KEY" in told.json()["remedy"]
    assert ok(running.client.get(f"/v1/{path}"))["items"] == []


def test_processes_with_different_keys_cannot_both_encrypt(postgres: NewDatabase) -> None:
    url = postgres()
    with (
        serving(settings_for(url, encryption_key=a_key())) as one,
        serving(settings_for(url, encryption_key=a_key())) as other,
    ):
        ok(one.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"}), 201)
        told = other.client.post("/v1/webhooks", json={"url": "https://1.1.1.1"})
        assert refusal(told) == (503, "wrong-encryption-key")
        assert int(told.headers["Retry-After"]) > 0
    assert len(key_ids(url)) == 1


def test_the_key_can_be_in_a_file_of_its_own(
    postgres: NewDatabase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(f"{ENCRYPTION_KEY}\n")
    monkeypatch.setenv("PROSPECT_FIT_ENCRYPTION_KEY_FILE", str(tmp_path / "key"))
    settings = Settings(database_url=postgres())  # type: ignore[arg-type]
    assert settings.encryption_key
    assert settings.encryption_key.get_secret_value() == ENCRYPTION_KEY
    assert ENCRYPTION_KEY not in repr(settings)


NO_KEYS = {
    "nothing": "",
    "a passphrase": "correct horse battery staple",
    "31 bytes": base64.b64encode(bytes(31)).decode(),
    "33 bytes": base64.b64encode(bytes(33)).decode(),
    "a key and something else": f"{ENCRYPTION_KEY},short",
    "two keys without a comma": ENCRYPTION_KEY * 2,
}


@pytest.mark.parametrize("what", NO_KEYS)
def test_a_setting_that_is_no_key_is_refused(what: str) -> None:
    key = NO_KEYS[what]
    with pytest.raises(ValueError, match="32 random bytes in base64") as refused:
        settings_for("postgresql://127.0.0.1:1/none", encryption_key=key)
    assert not key or key not in str(refused.value)
