"""An import beside two people, its floor and its memory: python -m bench.imports

The floor inserts the same prospects, links and events with the bare driver, in transactions of 100.
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
from app.main import open_database
from app.migrate import migrate
from app.settings import Settings
from bench.batch import read_answer
from bench.server import KEY, peak, postgresql, reset_peak, serving
from bench.table import Measure, print_table

FEW, MANY, AT_ONCE = 10_000, 100_000, 100
TABLES = {
    "prospect": "id, name, searchable, attributes, revision, created_at, updated_at",
    "prospect_link": "source, external_id, prospect_id, linked_at",
    "event": "id, type, at, prospect_id, revision, data",
}


def measures() -> Iterator[Measure]:
    """Lines per second, peak memory, and how long two people wait meanwhile, on both databases."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        yield from on("SQLite", f"sqlite:///{folder}/floor.db", f"sqlite:///{folder}/served.db")
        yield from on("PostgreSQL", server.new_database(), server.new_database())


def on(name: str, floor_url: str, database_url: str) -> Iterator[Measure]:
    """An import of few lines, of many, and of the same again."""
    bare = floor(floor_url)
    with serving(database_url) as server:
        exchange(server.port, "warm", 1000)
        for count in (FEW, MANY):
            reset_peak(server.pid)
            with people(server.url) as taken:
                lines = rate(server.port, f"import.{count}", count)
            yield Measure(
                f"import of {count:,} lines, {name}",
                f"{lines:,.0f} lines/s, {peak(server.pid)} MB",
                f"the bare driver, {bare:,.0f} lines/s",
                lines / bare,
            )
            yield Measure(
                f"… {len(taken):,} changes by two people meanwhile",
                f"median {1000 * statistics.median(taken):.0f} ms, most {1000 * max(taken):.0f} ms",
            )
        again = rate(server.port, f"import.{FEW}", FEW)
        yield Measure(f"import of {FEW:,} unchanged lines, {name}", f"{again:,.0f} lines/s")


def rate(port: int, source: str, count: int) -> float:
    """Lines per second of an import."""
    started = time.perf_counter()
    exchange(port, source, count)
    return count / (time.perf_counter() - started)


def floor(url: str) -> float:
    """Lines per second of the bare driver."""
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
    for start in range(0, FEW, AT_ONCE):
        rows: dict[str, list] = {name: [] for name in TABLES}
        for number in range(start, start + AT_ONCE):
            line, key = prospect(number), new_id().hex
            event = (new_id().hex, "prospect.created", at, key, 1, "{}")
            attributes = json.dumps(line["attributes"])
            rows["prospect"].append((key, line["name"], line["name"].lower(), attributes, 1, at, at))
            rows["prospect_link"].append(("floor", line["external_id"], key, at))
            rows["event"].append(event)
        for name, values in rows.items():
            marks = ", ".join([mark] * len(values[0]))
            insert = f"INSERT INTO {name} ({TABLES[name]}) VALUES ({marks}) ON CONFLICT DO NOTHING"
            connection.cursor().executemany(insert, values)
        connection.commit()
    taken = time.perf_counter() - started
    connection.close()
    return FEW / taken


def prospect(number: int) -> dict:
    facts = {"employees": number, "industry": "logistics", "country": "DE", "annual_revenue": 1000 * number}
    return {"external_id": f"{number:012d}", "name": f"Account {number}", "attributes": facts}


def exchange(port: int, source: str, count: int) -> None:
    """Import so many lines, and read what is answered meanwhile."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(
            f"POST /v1/prospects/import?source={source} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

        def send() -> None:
            for start in range(0, count, AT_ONCE):
                lines = [json.dumps(prospect(n)).encode() + b"\n" for n in range(start, start + AT_ONCE)]
                caller.sendall(b"%x\r\n%s\r\n" % (sum(map(len, lines)), b"".join(lines)))
            caller.sendall(b"0\r\n\r\n")

        sending = threading.Thread(target=send)
        sending.start()
        end = json.loads(read_answer(caller, keep=True).splitlines()[-1])
        sending.join()
    assert end["done"], end
    assert end["refused"] == 0, end


@contextmanager
def people(url: str) -> Iterator[list[float]]:
    """Two who change a prospect each, again and again; how long every change took."""
    taken: list[float] = []
    over = threading.Event()

    def work(who: int) -> None:
        with httpx.Client(base_url=url, headers={"X-API-Key": KEY}, timeout=60) as client:
            path = f"/v1/prospects/by-external-id/import.{FEW}/{who:012d}"
            number = 0
            while not over.wait(0.05):
                number += 1
                started = time.perf_counter()
                client.put(path, json={"attributes": {"changed": number}}).raise_for_status()
                taken.append(time.perf_counter() - started)

    both = [threading.Thread(target=work, args=(who,)) for who in range(2)]
    for one in both:
        one.start()
    yield taken
    over.set()
    for one in both:
        one.join()


if __name__ == "__main__":
    print_table(measures())
