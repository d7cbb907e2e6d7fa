"""Scoring a Parquet file into another one with DuckDB, beside a floor: python -m bench.warehouse

The floor reads the same file, adds every row up once, and writes as many columns.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb

from app.question_sets.files import BUILTIN, read_file
from app.scoring import Plan, QuestionSet
from app.scoring.sql import Wide, score_sql
from bench.server import SET
from bench.table import Measure, in_turns, median_ratio, print_table

ROWS = 5_000_000
ROUNDS = 3


def measures() -> Iterator[Measure]:
    """Rows per second, from Parquet to Parquet."""
    plan = every_question_scored()
    keys = [*plan.questions]
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        accounts = Path(folder) / "accounts.parquet"
        columns = ", ".join(rating(number, key) for number, key in enumerate(keys))
        connection.execute(
            f"COPY (SELECT i AS id, {columns} FROM range({ROWS}) AS t (i)) TO '{accounts}' (FORMAT parquet)"
        )
        connection.execute(f"CREATE VIEW accounts AS FROM '{accounts}'")
        statement = score_sql(plan, Wide("accounts"), "duckdb")
        width = len(connection.execute(f"DESCRIBE {statement}").fetchall())
        added = " + ".join(f"COALESCE(CAST({key} AS INTEGER), 0)" for key in keys)
        same = ", ".join(f"CAST(points + {number} AS DOUBLE) AS c{number}" for number in range(width - 1))
        floor = f"SELECT id, {same} FROM (SELECT id, {added} AS points FROM accounts)"
        queries = {"floor": floor, "score": statement}
        kinds = {name: partial(timed, connection, query, Path(folder)) for name, query in queries.items()}
        taken = in_turns(ROUNDS, kinds)
    rates = {name: f"{ROWS / statistics.median(seconds):,.0f} rows/s" for name, seconds in taken.items()}
    yield Measure(
        f"DuckDB, {ROWS:,} rows of {len(keys)} questions",
        rates["score"],
        f"one sum and as many columns, {rates['floor']}",
        median_ratio(taken["score"], taken["floor"]),
    )


def rating(number: int, key: str) -> str:
    """One in eight is open; the others are 1 to 5, each column in another order."""
    drawn = f"hash(i * 31 + {number})"
    return f"CASE WHEN {drawn} % 8 > 0 THEN CAST(1 + ({drawn} // 8) % 5 AS TINYINT) END AS {key}"


def every_question_scored() -> Plan:
    """The method itself, with its gated step counted too: 28 questions."""
    definition = read_file(BUILTIN / f"{SET}.yaml").canonical()
    for step in definition["steps"]:
        step["gated"] = False
    return Plan(QuestionSet.model_validate(definition), f"{SET}@1")


def timed(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> float:
    started = time.perf_counter()
    connection.execute(f"COPY ({query}) TO '{folder}/out.parquet' (FORMAT parquet)")
    return time.perf_counter() - started


if __name__ == "__main__":
    print_table(measures())
