"""A database that is gone, silent or busy: a 503 soon, and `/livez` answers all the while."""

import sqlite3
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import psycopg
import pytest

from app.db import open_database
from app.problems import UNAVAILABLE
from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.edge.problem import assert_problem
from tests.edge.process import process
from tests.edge.proxy import Proxy
from tests.edge.wire import answer, connection, head
from tests.waiting import PATIENCE, soon, until

# Beside the wait of the setting there are 2 seconds of grace, and as many to spare.
WAIT, SOON = 1, 6

CALLS = [
    ("GET", "/readyz", None),
    ("GET", "/v1/prospects", None),
    ("GET", "/v1/question-sets", None),
    ("POST", "/v1/score", {"question_set": "qualifying-a-sale@1"}),
    ("POST", "/v1/prospects", {"name": "never"}),
    ("POST", "/v1/qualify", {"source": "down", "external_id": "never"}),
]


@pytest.fixture(scope="module")
def proxy(postgres):
    proxy = Proxy(postgres())
    yield proxy
    proxy.close()


@pytest.fixture(scope="module")
def behind(proxy):
    """A service that finds its database behind the proxy."""
    with serving(settings_for(proxy.url, wait_seconds=WAIT)) as running:
        yield running


def assert_unavailable(client, calls=CALLS):
    """All calls at once; the database stays as it is until they are answered."""
    with ThreadPoolExecutor(len(calls)) as pool:
        answers = [pool.submit(client.request, method, path, json=sent) for method, path, sent in calls]

        def all_answered():
            assert client.get("/livez").status_code == 200
            return all(answer.done() for answer in answers)

        soon(all_answered, seconds=SOON)
        for answer in answers:
            assert_problem(answer.result(), UNAVAILABLE)
            assert int(answer.result().headers["retry-after"]) >= 1


def assert_it_recovers(client):
    until(lambda: client.get("/readyz").status_code == 200)
    assert client.get("/v1/prospects").json()["items"] == []
    assert client.get("/v1/sessions").json()["items"] == []


def test_a_server_that_stops(proxy, behind):
    assert behind.client.get("/v1/prospects").status_code == 200
    proxy.refusing = True
    proxy.cut()
    assert_unavailable(behind.client)
    proxy.refusing = False
    assert_it_recovers(behind.client)


def test_a_server_that_accepts_and_says_nothing(proxy, behind):
    proxy.cut()
    proxy.silent = True
    assert_unavailable(behind.client)
    proxy.silent = False
    assert_it_recovers(behind.client)


def test_a_server_that_falls_silent_in_the_middle(proxy, behind):
    """The connections of the pool are open, so that nobody notices before a time-out."""
    every_read = [call for call in CALLS if call[0] == "GET"]
    for method, path, _ in every_read * 3:
        assert behind.client.request(method, path).status_code == 200
    proxy.silent = True
    assert_unavailable(behind.client)
    proxy.silent = False
    # What was given up goes on now, and must not be written after all.
    time.sleep(0.5)
    assert_it_recovers(behind.client)


def test_more_callers_than_connections_wait_no_longer_than_the_setting_says(proxy):
    settings = settings_for(proxy.url, wait_seconds=WAIT, pool_size=1)
    with serving(settings) as narrow:
        proxy.silent = True
        assert_unavailable(narrow.client)
        proxy.silent = False


def test_an_sqlite_file_that_another_program_holds(tmp_path):
    file = tmp_path / "held.db"
    with serving(settings_for(f"sqlite:///{file}", wait_seconds=WAIT)) as running:
        holder = sqlite3.connect(file, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        writes = [call for call in CALLS if "never" in str(call[2])]
        assert_unavailable(running.client, writes)
        for path in ("/livez", "/v1/prospects"):
            assert running.client.get(path).status_code == 200
        holder.execute("ROLLBACK")
        holder.close()
        assert running.client.post("/v1/prospects", json={"name": "now"}).status_code == 201
        assert len(running.client.get("/v1/prospects").json()["items"]) == 1


def test_a_new_key_that_waits_for_a_locked_table_is_not_taken_for_one_in_use(postgres):
    url = postgres()
    with serving(settings_for(url, wait_seconds=WAIT)) as running, psycopg.connect(url) as holder:
        holder.execute("LOCK TABLE prospect IN EXCLUSIVE MODE")
        headers = {"Idempotency-Key": "new"}
        answer = running.client.post("/v1/prospects", json={"name": "never"}, headers=headers)
        assert_problem(answer, UNAVAILABLE)


def test_callers_who_leave_take_no_connection_from_others(postgres, tmp_path):
    """They leave before the database has answered, so their requests are still running."""
    proxy, key = Proxy(postgres()), {"X_API_Key": ADMIN_KEY}
    whole = head("POST", "/v1/prospects", Content_Length=2, Content_Type="application/json", **key) + b"{}"
    with process(tmp_path, proxy.url, MAX_CONNECTIONS="10") as served, ExitStack() as stack:
        others = [stack.enter_context(connection(served.url)) for _ in range(5)]
        assert_answers(others)
        proxy.silent = True
        for _ in range(50):
            with connection(served.url) as leaving:
                leaving.sendall(whole)
        assert_answers(others)
        proxy.silent = False
    proxy.close()


def assert_answers(connections):
    for connected in connections:
        connected.sendall(head("GET", "/livez"))
        assert answer(connected).status_code == 200


def test_two_transactions_that_wait_for_each_other_are_both_carried_out(postgres):
    """Each changes two prospects, in opposite orders; PostgreSQL ends one of them, which begins anew."""
    settings = settings_for(postgres())
    with serving(settings) as running:
        ids = [running.client.post("/v1/prospects", json={"name": "N"}).json()["id"] for _ in range(2)]
    database, both_hold_one, runs = open_database(settings), threading.Barrier(2), Counter()
    one_is_done = threading.Event()

    def change(order):
        def work(tx):
            runs[order] += 1
            # Otherwise the one that was ended can lock its row again before the other wakes up.
            if runs[order] > 1:
                one_is_done.wait(PATIENCE)
            for place in order:
                changed = f"UPDATE prospect SET revision = revision + 1 WHERE id = '{ids[place]}'"
                tx.db.connection().exec_driver_sql(changed)
                if runs[order] == 1 and place == order[0]:
                    both_hold_one.wait(PATIENCE)

        database.write_sync(work)
        one_is_done.set()

    with ThreadPoolExecutor() as pool:
        list(pool.map(change, [(0, 1), (1, 0)]))
    database.close()
    assert sorted(runs.values()) == [1, 2]
    with serving(settings) as running:
        for prospect in ids:
            assert running.client.get(f"/v1/prospects/{prospect}").json()["revision"] == 3


@pytest.mark.parametrize(
    ("changed", "remedy"),
    [
        ("DELETE FROM alembic_version", "prospect-fit migrate"),
        ("UPDATE alembic_version SET version_num = '0009'", "start with a new database"),
    ],
)
def test_a_schema_that_is_not_the_newest_is_not_ready(tmp_path, changed, remedy):
    settings = settings_for(f"sqlite:///{tmp_path}/behind.db")
    with serving(settings) as running:
        holder = sqlite3.connect(tmp_path / "behind.db", isolation_level=None)
        holder.execute(changed)
        holder.close()
        told = assert_problem(running.client.get("/readyz"), UNAVAILABLE)
        assert remedy in told["detail"]
