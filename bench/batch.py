"""CPU time and memory of the batch endpoint: python -m bench.batch

The baseline parses the same lines and serializes the same responses with orjson, and does nothing else.
"""

import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import orjson

from bench.server import (
    BENCH_KEY,
    BENCH_QUESTIONS,
    BENCH_SET,
    Server,
    cpu_seconds,
    peak,
    reset_peak,
    serving,
)
from bench.table import ROUNDS, Measure, median_ratio, print_table

BATCH_LINES = 5_000
ANSWERED = 14
DICE = random.Random(1)
LINE_COUNTS = (10_000, 200_000)
LINES_PER_CHUNK = 1_000


def measures() -> Iterator[Measure]:
    """Yield the CPU time per line and the peak memory of the batch endpoint."""
    with tempfile.TemporaryDirectory() as folder, serving(f"sqlite:///{folder}/batch.db") as server:
        port, pid = server
        lines = same_questions()
        exchange(port, lines)  # warms up
        yield cost_per_line(server, "the same 14 questions", same_questions, "≤ 8 ×")
        yield cost_per_line(server, "any 14 questions", any_questions)
        for count in LINE_COUNTS:
            reset_peak(pid)
            started = time.perf_counter()
            exchange(port, lines * (count // BATCH_LINES), keep=False)
            speed = count / (time.perf_counter() - started)
            yield Measure(f"/v1/score/batch, {count:,} lines", f"{speed:,.0f} lines/s, {peak(pid)} MB")


def cost_per_line(server: Server, what: str, new_lines: Callable[[], list[bytes]], goal: str = "") -> Measure:
    """Return the CPU time per line, compared with orjson. Each round sends new lines."""
    costs = [costs_of(server, new_lines()) for _ in range(ROUNDS)]
    batch, orjson_alone = zip(*costs, strict=True)
    baseline = f"orjson reading and writing it, {statistics.median(orjson_alone):.1f} µs"
    figure, ratio = f"{statistics.median(batch):.1f} µs", median_ratio(batch, orjson_alone)
    return Measure(f"/v1/score/batch, {what}, CPU per line", figure, baseline, ratio, goal)


def costs_of(server: Server, lines: list[bytes]) -> tuple[float, float]:
    """Return the CPU microseconds per line of the server, and of orjson, which gets parsed responses."""
    before = cpu_seconds(server.pid)
    responses = exchange(server.port, lines)
    used = cpu_seconds(server.pid) - before
    values = [orjson.loads(line) for line in responses.splitlines()]
    started = time.process_time()
    for line, value in zip(lines, values, strict=True):
        orjson.loads(line)
        orjson.dumps(value)
    return used / len(lines) * 1e6, (time.process_time() - started) / len(lines) * 1e6


def same_questions() -> list[bytes]:
    """Return new lines with random ratings of the first questions."""
    return [line_of(BENCH_QUESTIONS[:ANSWERED]) for _ in range(BATCH_LINES)]


def any_questions() -> list[bytes]:
    """Return new lines with random ratings of random questions, in the set's order."""
    return [
        line_of(sorted(DICE.sample(BENCH_QUESTIONS, ANSWERED), key=BENCH_QUESTIONS.index))
        for _ in range(BATCH_LINES)
    ]


def line_of(questions: Iterable[str]) -> bytes:
    """Return a line with a random rating of each question."""
    return orjson.dumps({"ratings": {key: DICE.randint(1, 5) for key in questions}}) + b"\n"


def exchange(port: int, lines: list[bytes], *, keep: bool = True) -> bytes:
    """Send lines while the response is read. Return the response if `keep` is set."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(
            f"POST /v1/score/batch?question_set={BENCH_SET} HTTP/1.1\r\nHost: bench\r\n"
            f"X-API-Key: {BENCH_KEY}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

        def send() -> None:
            for start in range(0, len(lines), LINES_PER_CHUNK):
                chunk = b"".join(lines[start : start + LINES_PER_CHUNK])
                caller.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            caller.sendall(b"0\r\n\r\n")

        sending = threading.Thread(target=send)
        sending.start()
        response = read_response(caller, keep=keep)
        sending.join()
    return response


def read_response(caller: socket.socket, *, keep: bool) -> bytes:
    """Read a chunked response. Return its body if `keep` is set."""
    reader, chunks = caller.makefile("rb"), []
    while reader.readline() != b"\r\n":
        pass
    while size := int(reader.readline(), 16):
        chunk = reader.read(size)
        reader.readline()
        if keep:
            chunks.append(chunk)
    return b"".join(chunks)


if __name__ == "__main__":
    print_table(measures())
