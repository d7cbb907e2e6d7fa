"""`score FILE -o FILE`: score a whole file into another one."""

import threading
from pathlib import Path

import duckdb
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn

from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.scoring import ScoreOptions, Summary, score_file
from app.cli.bulk.source import UnusableFile
from app.cli.console import err, fail, named_columns, say
from app.scoring import Plan, rounded

LOOK_SECONDS = 0.2
# In per cent: from half of the weight on there is a score, and at the whole of it nothing is open.
COVERAGE_CUTS = (50, 100)


def score_many(
    plan: Plan,
    file: str,
    output: str,
    *,
    rejects: Path | None,
    id_column: str,
    mapped: list[str],
    missing_open: bool,
) -> None:
    """Score a file into another one, and sum up what came out."""
    named = named_columns(mapped)
    with duckdb.connect() as connection, _Bar(connection):
        try:
            source, target = (DatabaseTable.named(place) or Path(place) for place in (file, output))
            wanted = ScoreOptions(source, target, rejects, id_column, named, missing_open)
            summary = score_file(connection, plan, wanted)
        except UnusableFile as error:
            fail(str(error))
        except duckdb.Error as error:
            fail("\n".join(line for line in str(error).splitlines()[:3] if line.strip()))
    _tell(plan, summary, output.rpartition("#")[2], rejects)


class _Bar:
    """How far the running query is, on a terminal's standard error; elsewhere nothing is shown."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._done = threading.Event()
        self._showing = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> None:
        if err.is_terminal:
            self._showing.start()

    def __exit__(self, *_: object) -> None:
        self._done.set()
        if self._showing.is_alive():
            self._showing.join()

    def _show(self) -> None:
        columns = ("scoring", BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            bar = progress.add_task("scoring", total=100)
            while not self._done.wait(LOOK_SECONDS):
                progress.update(bar, completed=max(0, self._connection.query_progress()))


def _tell(plan: Plan, summary: Summary, output: str, rejects: Path | None) -> None:
    say(f"Scored {summary.scored:,} rows with {plan.name} into {output}.")
    if summary.rejected:
        where = f"they are in {rejects}" if rejects else "column problem says why; --rejects FILE parts them"
        say(f"{summary.rejected:,} could not be scored: {where}.")
    for indication, count in summary.indications:
        say(f"  {indication or 'no indication'}: {count:,}")
    if summary.coverage is not None:
        say(f"Mean coverage: {rounded(100 * summary.coverage, COVERAGE_CUTS)} %.")
    if summary.best:
        say("The best:")
    for called, score, indication in summary.best:
        say(f"  {escape(str(called))}: {rounded(score, plan.question_set.cuts)} {indication or ''}".rstrip())
