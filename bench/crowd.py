"""Requests per second of many clients compared with few: python -m bench.crowd"""

import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial

from bench.server import get, load, postgresql, qualify, score, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

FEW, MANY = 16, 200
REQUESTS = 2_000
KINDS: dict[str, Callable[[int], str]] = {
    "/v1/score": score,
    "GET /v1/sessions": lambda _: get("/v1/sessions?limit=20"),
    "GET /v1/prospects by name": lambda _: get("/v1/prospects?q=works"),
}


def measures() -> Iterator[Measure]:
    """Yield requests per second with many clients, compared with few, on both databases."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        for name, url in (("SQLite", f"sqlite:///{folder}/bench.db"), ("PostgreSQL", server.new_database())):
            yield from measures_on(name, url)


def measures_on(database: str, url: str) -> Iterator[Measure]:
    """Yield the measures on one database, which has a hundred sessions."""
    with serving(url) as server:
        load(server.port, [qualify(number) for number in range(100)])
        for name, request in KINDS.items():
            requests = [request(number) for number in range(REQUESTS)]
            rates = in_turns(
                ROUNDS,
                {
                    "few": partial(load, server.port, requests, FEW),
                    "many": partial(load, server.port, requests, MANY),
                },
            )
            few, many = (f"{statistics.median(rates[kind]):,.0f} requests/s" for kind in ("few", "many"))
            yield Measure(
                f"{name}, {database}, {MANY} clients",
                many,
                f"{FEW} clients, {few}",
                median_ratio(rates["many"], rates["few"]),
                "≥ 0.8",
            )


if __name__ == "__main__":
    print_table(measures())
