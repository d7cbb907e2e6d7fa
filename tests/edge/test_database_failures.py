"""A database that is full, read-only, locked, out of connections or unable to write: the cause is named
everywhere, and everything goes on without a restart as soon as the cause is gone."""

import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy import make_url, text

from app.db import Transaction, open_database
from app.problems import DATABASE_FULL, DATABASE_READ_ONLY, UNAVAILABLE, Problem
from tests.api.calls import prospect_ids
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, serving_as_it_is, settings_for
from tests.edge.disk import fill, make_room, make_writable, read_only_view, small_disk
from tests.edge.problem import assert_problem
from tests.edge.process import process
from tests.waiting import PATIENCE, until

LARGE = {f"attribute_{number}": "x" * 1000 for number in range(60)}
IS_FULL = "The disk of the database is full."
IS_LOCKED = "Another program or transaction holds a lock on the database for too long."


@contextmanager
def sqlite_on(disk: Path) -> Iterator[str]:
    yield f"sqlite:///{disk}/full.db"


@contextmanager
def postgres_on(disk: Path, new: NewDatabase) -> Iterator[str]:
    """A database whose tables are on the disk, and its log is not."""
    url = new()
    parsed = make_url(url)
    with psycopg.connect(new(), autocommit=True) as admin:
        admin.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        admin.execute(f"ALTER DATABASE {parsed.database} SET TABLESPACE small")
        yield url
        admin.execute(f"DROP DATABASE {parsed.database} WITH (FORCE)")
        admin.execute("DROP TABLESPACE small")


@pytest.fixture(params=["sqlite", "postgresql"])
def full_disk(request: pytest.FixtureRequest) -> Iterator[tuple[Path, str]]:
    """A small disk, and the URL of a database on it. PostgreSQL must be able to reach the folder."""
    folder = Path(tempfile.mkdtemp(prefix="prospect-fit-disk-"))
    if request.param == "sqlite":
        with small_disk(folder, 6) as disk, sqlite_on(disk) as url:
            yield disk, url
    else:
        new = request.getfixturevalue("postgres")
        with psycopg.connect(new()) as admin:
            owner = Path(admin.execute("SHOW data_directory").fetchone()[0]).stat().st_uid
        folder.chmod(0o755)
        with small_disk(folder, 24, owner) as disk, postgres_on(disk, new) as url:
            yield disk, url
    folder.rmdir()


def create(client: httpx.Client) -> httpx.Response:
    return client.post("/v1/prospects", json={"name": "Acme", "attributes": LARGE})


def create_until_refused(client: httpx.Client) -> tuple[set[str], httpx.Response]:
    """What was acknowledged, and the first refusal. What the database had reserved is used first."""
    created: set[str] = set()
    while (response := create(client)).is_success:
        created.add(response.json()["id"])
        assert len(created) < 1000
    return created, response


def assert_not_ready(client: httpx.Client, kind: object, detail: str) -> None:
    not_ready = client.get("/readyz")
    assert assert_problem(not_ready, kind)["detail"] == detail
    assert int(not_ready.headers["retry-after"]) >= 1


def assert_it_works_again(running: Running, hook: dict) -> None:
    """The service accepts a write, and publishes and delivers its event: the background workers still run."""
    client = running.client
    until(lambda: client.get("/readyz").status_code == 200)
    created = until(lambda: create(client), lambda response: response.is_success).json()["id"]

    def is_in_the_feed() -> bool:
        newest = client.get("/v1/events/latest?limit=1").raise_for_status().json()
        return bool(newest) and newest[0]["prospect_id"] == created

    until(is_in_the_feed)
    newest = client.get("/v1/events/latest?limit=1").json()[0]["id"]

    def is_delivered() -> bool:
        items = (
            client.get(f"/v1/webhooks/{hook['id']}/deliveries?limit=200").raise_for_status().json()["items"]
        )
        return any(one["event_id"] == newest and one["last_status"] for one in items)

    until(is_delivered)


def hook_of(running: Running) -> dict:
    """A webhook whose receiver is the service itself: whatever it responds, an attempt was made."""
    sent = {"url": f"{running.url}/livez", "types": ["prospect.created"]}
    # A connection that was opened before the database accepted writes again may refuse one more.
    return until(
        lambda: running.client.post("/v1/webhooks", json=sent), lambda response: response.is_success
    ).json()


