"""`import FILE`: import prospects from a file into the database."""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Annotated

import anyio
import typer

from app.cli.console import counted, fail, parse_column_names, print_note, print_text
from app.cli.plans import published_plans
from app.cli.terminal import progress_bar
from app.db import Database
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME
from app.files.formats import SUFFIXES
from app.files.opening import format_of, open_table
from app.files.rejects import RejectsFile
from app.files.table import TableFile
from app.inbound.imports.reader import ImportOptions, ImportRow, NamedSet, ProspectReader, check_keys
from app.inbound.imports.service import Importer, ReportedRow
from app.problems import DATABASE_FAILURES, MALFORMED_FILE, Problem
from app.prospects.schemas import Link
from app.question_sets.plans import Plans
from app.schemas import MAX_LINE_LENGTH, REFUSED_ANYWHERE
from app.scoring.question_set import AttributeType

KEY_NAME = "prospect-fit import"
ROWS_AT_ONCE = 100
MAX_SHOWN = 10
PROGRESS_STEPS = 1000
ACTOR_PREFIX = "import:"
File = Annotated[Path, typer.Argument(help=f"The file to import; its name ends in {', '.join(SUFFIXES)}.")]
SourceOption = Annotated[str | None, typer.Option("--source", help="The source of rows that name none.")]
IdColumn = Annotated[
    str | None, typer.Option("--id", help="The column of the external ids; by default external_id or id.")
]
NameColumn = Annotated[str | None, typer.Option("--name", help="The column of the names; by default name.")]
ColumnPairs = Annotated[
    list[str] | None, typer.Option("--map", help="KEY=COLUMN, if a column is not named after its attribute.")
]
SetOption = Annotated[
    str | None,
    typer.Option(
        "--set", help="The question set that declares the types of the attributes; by default, all sets do."
    ),
]
Qualify = Annotated[
    str | None,
    typer.Option(
        help="Also qualify each prospect with this question set: key, or key@version. Its attributes have "
        "the types that it declares."
    ),
]
Encoding = Annotated[
    str | None, typer.Option(help="The encoding of a CSV file, such as windows-1252; by default detected.")
]
Decimal = Annotated[
    DecimalSign | None, typer.Option(help="The decimal sign of numbers; by default detected.")
]
SheetOption = Annotated[
    str | None, typer.Option("--sheet", help="The sheet of a workbook; by default the first one.")
]
Rejects = Annotated[
    Path | None,
    typer.Option(help="The file for rows that are refused or lose a cell, so that you can correct them."),
]
Notify = Annotated[
    bool,
    typer.Option("--notify", help="Send the changes to webhooks too. By default, only the feed has them."),
]
AfterLine = Annotated[int, typer.Option("--after-line", min=0, help="Continue after this line.")]


def import_file(  # noqa: PLR0913  # each is an option
    file: File,
    *,
    source: SourceOption = None,
    id_column: IdColumn = None,
    name_column: NameColumn = None,
    column_pairs: ColumnPairs = None,
    set_name: SetOption = None,
    qualify: Qualify = None,
    encoding: Encoding = None,
    decimal: Decimal = None,
    sheet: SheetOption = None,
    rejects: Rejects = None,
    after_line: AfterLine = 0,
    notify: Notify = False,
) -> None:
    """Import prospects from a file of any size: each row creates or changes one prospect.

    Each column except source, external_id and name is an attribute. An empty cell changes nothing. If a cell
    cannot be read, its attribute keeps its value. With --qualify, columns that are named after questions
    contain ratings, and columns such as deal, opened_on, decision and outcome are fields of the session. It
    is safe to import the same file again. After Ctrl-C, the command prints where to continue.
    """
    _check_files(file, rejects)
    columns = parse_column_names(column_pairs or [])
    columns |= {key: column for key, column in ((ID, id_column), (NAME, name_column)) if column}
    with published_plans() as (database, plans):
        check_keys(columns)
        if source is not None:
            Link(source=source, external_id="any")
        types = _types(database, plans, set_name)
        named_set = _named_set(database, plans, qualify) if qualify else None
        options = ImportOptions(source, columns, types, decimal, after_line, named_set)
        importer = Importer(
            database, plans, KEY_NAME, actor=_actor(file), after_line=after_line, pauses=True, notify=notify
        )
        run = _Import(importer, file, rejects)
        with (
            run.stoppable(),
            open_table(file, encoding=encoding, sheet=sheet, check=run.check) as table,
        ):
            run.run(table, options)
        run.report()


def _check_files(file: Path, rejects: Path | None) -> None:
    if not file.is_file():
        fail(f"There is no file {file}.")
    if not rejects:
        return
    format_of(rejects)
    if rejects.exists():
        if rejects.samefile(file):
            fail("--rejects names the input file: choose another file.")
        if not rejects.is_file():
            fail(f"--rejects: {rejects} is not a file: choose another name.")


def _types(database: Database, plans: Plans, set_name: str | None) -> Mapping[str, AttributeType]:
    """Return the types that a set declares, or without a name all sets."""
    if set_name is None:
        return database.read_sync(plans.declared_types)
    return database.read_sync(lambda tx: plans.find(tx, set_name)).question_set.attributes


def _named_set(database: Database, plans: Plans, name: str) -> NamedSet:
    """Return the set to qualify with. Raises INVALID_REQUEST if it is not published."""
    return NamedSet(name, database.read_sync(lambda tx: plans.find_to_open(tx, name)))


