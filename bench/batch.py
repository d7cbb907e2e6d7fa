"""Throughput and memory of the batch endpoint: python -m bench.batch

The baseline parses the same lines and serializes the same responses with orjson, and does nothing else.
"""

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator

import orjson

from bench.server import BENCH_KEY, BENCH_SET, load, peak, ratings, reset_peak, score, serving
from bench.table import ROUNDS, Measure, in_turns, median_ratio, print_table

BATCH_LINES = 5_000
LINE_COUNTS = (10_000, 200_000)
LINES_PER_CHUNK = 1_000


def measures() -> Iterator[Measure]:
    """Yield lines per second and peak memory of the batch endpoint."""
    with tempfile.TemporaryDirectory() as folder, serving(f"sqlite:///{folder}/batch.db") as server:
        port, pid = server
        responses = exchange(port, BATCH_LINES)  # warms up
        single = [score(number) for number in range(BATCH_LINES // 5)]
        results = in_turns(
            ROUNDS,
            {
                "batch": lambda: rate(port, BATCH_LINES),
                "orjson alone": lambda: baseline_rate(responses),
                "/v1/score": lambda: load(port, single),
            },
        )
        rates = {kind: f"{statistics.median(measured):,.0f} lines/s" for kind, measured in results.items()}
        for baseline in ("orjson alone", "/v1/score"):
            ratio = median_ratio(results["batch"], results[baseline])
            yield Measure("/v1/score/batch", rates["batch"], f"{baseline}, {rates[baseline]}", ratio)
        for count in LINE_COUNTS:
            reset_peak(pid)
            lines = rate(port, count)
            yield Measure(f"/v1/score/batch, {count:,} lines", f"{lines:,.0f} lines/s, {peak(pid)} MB")


def rate(port: int, count: int) -> float:
    """Return lines per second of the endpoint."""
    started = time.perf_counter()
    exchange(port, count, keep=False)
    return count / (time.perf_counter() - started)


def lines_of(count: int, start: int = 0) -> bytes:
    numbers = range(start, start + count)
    return b"".join(orjson.dumps({"ratings": ratings(number)}) + b"\n" for number in numbers)


def baseline_rate(responses: bytes) -> float:
    """Return lines per second of orjson. The responses are parsed before the clock starts."""
    lines = lines_of(BATCH_LINES).splitlines()
    values = [orjson.loads(line) for line in responses.splitlines()]
    started = time.perf_counter()
    for line, value in zip(lines, values, strict=True):
        orjson.loads(line)
        orjson.dumps(value)
    return BATCH_LINES / (time.perf_counter() - started)


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