def test_a_full_disk_is_named_and_survived(
    full_disk: tuple[Path, str], caplog: pytest.LogCaptureFixture
) -> None:
    disk, url = full_disk
    with serving(settings_for(url, webhook_networks="127.0.0.0/8")) as running:
        hook = hook_of(running)
        assert running.client.get("/readyz").status_code == 200
        fill(disk)
        created, refused = create_until_refused(running.client)
        assert assert_problem(refused, DATABASE_FULL)["detail"] == IS_FULL
        assert refused.status_code == 507
        assert int(refused.headers["retry-after"]) >= 1
        assert_not_ready(running.client, DATABASE_FULL, IS_FULL)
        assert running.client.get("/livez").status_code == 200
        # PostgreSQL may need space for a new connection, and a read may need a new connection.
        if running.is_sqlite or running.client.get("/v1/prospects").is_success:
            assert prospect_ids(running.client) == created
        assert [r for r in caplog.records if r.name == "app.db.database" and r.getMessage() == IS_FULL] != []
        assert [r for r in caplog.records if r.exc_info] == []
        make_room(disk)
        assert_it_works_again(running, hook)
        assert created < prospect_ids(running.client)


def test_an_erasure_that_is_committed_is_acknowledged_though_the_journal_cannot_be_truncated() -> None:
    """The disk has space for the commit, but not for copying the journal to the database file."""
    folder = Path(tempfile.mkdtemp(prefix="prospect-fit-disk-"))
    with (
        small_disk(folder, 6) as disk,
        serving(settings_for(f"sqlite:///{disk}/full.db")) as running,
    ):
        created = [create(running.client).raise_for_status().json()["id"] for _ in range(15)]
        fill(disk, leave=300_000)
        assert running.client.delete(f"/v1/prospects/{created[0]}").status_code == 204
        assert prospect_ids(running.client) == set(created[1:])
        journal = disk / "full.db-wal"
        assert journal.stat().st_size > 0
        make_room(disk)
        until(lambda: journal.stat().st_size == 0)
    folder.rmdir()


