"""CPU time and memory of the batch endpoint: python -m bench.batch

The baseline parses the same lines and serializes the same responses with orjson, and does nothing else.
"""

import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator

import orjson

from bench.server import BENCH_KEY, BENCH_QUESTIONS, BENCH_SET, cpu_seconds, peak, reset_peak, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

BATCH_LINES = 5_000
DICE = random.Random(1)
LINES = [
    orjson.dumps({"ratings": {key: DICE.randint(1, 5) for key in BENCH_QUESTIONS[:14]}}) + b"\n"
    for _ in range(BATCH_LINES)
]
LINE_COUNTS = (10_000, 200_000)
LINES_PER_CHUNK = 1_000


def measures() -> Iterator[Measure]:
    """Yield the CPU time per line and the peak memory of the batch endpoint."""
    with tempfile.TemporaryDirectory() as folder, serving(f"sqlite:///{folder}/batch.db") as server:
        port, pid = server
        responses = exchange(port, BATCH_LINES)  # warms up
        results = in_turns(
            ROUNDS, {"batch": lambda: batch_cost(port, pid), "orjson": lambda: orjson_cost(responses)}
        )
        costs = {kind: f"{statistics.median(measured):.1f} µs" for kind, measured in results.items()}
        ratio = median_ratio(results["batch"], results["orjson"])
        baseline = f"orjson reading and writing it, {costs['orjson']}"
        yield Measure("/v1/score/batch, CPU per line", costs["batch"], baseline, ratio, "≤ 8 ×")
        for count in LINE_COUNTS:
            reset_peak(pid)
            started = time.perf_counter()
            exchange(port, count, keep=False)
            lines = count / (time.perf_counter() - started)
            yield Measure(f"/v1/score/batch, {count:,} lines", f"{lines:,.0f} lines/s, {peak(pid)} MB")


def batch_cost(port: int, pid: int) -> float:
    """Return the CPU microseconds of the server per line."""
    before = cpu_seconds(pid)
    exchange(port, BATCH_LINES, keep=False)
    return (cpu_seconds(pid) - before) / BATCH_LINES * 1e6


def lines_of(count: int, start: int = 0) -> bytes:
    """Return lines with 14 ratings each; no two of the first BATCH_LINES lines are the same."""
    return b"".join(LINES[number % BATCH_LINES] for number in range(start, start + count))


def orjson_cost(responses: bytes) -> float:
    """Return the CPU microseconds per line of orjson. The responses are parsed before."""
    values = [orjson.loads(line) for line in responses.splitlines()]
    started = time.process_time()
    for line, value in zip(LINES, values, strict=True):
        orjson.loads(line)
        orjson.dumps(value)
    return (time.process_time() - started) / BATCH_LINES * 1e6


def exchange(port: int, count: int, *, keep: bool = True) -> bytes:
    """Send lines while the response is read. Return the response if `keep` is set."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(
            f"POST /v1/score/batch?question_set={BENCH_SET} HTTP/1.1\r\nHost: bench\r\n"
            f"X-API-Key: {BENCH_KEY}\r\n"
            "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )

        def send() -> None:
            for start in range(0, count, LINES_PER_CHUNK):
                lines = lines_of(min(LINES_PER_CHUNK, count - start), start)
                caller.sendall(b"%x\r\n%s\r\n" % (len(lines), lines))
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
