"""The batch endpoint, its floor and its memory: python -m bench.batch

The floor parses the same lines and writes the same answers with orjson, and does nothing else.
"""

import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator

import orjson

from bench.server import KEY, SET, load, peak, ratings, reset_peak, score, serving
from bench.table import Measure, in_turns, median_ratio, print_table

ROUNDS, LINES = 5, 5_000
SIZES = (10_000, 200_000)
AT_ONCE = 1_000


def measures() -> Iterator[Measure]:
    """Lines per second and peak memory of the batch endpoint."""
    with tempfile.TemporaryDirectory() as folder, serving(f"sqlite:///{folder}/batch.db") as server:
        port, pid = server
        answers = exchange(port, LINES)  # warms up
        single = [score(number) for number in range(LINES // 5)]
        taken = in_turns(
            ROUNDS,
            {
                "batch": lambda: rate(port, LINES),
                "orjson alone": lambda: floor(answers),
                "/v1/score": lambda: load(port, single),
            },
        )
        rates = {kind: f"{statistics.median(measured):,.0f} lines/s" for kind, measured in taken.items()}
        for baseline in ("orjson alone", "/v1/score"):
            ratio = median_ratio(taken["batch"], taken[baseline])
            yield Measure("/v1/score/batch", rates["batch"], f"{baseline}, {rates[baseline]}", ratio)
        for count in SIZES:
            reset_peak(pid)
            lines = rate(port, count)
            yield Measure(f"/v1/score/batch, {count:,} lines", f"{lines:,.0f} lines/s, {peak(pid)} MB")


def rate(port: int, count: int) -> float:
    """Lines per second."""
    started = time.perf_counter()
    exchange(port, count, keep=False)
    return count / (time.perf_counter() - started)


def lines_of(count: int, start: int = 0) -> bytes:
    numbers = range(start, start + count)
    return b"".join(orjson.dumps({"ratings": ratings(number)}) + b"\n" for number in numbers)


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


if __name__ == "__main__":
    print_table(measures())