def _actor(file: Path) -> str:
    """Return the actor of the decisions in a file that name nobody."""
    return (ACTOR_PREFIX + REFUSED_ANYWHERE.sub("", file.name))[:MAX_LINE_LENGTH]


class _Stopped(Exception):
    """Ctrl-C was pressed."""


class _Import:
    """One run over a file."""

    def __init__(self, importer: Importer, file: Path, rejects: Path | None) -> None:
        self._importer = importer
        self._file = file
        self._rejects = rejects
        # A run that continues an earlier one keeps its rejects.
        self._continues = importer.tally.committed_to > 0
        self._notes: Sequence[str] = ()
        self._problems: list[str] = []
        self._remarks: list[str] = []
        self._failure: Problem | None = None
        self._stopped = False

    def check(self) -> None:
        """Stop reading after Ctrl-C."""
        if self._stopped:
            raise _Stopped

    def run(self, table: TableFile, options: ImportOptions) -> None:
        """Import all rows, until a failure of the database or of the file."""
        reader = ProspectReader(table, options)
        rejects = (
            RejectsFile(self._rejects, format_of(self._rejects), table.headings, keep=self._continues)
            if self._rejects
            else nullcontext()
        )
        with progress_bar("importing", PROGRESS_STEPS) as advance, rejects as rejects_file:
            try:
                anyio.run(self._import_all, reader, table, rejects_file, advance)
            except Problem as problem:
                if problem.kind not in {*DATABASE_FAILURES, MALFORMED_FILE}:
                    raise
                self._failure = problem
        self._notes = reader.notes

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Let Ctrl-C stop the import after the current commit. A second Ctrl-C stops it at once."""

        def request_stop(*_: object) -> None:
            self._stopped = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, request_stop)
        try:
            yield
        except _Stopped:
            pass
        finally:
            signal.signal(signal.SIGINT, before)

    def report(self) -> None:
        """Print the counts, and what was left out.

        Exits with 1 after a failure, or if rows were refused and there is no rejects file, and with 130 after
        Ctrl-C.
        """
        counts = self._importer.tally.counts
        rows = sum(counts[outcome] for outcome in ("created", "changed", "unchanged"))
        print_text(
            f"Imported {counted(rows, 'row')} of {self._file}: {counts['created']:,} created, "
            f"{counts['changed']:,} changed, {counts['unchanged']:,} unchanged."
        )
        self._report_qualifications()
        for note in self._notes:
            print_text(note)
        if counts["cells_left_out"]:
            print_text(f"{counted(counts['cells_left_out'], 'cell')} could not be read and changed nothing:")
            _print_first(self._remarks, counts["cells_left_out"])
        if counts["refused"]:
            advice = f"See {self._rejects}." if self._rejects else "To save these rows, use --rejects FILE."
            print_text(f"{counted(counts['refused'], 'row')} could not be imported. {advice}")
            _print_first(self._problems, counts["refused"])
        self._exit(is_incomplete=bool(counts["refused"] and not self._rejects))

    def _report_qualifications(self) -> None:
        tally = self._importer.tally
        if tally.counts["qualified"]:
            indications = ", ".join(f"{count:,} {name}" for name, count in tally.indications.most_common())
            print_text(
                f"Qualified {counted(tally.counts['qualified'], 'row')}, and opened "
                f"{counted(tally.counts['sessions_opened'], 'session')}"
                + (f": {indications}." if indications else ".")
            )

    def _exit(self, *, is_incomplete: bool) -> None:
        if self._failure:
            fail(f"{self._failure.detail} {self._where_to_continue()}")
        if self._stopped:
            print_note(f"Stopped. {self._where_to_continue()}")
            raise typer.Exit(130)
        if is_incomplete:
            raise typer.Exit(1)

    async def _import_all(
        self,
        reader: ProspectReader,
        table: TableFile,
        rejects: RejectsFile | None,
        advance: Callable[[int], None],
    ) -> None:
        shown = 0
        remaining = reader.rows()
        while rows := _take(remaining):
            async for reported in self._importer.run(rows):
                for row in reported:
                    self._note(row, rejects)
                self.check()
            steps = round(table.share_read * PROGRESS_STEPS)
            advance(steps - shown)
            shown = steps

    def _note(self, row: ReportedRow, rejects: RejectsFile | None) -> None:
        """Keep a row that was not imported as a whole, and the first few reasons."""
        if rejects:
            rejects.add(row.row, row.reasons)
        if row.problem is None:
            self._remarks += row.reasons[: MAX_SHOWN - len(self._remarks)]
        elif len(self._problems) < MAX_SHOWN:
            reasons = "; ".join(row.reasons)
            named = reasons.startswith(f"row {row.row.number}")
            self._problems.append(reasons if named else f"row {row.row.number}: {reasons}")

    def _where_to_continue(self) -> str:
        committed = self._importer.tally.committed_to
        return f"Continue with --after-line {committed}." if committed else "Nothing was imported."


def _take(rows: Iterator[ImportRow]) -> list[ImportRow]:
    return list(islice(rows, ROWS_AT_ONCE))


def _print_first(lines: Sequence[str], count: int) -> None:
    for line in lines:
        print_text(f"  {line}")
    if count > len(lines):
        print_text(f"  and {count - len(lines):,} more")
