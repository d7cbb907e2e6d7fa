"""`score FILE --output FILE`: score a file or table into another one, and print a summary."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.scoring import ScoreOptions, Watcher, score_file
from app.cli.bulk.summary import Summary
from app.cli.cell_report import report_lines
from app.cli.console import counted, print_note, print_text
from app.cli.terminal import err
from app.clock import utc_now
from app.scoring import Plan, rounded

PROGRESS_SECONDS = 0.2
# In per cent. A score is reportable from 50 on, and at 100 nothing is open, so figures below are not
# rounded up to these.
COVERAGE_CUTS = (50, 100)


def score_many(plan: Plan, options: ScoreOptions) -> None:
    """Score a file or table into another one, and print a summary. Raises what `score_file` raises."""
    with duckdb.connect() as connection, _progress(connection) as watcher:
        summary = score_file(connection, plan, options, utc_now(), watcher)
    _print_summary(plan, summary, options)


@contextmanager
def _progress(connection: duckdb.DuckDBPyConnection) -> Iterator[Watcher]:
    """Show the rows that are read and the progress of the running query, if standard error is a terminal."""
    rows_read = TextColumn("scoring {task.fields[rows]}")
    columns = (rows_read, BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    stop = threading.Event()
    # DuckDB would print a bar of its own.
    connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("scoring", total=100, rows="")
        read = 0

        def advance(rows: int, share: float) -> None:
            nonlocal read
            read += rows
            progress.update(bar, rows=counted(read, "row"), completed=100 * share)

        def follow() -> None:
            while not stop.wait(PROGRESS_SECONDS):
                # Below 0 if no query is running, as while Python reads the rows.
                if (percent := connection.query_progress()) >= 0:
                    progress.update(bar, completed=percent)

        thread = threading.Thread(target=follow, daemon=True)
        if err.is_terminal:
            thread.start()
        try:
            yield Watcher(print_note, advance)
        finally:
            stop.set()
            if thread.is_alive():
                thread.join()


def _print_summary(plan: Plan, summary: Summary, options: ScoreOptions) -> None:
    output = options.output.table if isinstance(options.output, DatabaseTable) else options.output
    print_text(f"Scored {counted(summary.scored, 'row')} with {plan.name} into {output}.")
    where = (
        f"See {options.rejects}."
        if options.rejects
        else "The column problem gives the reason. To save rejected rows, use --rejects FILE."
    )
    for line in report_lines(summary.cells, where):
        print_text(line)
    for indication, count in summary.indications:
        print_text(f"  {indication or 'no indication'}: {count:,}")
    if summary.coverage is not None:
        print_text(f"Mean coverage: {rounded(100 * summary.coverage, COVERAGE_CUTS)} %.")
    if summary.best:
        print_text("Highest scores:")
    for id_, name, score, indication in summary.best:
        figure = rounded(score, plan.question_set.cuts)
        who = f"{name} ({id_})" if name else id_
        print_text(f"  {who}: {figure} {indication or ''}".rstrip())
