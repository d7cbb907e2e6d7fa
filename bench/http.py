"""Cold start, and the CPU time of a request beside a FastAPI hello world: python -m bench.http"""

import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from pathlib import Path
from socket import create_server

import httpx
import uvicorn
from fastapi import FastAPI

from app.edge.logs import configure_logs
from app.main import create_app, open_database, prepare_database
from app.settings import Settings
from bench.server import KEY, hello, load, postgresql, qualify, score, serving
from bench.table import Measure, in_turns, median_ratio, print_table

ROUNDS = 5
REQUESTS = 500
KINDS = {"hello": hello, "score": score, "qualify": qualify}


def measures() -> Iterator[Measure]:
    """Cold start, and each endpoint on SQLite and PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        yield Measure("cold start to the first answer", f"{cold_start(f'sqlite:///{folder}/cold.db'):.2f} s")
        for name, url in (("SQLite", f"sqlite:///{folder}/bench.db"), ("PostgreSQL", server.new_database())):
            taken = cpu_time(url)
            costs = {kind: f"{statistics.median(measured):.0f} µs" for kind, measured in taken.items()}
            for kind, goal in (("score", "≥ 0.45"), ("qualify", "")):
                ratio = median_ratio(taken["hello"], taken[kind])
                beside = f"FastAPI hello world, {costs['hello']}"
                yield Measure(f"/v1/{kind}, {name}: CPU per request", costs[kind], beside, ratio, goal)


def cold_start(database_url: str) -> float:
    """Seconds from the command on an empty database to a score over HTTP."""
    started = time.perf_counter()
    with serving(database_url) as server:
        httpx.post(f"{server.url}/v1/score", json={}, headers={"X-API-Key": KEY}).raise_for_status()
        return time.perf_counter() - started


def cpu_time(database_url: str) -> dict[str, list[float]]:
    """Microseconds of the server's CPU per request, in each round after one that warms up.

    The caller runs in a process of its own, so this one's CPU time is the server's.
    """
    with both_served(database_url) as port:
        kinds = {kind: partial(cost, port, request) for kind, request in KINDS.items()}
        return {kind: taken[1:] for kind, taken in in_turns(ROUNDS + 1, kinds).items()}


def cost(port: int, request: Callable[[int], str]) -> float:
    """Microseconds of CPU per request."""
    requests = [request(number) for number in range(REQUESTS)]
    started = time.process_time()
    load(port, requests)
    return (time.process_time() - started) / REQUESTS * 1e6


@contextmanager
def both_served(database_url: str) -> Iterator[int]:
    """The service and, on the same server, a FastAPI application with nothing but one endpoint."""
    settings = Settings(database_url=database_url, admin_key=KEY)
    database = open_database(settings)
    prepare_database(database, settings)
    database.close()
    ours, bare = create_app(settings), FastAPI()

    @bare.get("/hello")
    async def answer() -> dict[str, bool]:
        return {"ok": True}

    async def both(scope, receive, send) -> None:
        await (bare if scope.get("path") == "/hello" else ours)(scope, receive, send)

    listening = create_server(("127.0.0.1", 0))
    with Path(os.devnull).open("w") as nowhere:
        with redirect_stderr(nowhere):
            configure_logs(settings.log_level)  # a line for each request, as every user has it
        server = uvicorn.Server(uvicorn.Config(both, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield listening.getsockname()[1]
        server.should_exit = True
        thread.join()
        logging.getLogger().handlers.clear()


if __name__ == "__main__":
    print_table(measures())
