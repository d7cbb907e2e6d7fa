"""The CPU time of a request compared with a FastAPI hello world: python -m bench.http"""

import logging
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from functools import partial
from pathlib import Path
from socket import create_server

import uvicorn
from fastapi import FastAPI

from app.db import open_database
from app.edge.logs import configure_logs
from app.main import create_app, prepare_database, tune_process
from app.settings import Settings
from bench.server import BENCH_KEY, hello, load, postgresql, qualify, score
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

REQUESTS = 500
ENDPOINTS = {"hello": hello, "score": score, "qualify": qualify}


def measures() -> Iterator[Measure]:
    """Yield each endpoint on SQLite and PostgreSQL."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as server:
        for name, url in (("SQLite", f"sqlite:///{folder}/bench.db"), ("PostgreSQL", server.new_database())):
            results = cpu_time(url)
            costs = {kind: f"{statistics.median(measured):.0f} µs" for kind, measured in results.items()}
            for kind, goal in (("score", "≥ 0.45"), ("qualify", "")):
                ratio = median_ratio(results["hello"], results[kind])
                baseline = f"FastAPI hello world, {costs['hello']}"
                yield Measure(f"/v1/{kind}, {name}: CPU per request", costs[kind], baseline, ratio, goal)


def cpu_time(database_url: str) -> dict[str, list[float]]:
    """Return the CPU microseconds of the server per request, for each round after a warm-up round.

    The caller runs in a separate process, so the CPU time of this process is that of the server.
    """
    bare = FastAPI()

    @bare.get("/hello")
    async def answer() -> dict[str, bool]:
        return {"ok": True}

    with served_with(bare, "/hello", database_url) as port:
        kinds = {
            kind: partial(cost, port, [request(number) for number in range(REQUESTS)])
            for kind, request in ENDPOINTS.items()
        }
        return {kind: results[1:] for kind, results in in_turns(ROUNDS + 1, kinds).items()}


def cost(port: int, requests: list[str]) -> float:
    """Return the CPU microseconds per request."""
    started = time.process_time()
    load(port, requests)
    return (time.process_time() - started) / len(requests) * 1e6


@contextmanager
def served_with(bare: FastAPI, prefix: str, database_url: str) -> Iterator[int]:
    """Serve the service and, on the same port, another application, whose paths begin with `prefix`."""
    settings = Settings(database_url=database_url, admin_key=BENCH_KEY)
    database = open_database(settings)
    prepare_database(database, settings)
    database.close()
    service = create_app(settings)
    tune_process()

    async def both(scope, receive, send) -> None:
        await (bare if scope.get("path", "").startswith(prefix) else service)(scope, receive, send)

    listener = create_server(("127.0.0.1", 0))
    with Path(os.devnull).open("w") as devnull:
        with redirect_stderr(devnull):
            configure_logs(settings.log_level)  # one log line per request, as in production
        server = uvicorn.Server(uvicorn.Config(both, log_config=None, access_log=False, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join()
        logging.getLogger().handlers.clear()


if __name__ == "__main__":
    print_table(measures())
