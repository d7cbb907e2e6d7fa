"""`score FILE`: score the answers in a file. Nothing is stored."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import duckdb
import typer

from app.cli.answer_files import holds_requests
from app.cli.bulk.database import DatabaseTable, UnusableFile
from app.cli.bulk.scoring import ScoreOptions
from app.cli.bulk.source import ReadOptions
from app.cli.console import fail, parse_column_names, reason_of
from app.cli.plans import plans_at_hand
from app.cli.printed_scores import PrintFormat, print_requests, print_rows
from app.cli.score_files import score_many
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME
from app.problems import Problem

WITH_OUTPUT = "With --output: "
File = Annotated[
    str,
    typer.Argument(
        help="Rows as CSV, XLSX, NDJSON or Parquet, a database table "
        "(postgresql://…/crm#sales.accounts), or JSON as for POST /v1/score.",
    ),
]
SetOption = Annotated[
    str | None,
    typer.Option(
        "--set",
        help="The question set for all rows: key or key@version. By default, each JSON object can "
        "name its own set, and all other rows use the default set.",
    ),
]
Format = Annotated[
    PrintFormat, typer.Option("--format", "-f", help="How to print the scores without --output.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Write the scores to this .csv, .xlsx, .ndjson or .parquet file, or to this new table.",
    ),
]
Rejects = Annotated[
    Path | None, typer.Option(help=WITH_OUTPUT + "the file for rows that are refused or lose a cell.")
]
IdColumn = Annotated[
    str | None, typer.Option("--id", help="The column of the ids; by default id or external_id.")
]
NameColumn = Annotated[str | None, typer.Option("--name", help="The column of the names; by default name.")]
ColumnPairs = Annotated[
    list[str] | None, typer.Option("--map", help="KEY=COLUMN, if a column is not named after its key.")
]
Keep = Annotated[
    list[str] | None, typer.Option(help=WITH_OUTPUT + "a column to copy to the output. Can be repeated.")
]
WithSummary = Annotated[
    bool | None,
    typer.Option(
        "--summary/--no-summary",
        help=WITH_OUTPUT + "write a summary in words for each row. By default, Parquet files and tables "
        "with more than 100,000 rows get none.",
        show_default=False,
    ),
]
Decimal = Annotated[
    DecimalSign | None, typer.Option(help="The decimal sign of numbers; by default detected.")
]
Encoding = Annotated[str | None, typer.Option(help="The encoding of a CSV file; by default detected.")]
Sheet = Annotated[str | None, typer.Option(help="The sheet of a workbook; by default the first.")]
MissingOpen = Annotated[
    bool,
    typer.Option("--missing-open", help="Do not list the questions and attributes that have no column."),
]


def score_file(  # noqa: PLR0913  # one parameter for each option
    file: File,
    question_set: SetOption = None,
    *,
    output_format: Format = "table",
    output: Output = None,
    rejects: Rejects = None,
    id_column: IdColumn = None,
    name_column: NameColumn = None,
    column_pairs: ColumnPairs = None,
    keep: Keep = None,
    summary: WithSummary = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    sheet: Sheet = None,
    missing_open: MissingOpen = False,
) -> None:
    """Score rows that have a column for each question, or answers in JSON.

    Rows can also have a column for each attribute. For a question, an empty cell is an open answer, and n/a
    means not applicable. Without --output, the command prints the scores, each with the name or the id of its
    row. With --output, it writes the scores to a file or a table and prints a summary, and the input can be
    larger than memory. A built-in question set needs no database.
    """
    column_names = parse_column_names(column_pairs or [])
    column_names |= {ID: id_column} if id_column else {}
    column_names |= {NAME: name_column} if name_column else {}
    options = ReadOptions(column_names, decimal, encoding, sheet, missing_open)
    with plans_at_hand() as find, _reported():
        source = DatabaseTable.parse(file) or Path(file)
        if isinstance(source, Path) and not source.is_file():
            fail(f"There is no file {file}.")
        if isinstance(source, Path) and holds_requests(source):
            if output:
                fail(f"{file} has requests, not rows: leave out --output, or write rows as .ndjson.")
            print_requests(source, question_set, find, output_format)
        elif output:
            target = DatabaseTable.parse(output) or Path(output)
            score_many(
                find(question_set), ScoreOptions(source, target, rejects, options, keep or [], summary)
            )
        else:
            print_rows(source, find(question_set), options, output_format)


@contextmanager
def _reported() -> Iterator[None]:
    """Fail with the reason why a file cannot be used."""
    try:
        yield
    except UnusableFile as error:
        fail(str(error))
    except Problem as problem:
        fail(reason_of(problem))
    except duckdb.Error as error:
        fail("\n".join(line for line in str(error).splitlines()[:3] if line.strip()))
