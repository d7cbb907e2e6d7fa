"""The dry run of a draft beside reading the same rows and nothing else: python -m bench.impact"""

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

from app.db import Database, Transaction
from app.main import open_database, prepare_database
from app.question_sets.plans import Plans
from app.question_sets.queries import find_set
from app.scoring import Plan, read_question_set
from app.sessions.impact import impact
from app.settings import Settings
from bench.server import KEY, SET
from bench.table import Measure, in_turns, median_ratio, print_table

ROUNDS = 3
SIZES = (1_000, 20_000)
ANSWERS = 10
AT_ONCE = 500
NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
TABLES = SQLModel.metadata.tables


def measures() -> Iterator[Measure]:
    """Sessions per second and peak memory, with few sessions and with many."""
    for sessions in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            url = f"sqlite:///{Path(folder) / 'impact.db'}"
            fill(opened(url), sessions)
            kinds = {what: partial(in_a_process_of_its_own, what, url) for what in ("read", "impact")}
            runs = {what: taken[1:] for what, taken in in_turns(ROUNDS + 1, kinds).items()}
        seconds = {what: [run["seconds"] for run in taken] for what, taken in runs.items()}
        figures = {
            what: f"{sessions / statistics.median(seconds[what]):,.0f}/s, {taken[0]['megabytes']:.0f} MB"
            for what, taken in runs.items()
        }
        yield Measure(
            f"dry run, {sessions:,} sessions, {runs['impact'][0]['changed']:,} changed",
            figures["impact"],
            f"reading the same rows, {figures['read']}",
            median_ratio(seconds["impact"], seconds["read"]),
            "≥ 10,000/s",
        )


def opened(url: str) -> Database:
    settings = Settings(database_url=url, admin_key=KEY)
    database = open_database(settings)
    prepare_database(database, settings)
    return database


def fill(database: Database, sessions: int) -> None:
    """As many prospects with a session and ten answers each, straight into the tables."""
    asked = list(plan_of(database).questions)[: 2 * ANSWERS : 2]
    with database.engine.begin() as connection:
        for first in range(1, sessions + 1, AT_ONCE):
            numbers = range(first, min(first + AT_ONCE, sessions + 1))
            connection.execute(TABLES["prospect"].insert(), list(map(prospect, numbers)))
            connection.execute(TABLES["session"].insert(), list(map(session, numbers)))
            answers = [answer(n, question, place) for n in numbers for place, question in enumerate(asked)]
            connection.execute(TABLES["answer"].insert(), answers)


def prospect(number: int) -> dict[str, object]:
    about = {"attributes": {}, "searchable": "", "subject": "prospect", "revision": 1}
    return {"id": UUID(int=number), "created_at": NOW, "updated_at": NOW, **about}


def session(number: int) -> dict[str, object]:
    return {
        "id": UUID(int=number),
        "prospect_id": UUID(int=number),
        "deal": "",
        "question_set": SET,
        "version": 1,
        "status": "open",
        "revision": 1,
        "attributes": {},
        "opened_at": NOW,
        "updated_at": NOW,
        "rank": 1,
        "indication": "undetermined",
        "settled": False,
    }


def answer(number: int, question: str, place: int) -> dict[str, object]:
    said = {"state": "rated", "rating": 1 + (number + place) % 5, "answered_at": NOW, "revision": 1}
    return {"session_id": UUID(int=number), "question": question, **said}


def plan_of(database: Database) -> Plan:
    question_set = database.read_sync(lambda tx: find_set(tx, SET))
    assert question_set is not None
    return Plan(question_set, f"{SET}@1")


def in_a_process_of_its_own(what: str, url: str) -> dict[str, float]:
    """So that its memory is its own."""
    command = [sys.executable, "-m", "bench.impact", what, url]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(what: str, url: str) -> None:
    database = opened(url)
    started = time.perf_counter()
    changed = anyio.run(try_a_draft, database) if what == "impact" else database.read_sync(read)
    print(
        json.dumps(
            {
                "seconds": time.perf_counter() - started,
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
                "changed": changed,
            }
        )
    )


async def try_a_draft(database: Database) -> int:
    """With a bar on the goal, whose answers do not age: where it is missed, a fit is out of reach."""
    definition = plan_of(database).question_set.canonical()
    for question in definition["steps"][0]["questions"]:
        if question["key"] == "goal":
            question |= {"must_reach": 4, "if_missed": "no_fit"}
    draft = Plan(read_question_set(definition), f"{SET}@draft")
    lines = impact(database, Plans(database, SET), draft, SET, None)
    changed = 0
    async for line in lines:
        changed += line.kind == "changed"
    return changed


def read(tx: Transaction) -> int:
    """All sessions with all their answers, a few hundred at a time."""
    return sum(1 for _ in rows(tx))


def rows(tx: Transaction) -> Iterator[object]:
    table, answers = TABLES["session"], TABLES["answer"]
    some = select(table).where(table.c.id > bindparam("last")).order_by(table.c.id).limit(AT_ONCE)
    theirs = select(answers).where(answers.c.session_id.in_(bindparam("ids", expanding=True)))
    last = UUID(int=0)
    while found := tx.db.execute(some, {"last": last}).all():
        yield from tx.db.execute(theirs, {"ids": [row.id for row in found]}).all()
        last = found[-1].id


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(*sys.argv[1:])
    else:
        print_table(measures())