def test_a_read_only_file_system(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    # Both services may deliver.
    networks = {"webhook_networks": "127.0.0.0/8"}
    with serving(settings_for(f"sqlite:///{folder}/read.db", **networks)) as writable:
        created = create(writable.client).json()["id"]
        with read_only_view(folder, tmp_path / "view") as view:
            settings = settings_for(f"sqlite:///{view}/read.db", **networks)
            with serving_as_it_is(settings) as running:
                refused = assert_problem(create(running.client), DATABASE_READ_ONLY)
                assert refused["detail"] == "The database file, its folder or its file system is read-only."
                assert_not_ready(running.client, DATABASE_READ_ONLY, refused["detail"])
                assert prospect_ids(running.client) == {created}
                assert refused["detail"] in caplog.text
                make_writable(view)
                until(lambda: running.client.get("/readyz").status_code == 200)
                assert_it_works_again(running, hook_of(running))


def test_a_server_that_accepts_only_reads(postgres: NewDatabase, caplog: pytest.LogCaptureFixture) -> None:
    url = postgres()
    name = make_url(url).database

    def switch(state: str) -> None:
        with psycopg.connect(postgres(), autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = {state}")
            admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")

    with serving(settings_for(url, webhook_networks="127.0.0.0/8")) as running:
        hook = hook_of(running)
        switch("on")
        refused = until(lambda: create(running.client), lambda r: r.json()["type"] != UNAVAILABLE.type)
        told = assert_problem(refused, DATABASE_READ_ONLY)
        assert told["detail"] == "The database server accepts only reads, as a standby does."
        assert_not_ready(running.client, DATABASE_READ_ONLY, told["detail"])
        assert prospect_ids(running.client) == set()
        assert told["detail"] in caplog.text
        switch("off")
        assert_it_works_again(running, hook)


def test_a_lock_is_named_and_the_service_is_not_ready(tmp_path: Path) -> None:
    with serving(settings_for(f"sqlite:///{tmp_path}/held.db", wait_seconds=20)) as running:
        with closing(sqlite3.connect(tmp_path / "held.db", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            assert assert_problem(create(running.client), UNAVAILABLE)["detail"] == IS_LOCKED
            assert_not_ready(running.client, UNAVAILABLE, IS_LOCKED)
            assert prospect_ids(running.client) == set()
        until(lambda: running.client.get("/readyz").status_code == 200)
        assert create(running.client).status_code == 201


def test_a_locked_table_is_named(postgres: NewDatabase) -> None:
    url = postgres()
    with serving(settings_for(url, wait_seconds=1)) as running:
        with psycopg.connect(url) as holder:
            holder.execute("LOCK TABLE prospect IN EXCLUSIVE MODE")
            told = assert_problem(create(running.client), UNAVAILABLE)
            assert told["detail"] in (IS_LOCKED, "The database did not finish in time.")
        assert create(running.client).status_code == 201


def test_a_server_without_a_free_connection_is_named(postgres: NewDatabase) -> None:
    url = postgres.empty()
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE ROLE few LOGIN PASSWORD 'few'")
        admin.execute(f"ALTER DATABASE {make_url(url).database} OWNER TO few")
        admin.execute("ALTER SCHEMA public OWNER TO few")
    limited = url.replace("postgres:", "few:few", 1)
    with serving(settings_for(limited)) as running:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("ALTER ROLE few CONNECTION LIMIT 0")
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'few'")
            told = until(lambda: create(running.client).json(), lambda r: "connection" in r["detail"])
            assert told["detail"] == "The database server has no free connection."
            assert_not_ready(running.client, UNAVAILABLE, told["detail"])
            admin.execute("ALTER ROLE few CONNECTION LIMIT -1")
        until(lambda: running.client.get("/readyz").status_code == 200)
        assert create(running.client).status_code == 201


def test_a_file_that_cannot_grow_is_an_error_of_the_disk(tmp_path: Path) -> None:
    """The kernel refuses every write beyond a size, as a broken disk refuses some."""
    with process(tmp_path, f"sqlite:///{tmp_path}/limited.db") as served:
        with httpx.Client(base_url=served.url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE) as client:
            assert client.get("/readyz").status_code == 200
            before = resource.prlimit(served.pid, resource.RLIMIT_FSIZE)
            journal = (tmp_path / "limited.db-wal").stat().st_size
            resource.prlimit(served.pid, resource.RLIMIT_FSIZE, (journal + 100_000, before[1]))
            created, refused = create_until_refused(client)
            detail = "The database cannot read or write its files: check its disk."
            assert assert_problem(refused, UNAVAILABLE)["detail"] == detail
            assert prospect_ids(client) == created
            resource.prlimit(served.pid, resource.RLIMIT_FSIZE, before)
            until(lambda: client.get("/readyz").status_code == 200)
            assert create(client).status_code == 201
        assert detail in [line["message"] for line in served.lines()]


@pytest.mark.parametrize("change", ["deleted", "replaced"])
def test_a_file_that_is_gone_accepts_no_write_that_would_be_lost(tmp_path: Path, change: str) -> None:
    file = tmp_path / "here.db"
    with serving(settings_for(f"sqlite:///{file}")) as running:
        assert create(running.client).status_code == 201
        file.rename(tmp_path / "there.db")
        if change == "replaced":
            with closing(sqlite3.connect(file)) as other:
                other.execute("CREATE TABLE other (id INTEGER)")
        for response in (create(running.client), running.client.get("/readyz")):
            assert "deleted, moved or replaced" in assert_problem(response, UNAVAILABLE)["detail"]
        assert file.exists() == (change == "replaced")
        (tmp_path / "there.db").replace(file)
        assert create(running.client).status_code == 201


def test_many_who_ask_whether_it_is_ready_share_one_write_a_second(tmp_path: Path) -> None:
    with (
        serving(settings_for(f"sqlite:///{tmp_path}/asked.db")) as running,
        closing(sqlite3.connect(tmp_path / "asked.db", isolation_level=None)) as counter,
    ):
        counter.execute("CREATE TABLE written (at TEXT)")
        counting = "INSERT INTO written VALUES (NEW.written_at)"
        counter.execute(f"CREATE TRIGGER counted AFTER UPDATE ON installation BEGIN {counting}; END")
        began = time.monotonic()
        assert {running.client.get("/readyz").status_code for _ in range(100)} == {200}
        seconds = time.monotonic() - began
        (writes,) = counter.execute("SELECT count(*) FROM written").fetchone()
        assert 1 <= writes <= seconds + 1


def test_a_transaction_that_postgresql_ends_because_it_pauses_is_named(postgres: NewDatabase) -> None:
    database = open_database(settings_for(postgres(), wait_seconds=0.1))

    def pause(tx: Transaction) -> None:
        tx.sql.execute(text("SELECT 1"))
        # PostgreSQL ends a transaction that is idle for three times as long as the service waits.
        time.sleep(1)
        tx.sql.execute(text("SELECT 1"))

    with pytest.raises(Problem) as raised:
        database.write_sync(pause)
    database.close()
    assert (raised.value.kind, raised.value.detail) == (
        UNAVAILABLE,
        "The database did not finish in time.",
    )
