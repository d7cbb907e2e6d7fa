"""`score FILE`: score the answers in a file. Nothing is stored."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from rich.markup import escape

from app.cli.answer_files import Row, is_table, read_items, read_table
from app.cli.console import fail, flaws_of, out, print_text, published_plans, table
from app.cli.score_files import COVERAGE_CUTS, score_many
from app.db import Transaction
from app.problems import Problem
from app.question_sets.plans import Plans
from app.scoring import Flawed, Plan, Score, read_answers, read_attributes, rounded, score
from app.sessions.schemas import ScoreRequest

Scored = tuple[Row, Plan, Score]
WITH_OUTPUT = "With --output: "
File = Annotated[
    str,
    typer.Argument(
        help="JSON as for POST /v1/score, or CSV. With --output: CSV, NDJSON, Parquet, or a database table "
        "(postgresql://…/crm#sales.accounts).",
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
    Literal["table", "json"], typer.Option("--format", "-f", help="How to print the scores without --output.")
]
Output = Annotated[
    str | None,
    typer.Option(
        "--output",
        "-o",
        help="Write the scores to this .csv, .ndjson or .parquet file, or to this new table.",
    ),
]
Rejects = Annotated[Path | None, typer.Option(help=WITH_OUTPUT + "the file for rows that cannot be scored.")]
IdColumn = Annotated[str, typer.Option("--id", help=WITH_OUTPUT + "the id column, copied to the output.")]
ColumnPairs = Annotated[
    list[str] | None,
    typer.Option("--map", help=WITH_OUTPUT + "KEY=COLUMN, if a column is not named after its key."),
]
MissingOpen = Annotated[
    bool, typer.Option("--missing-open", help=WITH_OUTPUT + "treat questions without a column as open.")
]


def score_file(
    file: File,
    question_set: SetOption = None,
    *,
    output_format: Format = "table",
    output: Output = None,
    rejects: Rejects = None,
    id_column: IdColumn = "id",
    column_pairs: ColumnPairs = None,
    missing_open: MissingOpen = False,
) -> None:
    """Score answers from a file: a JSON object or list, or a table with a column for each question.

    A table can also have a column for each attribute. For a question, an empty cell is an open answer, and
    n/a means not applicable. Without --output, the scores are printed, each with the name or external_id of
    its row. With --output, DuckDB writes the scores, the command prints a summary, and the file can be
    larger than memory.
    """
    if not (output and "://" in file) and not Path(file).is_file():
        fail(f"There is no file {file}.")
    with published_plans() as (database, plans):
        if output:
            score_many(
                database.read_sync(lambda tx: plans.find(tx, question_set)),
                file,
                output,
                rejects=rejects,
                id_column=id_column,
                column_pairs=column_pairs or [],
                missing_open=missing_open,
            )
            return
        scored = database.read_sync(lambda tx: _score_all(tx, plans, Path(file), question_set))
    if output_format == "json":
        results = [to_jsonable_python(result) for _, _, result in scored]
        print_text(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        _print_table(scored)


def _score_all(tx: Transaction, plans: Plans, file: Path, set_name: str | None) -> list[Scored]:
    """Score every row with the named question set, or else with the set that the row itself names."""
    common_plan = plans.find(tx, set_name) if set_name else None
    rows = read_table(file, common_plan or plans.find(tx, None)) if is_table(file) else read_items(file)
    return [_score(tx, row, lambda name: common_plan or plans.find(tx, name)) for row in rows]


def _score(tx: Transaction, row: Row, find: Callable[[str | None], Plan]) -> Scored:
    try:
        request = ScoreRequest.model_validate(row.content)
        plan = find(request.question_set)
        answers = read_answers(plan.question_set, request.sent())
        attributes = read_attributes(plan.question_set, request.attributes)
        return row, plan, score(plan, answers, attributes, as_of=request.as_of or tx.at)
    except (Flawed, Problem, ValidationError) as error:
        fail("\n".join(row.describe(flaw) for flaw in flaws_of(error, row.content)))


def _print_table(scored: list[Scored]) -> None:
    rows = table("", "indication", "grade", "score", "range", "coverage", "summary")
    for number, (row, plan, result) in enumerate(scored, 1):
        cuts = plan.question_set.cuts
        rows.add_row(
            escape(row.name) or str(number),
            result["indication"] or "",
            escape(result["grade"] or ""),
            _figure_text(result["score"], cuts),
            _range_text(result["lowest"], result["highest"], cuts),
            "" if result["coverage"] is None else f"{rounded(100 * result['coverage'], COVERAGE_CUTS)} %",
            escape(result["summary"]),
        )
    out.print(rows)


def _figure_text(figure: float | None, cuts: Sequence[int]) -> str:
    return "" if figure is None else str(rounded(figure, cuts))


def _range_text(lowest: float | None, highest: float | None, cuts: Sequence[int]) -> str:
    if lowest is None or highest is None:
        return ""
    return f"{_figure_text(lowest, cuts)} to {_figure_text(highest, cuts)}"
