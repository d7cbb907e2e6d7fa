"""Several processes that start at once on one empty database."""

import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

from app.db import open_database
from app.keys.service import ensure_admin_key
from app.question_sets.builtin_sets import read_builtin
from tests.catalogue import catalogue, connected, run_migrations
from tests.conftest import ADMIN_KEY, NewDatabase, settings_for
from tests.waiting import PATIENCE

AT_ONCE = 6


def together(work: Callable[[str], None], url: str) -> list[int | None]:
    """Do the work in so many processes in the same moment; their exit codes."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    start = processes.Barrier(AT_ONCE)
    started = [processes.Process(target=_at, args=(start, work, url)) for _ in range(AT_ONCE)]
    for process in started:
        process.start()
    for process in started:
        process.join(PATIENCE)
    return [process.exitcode for process in started]


def _at(start: Barrier, work: Callable[[str], None], url: str) -> None:
    start.wait(PATIENCE)
    work(url)


def make_a_key(url: str) -> None:
    open_database(settings_for(url)).write_sync(lambda tx: ensure_admin_key(tx, None))


def store_the_given_key(url: str) -> None:
    open_database(settings_for(url)).write_sync(lambda tx: ensure_admin_key(tx, ADMIN_KEY))


def test_all_that_migrate_at_once_succeed(new_database: NewDatabase) -> None:
    url = new_database.empty()
    assert together(run_migrations, url) == [0] * AT_ONCE
    with connected(url) as connection:
        assert set(catalogue(connection)) == set(SQLModel.metadata.tables)


@pytest.mark.parametrize("first_key", [make_a_key, store_the_given_key])
def test_one_makes_the_first_key(new_database: NewDatabase, first_key: Callable[[str], None]) -> None:
    url = new_database()
    assert together(first_key, url) == [0] * AT_ONCE
    with connected(url) as connection:
        assert connection.scalar(text("SELECT count(*) FROM api_key")) == 1


def greeting(process: subprocess.Popen[str]) -> str:
    """All that a starting service prints, up to the end of the curl."""
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(line)
        if "-d '" in line:
            break
    return "".join(lines)


def test_services_load_the_sets_once_and_one_shows_a_key(postgres: NewDatabase, tmp_path: Path) -> None:
    url = postgres.empty()
    environment = os.environ | {"PROSPECT_FIT_DATABASE_URL": url, "PYTHONUNBUFFERED": "1"}
    command = [Path(sys.executable).with_name("prospect-fit"), "serve", "--port", "0"]
    starting = {"cwd": tmp_path, "env": environment, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with ExitStack() as stack:
        services = [stack.enter_context(subprocess.Popen(command, text=True, **starting)) for _ in range(3)]
        greetings = [greeting(service) for service in services]
        for service in services:
            service.terminate()
    assert [len(set(re.findall(r"pfk_\w+", told))) for told in sorted(greetings)].count(1) == 1
    with connected(url) as connection:
        assert connection.scalar(text("SELECT count(*) FROM api_key")) == 1
        loaded = connection.execute(text("SELECT key, version FROM question_set_version")).all()
        assert sorted(loaded) == sorted((built_in.key, 1) for built_in in read_builtin())
