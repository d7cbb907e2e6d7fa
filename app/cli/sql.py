"""`sql`: print a question set as one SELECT."""

from typing import Annotated

import typer

from app.cli.console import print_document
from app.cli.plans import published_plans
from app.scoring.sql import Dialect, score_sql, source_of


def sql(  # noqa: PLR0917  # one parameter for each option
    question_set: Annotated[str, typer.Argument(help="The question set: key or key@version.")],
    dialect: Annotated[Dialect, typer.Option(help="The SQL dialect.")] = "duckdb",
    table: Annotated[str, typer.Option(help="The table with one row for each prospect.")] = "accounts",
    id_column: Annotated[str, typer.Option("--id", help="The column that identifies a prospect.")] = "id",
    answers: Annotated[
        str | None, typer.Option(help="A table with one row for each answer: id, question, rating, state.")
    ] = None,
    not_applicable: Annotated[
        str | None, typer.Option(help="The questions with a boolean column <key>_na, separated by commas.")
    ] = None,
    rated: Annotated[
        str | None,
        typer.Option(help="The questions with a rule that have a column of ratings, separated by commas."),
    ] = None,
) -> None:
    """Print a question set as one SELECT that computes exactly the same scores in a database.

    It reads a wide table with a column for each attribute and for each question without a rule. With
    --answers, it reads the answers from another table instead, with one row for each answer.
    """
    with published_plans() as (database, plans):
        plan = database.read_sync(lambda tx: plans.find(tx, question_set))
        source = source_of(table, id_column, answers, not_applicable, rated)
        print_document(score_sql(plan, source, dialect).rstrip())
