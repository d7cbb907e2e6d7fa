"""Databases with every kind of secret in them, and `prospect-fit` to run on them."""

import base64
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

from tests.api.calls import ok
from tests.catalogue import connected
from tests.cli.started import Started, shared
from tests.conftest import ENCRYPTION_KEY, Running
from tests.inbound.intake.calls import by_hubspot

Command = Callable[..., tuple[int, str]]

HERE = "127.0.0.0/8"
SIGNING = "whsec_" + base64.b64encode(b"a signing secret of the tests").decode()
TOKEN = "pat-eu1-the-token-of-a-record-update"
CLIENT_SECRET = "3MVG9-the-client-secret-of-a-record-update"
HUBSPOT = "the-client-secret-of-a-hubspot-app"
RECORD = {"source": "crm", "fields": {"/fit": "score"}}
MAPPING = {"source": "crm", "external_id": "/id"}
COLUMNS = {"webhook": ("secret", "old_secret", "credential"), "intake": ("signature_secret",)}


def a_key() -> str:
    """A new key, as openssl prints one."""
    return base64.b64encode(os.urandom(32)).decode()


def file_of(url: str) -> Path:
    return Path(make_url(url).database or "")


def key_file_of(url: str) -> Path:
    return Path(f"{file_of(url)}.key")


def keys_in(url: str) -> list[str]:
    return key_file_of(url).read_text("utf-8").splitlines()


def stored(url: str) -> dict[str, str]:
    """Every encrypted text in a database, by its table, its column and the id of its row."""
    found = {}
    with connected(url) as connection:
        for table, columns in COLUMNS.items():
            for column in columns:
                rows = connection.execute(
                    text(f"SELECT id, {column} FROM {table} WHERE {column} IS NOT NULL")
                )
                found |= {f"{table}.{column} {row_id}": value for row_id, value in rows}
    return found


def key_ids(url: str) -> set[str]:
    """The ids of the keys that something is encrypted with."""
    return {value.split(":")[1] for value in stored(url).values()}


def fill(running: Running, url: str = "http://127.0.0.1:9/hook") -> dict[str, str]:
    """Store a secret of every kind; the ids by kind."""
    client, to_record = running.client, url.replace("/hook", "/{deal}")
    credentials = {"token_url": url.replace("/hook", "/token"), "client_id": "us"}
    bodies = {
        "message": {"url": url, "secret": SIGNING},
        "token": {"url": to_record, "record_update": RECORD | {"token": {"token": TOKEN}}},
        "client": {
            "url": to_record,
            "record_update": RECORD | {"client_credentials": credentials | {"client_secret": CLIENT_SECRET}},
        },
    }
    made = {kind: ok(client.post("/v1/webhooks", json=body), 201)["id"] for kind, body in bodies.items()}
    intake = {"name": "HubSpot", "mapping": MAPPING, "signature": by_hubspot(HUBSPOT)}
    return made | {"intake": ok(client.post("/v1/intakes", json=intake), 201)["id"]}


def change(url: str, statement: str, **values: object) -> None:
    """What a person could do to the database by hand."""
    with connected(url) as connection, connection.begin():
        connection.execute(text(statement), values)


def copied(url: str, folder: Path) -> str:
    """A copy of an SQLite database without its key file."""
    with (
        closing(sqlite3.connect(file_of(url))) as source,
        closing(sqlite3.connect(folder / "copy.db")) as target,
    ):
        source.backup(target)
    return f"sqlite:///{folder / 'copy.db'}"


@pytest.fixture(scope="session")
def started() -> Started:
    return shared()


@pytest.fixture
def command(started: Started, tmp_path: Path) -> Command:
    """Runs `prospect-fit` on a database; its exit code and what it says, without line breaks."""

    def run(url: str, *arguments: str, key: str | None = None) -> tuple[int, str]:
        environment = {"PROSPECT_FIT_DATABASE_URL": url}
        if key is None and url.startswith("postgresql"):
            key = ENCRYPTION_KEY
        if key:
            environment["PROSPECT_FIT_ENCRYPTION_KEY"] = key
        done = started.run(arguments, tmp_path, **environment)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    return run
