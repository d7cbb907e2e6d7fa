"""The dialects in which a statement can be written."""

from typing import Literal, get_args

Dialect = Literal["duckdb", "postgres", "spark", "bigquery", "snowflake"]
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
# Our tests compare the results of these with the kernel, bit by bit.
EXECUTED: tuple[Dialect, ...] = ("duckdb", "postgres", "spark")
