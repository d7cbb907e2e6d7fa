"""An import while two people work: throughput, memory and waiting times: python -m bench.imports

The baseline inserts the same prospects, links and events with the database driver, in transactions of 100.
"""

import json
import socket
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import psycopg

from app.clock import new_id
from app.db import open_database
from app.migrate import migrate
from app.settings import Settings
from bench.batch import read_response
from bench.server import BENCH_KEY, peak, postgresql, reset_peak, serving
from bench.table import Measure, print_table

FEW_LINES, MANY_LINES, LINES_PER_TRANSACTION = 10_000, 100_000, 100
BASELINE_COLUMNS = {
    "prospect": "id, name, searchable, attributes, revision, created_at, updated_at",
    "prospect_link": "source, match_key, external_id, prospect_id, linked_at",
    "event": "id, type, at, prospect_id, revision, data",
}


def measures() -> Iterator[Measure]:
    """Yield lines per second, peak memory, and how long two people wait, on both databases."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        yield from measures_on("SQLite", f"sqlite:///{folder}/floor.db", f"sqlite:///{folder}/served.db")
        yield from measures_on("PostgreSQL", server.new_database(), server.new_database())


def measures_on(name: str, floor_url: str, database_url: str) -> Iterator[Measure]:
    """Import few lines, many lines, and the same lines again."""
    bare = baseline_rate(floor_url)
    with serving(database_url) as server:
        exchange(server.port, "warm", 1000)
        for count in (FEW_LINES, MANY_LINES):
            reset_peak(server.pid)
            with people(server.url) as taken:
                lines = rate(server.port, f"import.{count}", count)
            yield Measure(
                f"import of {count:,} lines, {name}",
                f"{lines:,.0f} lines/s, {peak(server.pid)} MB",
                f"the database driver, {bare:,.0f} lines/s",
                lines / bare,
            )
            yield Measure(
                f"… {len(taken):,} changes by two people at the same time",
                f"median {1000 * statistics.median(taken):.0f} ms, maximum {1000 * max(taken):.0f} ms",
            )
        again = rate(server.port, f"import.{FEW_LINES}", FEW_LINES)
        yield Measure(f"import of {FEW_LINES:,} unchanged lines, {name}", f"{again:,.0f} lines/s")


def rate(port: int, source: str, count: int) -> float:
    """Return lines per second of an import."""
    started = time.perf_counter()
    exchange(port, source, count)
    return count / (time.perf_counter() - started)


def baseline_rate(url: str) -> float:
    """Return lines per second of the database driver."""
    database = open_database(Settings(database_url=url))
    migrate(database)
    database.close()
    at = "2026-01-01 00:00:00"
    if url.startswith("sqlite:///"):
        connection, mark = sqlite3.connect(url.removeprefix("sqlite:///")), "?"
        connection.execute("PRAGMA synchronous=FULL")
    else:
        connection, mark = psycopg.connect(url), "%s"
    started = time.perf_counter()
    for start in range(0, FEW_LINES, LINES_PER_TRANSACTION):
        rows: dict[str, list] = {name: [] for name in BASELINE_COLUMNS}
        for number in range(start, start + LINES_PER_TRANSACTION):
            line, key = prospect(number), new_id().hex
            event = (new_id().hex, "prospect.created", at, key, 1, "{}")
            attributes = json.dumps(line["attributes"])
            rows["prospect"].append((key, line["name"], line["name"].lower(), attributes, 1, at, at))
            rows["prospect_link"].append(("floor", line["external_id"], line["external_id"], key, at))
            rows["event"].append(event)
        for name, values in rows.items():
            marks = ", ".join([mark] * len(values[0]))
            insert = f"INSERT INTO {name} ({BASELINE_COLUMNS[name]}) VALUES ({marks}) ON CONFLICT DO NOTHING"
            connection.cursor().executemany(insert, values)
        connection.commit()
    taken = time.perf_counter() - started
    connection.close()
    return FEW_LINES / taken


def prospect(number: int) -> dict:
    attributes = {
        "employees": number,
        "industry": "logistics",
        "country": "DE",
        "annual_revenue": 1000 * number,
    }
    return {"external_id": f"{number:012d}", "name": f"Account {number}", "attributes": attributes}


def exchange(port: int, source: str, count: int) -> None:
    """Import this many lines, and read the response at the same time."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(
            f"POST /v1/prospects/import?source={source} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {BENCH_KEY}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

        def send() -> None:
            for start in range(0, count, LINES_PER_TRANSACTION):
                lines = [
                    json.dumps(prospect(n)).encode() + b"\n"
                    for n in range(start, start + LINES_PER_TRANSACTION)
                ]
                caller.sendall(b"%x\r\n%s\r\n" % (sum(map(len, lines)), b"".join(lines)))
            caller.sendall(b"0\r\n\r\n")

        sending = threading.Thread(target=send)
        sending.start()
        end = json.loads(read_response(caller, keep=True).splitlines()[-1])
        sending.join()
    assert end["done"], end
    assert end["refused"] == 0, end


@contextmanager
def people(url: str) -> Iterator[list[float]]:
    """Let two people change one prospect each, again and again; yield the seconds of every change."""
    taken: list[float] = []
    stop = threading.Event()

    def work(person: int) -> None:
        with httpx.Client(base_url=url, headers={"X-API-Key": BENCH_KEY}, timeout=60) as client:
            path = f"/v1/prospects/by-external-id/import.{FEW_LINES}/{person:012d}"
            number = 0
            while not stop.wait(0.05):
                number += 1
                started = time.perf_counter()
                client.put(path, json={"attributes": {"changed": number}}).raise_for_status()
                taken.append(time.perf_counter() - started)

    both = [threading.Thread(target=work, args=(person,)) for person in range(2)]
    for thread in both:
        thread.start()
    yield taken
    stop.set()
    for thread in both:
        thread.join()


if __name__ == "__main__":
    print_table(measures())
