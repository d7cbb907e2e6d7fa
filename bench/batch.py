"""The batch endpoint, its floor and its memory: python -m bench.batch

The floor parses the same lines and writes the same answers with orjson, and does nothing else.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import orjson

from bench.__main__ import KEY, QUESTIONS, ROUNDS, SET, load_of

LINES, FEW, MANY = 5_000, 10_000, 1_000_000
AT_ONCE = 1_000


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, serving(folder) as (url, pid):
        port = urlsplit(url).port
        answers = exchange(port, LINES)  # warms up
        rates: dict[str, list[float]] = {"orjson alone": [], "batch": [], "single": []}
        for _ in range(ROUNDS):
            rates["orjson alone"].append(floor(answers))
            started = time.perf_counter()
            exchange(port, LINES)
            rates["batch"].append(LINES / (time.perf_counter() - started))
            rates["single"].append(load_of(port, "score", LINES // 5))
        for kind, measured in rates.items():
            ratio = statistics.median(m / f for m, f in zip(measured, rates["orjson alone"], strict=True))
            print(f"{kind}: {statistics.median(measured):,.0f} lines/s, {ratio:.4f} of orjson")
        for count in (FEW, MANY):
            reset_peak(pid)
            started = time.perf_counter()
            exchange(port, count, keep=False)
            taken = time.perf_counter() - started
            print(f"{count:,} lines: {taken:.0f} s, at most {peak(pid)} MB")


def lines_of(count: int, start: int = 0) -> bytes:
    ratings = (
        {key: 1 + (number + place) % 5 for place, key in enumerate(QUESTIONS[:14])}
        for number in range(start, start + count)
    )
    return b"".join(orjson.dumps({"ratings": one}) + b"\n" for one in ratings)


def floor(answers: bytes) -> float:
    """Lines per second; what is written was parsed before."""
    lines, values = lines_of(LINES).splitlines(), [orjson.loads(line) for line in answers.splitlines()]
    started = time.perf_counter()
    for line, value in zip(lines, values, strict=True):
        orjson.loads(line)
        orjson.dumps(value)
    return LINES / (time.perf_counter() - started)


def exchange(port: int, count: int, *, keep: bool = True) -> bytes:
    """Send lines while the answers are read; the answers, if they are kept."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(
            f"POST /v1/score/batch?question_set={SET} HTTP/1.1\r\nHost: bench\r\nX-API-Key: {KEY}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

        def send() -> None:
            for start in range(0, count, AT_ONCE):
                lines = lines_of(min(AT_ONCE, count - start), start)
                caller.sendall(b"%x\r\n%s\r\n" % (len(lines), lines))
            caller.sendall(b"0\r\n\r\n")

        sending = threading.Thread(target=send)
        sending.start()
        answer = read_answer(caller, keep=keep)
        sending.join()
    return answer


def read_answer(caller: socket.socket, *, keep: bool) -> bytes:
    """The body of a chunked answer."""
    reader, kept = caller.makefile("rb"), []
    while reader.readline() != b"\r\n":
        pass
    while size := int(reader.readline(), 16):
        chunk = reader.read(size)
        reader.readline()
        if keep:
            kept.append(chunk)
    return b"".join(kept)


@contextmanager
def serving(folder: str) -> Iterator[tuple[str, int]]:
    """A serving process: its address and number."""
    environment = {
        "PROSPECT_FIT_DATABASE_URL": f"sqlite:///{folder}/batch.db",
        **os.environ,
        "PROSPECT_FIT_ADMIN_KEY": KEY,
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--port", "0"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        yield (
            next(found[0] for line in server.stdout if (found := re.search(r"http://[\d.:]+", line))),
            server.pid,
        )
        server.terminate()


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak(pid: int) -> int:
    """The most memory that a process held since then, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) // 1024


if __name__ == "__main__":
    main()
