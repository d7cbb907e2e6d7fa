"""Score the rows of a file or table, and write the scores to another one.

Rows with texts are read in Python, as those of an import. Columns of a Parquet file or a table that have the
right types go to DuckDB as they are if no summary of each row is wanted, which is many times as fast.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from duckdb import DuckDBPyConnection

from app.cli.bulk.database import DatabaseTable
from app.cli.bulk.native import NativeSource, native_source, source_types
from app.cli.bulk.outputs import PARQUET_OPTIONS, check_outputs, write_output
from app.cli.bulk.rows import (
    CARRIED_COLUMN,
    PROBLEM_COLUMN,
    VIEW,
    PreparedRows,
    carried_columns,
    require_own_names,
)
from app.cli.bulk.source import (
    UNNAMED_NOTE,
    ReadOptions,
    column_notes,
    kept_columns,
    open_entries,
    open_rows,
)
from app.cli.bulk.summary import Summary, native_report, summarise_scores
from app.cli.bulk.typed import Advance, CellReport, TypedRows
from app.files.opening import format_of
from app.files.parquet import exact_path
from app.files.rejects import RejectsFile
from app.scoring import Plan
from app.scoring.sql import Wide, score_sql
from app.scoring.sql.words import literal

# With more rows, a Parquet file or table with the right types gets no summaries if nothing is said.
MAX_ROWS_WITH_SUMMARY = 100_000


@dataclass(frozen=True, slots=True)
class ScoreOptions:
    """What to score, and where to write the scores.

    `keep` are headings of columns to copy to the output. `summary` says whether each row gets its summary;
    None leaves it out for many rows that DuckDB can read itself.
    """

    source: Path | DatabaseTable
    output: Path | DatabaseTable
    rejects: Path | None = None
    read: ReadOptions = field(default_factory=ReadOptions)
    keep: Sequence[str] = ()
    summary: bool | None = None


@dataclass(frozen=True, slots=True)
class Watcher:
    """Who follows a run.

    `note` gets sentences about the file, and `advance` the number of further rows and the share of the file
    that was read, from 0 to 1.
    """

    note: Callable[[str], None] = lambda _: None
    advance: Advance = lambda _rows, _share: None


def score_file(
    connection: DuckDBPyConnection,
    plan: Plan,
    options: ScoreOptions,
    as_of: datetime,
    watcher: Watcher | None = None,
) -> Summary:
    """Score every row, and write the output, which appears only when it is complete.

    A row that cannot be scored goes to the file of rejects with its problem. Without one, it goes to the
    output, without figures.

    Raises:
        Problem: if the file cannot be read.
        UnusableFile: if the columns, the output or the file of rejects cannot be used.
        duckdb.Error: if DuckDB cannot read a Parquet file.
    """
    check_outputs(options.source, [file for file in (options.output, options.rejects) if file])
    parent = options.output.parent if isinstance(options.output, Path) else None
    with TemporaryDirectory(dir=parent, prefix=".prospect-fit-") as folder:
        connection.execute(f"SET temp_directory = {literal(folder)}")
        return _Run(connection, plan, options, Path(folder), watcher or Watcher()).score(as_of)


class _Run:
    """One run, with a folder for its temporary files."""

    def __init__(
        self,
        connection: DuckDBPyConnection,
        plan: Plan,
        options: ScoreOptions,
        folder: Path,
        watcher: Watcher,
    ) -> None:
        self._connection, self._plan, self._options = connection, plan, options
        self._folder, self._watcher = folder, watcher
        self._scores = folder / "scores.parquet"

    def score(self, as_of: datetime) -> Summary:
        """Write the scores, and summarise them."""
        source = self._native_source()
        rows, cells = self._score_native(source) if source else self._score_typed(as_of)
        written = write_output(self._connection, self._scores, self._options.output)
        return summarise_scores(self._connection, written, rows, cells)

    def _native_source(self) -> NativeSource | None:
        """Return the source if DuckDB reads it itself."""
        wanted, options = self._options.summary, self._options
        if wanted:
            return None
        least_rows = 0 if wanted is False else MAX_ROWS_WITH_SUMMARY + 1
        return native_source(
            self._connection, self._plan, options.source, options.read, self._folder, least_rows
        )

    def _score_native(self, source: NativeSource) -> tuple[PreparedRows, CellReport]:
        keep = kept_columns(list(source.types), source.by_key, self._options.keep)
        used = {*source.by_key.values(), *keep}
        ignored = [column for column in source.types if column not in used]
        self._note(column_notes(source.by_key, ignored, self._plan, self._options.read))
        rows = source.prepare(self._plan, keep)
        self._copy(self._statement(rows), self._scores)
        cells = native_report(self._connection, self._scores, rows)
        if self._options.rejects:
            rejected = self._folder / "rejected.parquet"
            self._copy(source.rejected(self._scores), rejected)
            write_output(self._connection, rejected, self._options.rejects)
            every = self._scores.rename(self._folder / "every.parquet")
            self._copy(f"FROM {literal(exact_path(every))} WHERE problem IS NULL", self._scores)
        return rows, cells

    def _score_typed(self, as_of: datetime) -> tuple[PreparedRows, CellReport]:
        """Score rows that are read in Python."""
        options, rejects = self._options, self._options.rejects
        with ExitStack() as stack:
            table = stack.enter_context(open_rows(options.source, options.read))
            self._note(table.notes)
            reader = open_entries(table, self._plan, options.read)
            keep = kept_columns(table.headings, reader.headings_by_key, options.keep)
            ignored = [heading for heading in reader.ignored if heading not in keep]
            self._note(column_notes(reader.keys, ignored, self._plan, options.read))
            types = source_types(self._connection, options.source)
            summarised_at = None if options.summary is False else as_of
            typed = TypedRows(table, reader, self._plan, keep, types, summarised_at)
            file = RejectsFile(rejects, format_of(rejects), table.headings) if rejects else None
            if file:
                stack.enter_context(file)
            rows = typed.write(self._folder / "typed.csv", file, self._watcher.advance)
            self._note([UNNAMED_NOTE] if reader.has_unnamed_cells else [])
        self._copy(self._statement(rows), self._scores)
        return rows, typed.report

    def _statement(self, rows: PreparedRows) -> str:
        """Return the statement that scores the rows. Raises `UnusableFile` if two columns share a name."""
        self._connection.execute(f"CREATE OR REPLACE TEMP VIEW {VIEW} AS {rows.select}")
        steps = self._plan.question_set.steps
        scored = frozenset(q.key for step in steps if not step.gated for q in step.questions)
        source = Wide(VIEW, CARRIED_COLUMN, rows.skippable, scored, PROBLEM_COLUMN)
        figures = score_sql(self._plan, source, "duckdb")
        described = self._connection.execute(f"DESCRIBE {figures}").fetchall()
        require_own_names(rows.carried, [column for column, *_ in described])
        return f"SELECT {carried_columns(rows)}, * EXCLUDE ({CARRIED_COLUMN}) FROM ({figures})"

    def _copy(self, query: str, file: Path) -> None:
        self._connection.execute(f"COPY ({query}) TO {literal(str(file))} ({PARQUET_OPTIONS})")

    def _note(self, notes: Iterable[str]) -> None:
        for note in notes:
            self._watcher.note(note)
