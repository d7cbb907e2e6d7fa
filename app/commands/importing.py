"""`import FILE`: prospects from a file, into the database."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from time import sleep
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.commands.console import err, give_up, named_columns, published_plans, say
from app.db import Database
from app.imports.columns import CALLED, EXTERNAL_ID, check_keys
from app.imports.flow import Pace, Tally, import_some
from app.imports.reading import Format, Read, Reader, Wanted
from app.imports.rejects import heading_of_rejects, reject
from app.problems import UNAVAILABLE, Problem
from app.prospects.wire import Link
from app.question_sets.plans import Plans
from app.sessions.case import Work
from app.settings import Settings

KEY_NAME = "prospect-fit import"
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
AT_ONCE = 64 * 1024
SHOWN = 10

File = Annotated[Path, typer.Argument(help="CSV with headings, or NDJSON as for POST /v1/prospects/import.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="For the lines that name none.")]
IdColumn = Annotated[str | None, typer.Option("--id", help="The column of the external ids, if another.")]
NameColumn = Annotated[str | None, typer.Option("--name", help="The column of the names, if another.")]
Mapped = Annotated[
    list[str] | None, typer.Option("--map", help="KEY=COLUMN, where a column differs from the attribute.")
]
Rejects = Annotated[Path | None, typer.Option(help="A file for the lines that cannot be used, to mend.")]
AfterLine = Annotated[int, typer.Option("--after-line", min=0, help="Go on after this line.")]


def import_file(
    file: File,
    *,
    source: SourceOption = None,
    id_column: IdColumn = None,
    name_column: NameColumn = None,
    mapped: Mapped = None,
    rejects: Rejects = None,
    after_line: AfterLine = 0,
) -> None:
    """Import prospects from a file of any size: each line creates or changes the one of its external id.

    Columns but source, external_id and name are attributes; an empty cell says nothing. Importing the
    same file again does no harm, and Ctrl-C says where to go on.
    """
    if not file.is_file():
        give_up(f"There is no file {file}.")
    if file.suffix.lower() not in FORMATS:
        give_up(f"{file}: its name has to end in {', '.join(FORMATS)}.")
    if rejects and rejects.exists() and rejects.samefile(file):
        give_up("--rejects names the file itself.")
    columns = named_columns(mapped or [])
    columns |= {key: name for key, name in ((EXTERNAL_ID, id_column), (CALLED, name_column)) if name}
    with published_plans() as (database, plans):
        check_keys(columns)
        if source is not None:
            Link(source=source, external_id="any")
        wanted = Wanted(FORMATS[file.suffix.lower()], source, columns, after_line)
        reader = Reader(wanted, Settings().max_body_bytes)
        _Import(database, plans, reader, file, after_line).run(rejects)


class _Import:
    """One run over a file."""

    def __init__(self, database: Database, plans: Plans, reader: Reader, file: Path, after_line: int) -> None:
        self._database = database
        self._plans = plans
        self._reader = reader
        self._file = file
        self._tally = Tally(after_line)
        self._pace = Pace()
        self._after_line = after_line
        self._stopped = False

    def run(self, rejects: Path | None) -> None:
        """Import all, tell what came of it, and exit with 1 if lines were refused and not kept."""
        with ExitStack() as open_files:
            text = open_files.enter_context(self._file.open("rb"))
            # Who goes on has some already.
            goes_on = bool(rejects and self._after_line and rejects.exists())
            kept: BinaryIO | None = None
            open_files.enter_context(self._stopping())
            moved = open_files.enter_context(_bar(self._file.stat().st_size))
            for reads in self._reads(text, moved):
                # A file that is refused as a whole leaves the rejects of another time alone.
                if rejects and not kept and self._reader.knows_columns:
                    kept = open_files.enter_context(rejects.open("ab" if goes_on else "wb"))
                    kept.write(b"" if goes_on else heading_of_rejects(self._reader))
                    kept.flush()
                self._import(reads, kept)
                if self._stopped:
                    break
        self._tell(rejects)

    def _reads(self, text: BinaryIO, moved: Callable[[int], None]) -> Iterator[list[Read]]:
        while chunk := text.read(AT_ONCE):
            yield self._reader.feed(chunk)
            moved(len(chunk))
        yield self._reader.rest()

    def _import(self, reads: Sequence[Read], kept: BinaryIO | None) -> None:
        while reads and not self._stopped:
            some = reads[: self._pace.lines]
            try:
                pause = self._commit(some, kept)
            except Problem as problem:
                pause = self._failed(problem)
            else:
                reads = reads[len(some) :]
            sleep(pause)

    def _commit(self, some: Sequence[Read], kept: BinaryIO | None) -> float:
        """Import some lines in one transaction; how long to wait before the next."""
        self._pace.start()
        outcomes = self._database.write_here(lambda tx: import_some(Work(tx, self._plans, KEY_NAME), some))
        pause = self._pace.done(len(some))
        before = self._tally.committed_to
        refused = self._tally.add(some, outcomes)
        if kept:
            self._keep(refused, kept, before)
        else:
            self._show(refused)
        return pause if self._database.is_sqlite else 0

    def _show(self, refused: Sequence[tuple[Read, Problem]]) -> None:
        """Tell the first few."""
        for read, problem in refused:
            if self._tally.counts["told"] < SHOWN:
                self._tally.counts["told"] += 1
                err.print(
                    f"line {read.record.line}: {problem.detail}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

    def _keep(self, refused: Sequence[tuple[Read, Problem]], kept: BinaryIO, before: int) -> None:
        try:
            kept.writelines(reject(self._reader, read.record, problem) for read, problem in refused)
            kept.flush()
        except OSError as error:
            with suppress(OSError):
                kept.close()
            # The others of them are imported, and to import them again does no harm.
            give_up(f"{kept.name}: {error.strerror}. Go on with --after-line {before}.")

    def _failed(self, problem: Problem) -> float:
        if problem.kind is not UNAVAILABLE:
            raise problem
        try:
            return self._pace.failed(problem)
        except Problem:
            give_up(f"{problem.detail} {self._where_to_go_on()}")

    def _where_to_go_on(self) -> str:
        committed = self._tally.committed_to
        return f"Go on with --after-line {committed}." if committed else "Nothing was imported."

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Let Ctrl-C stop it once the transaction is committed; a second one stops it at once."""

        def stop(*_: object) -> None:
            self._stopped = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _tell(self, rejects: Path | None) -> None:
        counts = self._tally.counts
        lines = sum(counts[what] for what in ("created", "changed", "unchanged"))
        say(
            f"Imported {lines:,} lines of {self._file}: {counts['created']:,} created, "
            f"{counts['changed']:,} changed, {counts['unchanged']:,} unchanged."
        )
        if counts["refused"]:
            where = f"they are in {rejects}" if rejects else "--rejects FILE keeps them, to mend"
            say(f"{counts['refused']:,} could not be used: {where}.")
        if self._stopped:
            err.print(f"Stopped. {self._where_to_go_on()}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(130)
        if counts["refused"] and not rejects:
            raise typer.Exit(1)


@contextmanager
def _bar(size: int) -> Iterator[Callable[[int], None]]:
    """How much of the file is read, on a terminal's standard error; elsewhere nothing is shown."""
    columns = (TextColumn("importing"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        bar = progress.add_task("importing", total=size)
        yield lambda count: progress.advance(bar, count)
