"""The CPU time of a request compared with a FastAPI hello world: python -m bench.http"""

import statistics
import tempfile
from collections.abc import Iterator
from functools import partial

from bench.server import baseline, cost, hello, postgresql, qualify, score, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

REQUESTS = 500
ENDPOINTS = {"score": score, "qualify": qualify}


def measures() -> Iterator[Measure]:
    """Yield each endpoint on SQLite and PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        for name, url in (("SQLite", f"sqlite:///{folder}/bench.db"), ("PostgreSQL", server.new_database())):
            results = cpu_times(url)
            costs = {kind: f"{statistics.median(measured):.0f} µs" for kind, measured in results.items()}
            for kind, goal in (("score", "≥ 0.45"), ("qualify", "")):
                ratio = median_ratio(results["hello"], results[kind])
                against = f"FastAPI hello world, {costs['hello']}"
                yield Measure(f"/v1/{kind}, {name}: CPU per request", costs[kind], against, ratio, goal)


def cpu_times(database_url: str) -> dict[str, list[float]]:
    """Return the CPU microseconds of the server per request, for each round after a warm-up round."""
    with serving(database_url) as service, baseline("bench.hello") as bare:
        kinds = {"hello": partial(cost, bare, [hello(number) for number in range(REQUESTS)])}
        for kind, request in ENDPOINTS.items():
            kinds[kind] = partial(cost, service, [request(number) for number in range(REQUESTS)])
        return {kind: results[1:] for kind, results in in_turns(ROUNDS + 1, kinds).items()}


if __name__ == "__main__":
    print_table(measures())
