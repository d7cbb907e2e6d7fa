"""Two processes compared with one, on one PostgreSQL: python -m bench.replicas

The database, the processes and the callers all run on this machine. With two cores, two processes share
the cores with the database and the callers, so their requests per second show little. The CPU time of the
processes shows what sharing a database costs them.
"""

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

from bench.server import Server, cpu_seconds, get, load, postgresql, qualify, score, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

REQUESTS = 500
KINDS: dict[str, Callable[[int], str]] = {
    "/v1/score": score,
    "/v1/qualify": qualify,
    "GET /v1/sessions": lambda _: get("/v1/sessions?limit=20"),
}


class Cost(NamedTuple):
    """Requests per second of all processes together, and the CPU time of a request in microseconds."""

    rate: float
    cpu: float


def measures() -> Iterator[Measure]:
    """Yield the CPU time per request and requests per second of two processes, compared with one."""
    with postgresql() as server, ExitStack() as stack:
        database_url = server.new_database()
        servers = [stack.enter_context(serving(database_url)) for _ in range(2)]
        for name, request in KINDS.items():
            costs = in_turns(ROUNDS + 1, {"one": cost(servers[:1], request), "two": cost(servers, request)})
            one, two = costs["one"][1:], costs["two"][1:]
            for measure, unit, place, goal in (
                ("CPU per request", "µs", 1, "≤ 1.15"),
                ("all together", "requests/s", 0, ""),
            ):
                before, after = ([values[place] for values in kind] for kind in (one, two))
                yield Measure(
                    f"{name}, two processes: {measure}",
                    f"{statistics.median(after):,.0f} {unit}",
                    f"one process, {statistics.median(before):,.0f} {unit}",
                    median_ratio(after, before),
                    goal,
                )


def cost(servers: list[Server], request: Callable[[int], str]) -> Callable[[], Cost]:
    """Return a function that measures several processes at the same time, each with its own caller."""
    requests = [request(number) for number in range(REQUESTS)]

    def measured() -> Cost:
        rates: list[float] = []
        threads = [
            threading.Thread(target=lambda port=server.port: rates.append(load(port, requests)))
            for server in servers
        ]
        used = sum(cpu_seconds(server.pid) for server in servers)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        used = sum(cpu_seconds(server.pid) for server in servers) - used
        return Cost(sum(rates), used / (REQUESTS * len(servers)) * 1e6)

    return measured


if __name__ == "__main__":
    print_table(measures())
