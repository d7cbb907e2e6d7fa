"""One process, and two, on one PostgreSQL: python -m bench.replicas

Everything runs on this machine: the database, the processes and who calls them. With two cores two
processes share them with both.
"""

import statistics
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

from bench.server import Server, load, postgresql, qualify, score, serving
from bench.table import Measure, in_turns, median_ratio, print_table

ROUNDS, REQUESTS = 5, 500


def measures() -> Iterator[Measure]:
    """Requests per second of two processes beside one."""
    with postgresql() as server, ExitStack() as stack:
        database_url = server.new_database()
        servers = [stack.enter_context(serving(database_url)) for _ in range(2)]
        for name, request in (("score", score), ("qualify", qualify)):
            taken = in_turns(ROUNDS, {"one": rate(servers[:1], request), "two": rate(servers, request)})
            one, two = (f"{statistics.median(taken[kind]):,.0f} requests/s" for kind in ("one", "two"))
            ratio = median_ratio(taken["two"], taken["one"])
            yield Measure(f"/v1/{name}, two processes", two, f"one process, {one}", ratio)


def rate(servers: list[Server], request: Callable[[int], str]) -> Callable[[], float]:
    """Requests per second of several processes, each called by a process of its own."""
    requests = [request(number) for number in range(REQUESTS)]

    def measured() -> float:
        rates: list[float] = []
        calling = [
            threading.Thread(target=lambda port=one.port: rates.append(load(port, requests)))
            for one in servers
        ]
        for thread in calling:
            thread.start()
        for thread in calling:
            thread.join()
        return sum(rates)

    return measured


if __name__ == "__main__":
    print_table(measures())
