"""A question set as SQL, to compute scores in the database that has the data."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import Field

from app.api.question_sets import Key, Number
from app.db import Transaction
from app.edge.routes import router
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.problems import invalid, missing
from app.question_sets.plans import Plans
from app.question_sets.queries import version_exists
from app.schemas import In
from app.scoring import Flawed, Plan, form
from app.scoring.sql import Dialect, Long, Wide, score_sql, source_of

reading = router("scoring", Scope.SCORE, Scope.READ, Scope.AUTHOR)
TABLE_NAME = form(
    r"^[A-Za-z_][A-Za-z0-9_$-]{0,127}(\.[A-Za-z_][A-Za-z0-9_$-]{0,127}){0,2}$",
    "name a table, with its schema if it needs one: crm.accounts",
)
COLUMN_NAME = form(r"^[A-Za-z_][A-Za-z0-9_$]{0,62}$", "name a column: a letter, then letters, digits and '_'")
QUESTION_KEYS = form(r"^[a-z0-9_]+(,[a-z0-9_]+)*$", "name questions by key, separated by commas")


class StatementQuery(In):
    """The SQL dialect, and the tables to read."""

    dialect: Dialect = "duckdb"
    table: Annotated[
        str, Field(pattern=TABLE_NAME, description="the table with one row for each prospect")
    ] = "accounts"
    id: Annotated[str, Field(pattern=COLUMN_NAME, description="the column that identifies a prospect")] = "id"
    answers: Annotated[
        str | None,
        Field(
            pattern=TABLE_NAME,
            description="a table with one row for each answer: id, question, rating, state",
        ),
    ] = None
    not_applicable: Annotated[
        str | None,
        Field(
            pattern=QUESTION_KEYS,
            description="without `answers`: the questions with a boolean column <key>_na",
        ),
    ] = None

    rated: Annotated[
        str | None,
        Field(
            pattern=QUESTION_KEYS,
            description="without `answers`: the questions with a rule that also have a column of ratings",
        ),
    ] = None

    @property
    def source(self) -> Wide | Long:
        """The tables to read. Raises `Flawed`."""
        return source_of(self.table, self.id, self.answers, self.not_applicable, self.rated)


class SqlResponse(Response):
    """A statement as plain text."""

    media_type = "text/plain"


@reading.get("/question-sets/{key}/versions/{number}/sql", operation_id="get_sql", response_class=SqlResponse)
async def get_sql(
    key: Key, number: Number, service: ServiceDep, query: Annotated[StatementQuery, Query()]
) -> Response:
    """Read a version as one SELECT. It computes exactly the same scores in your own database.

    It reads a wide table with a column for each attribute and for each question without a rule. With
    `answers`, it reads two long tables instead.

    A row that cannot be scored has a `problem` and no figures. An attribute that cannot be read counts as
    missing and is listed in `unread_attributes`. `blockers` lists the must-reach questions that prevent a
    fit.
    """
    plan = await service.database.read(lambda tx: _plan(tx, service.plans, key, number))
    try:
        source = query.source
        return SqlResponse(await service.computing.run_long(lambda: score_sql(plan, source, query.dialect)))
    except Flawed as error:
        raise invalid(error.flaws, "query") from None


def _plan(tx: Transaction, plans: Plans, key: str, number: int) -> Plan:
    if not version_exists(tx, key, number):
        raise missing("question set or version of that key")
    return plans.find(tx, f"{key}@{number}")
