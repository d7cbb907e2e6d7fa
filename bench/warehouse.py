"""Score a Parquet file into another one with DuckDB: python -m bench.warehouse

The baseline reads the same file, computes one sum per row, and writes as many columns.
"""

import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb

from app.question_sets.builtin_sets import BUILTIN
from app.question_sets.files import read_file
from app.scoring import Plan, QuestionSet
from app.scoring.sql import Wide, score_sql
from bench.server import BENCH_SET
from bench.table import Measure, in_turns, median_ratio, print_table

ROWS = 5_000_000
WAREHOUSE_ROUNDS = 3


def measures() -> Iterator[Measure]:
    """Yield rows per second, from Parquet to Parquet."""
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
        total = " + ".join(f"COALESCE(CAST({key} AS INTEGER), 0)" for key in keys)
        columns_out = ", ".join(
            f"CAST(points + {number} AS DOUBLE) AS c{number}" for number in range(width - 1)
        )
        baseline = f"SELECT id, {columns_out} FROM (SELECT id, {total} AS points FROM accounts)"
        queries = {"baseline": baseline, "score": statement}
        kinds = {name: partial(timed, connection, query, Path(folder)) for name, query in queries.items()}
        results = in_turns(WAREHOUSE_ROUNDS, kinds)
    rates = {name: f"{ROWS / statistics.median(seconds):,.0f} rows/s" for name, seconds in results.items()}
    yield Measure(
        f"DuckDB, {ROWS:,} rows of {len(keys)} questions",
        rates["score"],
        f"one sum and as many columns, {rates['baseline']}",
        median_ratio(results["score"], results["baseline"]),
    )


def rating(number: int, key: str) -> str:
    """Return the expression of a rating: one in eight is open, the others are 1 to 5.

    Each column has another order.
    """
    random_number = f"hash(i * 31 + {number})"
    return (
        f"CASE WHEN {random_number} % 8 > 0 THEN CAST(1 + ({random_number} // 8) % 5 AS TINYINT) END AS {key}"
    )


def every_question_scored() -> Plan:
    """Return the plan of the built-in set, with its gated step scored as well: 28 questions."""
    definition = read_file(BUILTIN / f"{BENCH_SET}.yaml").canonical()
    for step in definition["steps"]:
        step["gated"] = False
    return Plan(QuestionSet.model_validate(definition), f"{BENCH_SET}@1")


def timed(connection: duckdb.DuckDBPyConnection, query: str, folder: Path) -> float:
    started = time.perf_counter()
    connection.execute(f"COPY ({query}) TO '{folder}/out.parquet' (FORMAT parquet)")
    return time.perf_counter() - started


if __name__ == "__main__":
    print_table(measures())
