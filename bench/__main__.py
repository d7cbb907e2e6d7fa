"""`make bench`: cold start, the kernel, and the CPU time of a request beside a FastAPI hello world."""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import create_server

import httpx
import uvicorn
from fastapi import FastAPI

from app.main import create_app, open_database
from app.question_sets.files import BUILTIN, read_file
from app.scoring import Plan, ratings_sent, read_answers, score
from app.settings import Settings
from app.start import prepare

KEY = "admin-key-of-the-benchmark"
SET = "qualifying-a-sale"
ROUNDS = 5
REQUESTS = 600
QUESTIONS = [question.key for step in read_file(BUILTIN / f"{SET}.yaml").steps for question in step.questions]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        print(f"cold start to the first answer: {cold_start(folder):.2f} s")
        print(f"kernel: {kernel():.0f} µs a score of 28 questions, 14 of them rated")
        database_url = os.environ.get("PROSPECT_FIT_DATABASE_URL", f"sqlite:///{folder}/bench.db")
        with serving(database_url) as port:
            compare(port)


def cold_start(folder: str) -> float:
    """Seconds from the command on an empty database to a score over HTTP."""
    environment = os.environ | {
        "PROSPECT_FIT_DATABASE_URL": f"sqlite:///{folder}/cold.db",
        "PROSPECT_FIT_ADMIN_KEY": KEY,
        "PYTHONUNBUFFERED": "1",
    }
    started = time.perf_counter()
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        url = next(found[0] for line in server.stdout if (found := re.search(r"http://[\d.:]+", line)))
        httpx.post(f"{url}/v1/score", json={}, headers={"X-API-Key": KEY}).raise_for_status()
        taken = time.perf_counter() - started
        server.terminate()
    return taken


def kernel() -> float:
    """Microseconds of one score, the median of five rounds."""
    plan = Plan(read_file(BUILTIN / f"{SET}.yaml"), f"{SET}@1")
    answers = read_answers(plan.question_set, ratings_sent(dict.fromkeys(QUESTIONS[:14], 4)))
    now = datetime.now(UTC)
    return statistics.median(_timed(lambda: score(plan, answers, {}, as_of=now), 500) for _ in range(ROUNDS))


def _timed(work: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - started) / times * 1e6


@contextmanager
def serving(database_url: str) -> Iterator[int]:
    """The service and, on the same server, a FastAPI application with nothing but one endpoint."""
    settings = Settings(database_url=database_url, admin_key=KEY)
    database = open_database(settings)
    prepare(database, settings)
    database.close()
    ours, bare = create_app(settings), FastAPI()

    @bare.get("/hello")
    async def answer() -> dict[str, bool]:
        return {"ok": True}

    async def both(scope, receive, send) -> None:
        await (bare if scope.get("path") == "/hello" else ours)(scope, receive, send)

    listening = create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(both, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join()


def compare(port: int) -> None:
    """The server's CPU time per request, in turns; the ratio is to the hello world of the same round.

    The caller runs in a process of its own, so this one's CPU time is the server's.
    """
    taken: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for turn in range(ROUNDS + 1):
        for kind, request in KINDS.items():
            requests = [request(turn, number) for number in range(REQUESTS)]
            started = time.process_time()
            _load(port, requests)
            if turn:  # the first round warms up
                taken[kind].append((time.process_time() - started) / REQUESTS * 1e6)
    for kind, measured in taken.items():
        ratio = statistics.median(hello / ours for ours, hello in zip(measured, taken["hello"], strict=True))
        print(f"/{kind}: {statistics.median(measured):.0f} µs CPU a request, {ratio:.2f} of hello world")


def load_of(port: int, kind: str, count: int) -> float:
    """Requests per second of one kind."""
    return _load(port, [KINDS[kind](0, number) for number in range(count)])


def _load(port: int, requests: list[str]) -> float:
    lines = "\n".join(json.dumps(request) for request in requests)
    command = [sys.executable, "-m", "bench.load", "127.0.0.1", str(port)]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
    )
    return float(done.stdout)


def _request(path: str, body: dict[str, object]) -> str:
    content = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    )


def _ratings(number: int) -> dict[str, int]:
    return {question: 1 + (number + place) % 5 for place, question in enumerate(QUESTIONS[:14])}


def _hello(turn: int, number: int) -> str:
    del turn, number
    return "GET /hello HTTP/1.1\r\nHost: bench\r\n\r\n"


def _score(turn: int, number: int) -> str:
    return _request("/v1/score", {"question_set": SET, "ratings": _ratings(turn + number)})


def _qualify(turn: int, number: int) -> str:
    """Every request changes a session that earlier ones opened."""
    link = {"source": "bench", "external_id": str(number % 100)}
    return _request("/v1/qualify", {**link, "question_set": SET, "ratings": _ratings(turn + number)})


KINDS = {"hello": _hello, "score": _score, "qualify": _qualify}


if __name__ == "__main__":
    main()
