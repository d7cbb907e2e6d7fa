"""`score FILE`: score the answers in a file, with nothing stored."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError
from pydantic_core import to_jsonable_python
from rich.markup import escape

from app.cli.answer_files import Row, is_table, read_items, read_table
from app.cli.console import fail, flaws_of, out, published_plans, say, table
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
        help="JSON as for POST /v1/score (or a list), or CSV; with --output CSV, NDJSON or Parquet, "
        "or a table: postgresql://…/crm#sales.accounts",
    ),
]
SetOption = Annotated[
    str | None, typer.Option("--set", help="key or key@version; without it the file's, or the default.")
]
Format = Annotated[
    Literal["table", "json"], typer.Option("--format", "-f", help="How to print, without --output.")
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", help="A .csv, .ndjson or .parquet to write, of any size, or a new table."),
]
Rejects = Annotated[Path | None, typer.Option(help=WITH_OUTPUT + "a file for rows that cannot be scored.")]
IdColumn = Annotated[str, typer.Option("--id", help=WITH_OUTPUT + "the column to pass on.")]
Mapped = Annotated[
    list[str] | None, typer.Option("--map", help=WITH_OUTPUT + "KEY=COLUMN, where a column differs.")
]
MissingOpen = Annotated[
    bool, typer.Option("--missing-open", help=WITH_OUTPUT + "what has no column is open in every row.")
]


def score_file(
    file: File,
    question_set: SetOption = None,
    *,
    shown: Format = "table",
    output: Output = None,
    rejects: Rejects = None,
    id_column: IdColumn = "id",
    mapped: Mapped = None,
    missing_open: MissingOpen = False,
) -> None:
    """Score answers from a file: one JSON object or a list, or a table with a column per question.

    Columns that are no question are attributes; an empty cell is open, n/a is not applicable. Without
    --output the scores are printed, and a row is called by its name or external_id, if it has one.
    With it they are written by DuckDB, for files larger than memory, and summed up.
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
                mapped=mapped or [],
                missing_open=missing_open,
            )
            return
        scored = database.read_sync(lambda tx: _score_all(tx, plans, Path(file), question_set))
    if shown == "json":
        results = [to_jsonable_python(result) for _, _, result in scored]
        say(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        _print_table(scored)


def _score_all(tx: Transaction, plans: Plans, file: Path, named: str | None) -> list[Scored]:
    """Every row with its score, by the set that was named or else by the row's own."""
    chosen = plans.find(tx, named) if named else None
    rows = read_table(file, chosen or plans.find(tx, None)) if is_table(file) else read_items(file)
    return [_score(tx, row, lambda name: chosen or plans.find(tx, name)) for row in rows]


def _score(tx: Transaction, row: Row, find: Callable[[str | None], Plan]) -> Scored:
    try:
        request = ScoreRequest.model_validate(row.sent)
        plan = find(request.question_set)
        answers = read_answers(plan.question_set, request.sent())
        attributes = read_attributes(plan.question_set, request.attributes)
        return row, plan, score(plan, answers, attributes, as_of=request.as_of or tx.at)
    except (Flawed, Problem, ValidationError) as error:
        fail("\n".join(row.told(flaw) for flaw in flaws_of(error, row.sent)))


def _print_table(scored: list[Scored]) -> None:
    rows = table("", "indication", "grade", "score", "range", "coverage", "summary")
    for number, (row, plan, result) in enumerate(scored, 1):
        cuts = plan.question_set.cuts
        rows.add_row(
            escape(row.called) or str(number),
            result["indication"] or "",
            escape(result["grade"] or ""),
            _shown(result["score"], cuts),
            f"{_shown(result['lowest'], cuts)} to {_shown(result['highest'], cuts)}",
            "" if result["coverage"] is None else f"{rounded(100 * result['coverage'], COVERAGE_CUTS)} %",
            escape(result["summary"]),
        )
    out.print(rows)


def _shown(figure: float | None, cuts: Sequence[int]) -> str:
    return "" if figure is None else str(rounded(figure, cuts))
