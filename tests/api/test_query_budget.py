"""Each operation runs a fixed number of SQL statements, which this table gives.

A statement more can be right: then change the table. The test fails with the statements, so that one sees
which came and which went.
"""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psycopg
from sqlalchemy import event

from app.db import open_database
from app.main import create_app, prepare_database
from tests.conftest import ADMIN_KEY, settings_for

SET = "qualifying-a-sale@1"
LINK = {"source": "crm", "external_id": "1"}
RECORD = {
    **LINK,
    "name": "Harbour Works",
    "attributes": {"employees": 120},
    "question_set": SET,
    "ratings": {"trigger": 2, "requirements": 3, "budget": 3},
}
CHANGED = {**RECORD, "ratings": {"trigger": 3, "requirements": 3, "budget": 4}}
RENAMED = {**CHANGED, "name": "Harbour Yard", "attributes": {"employees": 300}}
CONCLUDED = {"decision": {"decision": "pursue", "actor": "ana"}, "outcome": {"outcome": "won"}}
FITS = {"prospects": [{**LINK, "external_id": str(number)} for number in range(1, 6)]}
# Not counted: the begin of a transaction, the check of a connection, and the look-up of the API key, which is
# cached for a second.
NOT_COUNTED = re.compile("^BEGIN|^;$|FROM api_key")
BUDGET = {
    "qualify: a new prospect": 12,
    "qualify: other answers": 9,
    "qualify: the same again": 4,
    "qualify: another name and attribute": 11,
    "qualify: with a key": 11,
    "qualify: with the key again": 2,
    "qualify: a decision and an outcome": 22,
    "open a session": 7,
    "answer": 6,
    "answer: the same again": 2,
    "decide": 9,
    "record an outcome": 14,
    "read a session": 5,
    "read its history": 5,
    "list sessions": 5,
    "list sessions: filtered": 7,
    "list prospects": 2,
    "list prospects: searched": 4,
    "read a prospect": 2,
    "find a prospect": 2,
    "read a fit": 4,
    "find a fit": 4,
    "read five fits": 5,
    "compare assessors": 3,
    "read the feed: new events": 13,
    "read the feed": 10,
}


class Counting:
    """A client of a service without background work, and the statements of each call by its name."""

    def __init__(self, client: httpx.AsyncClient, statements: list[str]) -> None:
        self.client = client
        self.statements = statements
        self.by_name: dict[str, list[str]] = {}

    async def call(self, name: str, method: str, path: str, body: object = None, **headers: str) -> dict:
        self.statements.clear()
        response = await self.client.request(method, f"/v1{path}", json=body, headers=headers)
        assert response.is_success, (name, response.text)
        self.by_name[name] = [one for one in self.statements if not NOT_COUNTED.search(one)]
        return response.json()


def counting_options(statements: list[str], *, is_sqlite: bool) -> dict[str, Any]:
    """Return the options of a driver with which the cursors of a connection note each statement."""

    class Cursor(sqlite3.Cursor if is_sqlite else psycopg.Cursor):
        def execute(self, statement, *arguments, **options):
            statements.append(" ".join(str(statement).split()))
            return super().execute(statement, *arguments, **options)

        def executemany(self, statement, *arguments, **options):
            statements.append(" ".join([*str(statement).split(), "(many)"]))
            return super().executemany(statement, *arguments, **options)

    class Connection(sqlite3.Connection):
        def cursor(self, factory=Cursor):
            return super().cursor(factory)

    return {"factory": Connection} if is_sqlite else {"cursor_factory": Cursor}


@contextmanager
def counting(database_url: str) -> Iterator[Counting]:
    settings = settings_for(database_url)
    database = open_database(settings)
    prepare_database(database, settings)
    database.close()
    app = create_app(settings)
    statements: list[str] = []
    database = app.state.service.database

    @event.listens_for(database.engine, "do_connect")
    def count(_dialect, _record, _arguments, options) -> None:
        options |= counting_options(statements, is_sqlite=database.is_sqlite)

    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers={"X-API-Key": ADMIN_KEY}
    )
    yield Counting(client, statements)
    asyncio.run(client.aclose())
    database.close()


async def work(calls: Counting) -> None:
    """Make each call once. The version is named, since which one is the newest is cached for two seconds."""
    call = calls.call
    await call("", "POST", "/qualify", {**RECORD, "external_id": "2"})
    opened = await call("qualify: a new prospect", "POST", "/qualify", RECORD)
    prospect, session = f"/prospects/{opened['prospect_id']}", f"/sessions/{opened['session_id']}"
    await call("qualify: other answers", "POST", "/qualify", CHANGED)
    await call("qualify: the same again", "POST", "/qualify", CHANGED)
    await call("qualify: another name and attribute", "POST", "/qualify", RENAMED)
    again = {**RENAMED, "ratings": RECORD["ratings"]}
    await call("qualify: with a key", "POST", "/qualify", again, **{"Idempotency-Key": "once"})
    await call("qualify: with the key again", "POST", "/qualify", again, **{"Idempotency-Key": "once"})
    concluded = {**RECORD, **CONCLUDED, "external_id": "2"}
    await call("qualify: a decision and an outcome", "POST", "/qualify", concluded)
    new = {"prospect_id": opened["prospect_id"], "question_set": SET, "assessor": "ana"}
    await call("open a session", "POST", "/sessions", {**new, "ratings": RECORD["ratings"]})
    await call("answer", "PATCH", f"{session}/answers", {"ratings": {"trigger": 4, "goal": 3}})
    answered = await call("answer: the same again", "PATCH", f"{session}/answers", {"ratings": {"goal": 3}})
    decision = {"decision": "pursue", "actor": "ana", "revision": answered["revision"]}
    await call("decide", "POST", f"{session}/decision", decision)
    await call("record an outcome", "POST", f"{session}/outcome", {"outcome": "won"})
    await call("read a session", "GET", session)
    await call("read its history", "GET", f"{session}/history")
    await call("list sessions", "GET", "/sessions")
    await call("list sessions: filtered", "GET", "/sessions?status=open&question_set=qualifying-a-sale")
    await call("list prospects", "GET", "/prospects")
    await call("list prospects: searched", "GET", "/prospects?q=har+yard")
    await call("read a prospect", "GET", prospect)
    await call("find a prospect", "GET", "/prospects/by-external-id/crm/1")
    await call("read a fit", "GET", f"{prospect}/fit")
    await call("find a fit", "GET", "/prospects/by-external-id/crm/1/fit")
    await call("read five fits", "POST", "/fits", FITS)
    await call("compare assessors", "GET", f"{prospect}/comparison")
    await call("read the feed: new events", "GET", "/events")
    await call("read the feed", "GET", "/events")


def test_each_operation_runs_as_many_statements_as_the_table_says(new_database) -> None:
    with counting(new_database()) as calls:
        asyncio.run(work(calls))
    calls.by_name.pop("")
    others = {
        name: statements for name, statements in calls.by_name.items() if len(statements) != BUDGET.get(name)
    }
    lines = (
        line
        for name, statements in others.items()
        for line in (f"{name}: {len(statements)}, not {BUDGET.get(name)}", *statements)
    )
    assert not others, "\n    ".join(("", *lines))
    assert calls.by_name.keys() == BUDGET.keys()
