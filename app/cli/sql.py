"""`sql`: a question set as one SELECT."""

from typing import Annotated

import typer

from app.cli.console import published_plans, say
from app.scoring.sql import Dialect, score_sql, source_of


def sql(
    question_set: Annotated[str, typer.Argument(help="key or key@version.")],
    dialect: Annotated[Dialect, typer.Option(help="Where it shall run.")] = "duckdb",
    table: Annotated[str, typer.Option(help="A row for each prospect.")] = "accounts",
    id_column: Annotated[str, typer.Option("--id", help="The column that tells them apart.")] = "id",
    answers: Annotated[
        str | None, typer.Option(help="A table with a row for each answer: id, question, rating, state.")
    ] = None,
    not_applicable: Annotated[
        str | None, typer.Option(help="The questions with a boolean column <key>_na, with commas between.")
    ] = None,
) -> None:
    """Print a question set as one SELECT that gives the same scores, to the last bit, where the data is.

    It reads a wide table, with a column for every question and attribute, or with --answers a long one.
    """
    with published_plans() as (database, plans):
        plan = database.read_sync(lambda tx: plans.find(tx, question_set))
        say(score_sql(plan, source_of(table, id_column, answers, not_applicable), dialect).rstrip())
