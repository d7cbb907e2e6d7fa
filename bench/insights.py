"""How long reports take with 100,000 outcomes: python -m bench.insights [SESSIONS]

Each report is read as JSON and as CSV, on SQLite and on PostgreSQL. The outcomes have a truth: deals with
higher ratings are won more often, and those that are lost for their price have a low rating of one question.
"""

import random
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx

from app.db import Database
from app.events.service import assign_positions
from app.question_sets.plans import Plans
from app.sessions.qualification import qualify
from app.sessions.requests import DecisionIn, OutcomeIn, QualifyRequest
from app.sessions.session_edit import UnitOfWork
from bench.fill import STORIES, Copy, fill
from bench.server import BENCH_KEY, postgresql, serving
from bench.table import Measure, print_table

SESSIONS = 100_000
GOAL = "≤ 5 s"
SET = "meddpicc"
ASSESSORS = tuple(f"assessor {number}" for number in range(20))
INDUSTRIES = ("retail", "logistics", "saas", "Retail ")
COMPETITORS = ("Acme", "Globex", "Initech", None)
REASONS = ("price", "timing", "features", None)
FIRST_DAY = date(2024, 1, 1)
REPORTS = (
    f"calibration?question_set={SET}",
    f"questions?question_set={SET}",
    f"assessors?question_set={SET}",
    "decisions",
    f"decisions?segment=industry:retail&question_set={SET}",
    "outcomes",
    f"outcomes?question_set={SET}&by=reason&by=competitor&by=month&by=attribute:industry&by=attribute:employees",
)


class OutcomeCopy(Copy):
    """One copy of all stories, with the assessors that they have."""

    def _vary(self, *_: Any) -> None:
        pass


def record_outcomes(database: Database, stories: int) -> None:
    """Qualify deals of as many sessions: two assessors rate each deal, and then it is won or lost."""
    chance = random.Random(20)
    plans = Plans(database, SET)
    questions = list(database.read_sync(lambda tx: plans.find_to_open(tx, SET)).questions)
    for number in range(stories // 2):
        for request in _deal(chance, questions, number):
            database.write_sync(lambda tx, sent=request: qualify(UnitOfWork(tx, plans, "bench", "ada"), sent))
    while database.write_sync(assign_positions):
        pass


def _deal(chance: random.Random, questions: list[str], number: int) -> Iterator[QualifyRequest]:
    quality = chance.random()
    outcome = "no_decision" if chance.random() < 0.1 else "won" if chance.random() < quality else "lost"
    reason = chance.choice(REASONS) if outcome == "lost" else None
    prospect = {
        "source": "crm.accounts",
        "external_id": f"A{number}",
        "name": f"Prospect {number}",
        "attributes": {"industry": chance.choice(INDUSTRIES), "employees": chance.randint(1, 5000)},
        "question_set": SET,
        "deal": f"D{number}",
    }
    ended = OutcomeIn(
        outcome=outcome,
        amount=round(chance.lognormvariate(9, 1), 2),
        currency=chance.choice(("EUR", "USD")),
        closed_on=FIRST_DAY + timedelta(days=chance.randint(0, 900)),
        reason=reason,
        competitor=chance.choice(COMPETITORS),
    )
    for assessor in chance.sample(ASSESSORS, 2):
        ratings = {
            question: min(5, max(1, round(1 + 4 * quality + chance.gauss(0, 1))))
            for question in questions
            if chance.random() < 0.9
        }
        if reason == "price" and questions[1] in ratings:
            ratings[questions[1]] = chance.choice((1, 1, 2))
        decision = DecisionIn(decision=chance.choice(("pursue", "pursue", "nurture")), actor=assessor)
        yield QualifyRequest(**prospect, assessor=assessor, ratings=ratings, decision=decision)
        yield QualifyRequest(**prospect, assessor=assessor, outcome=ended)


def measures(sessions: int = SESSIONS) -> Iterator[Measure]:
    """Measure every report on both databases."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        urls = {"SQLite": f"sqlite:///{Path(folder) / 'insights.db'}", "PostgreSQL": server.new_database()}
        for database, url in urls.items():
            fill(url, sessions, STORIES, record_outcomes, OutcomeCopy)
            yield from measures_of(database, url)


def measures_of(database: str, url: str) -> Iterator[Measure]:
    """Measure every report on a filled database."""
    with serving(url) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        client.headers["X-API-Key"] = BENCH_KEY
        for report in REPORTS:
            name, _, query = report.partition("?")
            for address in (f"/v1/insights/{name}?{query}", f"/v1/insights/{name}.csv?{query}"):
                yield Measure(f"{address}, {database}", f"{_seconds(client, address):.1f} s", goal=GOAL)


def _seconds(client: httpx.Client, address: str) -> float:
    """Return the time of the second of two reads: the first one of all also imports numpy."""
    for _ in range(2):
        began = time.perf_counter()
        response = client.get(address)
        assert response.status_code == 200, f"{address}: {response.text}"
    return time.perf_counter() - began


if __name__ == "__main__":
    print_table(measures(*map(int, sys.argv[1:])))
