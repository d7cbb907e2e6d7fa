"""`score FILE --output FILE`: score a file or table with DuckDB, and print a summary."""

import threading
from pathlib import Path

import duckdb
from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeElapsedColumn

from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.scoring import ScoreOptions, Summary, score_file
from app.cli.bulk.source import UnusableFile
from app.cli.console import counted, err, fail, parse_column_names, print_text
from app.scoring import Plan, rounded

PROGRESS_SECONDS = 0.2
# In per cent. A score is reportable from 50 on, and at 100 nothing is open, so figures below are not
# rounded up to these.
COVERAGE_CUTS = (50, 100)


def score_many(
    plan: Plan,
    file: str,
    output: str,
    *,
    rejects: Path | None,
    id_column: str,
    column_pairs: list[str],
    missing_open: bool,
) -> None:
    """Score a file or table into another one, and print a summary."""
    column_names = parse_column_names(column_pairs)
    with duckdb.connect() as connection, _ProgressBar(connection):
        try:
            source, target = (DatabaseTable.parse(text) or Path(text) for text in (file, output))
            options = ScoreOptions(source, target, rejects, id_column, column_names, missing_open)
            summary = score_file(connection, plan, options)
        except UnusableFile as error:
            fail(str(error))
        except duckdb.Error as error:
            fail("\n".join(line for line in str(error).splitlines()[:3] if line.strip()))
    _print_summary(plan, summary, output.rpartition("#")[2], rejects)


class _ProgressBar:
    """Shows the progress of the running query on standard error, if that is a terminal."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __enter__(self) -> None:
        if err.is_terminal:
            self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _show(self) -> None:
        columns = ("scoring", BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
        with Progress(*columns, console=err, transient=True) as progress:
            bar = progress.add_task("scoring", total=100)
            while not self._stop.wait(PROGRESS_SECONDS):
                progress.update(bar, completed=max(0, self._connection.query_progress()))


def _print_summary(plan: Plan, summary: Summary, output: str, rejects: Path | None) -> None:
    print_text(f"Scored {counted(summary.scored, 'row')} with {plan.name} into {output}.")
    if summary.rejected:
        advice = (
            f"See {rejects}."
            if rejects
            else "The column problem gives the reason. To save rejected rows, use --rejects FILE."
        )
        print_text(f"{counted(summary.rejected, 'row')} could not be scored. {advice}")
    for indication, count in summary.indications:
        print_text(f"  {indication or 'no indication'}: {count:,}")
    if summary.coverage is not None:
        print_text(f"Mean coverage: {rounded(100 * summary.coverage, COVERAGE_CUTS)} %.")
    if summary.best:
        print_text("Highest scores:")
    for id_, score, indication in summary.best:
        figure = rounded(score, plan.question_set.cuts)
        print_text(f"  {id_}: {figure} {indication or ''}".rstrip())
