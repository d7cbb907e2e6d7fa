"""A service that is told to stop while requests run for longer than it waits for them."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import psycopg
import pytest

from app.problems import UNAVAILABLE
from tests.conftest import ADMIN_KEY
from tests.edge.problem import assert_problem
from tests.edge.process import process
from tests.edge.proxy import Proxy
from tests.edge.wire import connection, head
from tests.waiting import PATIENCE, until

# It cancels running requests after a second.
IMPATIENT = "from app.cli import serve; serve.MAX_STOPPING_SECONDS = 1"
# It then waits for running transactions as long as they take.
PATIENT = f"from app.db import database; database.MAX_CLOSING_SECONDS = {PATIENCE}"
LOCK_AT_COMMIT = """
CREATE FUNCTION wait_for_the_test() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow_commit AFTER INSERT ON prospect DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait_for_the_test();
"""
WAITING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
"""


def call(served, method, path, **others):
    headers = {"X-API-Key": ADMIN_KEY, "Idempotency-Key": "stopping"} if method == "POST" else {}
    headers = {"X-API-Key": ADMIN_KEY, **headers}
    return httpx.request(method, served.url + path, headers=headers, timeout=PATIENCE, verify=False, **others)


def create(served):
    return call(served, "POST", "/v1/prospects", json={"name": "at the end"})


def stop(served):
    """Ask it to stop, and wait until it cancels the requests that are still running."""
    os.kill(served.pid, signal.SIGTERM)
    until(lambda: any("Cancel" in line["message"] for line in served.lines()))


def assert_stopping(answer):
    assert_problem(answer, UNAVAILABLE)
    assert answer.json()["detail"] == "The service is stopping."
    assert answer.headers["connection"] == "close"
    assert int(answer.headers["retry-after"]) >= 1


def assert_quiet(served):
    assert [line for line in served.lines() if "exception" in line] == []


def names(database):
    return [name for (name,) in database.execute("SELECT name FROM prospect").fetchall()]


@pytest.fixture
def url(postgres):
    return postgres()


def test_a_write_that_waits_for_a_lock_gets_a_problem_and_is_not_written(url, tmp_path):
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watching:
        with process(tmp_path, url, patch=IMPATIENT) as served, ThreadPoolExecutor() as pool:
            assert call(served, "GET", "/v1/prospects").status_code == 200
            holder.execute("LOCK TABLE prospect")
            answers = [pool.submit(create, served) for _ in range(3)]
            until(lambda: watching.execute(WAITING).fetchone()[0] >= 2)
            stop(served)
            for answer in answers:
                assert_stopping(answer.result(PATIENCE))
            holder.rollback()
            until(served.has_ended)
        assert_quiet(served)
        until(lambda: watching.execute(WAITING).fetchone()[0] == 0)
        assert names(watching) == []
        assert watching.execute("SELECT count(*) FROM idempotency").fetchone() == (0,)


def test_a_write_whose_commit_has_begun_is_reported(url, tmp_path):
    with psycopg.connect(url, autocommit=True) as watching:
        watching.execute(LOCK_AT_COMMIT)
        watching.execute("SELECT pg_advisory_lock(1)")
        with process(tmp_path, url, patch=f"{IMPATIENT}\n{PATIENT}") as served, ThreadPoolExecutor() as pool:
            answer = pool.submit(create, served)
            until(lambda: watching.execute(WAITING).fetchone()[0] == 1)
            stop(served)
            watching.execute("SELECT pg_advisory_unlock(1)")
            assert answer.result(PATIENCE).status_code == 201
            until(served.has_ended)
        assert_quiet(served)
        assert names(watching) == ["at the end"]


def test_a_read_from_a_database_that_does_not_answer_gets_a_problem(url, tmp_path):
    proxy = Proxy(url)
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watching:
        with process(tmp_path, proxy.url, patch=IMPATIENT) as served, ThreadPoolExecutor() as pool:
            holder.execute("LOCK TABLE prospect")
            answer = pool.submit(call, served, "GET", "/v1/prospects")
            until(lambda: watching.execute(WAITING).fetchone()[0] == 1)
            proxy.silent = True
            stop(served)
            assert_stopping(answer.result(PATIENCE))
        assert_quiet(served)
    proxy.close()


def test_a_response_that_has_started_is_cut_off(url, tmp_path):
    line = b'{"source": "crm", "external_id": "a"}\n'
    sent = head(
        "POST",
        "/v1/qualify/batch",
        X_API_Key=ADMIN_KEY,
        Content_Type="application/x-ndjson",
        Content_Length=1000,
    )
    with psycopg.connect(url) as holder, psycopg.connect(url, autocommit=True) as watching:
        with process(tmp_path, url, patch=IMPATIENT) as served, connection(served.url) as connected:
            connected.sendall(sent + line)
            answers = connected.makefile("rb")
            while not (told := answers.readline()).startswith(b"{"):
                assert told
            holder.execute("LOCK TABLE prospect")
            connected.sendall(line)
            until(lambda: watching.execute(WAITING).fetchone()[0] == 1)
            stop(served)
            rest = b""
            with suppress(ConnectionError):
                rest = answers.read()
            assert not rest.endswith(b"0\r\n\r\n")
            holder.rollback()
        assert_quiet(served)
