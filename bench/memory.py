"""The memory of the service after few and after many requests: python -m bench.memory [REQUESTS]

The requests are mixed: scores, changes, lists, fits, the feed, batches, imports and exports. The data that
they read keeps its size, because they change the same prospects again and again.
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator

from app.edge.memory import RETURN_SECONDS
from bench.server import (
    BENCH_SET,
    Server,
    get,
    load,
    post,
    postgresql,
    qualify,
    ratings,
    resident_kilobytes,
    score,
    serving,
)
from bench.table import Measure, print_table

FEW, MANY = 1_000, 100_000
REQUESTS_PER_LOAD = 1_000
LINES = 20
LISTS = (
    "/v1/sessions?limit=50",
    "/v1/sessions?sort=ranked&indication=fit&limit=50",
    "/v1/sessions?status=open&sort=updated_at",
    "/v1/prospects?q=works&limit=50",
    f"/v1/sessions?question_set={BENCH_SET}",
)

EXPORTS = tuple(
    f"/v1/prospects/export?source=bench.file&format={format_}"
    for format_ in ("csv", "xlsx", "ndjson", "parquet")
)


def measures(many: int = MANY) -> Iterator[Measure]:
    """Yield the memory of the service on both databases, after ten times as many requests each time."""
    with tempfile.TemporaryDirectory() as folder, postgresql() as postgres:
        for name, url in (
            ("SQLite", f"sqlite:///{folder}/bench.db"),
            ("PostgreSQL", postgres.new_database()),
        ):
            with serving(url) as server:
                few, done = memory_after(server, range(FEW)), FEW
                while done < many:
                    done, before = min(10 * done, many), done
                    much = memory_after(server, range(before, done))
                    yield Measure(
                        f"memory after {done:,} requests, {name}",
                        f"{much / 1000:.1f} MB",
                        f"after {FEW:,} requests, {few / 1000:.1f} MB",
                        much / few,
                        "≤ 1.05",
                    )


def memory_after(server: Server, numbers: range) -> int:
    """Send the requests with these numbers, and return the memory after the service returned what is free."""
    for first in numbers[::REQUESTS_PER_LOAD]:
        load(
            server.port,
            [mixed(number) for number in range(first, min(first + REQUESTS_PER_LOAD, numbers.stop))],
        )
    time.sleep(RETURN_SECONDS + 2)
    return resident_kilobytes(server.pid)


def mixed(number: int) -> str:
    """Return one of twenty kinds of requests, the frequent ones several times."""
    kind, turn = number % 20, number // 20
    if kind < 7:
        request = score(number)
    elif kind < 12:
        request = qualify(number)
    elif kind < 15:
        request = get(LISTS[(turn + kind) % len(LISTS)])
    elif kind < 17:
        prospects = [{"source": "bench", "external_id": str((number + n) % 100)} for n in range(10)]
        request = post("/v1/fits", json.dumps({"prospects": prospects}), "application/json")
    elif kind == 17:
        request = get("/v1/events/latest?limit=50")
    elif kind == 18:
        lines = [
            json.dumps({"question_set": BENCH_SET, "ratings": ratings(number + n)}) for n in range(LINES)
        ]
        request = post("/v1/score/batch", "\n".join(lines), "application/x-ndjson")
    else:
        request = imported(turn) if turn % 2 else get(EXPORTS[turn // 2 % len(EXPORTS)])
    return request


def imported(turn: int) -> str:
    """Return an import of some prospects, whose attributes differ from those before."""
    rows = [f"{n},Import Works {n},{turn + n},{('retail', 'saas')[(turn + n) % 2]}" for n in range(LINES)]
    content = "\n".join(["external_id,name,employees,industry", *rows])
    return post("/v1/prospects/import?source=bench.file", content, "text/csv")


if __name__ == "__main__":
    print_table(measures(*map(int, sys.argv[1:])))
