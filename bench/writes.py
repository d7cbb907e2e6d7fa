"""The CPU time of writes, compared with the bare driver writing the same rows: python -m bench.writes

Each call of `/v1/qualify` sends a whole record, as a CRM does: a name, two attributes and 14 ratings. It is
about a new prospect; or three of its ratings change, without and with an idempotency key; or it repeats the
last call and writes nothing. `PATCH answers` sends the three ratings that change.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

import httpx
from sqlalchemy import create_engine, text

from bench.server import (
    BENCH_KEY,
    BENCH_QUESTIONS,
    BENCH_SET,
    Server,
    baseline,
    cost,
    postgresql,
    request_text,
    serving,
)
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

# The number of calls of one kind in a round. Each is about another prospect.
PROSPECTS = 300
RATINGS, CHANGED = 14, 3
GOAL = "≤ 2.5"
WRITTEN = (
    *("prospect", "prospect_term", "prospect_link", "received_values", "session", "answer"),
    *("session_revision", "event", "idempotency"),
)


@dataclass
class Target:
    """A server to call, whose paths begin with `prefix`, and the ids of its sessions."""

    server: Server
    prefix: str
    sessions: list[str]


Request = Callable[[Target, int, int], str]


def measures() -> Iterator[Measure]:
    """Yield each kind of write on SQLite and PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        files = (f"sqlite:///{folder}/{name}.db" for name in ("service", "bare"))
        for name, urls in (("SQLite", files), ("PostgreSQL", (server.new_database(), server.new_database()))):
            for kind, (own, bare) in cpu_times(*urls).items():
                figure, baseline = (f"{statistics.median(measured):.0f} µs" for measured in (own, bare))
                ratio = median_ratio(own, bare)
                yield Measure(f"{kind}, {name}: CPU", figure, f"bare driver, {baseline}", ratio, GOAL)


def cpu_times(url: str, bare_url: str) -> dict[str, list[list[float]]]:
    """Return the CPU microseconds per call of the service and of the bare driver, by kind and round.

    The two are called alternately.
    """
    with serving(bare_url):
        pass  # migrates the database, and publishes the question set
    with serving(url) as service, baseline("bench.bare", bare_url) as bare:
        targets = [
            Target(server, prefix, first_calls(server.port, prefix))
            for server, prefix in ((service, "/v1"), (bare, "/bare"))
        ]
        results = {
            kind: list(
                in_turns(
                    ROUNDS + 1,
                    {target.prefix: partial(_round, target, request, count(1)) for target in targets},
                ).values()
            )
            for kind, request in KINDS.items()
        }
    require_same_rows(url, bare_url)
    return {kind: [rounds[1:] for rounds in measured] for kind, measured in results.items()}


def _round(target: Target, request: Request, numbers: Iterator[int]) -> float:
    number = next(numbers)
    return cost(target.server, [request(target, number, place) for place in range(PROSPECTS)])


def first_calls(port: int, prefix: str) -> list[str]:
    """Create the prospects with their sessions, and return the ids of the sessions."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": BENCH_KEY}) as client:
        responses = [
            client.post(f"{prefix}/qualify", json=record(0, str(place))) for place in range(PROSPECTS)
        ]
    return [response.raise_for_status().json()["session_id"] for response in responses]


def require_same_rows(*urls: str) -> None:
    """Raise an error if the databases do not have the same number of rows in each table that is written."""
    counts = []
    for url in urls:
        engine = create_engine(url)
        with engine.connect() as connection:
            selects = ((table, text(f"SELECT count(*) FROM {table}")) for table in WRITTEN)
            counts.append({table: connection.execute(select).scalar_one() for table, select in selects})
        engine.dispose()
    if counts[0] != counts[1]:
        raise RuntimeError(f"the service and the bare driver write different rows: {counts}")


def changing(number: int) -> dict[str, int]:
    """Return three ratings, which change from one number to the next."""
    return dict.fromkeys(BENCH_QUESTIONS[:CHANGED], 2 + number % 2)


def record(number: int, external_id: str) -> dict[str, object]:
    """Return the record of a prospect, of which only the `changing` ratings change.

    Whatever they are, the indication is undetermined, so that each change causes the same events.
    """
    others = {question: 2 + index % 2 for index, question in enumerate(BENCH_QUESTIONS[CHANGED:RATINGS])}
    return {
        "source": "bench",
        "external_id": external_id,
        "name": f"Harbour Works {external_id}",
        "attributes": {"employees": 120, "industry": "logistics"},
        "question_set": BENCH_SET,
        "ratings": changing(number) | others,
    }


def new(target: Target, number: int, place: int) -> str:
    """Return a call about a new prospect."""
    return request_text("POST", f"{target.prefix}/qualify", record(number, f"new{number}x{place}"))


def changed(target: Target, number: int, place: int) -> str:
    """Return a call that changes three ratings."""
    return request_text("POST", f"{target.prefix}/qualify", record(number, str(place)))


def changed_with_key(target: Target, number: int, place: int) -> str:
    """Return a call that changes three ratings, with an idempotency key."""
    headers = {"Idempotency-Key": f"{number}-{place}"}
    return request_text("POST", f"{target.prefix}/qualify", record(number, str(place)), headers)


def repeated(target: Target, number: int, place: int) -> str:
    """Return a call that repeats the one before, after the first round."""
    del number
    return request_text("POST", f"{target.prefix}/qualify", record(0, str(place)))


def patched(target: Target, number: int, place: int) -> str:
    """Return a call that changes three ratings of a session."""
    path = f"{target.prefix}/sessions/{target.sessions[place]}/answers"
    return request_text("PATCH", path, {"ratings": changing(number)})


KINDS: dict[str, Request] = {
    "qualify, new": new,
    "qualify, changed": changed,
    "qualify, changed, idempotency key": changed_with_key,
    "qualify, repeated": repeated,
    "PATCH answers": patched,
}

if __name__ == "__main__":
    print_table(measures())
