"""Two processes compared with one, on one PostgreSQL: python -m bench.replicas

The database, the processes and the callers all run on this machine. With two cores, two processes share
the cores with the database and the callers.
"""

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench.server import Server, load, postgresql, qualify, score, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

REQUESTS = 500


def measures() -> Iterator[Measure]:
    """Yield requests per second of two processes, compared with one."""
    with postgresql() as server, ExitStack() as stack:
        database_url = server.new_database()
        servers = [stack.enter_context(serving(database_url)) for _ in range(2)]
        for name, request in (("score", score), ("qualify", qualify)):
            results = in_turns(ROUNDS, {"one": rate(servers[:1], request), "two": rate(servers, request)})
            one, two = (f"{statistics.median(results[kind]):,.0f} requests/s" for kind in ("one", "two"))
            ratio = median_ratio(results["two"], results["one"])
            yield Measure(f"/v1/{name}, two processes", two, f"one process, {one}", ratio)


def rate(servers: list[Server], request: Callable[[int], str]) -> Callable[[], float]:
    """Return a function that measures requests per second of several processes, each with its own caller."""
    requests = [request(number) for number in range(REQUESTS)]

    def measured() -> float:
        rates: list[float] = []
        threads = [
            threading.Thread(target=lambda port=server.port: rates.append(load(port, requests)))
            for server in servers
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sum(rates)

    return measured


if __name__ == "__main__":
    print_table(measures())
