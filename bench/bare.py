"""Write the rows of `/v1/qualify` and `PATCH answers` with the driver alone: python -m bench.bare DATABASE

This is the baseline of `bench.writes`. It validates the body, writes with the durability of the service, and
returns the id and the revision of the session. It neither scores nor explains anything: all sessions get the
same figures, and the response is short.
"""

import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any
from uuid import UUID

import anyio
import psycopg
from anyio import to_thread
from fastapi import FastAPI, Header
from pydantic import BaseModel
from uuid_utils.compat import uuid7

from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.files import read_file
from app.scoring import Plan, judge, verdict_record
from app.sessions.scores import SESSION_FIGURES
from app.sessions.tables import RANKS
from bench.hello import serve_alone
from bench.server import BENCH_SET

CONNECTIONS = 10
ANSWERED_EVENTS = ("session.answered", "score.changed")
OPENED_EVENTS = ("session.opened", *ANSWERED_EVENTS)
EVENT_COLUMNS = "id, type, at, prospect_id, session_id, question_set, revision, silent, data"
FIND_PROSPECT = (
    "SELECT p.id, p.revision FROM prospect p JOIN prospect_link l ON l.prospect_id = p.id"
    " WHERE l.source = ? AND l.match_key = ?"
)
FIND_RECEIVED = "SELECT question_set, fields FROM received_values WHERE source = ? AND match_key = ?"
FIND_SESSION = (
    "SELECT id, revision FROM session WHERE prospect_id = ? AND question_set = ? AND deal = ''"
    " AND assessor = '' AND status = 'open'"
)
FIND_SESSION_BY_ID = "SELECT id, revision, prospect_id FROM session WHERE id = ?"
FIND_ANSWERS = "SELECT question, rating FROM answer WHERE session_id = ?"
UPSERT_ANSWER = (
    "INSERT INTO answer (session_id, question, state, rating, answered_at, revision, expiry_announced)"
    " VALUES (?, ?, 'rated', ?, ?, ?, ?) ON CONFLICT (session_id, question) DO UPDATE"
    " SET rating = excluded.rating, answered_at = excluded.answered_at, revision = excluded.revision"
)
UPSERT_RECEIVED = (
    "INSERT INTO received_values (source, match_key, deal, assessor, question_set, opened_on, fields)"
    " VALUES (?, ?, '', '', ?, '', ?) ON CONFLICT"
    " (source, match_key, deal, assessor, question_set, opened_on) DO UPDATE SET fields = excluded.fields"
)
CLAIM_KEY = (
    "INSERT INTO idempotency (api_key_id, key, fingerprint, claimed_at) SELECT id, ?, ?, ? FROM api_key"
    " WHERE true LIMIT 1 ON CONFLICT DO NOTHING"
)
STORE_RESPONSE = "UPDATE idempotency SET status = 200, body = ?, revision = ?, prospect_id = ? WHERE key = ?"


class Answers(BaseModel):
    ratings: dict[str, int]


class Qualification(Answers):
    source: str
    external_id: str
    name: str | None = None
    attributes: dict[str, Any] = {}
    question_set: str


