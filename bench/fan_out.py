"""How long others wait while prospects are imported for 100 webhooks: python -m bench.fan_out"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bench.imports import exchange
from bench.server import BENCH_KEY, BENCH_SET, postgresql, ratings, serving
from bench.table import Measure, print_table

WEBHOOKS, PROSPECTS = 100, 2000
# How long other writes are measured after the import, while events are still published.
SECONDS_AFTER_IMPORT = 20
# Nobody listens at this address.
DEAD_URL = "http://127.0.0.1:9/hook"


def measures() -> Iterator[Measure]:
    """Yield the longest time of another write, on both databases.

    The receivers accept or are down. Without webhooks, the writes only wait for the import.
    """
    with tempfile.TemporaryDirectory() as folder, postgresql() as server, receiver() as url:
        for workers in (1, 2):
            for receivers, target in (("none", None), ("accepting", url), ("down", DEAD_URL)):
                case = f"{workers} worker{'s'[: workers > 1]}, receivers: {receivers}"
                path = f"sqlite:///{folder}/{workers}-{receivers}.db"
                yield measure_on(f"SQLite, {case}", path, target, workers)
                yield measure_on(f"PostgreSQL, {case}", server.new_database(), target, workers)


def measure_on(name: str, database_url: str, target: str | None, workers: int) -> Measure:
    """Import prospects with 100 webhooks, and measure the writes of two other clients."""
    settings = {"WEBHOOK_NETWORKS": "127.0.0.0/8", "WORKERS": str(workers)}
    with serving(database_url, settings) as server:
        exchange(server.port, "warm", 200)
        if target is not None:
            subscribe(server.url, target)
        with writers(server.url) as (taken, refused):
            started = time.perf_counter()
            exchange(server.port, "fan.out", PROSPECTS)
            seconds = time.perf_counter() - started
            time.sleep(SECONDS_AFTER_IMPORT)
    return Measure(
        f"{len(taken):,} other writes, {name}",
        f"longest {1000 * max(taken):,.0f} ms, {len(refused)} refused",
        f"import took {seconds:.1f} s",
        goal="1,000 ms",
    )


def subscribe(url: str, target: str) -> None:
    """Create the webhooks, which get all events."""
    with httpx.Client(base_url=url, headers={"X-API-Key": BENCH_KEY}, timeout=60) as client:
        for _ in range(WEBHOOKS):
            client.post("/v1/webhooks", json={"url": target}).raise_for_status()


@contextmanager
def writers(url: str) -> Iterator[tuple[list[float], list[int]]]:
    """Let two clients write again and again: one answers questions, the other creates prospects.

    Yield the seconds of every write, and the status of those that failed.
    """
    taken: list[float] = []
    refused: list[int] = []
    stop = threading.Event()

    def timed(client: httpx.Client, method: str, path: str, body: dict) -> httpx.Response:
        started = time.perf_counter()
        response = client.request(method, path, json=body)
        taken.append(time.perf_counter() - started)
        if not response.is_success:
            refused.append(response.status_code)
        return response

    def answer() -> None:
        link = {"source": "bench", "external_id": "fan-out", "question_set": BENCH_SET}
        with httpx.Client(base_url=url, headers={"X-API-Key": BENCH_KEY}, timeout=60) as client:
            session = client.post("/v1/qualify", json={**link, "ratings": ratings(0)}).json()["session_id"]
            number = 0
            while not stop.wait(0.05):
                number += 1
                path = f"/v1/sessions/{session}/answers"
                timed(client, "PATCH", path, {"ratings": ratings(number)})

    def create() -> None:
        with httpx.Client(base_url=url, headers={"X-API-Key": BENCH_KEY}, timeout=60) as client:
            while not stop.wait(0.05):
                timed(client, "POST", "/v1/prospects", {"name": "New"})

    both = [threading.Thread(target=answer), threading.Thread(target=create)]
    for thread in both:
        thread.start()
    yield taken, refused
    stop.set()
    for thread in both:
        thread.join()


ACCEPT_EVERYTHING = """
import asyncio
async def answer(reader, writer):
    try:
        while True:
            head = await reader.readuntil(b"\\r\\n\\r\\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\\r\\n")[0]))
            writer.write(b"HTTP/1.1 204 No Content\\r\\n\\r\\n")
    except (asyncio.IncompleteReadError, OSError):
        writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def receiver() -> Iterator[str]:
    """Run a receiver that accepts everything in a separate process, and yield its URL."""
    command = [sys.executable, "-c", ACCEPT_EVERYTHING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/hook"
        process.terminate()


if __name__ == "__main__":
    print_table(measures())
