"""`import FILE`: import prospects from a file into the database."""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import anyio
import typer

from app.cli.console import counted, err, fail, parse_column_names, print_text, progress_bar, published_plans
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
from app.problems import DATABASE_FAILURES, Problem
from app.prospects.schemas import Link
from app.settings import Settings

KEY_NAME = "prospect-fit import"
FORMATS: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson"}
READ_BYTES = 64 * 1024
MAX_SHOWN = 10
File = Annotated[Path, typer.Argument(help="CSV with headings, or NDJSON, as for POST /v1/prospects/import.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="The source for lines that have none.")]
IdColumn = Annotated[
    str | None, typer.Option("--id", help="The column of the external ids; by default external_id.")
]
NameColumn = Annotated[str | None, typer.Option("--name", help="The column of the names; by default name.")]
ColumnPairs = Annotated[
    list[str] | None, typer.Option("--map", help="KEY=COLUMN, if a column is not named after its attribute.")
]
Rejects = Annotated[
    Path | None,
    typer.Option(help="The file for lines that cannot be imported, so that you can correct them."),
]
Notify = Annotated[
    bool, typer.Option("--notify", help="Send what changes to webhooks. By default, only the feed has it.")
]
AfterLine = Annotated[int, typer.Option("--after-line", min=0, help="Continue after this line.")]


def import_file(
    file: File,
    *,
    source: SourceOption = None,
    id_column: IdColumn = None,
    name_column: NameColumn = None,
    column_pairs: ColumnPairs = None,
    rejects: Rejects = None,
    after_line: AfterLine = 0,
    notify: Notify = False,
) -> None:
    """Import prospects from a file of any size: each line creates or changes one prospect.

    In CSV, each column except source, external_id and name is an attribute. An empty cell changes nothing.
    It is safe to import the same file again. After Ctrl-C, the command prints where to continue.
    """
    if not file.is_file():
        fail(f"There is no file {file}.")
    if file.suffix.lower() not in FORMATS:
        fail(f"{file}: the name must end in {', '.join(FORMATS)}.")
    if rejects and rejects.exists() and rejects.samefile(file):
        fail("--rejects names the input file: choose another file.")
    columns = parse_column_names(column_pairs or [])
    columns |= {
        key: column for key, column in ((EXTERNAL_ID_COLUMN, id_column), (NAME_COLUMN, name_column)) if column
    }
    with published_plans() as (database, plans):
        check_keys(columns)
        if source is not None:
            Link(source=source, external_id="any")
        options = ImportOptions(FORMATS[file.suffix.lower()], source, columns, after_line)
        reader = Reader(options, Settings().max_body_bytes)
        importer = Importer(database, plans, KEY_NAME, after_line=after_line, pauses=True, notify=notify)
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
        """Import all records and print the counts.

        Exits with 1 if records were refused and there is no rejects file, and with 130 after Ctrl-C.
        """
        # A run that continues an earlier one appends to its rejects.
        continues = bool(rejects and self._after_line and rejects.exists())
        with self._stoppable():
            anyio.run(self._import_file, rejects, continues)
        self._report(rejects)

    async def _import_file(self, rejects: Path | None, continues: bool) -> None:  # noqa: FBT001
        with ExitStack() as open_files:
            file = open_files.enter_context(self._file.open("rb"))
            rejects_file: BinaryIO | None = None
            advance = open_files.enter_context(progress_bar("importing", self._file.stat().st_size))
            for reads in self._reads(file, advance):
                # If the whole file is refused, the rejects of an earlier run must not be overwritten.
                if rejects and not rejects_file and self._reader.knows_columns:
                    rejects_file = open_files.enter_context(rejects.open("ab" if continues else "wb"))
                    rejects_file.write(b"" if continues else rejects_heading(self._reader))
                    rejects_file.flush()
                await self._import(reads, rejects_file)
                if self._stopped:
                    break

    def _reads(self, file: BinaryIO, advance: Callable[[int], None]) -> Iterator[list[ReadRecord]]:
        while chunk := file.read(READ_BYTES):
            yield self._reader.feed(chunk)
            advance(len(chunk))
        yield self._reader.rest()

    async def _import(self, reads: Sequence[ReadRecord], rejects_file: BinaryIO | None) -> None:
        before = self._importer.tally.committed_to
        try:
            async for refused in self._importer.run(reads):
                if rejects_file:
                    self._write_rejects(refused, rejects_file, before)
                else:
                    self._show(refused)
                before = self._importer.tally.committed_to
                if self._stopped:
                    break
        except Problem as problem:
            if problem.kind not in DATABASE_FAILURES:
                raise
            fail(f"{problem.detail} {self._where_to_continue()}")

    def _show(self, refused: Sequence[tuple[ReadRecord, Problem]]) -> None:
        """Print the first few problems."""
        for read, problem in refused:
            if self._shown < MAX_SHOWN:
                self._shown += 1
                err.print(
                    f"line {read.record.line}: {problem.detail}",
                    markup=False,
                    highlight=False,
                    soft_wrap=True,
                )

    def _write_rejects(
        self, refused: Sequence[tuple[ReadRecord, Problem]], rejects_file: BinaryIO, before: int
    ) -> None:
        """Write the refused records of a batch. `before` is the last line committed before the batch."""
        try:
            rejects_file.writelines(
                rejected_record(self._reader, read.record, problem) for read, problem in refused
            )
            rejects_file.flush()
        except OSError as error:
            with suppress(OSError):
                rejects_file.close()
            # The other records of the batch are imported, and importing them again does no harm.
            fail(f"{rejects_file.name}: {error.strerror}. Continue with --after-line {before}.")

    def _where_to_continue(self) -> str:
        committed = self._importer.tally.committed_to
        return f"Continue with --after-line {committed}." if committed else "Nothing was imported."

    @contextmanager
    def _stoppable(self) -> Iterator[None]:
        """Let Ctrl-C stop the import after the current commit. A second Ctrl-C stops it at once."""

        def request_stop(*_: object) -> None:
            self._stopped = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, request_stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _report(self, rejects: Path | None) -> None:
        counts = self._importer.tally.counts
        lines = sum(counts[outcome] for outcome in ("created", "changed", "unchanged"))
        print_text(
            f"Imported {counted(lines, 'line')} of {self._file}: {counts['created']:,} created, "
            f"{counts['changed']:,} changed, {counts['unchanged']:,} unchanged."
        )
        if counts["refused"]:
            advice = f"See {rejects}." if rejects else "To save rejected lines, use --rejects FILE."
            print_text(f"{counted(counts['refused'], 'line')} could not be imported. {advice}")
        if self._stopped:
            err.print(f"Stopped. {self._where_to_continue()}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(130)
        if counts["refused"] and not rejects:
            raise typer.Exit(1)
