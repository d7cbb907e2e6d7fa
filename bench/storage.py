"""The disk space of a session with 22 answers in 8 calls: python -m bench.storage"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg

from bench.server import BENCH_KEY, BENCH_SET, postgresql, ratings, serving
from bench.table import Measure, print_table

MEASURED_SESSIONS, ANSWERS_PER_SESSION, CALLS_PER_SESSION = 200, 22, 8


def measures() -> Iterator[Measure]:
    """Yield the bytes of a session on both databases.

    These include its prospect, answers, revisions, events and indexes.
    """
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        path, database_url = f"{folder}/storage.db", server.new_database()
        for name, url, size in (
            ("SQLite", f"sqlite:///{path}", lambda: sqlite_size(path)),
            ("PostgreSQL", database_url, lambda: postgresql_size(database_url)),
        ):
            bytes_per_session = growth(url, size)
            yield Measure(
                f"a session of {ANSWERS_PER_SESSION} answers in {CALLS_PER_SESSION} calls, {name}",
                f"{bytes_per_session / 1000:.1f} kB",
                goal="≤ 20 kB",
            )


def growth(url: str, size: Callable[[], int]) -> float:
    """Return the bytes of one more session: the mean of 200, so that database pages fill up."""
    with (
        serving(url) as server,
        httpx.Client(base_url=server.url, headers={"X-API-Key": BENCH_KEY}) as client,
    ):
        fill(client, "before", 1)
        before = size()
        fill(client, "measured", MEASURED_SESSIONS)
        return (size() - before) / MEASURED_SESSIONS


def fill(client: httpx.Client, source: str, sessions: int) -> None:
    """Create prospects, and qualify each in several calls."""
    for number in range(sessions):
        rated = list(ratings(number, ANSWERS_PER_SESSION).items())
        for call in range(CALLS_PER_SESSION):
            link = {"source": source, "external_id": str(number), "question_set": BENCH_SET}
            response = client.post(
                "/v1/qualify", json={**link, "ratings": dict(rated[call::CALLS_PER_SESSION])}
            )
            response.raise_for_status()


def sqlite_size(path: str) -> int:
    """Return the size of the file without free pages, in bytes."""
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return Path(path).stat().st_size


def postgresql_size(url: str) -> int:
    """Return the size of the database without free space, in bytes."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM FULL")
        return connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]


if __name__ == "__main__":
    print_table(measures())
