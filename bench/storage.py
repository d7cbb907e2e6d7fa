"""What a session takes on disk, 22 answers in 8 calls: python -m bench.storage"""

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psycopg

from bench.server import KEY, SET, postgresql, ratings, serving
from bench.table import Measure, print_table

SESSIONS, ANSWERS, CALLS = 200, 22, 8


def measures() -> Iterator[Measure]:
    """Bytes per session with its prospect, answers, revisions, events and indexes, on both databases."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        path, database_url = f"{folder}/storage.db", server.new_database()
        for name, url, size in (
            ("SQLite", f"sqlite:///{path}", lambda: sqlite_size(path)),
            ("PostgreSQL", database_url, lambda: postgresql_size(database_url)),
        ):
            taken = growth(url, size)
            yield Measure(
                f"a session of {ANSWERS} answers in {CALLS} calls, {name}",
                f"{taken / 1000:.1f} kB",
                goal="≤ 20 kB",
            )


def growth(url: str, size: Callable[[], int]) -> float:
    """Bytes that one more session takes, over as many as fill pages."""
    with serving(url) as server, httpx.Client(base_url=server.url, headers={"X-API-Key": KEY}) as client:
        fill(client, "before", 1)
        before = size()
        fill(client, "measured", SESSIONS)
        return (size() - before) / SESSIONS


def fill(client: httpx.Client, source: str, sessions: int) -> None:
    """As many prospects, each qualified step by step."""
    for number in range(sessions):
        rated = list(ratings(number, ANSWERS).items())
        for call in range(CALLS):
            link = {"source": source, "external_id": str(number), "question_set": SET}
            answer = client.post("/v1/qualify", json={**link, "ratings": dict(rated[call::CALLS])})
            answer.raise_for_status()


def sqlite_size(path: str) -> int:
    """Bytes of the file when nothing in it is free."""
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return Path(path).stat().st_size


def postgresql_size(url: str) -> int:
    """Bytes of the database when nothing in it is free."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM FULL")
        return connection.execute("SELECT pg_database_size(current_database())").fetchone()[0]


if __name__ == "__main__":
    print_table(measures())
