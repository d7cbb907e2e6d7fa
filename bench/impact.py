"""The preview of a draft, compared with only reading the same rows: python -m bench.impact"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID

import anyio
from sqlalchemy import bindparam, select
from sqlmodel import SQLModel

from app.db import Database, Transaction, open_database
from app.main import prepare_database
from app.question_sets.plans import Plans
from app.question_sets.queries import find_set
from app.scoring import Plan, read_question_set
from app.sessions.impact.queries import impact
from app.settings import Settings
from bench.server import BENCH_KEY, BENCH_SET
from bench.table import Measure, in_turns, median_ratio, print_table

IMPACT_ROUNDS = 3
SESSION_COUNTS = (1_000, 20_000)
ANSWERED_QUESTIONS = 10
SESSIONS_PER_BATCH = 500
FILLED_AT = datetime(2026, 1, 5, 9, tzinfo=UTC)
TABLES = SQLModel.metadata.tables


def measures() -> Iterator[Measure]:
    """Yield sessions per second and peak memory, with few sessions and with many."""
    for sessions in SESSION_COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'impact.db'}"
            fill(prepared_database(url), sessions)
            kinds = {what: partial(run_in_process, what, url) for what in ("read", "impact")}
            runs = {what: results[1:] for what, results in in_turns(IMPACT_ROUNDS + 1, kinds).items()}
        seconds = {what: [run["seconds"] for run in results] for what, results in runs.items()}
        figures = {
            what: f"{sessions / statistics.median(seconds[what]):,.0f}/s, {results[0]['megabytes']:.0f} MB"
            for what, results in runs.items()
        }
        yield Measure(
            f"preview, {sessions:,} sessions, {runs['impact'][0]['changed']:,} changed",
            figures["impact"],
            f"reading the same rows, {figures['read']}",
            median_ratio(seconds["impact"], seconds["read"]),
            "≥ 10,000/s",
        )


def prepared_database(url: str) -> Database:
    settings = Settings(database_url=url, admin_key=BENCH_KEY)
    database = open_database(settings)
    prepare_database(database, settings)
    return database


def fill(database: Database, sessions: int) -> None:
    """Insert prospects with a session and ten answers each, directly into the tables."""
    questions = list(plan_of(database).questions)[: 2 * ANSWERED_QUESTIONS : 2]
    with database.engine.begin() as connection:
        for first in range(1, sessions + 1, SESSIONS_PER_BATCH):
            numbers = range(first, min(first + SESSIONS_PER_BATCH, sessions + 1))
            connection.execute(TABLES["prospect"].insert(), list(map(prospect, numbers)))
            connection.execute(TABLES["session"].insert(), list(map(session, numbers)))
            answers = [
                answer(n, question, place) for n in numbers for place, question in enumerate(questions)
            ]
            connection.execute(TABLES["answer"].insert(), answers)


def prospect(number: int) -> dict[str, object]:
    values = {"attributes": {}, "searchable": "", "subject": "prospect", "revision": 1}
    return {"id": UUID(int=number), "created_at": FILLED_AT, "updated_at": FILLED_AT, **values}


def session(number: int) -> dict[str, object]:
    return {
        "id": UUID(int=number),
        "prospect_id": UUID(int=number),
        "deal": "",
        "question_set": BENCH_SET,
        "version": 1,
        "status": "open",
        "revision": 1,
        "attributes": {},
        "opened_at": FILLED_AT,
        "updated_at": FILLED_AT,
        "rank": 1,
        "indication": "undetermined",
        "settled": False,
    }


def answer(number: int, question: str, place: int) -> dict[str, object]:
    values = {"state": "rated", "rating": 1 + (number + place) % 5, "answered_at": FILLED_AT, "revision": 1}
    return {"session_id": UUID(int=number), "question": question, **values}


def plan_of(database: Database) -> Plan:
    question_set = database.read_sync(lambda tx: find_set(tx, BENCH_SET))
    assert question_set is not None
    return Plan(question_set, f"{BENCH_SET}@1")


def run_in_process(what: str, url: str) -> dict[str, float]:
    """Measure in a separate process, so that its peak memory covers only this measure."""
    command = [sys.executable, "-m", "bench.impact", what, url]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(what: str, url: str) -> None:
    database = prepared_database(url)
    started = time.perf_counter()
    changed = anyio.run(preview_draft, database) if what == "impact" else database.read_sync(read)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "changed": changed,
            }
        )
    )


async def preview_draft(database: Database) -> int:
    """Preview a draft in which `goal` must reach 4, and return how many sessions change.

    Its answers do not go stale. A session whose rating is too low becomes `no_fit`.
    """
    definition = plan_of(database).question_set.canonical()
    for question in definition["steps"][0]["questions"]:
        if question["key"] == "goal":
            question |= {"must_reach": 4, "if_missed": "no_fit"}
    draft = Plan(read_question_set(definition), f"{BENCH_SET}@draft")
    lines = impact(database, Plans(database, BENCH_SET), draft, BENCH_SET, None)
    changed = 0
    async for batch in lines:
        changed += sum(line.kind == "changed" for line in batch)
    return changed


def read(tx: Transaction) -> int:
    """Read all sessions with all their answers, a few hundred at a time, and count the answers."""
    return sum(1 for _ in rows(tx))


def rows(tx: Transaction) -> Iterator[object]:
    table, answers = TABLES["session"], TABLES["answer"]
    next_sessions = (
        select(table).where(table.c.id > bindparam("last")).order_by(table.c.id).limit(SESSIONS_PER_BATCH)
    )
    their_answers = select(answers).where(answers.c.session_id.in_(bindparam("ids", expanding=True)))
    last = UUID(int=0)
    while found := tx.db.execute(next_sessions, {"last": last}).all():
        yield from tx.db.execute(their_answers, {"ids": [row.id for row in found]}).all()
        last = found[-1].id


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(*sys.argv[1:])
    else:
        print_table(measures())
