"""The CPU time of short commands, compared with importing SQLAlchemy: python -m bench.start"""

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from bench.table import Measure, in_turns, median_ratio, print_table

START_ROUNDS = 15
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


def cpu_milliseconds(argv: list[str], environment: dict[str, str]) -> float:
    """Return the CPU time of a process, of the user and the system. It has to succeed."""
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(argv[0], argv, environment, file_actions=nowhere)
    _, status, used = os.wait4(process, 0)
    assert status == 0, argv
    return (used.ru_utime + used.ru_stime) * 1000


if __name__ == "__main__":
    print_table(measures())
