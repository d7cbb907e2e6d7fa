"""`import FILE`: prospects from a file, into the database."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import anyio
import typer
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.cli.console import err, fail, named_columns, published_plans, say
from app.inbound.imports.reader import (
    EXTERNAL_ID_COLUMN,
    NAME_COLUMN,
    Format,
    ImportOptions,
    Reader,
    ReadRecord,
    check_keys,
)
from app.inbound.imports.service import Importer, rejected_record, rejects_heading
from app.problems import UNAVAILABLE, Problem
from app.prospects.schemas import Link
from app.settings import Settings

KEY_NAME = "prospect-fit import"
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
READ_BYTES = 64 * 1024
MAX_SHOWN = 10
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
        fail(f"There is no file {file}.")
    if file.suffix.lower() not in FORMATS:
        fail(f"{file}: its name has to end in {', '.join(FORMATS)}.")
    if rejects and rejects.exists() and rejects.samefile(file):
        fail("--rejects names the file itself.")
    columns = named_columns(mapped or [])
    columns |= {
        key: name for key, name in ((EXTERNAL_ID_COLUMN, id_column), (NAME_COLUMN, name_column)) if name
    }
    with published_plans() as (database, plans):
        check_keys(columns)
        if source is not None:
            Link(source=source, external_id="any")
        wanted = ImportOptions(FORMATS[file.suffix.lower()], source, columns, after_line)
        reader = Reader(wanted, Settings().max_body_bytes)
        importer = Importer(database, plans, KEY_NAME, after_line=after_line, pauses=True)
        _Import(importer, reader, file, after_line).run(rejects)


class _Import:
    """One run over a file."""

    def __init__(self, importer: Importer, reader: Reader, file: Path, after_line: int) -> None:
        self._importer = importer
        self._reader = reader
        self._file = file
        self._after_line = after_line
        self._shown = 0
        self._stopped = False

    def run(self, rejects: Path | None) -> None:
        """Import all records, print the result, and exit with 1 if records were refused and not kept."""
        # A run that continues an earlier one adds to its rejects.
        continues = bool(rejects and self._after_line and rejects.exists())
        with self._stopping():
            anyio.run(self._import_file, rejects, continues)
        self._report(rejects)

    async def _import_file(self, rejects: Path | None, continues: bool) -> None:  # noqa: FBT001
        with ExitStack() as open_files:
            file = open_files.enter_context(self._file.open("rb"))
            kept: BinaryIO | None = None
            advance = open_files.enter_context(_bar(self._file.stat().st_size))
            for reads in self._reads(file, advance):
                # A file that is refused as a whole leaves the rejects of an earlier run alone.
                if rejects and not kept and self._reader.knows_columns:
                    kept = open_files.enter_context(rejects.open("ab" if continues else "wb"))
                    kept.write(b"" if continues else rejects_heading(self._reader))
                    kept.flush()
                await self._import(reads, kept)
                if self._stopped:
                    break

    def _reads(self, file: BinaryIO, advance: Callable[[int], None]) -> Iterator[list[ReadRecord]]:
        while chunk := file.read(READ_BYTES):
            yield self._reader.feed(chunk)
            advance(len(chunk))
        yield self._reader.rest()

    async def _import(self, reads: Sequence[ReadRecord], kept: BinaryIO | None) -> None:
        before = self._importer.tally.committed_to
        try:
            async for refused in self._importer.run(reads):
                if kept:
                    self._keep(refused, kept, before)
                else:
                    self._show(refused)
                before = self._importer.tally.committed_to
                if self._stopped:
                    break
        except Problem as problem:
            if problem.kind is not UNAVAILABLE:
                raise
            fail(f"{problem.detail} {self._where_to_continue()}")

    def _show(self, refused: Sequence[tuple[ReadRecord, Problem]]) -> None:
        """Tell the first few."""
        for read, problem in refused:
            if self._shown < MAX_SHOWN:
                self._shown += 1
                err.print(
                    f"line {read.record.line}: {problem.detail}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

    def _keep(self, refused: Sequence[tuple[ReadRecord, Problem]], kept: BinaryIO, before: int) -> None:
        try:
            kept.writelines(rejected_record(self._reader, read.record, problem) for read, problem in refused)
            kept.flush()
        except OSError as error:
            with suppress(OSError):
                kept.close()
            # The others of them are imported, and to import them again does no harm.
            fail(f"{kept.name}: {error.strerror}. Go on with --after-line {before}.")

    def _where_to_continue(self) -> str:
        committed = self._importer.tally.committed_to
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

    def _report(self, rejects: Path | None) -> None:
        counts = self._importer.tally.counts
        lines = sum(counts[what] for what in ("created", "changed", "unchanged"))
        say(
            f"Imported {lines:,} lines of {self._file}: {counts['created']:,} created, "
            f"{counts['changed']:,} changed, {counts['unchanged']:,} unchanged."
        )
        if counts["refused"]:
            where = f"they are in {rejects}" if rejects else "--rejects FILE keeps them, to mend"
            say(f"{counts['refused']:,} could not be used: {where}.")
        if self._stopped:
            err.print(f"Stopped. {self._where_to_continue()}", markup=False, highlight=False, soft_wrap=True)
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
