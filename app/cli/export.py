"""`export sessions` and `export prospects`: write what matches the filters to a file."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.cli.console import counted, fail, print_text
from app.cli.fresh_scores import read_scores
from app.cli.plans import published_plans
from app.cli.terminal import progress_bar
from app.db import Database, Transaction
from app.files.columns import Column
from app.files.formats import SUFFIXES, Format
from app.files.writer import write_table
from app.insights import win_probability
from app.insights.win_curve import WinCurve
from app.prospects.exports import Export, Row, export_prospects
from app.prospects.schemas import ProspectFilter
from app.sessions.exports import export_sessions
from app.sessions.schemas import SessionFilter

WRITTEN_SUFFIXES = (".csv", ".xlsx", ".ndjson", ".jsonl", ".parquet")
File = Annotated[Path, typer.Argument(help=f"The file to write: {', '.join(WRITTEN_SUFFIXES)}.")]
SetOption = Annotated[str | None, typer.Option("--set", help="Only this question set: key or key@version.")]
SubjectOption = Annotated[
    str | None, typer.Option("--subject", help="What the sets ask about: prospect, own_company or person.")
]
Text = str | None
# Returns rows with further columns.
Complete = Callable[[list[Row]], list[Row]]

export = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Write sessions or prospects to a CSV, XLSX, NDJSON or Parquet file.",
)


@export.command("sessions")
def sessions_file(  # noqa: PLR0913  # one option for each filter
    file: File,
    *,
    set_name: SetOption = None,
    subject: SubjectOption = None,
    prospect_id: Annotated[Text, typer.Option(help="Only of this prospect.")] = None,
    deal: Annotated[Text, typer.Option(help="Only of this deal.")] = None,
    assessor: Annotated[Text, typer.Option(help="Only of this assessor.")] = None,
    status: Annotated[Text, typer.Option(help="open or closed.")] = None,
    indication: Annotated[Text, typer.Option(help="Only with this indication.")] = None,
    leaning: Annotated[Text, typer.Option(help="Only with this leaning.")] = None,
    has_blocker: Annotated[
        bool | None, typer.Option("--has-blocker/--no-blocker", help="Only with a blocker, or without one.")
    ] = None,
    decision: Annotated[Text, typer.Option(help="Only with this last decision.")] = None,
    outcome: Annotated[Text, typer.Option(help="Only with this outcome.")] = None,
    actor: Annotated[Text, typer.Option(help="The actor of the last answer.")] = None,
    revisit_before: Annotated[Text, typer.Option(help="To be revisited before this day.")] = None,
    changed_since: Annotated[Text, typer.Option(help="Changed at or after this time.")] = None,
    indication_changed_since: Annotated[
        Text, typer.Option(help="With an indication that changed at or after this time.")
    ] = None,
    sort: Annotated[Text, typer.Option(help="newest, ranked, revisit_on, updated_at or name.")] = None,
) -> None:
    """Write the sessions that match every filter, as GET /v1/sessions/export does, with a row for each.

    Times are written as 2027-01-31T09:00:00Z, and days as 2027-01-31.
    """
    format_ = _format_of(file)
    sent = {name: value for name, value in locals().items() if name in SessionFilter.model_fields}
    sent["question_set"] = set_name
    with published_plans() as (database, plans):
        filters = SessionFilter.model_validate({n: v for n, v in sent.items() if v is not None})

        def begin(tx: Transaction) -> Export:
            set_filter = plans.find_filter(tx, filters.question_set, "query")
            return export_sessions(tx, plans, filters, set_filter)

        found = read_scores(database, plans, begin)
        extended = replace(found, columns=[*found.columns, *win_probability.COLUMNS])
        _write(database, file, format_, extended, "session", _WinColumns(database, found.columns).complete)


class _WinColumns:
    """Adds the win probability to rows of sessions. The curve of each version is computed once."""

    def __init__(self, database: Database, columns: Sequence[Column]) -> None:
        self._database = database
        self._columns = columns
        self._curves: dict[str, WinCurve | None] = {}

    def complete(self, rows: list[Row]) -> list[Row]:
        rated = win_probability.rated_rows(self._columns, rows)
        for name in {name for name, score in rated if score is not None} - self._curves.keys():
            _, fit = self._database.read_sync(partial(win_probability.win_curve, name))
            self._curves[name] = fit()
        found = win_probability.win_probabilities(self._curves, rated)
        return win_probability.completed(rows, found)


@export.command("prospects")
def prospects_file(
    file: File,
    *,
    q: Annotated[Text, typer.Option("--q", help="Part of the name, or an external id.")] = None,
    source: Annotated[Text, typer.Option(help="Only linked to this system.")] = None,
    updated_since: Annotated[Text, typer.Option(help="Changed at or after this time.")] = None,
    subject: SubjectOption = None,
) -> None:
    """Write the prospects that match every filter, with a row for each and a column for each attribute."""
    format_ = _format_of(file)
    sent = {"q": q, "source": source, "updated_since": updated_since, "subject": subject}
    with published_plans() as (database, _):
        filters = ProspectFilter.model_validate({n: v for n, v in sent.items() if v is not None})
        _write(
            database, file, format_, database.read_sync(lambda tx: export_prospects(tx, filters)), "prospect"
        )


def _format_of(file: Path) -> Format:
    if file.suffix.lower() not in WRITTEN_SUFFIXES:
        fail(f"{file}: the name must end in {', '.join(WRITTEN_SUFFIXES)}.")
    if not file.parent.is_dir():
        fail(f"There is no folder {file.parent}.")
    return SUFFIXES[file.suffix.lower()]


def _write(
    database: Database, file: Path, format_: Format, export_: Export, noun: str, complete: Complete = list
) -> None:
    with progress_bar("writing", len(export_)) as advance:
        count = write_table(file, format_, export_.columns, _rows(database, export_, complete, advance))
    print_text(f"{counted(count, noun)} written to {file}.")


def _rows(
    database: Database, export_: Export, complete: Complete, advance: Callable[[int], None]
) -> Iterator[Row]:
    for read in export_.reads():
        rows = complete(database.read_sync(read))
        yield from rows
        advance(len(rows))
