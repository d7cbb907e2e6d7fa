"""`doctor` detects a copy without its journal, and a service that uses another database."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.cli.started import Started
from tests.conftest import ADMIN_KEY, NewDatabase, serving, settings_for
from tests.edge.process import process
from tests.waiting import PATIENCE, until

LACKS_IT = "its journal, own.db-wal, is missing"
Doctor = Callable[..., tuple[int, str]]


@pytest.fixture
def doctor(started: Started, tmp_path: Path) -> Doctor:
    def run(url: str, *options: str) -> tuple[int, str]:
        done = started.run(["doctor", *options], tmp_path, PROSPECT_FIT_DATABASE_URL=url)
        assert done.stderr == ""
        return done.returncode, " ".join(done.stdout.split())

    return run


def copied(source: Path, folder: Path, *names: str) -> str:
    folder.mkdir()
    for name in names:
        shutil.copy(source / name, folder / name)
    return f"sqlite:///{folder}/own.db"


def write(url: str) -> None:
    headers = {"X-API-Key": ADMIN_KEY}
    httpx.post(f"{url}/v1/prospects", json={"name": "Acme"}, headers=headers, timeout=PATIENCE)


def test_a_copy_of_the_file_alone_is_recognised(tmp_path: Path, doctor: Doctor, started: Started) -> None:
    with process(tmp_path, f"sqlite:///{tmp_path}/own.db") as served:
        write(served.url)
        bare = copied(tmp_path, tmp_path / "bare", "own.db")
        whole = copied(tmp_path, tmp_path / "whole", "own.db", "own.db-wal")
        assert doctor(f"sqlite:///{tmp_path}/own.db")[0] == 0
    stopped = copied(tmp_path, tmp_path / "stopped", "own.db")
    assert [doctor(url)[0] for url in (whole, stopped)] == [0, 0]
    for _ in range(2):
        # The check does not change what it looks at.
        code, shown = doctor(bare)
        assert (code, LACKS_IT in shown) == (1, True)
    refused = started.run(["restore", "bare/own.db"], tmp_path, PROSPECT_FIT_DATABASE_URL="sqlite:///new.db")
    assert (refused.returncode, LACKS_IT in refused.stderr) == (1, True)
    with process(tmp_path, bare) as served:
        assert LACKS_IT in served.log.read_text("utf-8")


def test_a_service_that_was_killed_lacks_nothing(tmp_path: Path, doctor: Doctor, started: Started) -> None:
    url = f"sqlite:///{tmp_path}/own.db"
    with process(tmp_path, url) as served:
        write(served.url)
        os.kill(served.pid, signal.SIGKILL)
        until(served.has_ended)
    assert (tmp_path / "own.db-wal").exists()
    assert doctor(url)[0] == 0
    # A command that opened it has put the journal into the file.
    assert started.run(["keys", "list"], tmp_path, PROSPECT_FIT_DATABASE_URL=url).returncode == 0
    assert not (tmp_path / "own.db-wal").exists()
    assert doctor(url)[0] == 0


def test_the_database_of_the_service_is_told_from_others(new_database: NewDatabase, doctor: Doctor) -> None:
    url, other = new_database(), new_database()
    with serving(settings_for(url)) as running:
        code, shown = doctor(url, "--url", running.url)
        assert (code, "It uses the same database." in shown) == (0, True)
        code, shown = doctor(other, "--url", running.url)
        assert (code, "It uses another database than this command" in shown) == (1, True)
    code, shown = doctor(url, "--url", running.url)
    assert (code, "It cannot be reached, or is not Prospect Fit" in shown) == (1, True)


def test_a_copy_is_told_from_the_database_of_the_service(tmp_path: Path, doctor: Doctor) -> None:
    with serving(settings_for(f"sqlite:///{tmp_path}/own.db")) as running:
        whole = copied(tmp_path, tmp_path / "whole", "own.db", "own.db-wal")
        code, shown = doctor(whole, "--url", running.url)
        assert (code, "It uses another database than this command, or a copy" in shown) == (1, True)


def test_a_database_of_another_program_is_named(new_database: NewDatabase, doctor: Doctor) -> None:
    url = new_database.empty()
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).touch()
        assert "There is no database at " in doctor(url)[1]
    else:
        assert "This database has no tables of Prospect Fit" in doctor(url)[1]
    assert doctor(url)[0] == 1
