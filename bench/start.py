"""The CPU time of short commands and of a cold start: python -m bench.start

The baseline of the commands imports SQLAlchemy. That of a cold start is a FastAPI application with one
endpoint, on the same server.
"""

import asyncio
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path

from bench.load import send_all
from bench.server import BENCH_KEY, cpu_seconds, hello, score, started
from bench.table import Measure, in_turns, median_ratio, print_table

START_ROUNDS = 15
COLD_ROUNDS = 7
FOLDER = Path(sys.executable).parent
BASELINE = "python -c 'import sqlalchemy'"
GOALS = {"prospect-fit --help": "≤ 1.5", "prospect-fit keys list": "≤ 2.5"}


def measures() -> Iterator[Measure]:
    """Yield the CPU time of commands, on an SQLite database without rows."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PROSPECT_FIT_DATABASE_URL": f"sqlite:///{folder}/bench.db"}
        commands = {BASELINE: [sys.executable, "-c", "import sqlalchemy"]}
        for command in GOALS:
            program, *arguments = command.split()
            commands[command] = [str(FOLDER / program), *arguments]
        cpu_milliseconds([str(FOLDER / "prospect-fit"), "migrate"], environment)
        results = in_turns(
            START_ROUNDS,
            {command: partial(cpu_milliseconds, argv, environment) for command, argv in commands.items()},
        )
        cost = {command: f"{statistics.median(measured):.0f} ms" for command, measured in results.items()}
        for command, goal in GOALS.items():
            ratio = median_ratio(results[command], results[BASELINE])
            yield Measure(f"{command}: CPU", cost[command], f"{BASELINE}, {cost[BASELINE]}", ratio, goal)
        yield from cold_starts(Path(folder))


def cold_starts(folder: Path) -> Iterator[Measure]:
    """Yield the CPU time from the command to the first answer, on a new SQLite file and on the same file."""
    serve, numbers = [str(FOLDER / "prospect-fit"), "serve", "--port", "0"], count()
    newest = folder / "cold-0.db"

    def first() -> float:
        nonlocal newest
        newest = folder / f"cold-{next(numbers)}.db"
        return first_answer(serve, newest)

    results = in_turns(
        COLD_ROUNDS,
        {
            "bare": lambda: first_answer([sys.executable, "-m", "bench.hello"], newest, hello),
            "first": first,
            "again": lambda: first_answer(serve, newest),
        },
    )
    baseline = f"FastAPI with one endpoint, {statistics.median(results['bare']):.0f} ms"
    for kind, name in (("again", "cold start to the first answer"), ("first", "… on an empty database")):
        ratio = median_ratio(results[kind], results["bare"])
        figure = f"{statistics.median(results[kind]):.0f} ms"
        yield Measure(f"{name}: CPU", figure, baseline, ratio, "≤ 2, 1.5")


def first_answer(command: list[str], database: Path, request: Callable[[int], str] = score) -> float:
    """Start a server, send it a request, and return the CPU milliseconds that it has used."""
    environment = {
        **os.environ,
        "PROSPECT_FIT_DATABASE_URL": f"sqlite:///{database}",
        "PROSPECT_FIT_ADMIN_KEY": BENCH_KEY,
        "PYTHONUNBUFFERED": "1",
    }
    with started(command, environment) as server:
        asyncio.run(send_all("127.0.0.1", server.port, 1, [request(1).encode()]))
        return cpu_seconds(server.pid) * 1000


def cpu_milliseconds(argv: list[str], environment: dict[str, str]) -> float:
    """Return the CPU time of a process, of the user and the system. It has to succeed."""
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(argv[0], argv, environment, file_actions=nowhere)
    _, status, used = os.wait4(process, 0)
    assert status == 0, argv
    return (used.ru_utime + used.ru_stime) * 1000


if __name__ == "__main__":
    print_table(measures())
