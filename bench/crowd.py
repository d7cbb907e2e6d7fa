"""Requests per second of many clients compared with few: python -m bench.crowd"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

from bench.server import get, load, postgresql, qualify, score, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table
from bench.writes import PROSPECTS, Request, Target, changed, first_calls, patched

FEW, MANY = 16, 200
READS, WRITES = 2_000, 900
READ_KINDS: dict[str, Callable[[int], str]] = {
    "/v1/score": score,
    "GET /v1/sessions": lambda _: get("/v1/sessions?limit=20"),
    "GET /v1/prospects by name": lambda _: get("/v1/prospects?q=works"),
}
WRITE_KINDS: dict[str, Request] = {"qualify": changed, "PATCH answers": patched}


def measures() -> Iterator[Measure]:
    """Yield requests per second with many clients, compared with few, on both databases."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        for name, url in (("SQLite", f"sqlite:///{folder}/bench.db"), ("PostgreSQL", server.new_database())):
            yield from measures_on(name, url)


def measures_on(database: str, url: str) -> Iterator[Measure]:
    """Yield the measures on one database. Each write changes the session of a prospect."""
    with serving(url) as server:
        load(server.port, [qualify(number) for number in range(100)])
        for kind, request in READ_KINDS.items():
            requests = [request(number) for number in range(READS)]
            yield _compared(f"{kind}, {database}", partial(load, server.port, requests))
        target = Target(server, "/v1", first_calls(server.port, "/v1"))
        for kind, request in WRITE_KINDS.items():
            yield _compared(f"{kind}, {database}", partial(_write, server.port, target, request, count(1)))


def _compared(name: str, rate: Callable[[int], float]) -> Measure:
    rates = in_turns(ROUNDS, {clients: partial(rate, clients) for clients in (FEW, MANY)})
    few, many = (f"{statistics.median(rates[clients]):,.0f} requests/s" for clients in (FEW, MANY))
    ratio = median_ratio(rates[MANY], rates[FEW])
    return Measure(f"{name}, {MANY} clients", many, f"{FEW} clients, {few}", ratio, "≥ 0.8")


def _write(port: int, target: Target, request: Request, numbers: Iterator[int], clients: int) -> float:
    """Return requests per second."""
    rounds = [next(numbers) for _ in range(WRITES // PROSPECTS)]
    requests = [request(target, number, place) for number in rounds for place in range(PROSPECTS)]
    return load(port, requests, clients)


if __name__ == "__main__":
    print_table(measures())