class Bare:
    """The database, and the writes. Ids, times and flags are passed as each driver takes them."""

    def __init__(self, url: str, plan: Any) -> None:
        self._url, self._plan = url, plan
        self._sqlite = url.startswith("sqlite")
        self._connections = threading.local()
        self.limiter = anyio.CapacityLimiter(1 if self._sqlite else CONNECTIONS)
        self._lock = "" if self._sqlite else " FOR NO KEY UPDATE"
        self._verdict = verdict_record(judge(plan, {}, {}, as_of=datetime.now(UTC)))
        figures = {name: self._verdict[name] for name in SESSION_FIGURES}
        self._figures = figures | {"rank": RANKS[figures["indication"]], "has_blocker": False}

    def qualify(self, sent: Qualification, key: str | None) -> dict[str, Any]:
        """Write what `/v1/qualify` writes."""
        link, at = (sent.source, sent.external_id), self._time()
        with self._transaction() as cursor:
            if key:
                self._run(cursor, CLAIM_KEY, (key, f"{key:0>64}", at))
            found = self._run(cursor, FIND_PROSPECT + self._lock, link).fetchone()
            if found:
                prospect_id = found[0]
                received = {
                    set_: self._read(fields) for set_, fields in self._run(cursor, FIND_RECEIVED, link)
                }
                parameters = (prospect_id, sent.question_set)
                session_id, revision = self._run(cursor, FIND_SESSION + self._lock, parameters).fetchone()
                answers = dict(self._run(cursor, FIND_ANSWERS, (session_id,)).fetchall())
            else:
                prospect_id, received, answers = self._create(cursor, sent, at), {"": {}}, {}
                session_id, revision = self._id(), 0
            changed = {
                question: rating
                for question, rating in sent.ratings.items()
                if rating != answers.get(question)
            }
            if changed:
                revision += 1
                self._save(cursor, (session_id, prospect_id, revision), changed, at)
                values = received.get(sent.question_set, {}) | {q: [r, 0] for q, r in changed.items()}
                rows = [(*link, sent.question_set, json.dumps(values))]
                if not found:
                    values = {"": sent.name} | sent.attributes
                    rows.append((*link, "", json.dumps({name: [value, 0] for name, value in values.items()})))
                self._run_many(cursor, UPSERT_RECEIVED, rows)
            result = {"session_id": str(session_id), "revision": revision}
            if key:
                self._run(cursor, STORE_RESPONSE, (json.dumps(result), revision, prospect_id, key))
            return result

    def answer(self, session_id: UUID, sent: Answers) -> dict[str, Any]:
        """Write what `PATCH /v1/sessions/{id}/answers` writes."""
        at = self._time()
        with self._transaction() as cursor:
            id_ = session_id.hex if self._sqlite else session_id
            found = self._run(cursor, FIND_SESSION_BY_ID + self._lock, (id_,)).fetchone()
            _, revision, prospect_id = found
            answers = dict(self._run(cursor, FIND_ANSWERS, (id_,)).fetchall())
            changed = {
                question: rating
                for question, rating in sent.ratings.items()
                if rating != answers.get(question)
            }
            self._save(cursor, (id_, prospect_id, revision + 1), changed, at)
            return {"session_id": str(session_id), "revision": revision + 1}

    def _create(self, cursor: Any, sent: Qualification, at: Any) -> Any:
        prospect_id = self._id()
        name, attributes = sent.name or "", json.dumps(sent.attributes)
        row = (prospect_id, sent.name, name.lower(), attributes, "{}", 1, at, at)
        self._insert(
            cursor,
            "prospect",
            "id, name, searchable, attributes, entered, revision, created_at, updated_at",
            row,
        )
        terms = [(prospect_id, word) for word in set((sent.name or "").lower().split())]
        self._run_many(cursor, "INSERT INTO prospect_term (prospect_id, term) VALUES (?, ?)", terms)
        row = (sent.source, sent.external_id, sent.external_id, prospect_id, at)
        self._insert(cursor, "prospect_link", "source, match_key, external_id, prospect_id, linked_at", row)
        return prospect_id

    def _save(self, cursor: Any, session: tuple[Any, ...], changed: dict[str, int], at: Any) -> None:
        session_id, prospect_id, revision = session
        key, version = self._plan.question_set.key, self._plan.version
        figures = self._figures | {
            "revision": revision,
            "updated_at": at,
            "answered_at": at,
            "lowest": 0.0,
            "descending_lowest": -0.0,
        }
        if revision == 1:
            row = {
                "id": session_id,
                "prospect_id": prospect_id,
                "deal": "",
                "assessor": "",
                "question_set": key,
                "version": version,
                "subject": "prospect",
                "status": "open",
                "attributes": "{}",
                "opened_at": at,
                "revisit_on": "9999-12-31",
                **figures,
            }
            self._insert(cursor, "session", ", ".join(row), tuple(row.values()))
        else:
            assignments = ", ".join(f"{column} = ?" for column in figures)
            self._run(
                cursor, f"UPDATE session SET {assignments} WHERE id = ?", (*figures.values(), session_id)
            )
        rows = [(session_id, question, rating, at, revision, False) for question, rating in changed.items()]
        self._run_many(cursor, UPSERT_ANSWER, rows)
        entries = {question: {"state": "rated", "rating": rating} for question, rating in changed.items()}
        word = "opened" if revision == 1 else "answered"
        row = (
            session_id,
            revision,
            at,
            "bench",
            word,
            json.dumps({"answers": entries}),
            json.dumps(self._verdict),
        )
        columns = "session_id, revision, at, key_name, change, changed, verdict"
        self._insert(cursor, "session_revision", columns, row)
        subject = (at, prospect_id, session_id, f"{key}@{version}", revision, False, "{}")
        events = [
            (self._id(), type_, *subject) for type_ in (OPENED_EVENTS if revision == 1 else ANSWERED_EVENTS)
        ]
        if revision == 1:
            events.insert(0, (self._id(), "prospect.created", at, prospect_id, None, None, 1, False, "{}"))
        marks = ", ".join("?" * len(events[0]))
        self._run_many(cursor, f"INSERT INTO event ({EVENT_COLUMNS}) VALUES ({marks})", events)

    def _insert(self, cursor: Any, table: str, columns: str, row: tuple[Any, ...]) -> None:
        self._run(cursor, f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", row)

    def _run(self, cursor: Any, statement: str, parameters: tuple[Any, ...]) -> Any:
        return cursor.execute(statement if self._sqlite else statement.replace("?", "%s"), parameters)

    def _run_many(self, cursor: Any, statement: str, rows: list[tuple[Any, ...]]) -> None:
        cursor.executemany(statement if self._sqlite else statement.replace("?", "%s"), rows)

    def _id(self) -> Any:
        return uuid7().hex if self._sqlite else uuid7()

    def _time(self) -> Any:
        now = datetime.now(UTC)
        return now.replace(tzinfo=None).isoformat(" ") if self._sqlite else now

    def _read(self, fields: Any) -> Any:
        return json.loads(fields) if self._sqlite else fields

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        connection = self._connection()
        cursor = connection.cursor()
        if self._sqlite:
            cursor.execute("BEGIN IMMEDIATE")
        try:
            yield cursor
        except BaseException:
            connection.rollback()
            raise
        connection.commit()

    def _connection(self) -> Any:
        """Return the connection of this thread, which is set up as in the service."""
        if not hasattr(self._connections, "one"):
            if self._sqlite:
                self._connections.one = sqlite3.connect(self._url.partition("///")[2], isolation_level=None)
                for pragma in (
                    "busy_timeout=5000",
                    "synchronous=FULL",
                    "foreign_keys=ON",
                    "secure_delete=ON",
                ):
                    self._connections.one.execute(f"PRAGMA {pragma}")
            else:
                self._connections.one = psycopg.connect(self._url)
        return self._connections.one


def bare_app(url: str) -> FastAPI:
    """Return the application. Its database is migrated, and has the question set of the benchmark."""
    app, bare = FastAPI(), Bare(url, Plan(read_file(BUILTIN / f"{BENCH_SET}.yaml"), f"{BENCH_SET}@1"))

    async def run(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return await to_thread.run_sync(work, limiter=bare.limiter)

    @app.post("/bare/qualify")
    async def qualify(
        sent: Qualification, idempotency_key: Annotated[str | None, Header()] = None
    ) -> dict[str, Any]:
        return await run(partial(bare.qualify, sent, idempotency_key))

    @app.patch("/bare/sessions/{session_id}/answers")
    async def answer(session_id: UUID, sent: Answers) -> dict[str, Any]:
        return await run(partial(bare.answer, session_id, sent))

    return app


if __name__ == "__main__":
    serve_alone(bare_app(sys.argv[1]))
