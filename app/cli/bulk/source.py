"""Files that DuckDB reads: CSV, NDJSON and Parquet."""

import csv
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from app.inbound.imports.records import find_separator
from app.scoring.sql.words import literal

LINES = (".ndjson", ".jsonl")
TABLES = (".csv", ".tsv")
PARQUET = ".parquet"
SUFFIXES = (*TABLES, *LINES, PARQUET)


class UnusableFile(ValueError):
    """A file that cannot be scored; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Source:
    """What to read: `relation` stands behind FROM, `types` has the type of every column.

    One of NDJSON has every column that is known, as its lines leave out what they do not know.
    """

    relation: str
    types: Mapping[str, str]


def open_source(
    connection: DuckDBPyConnection, file: Path, known: Collection[str], *, keep_rejects: bool
) -> Source:
    """Look at a file; `known` are the names that columns may have. Raises `Unusable`."""
    suffix = file.suffix.lower()
    if suffix in TABLES:
        return _table(file, known, keep_rejects=keep_rejects)
    if suffix in LINES:
        columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in sorted(known))
        lines = f"read_json({literal(str(file))}, format = 'newline_delimited', columns = {{{columns}}})"
        return Source(lines, dict.fromkeys(sorted(known), "VARCHAR"))
    if suffix == PARQUET:
        relation = f"read_parquet({literal(str(file))})"
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        return Source(relation, {column: type_ for column, type_, *_ in described})
    raise UnusableFile(f"{file}: its name has to end in {', '.join(SUFFIXES)}.")


def _table(file: Path, known: Collection[str], *, keep_rejects: bool) -> Source:
    """DuckDB is told everything: what it finds out by itself may leave lines out."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        try:
            first = text.readline()
        except UnicodeDecodeError:
            raise UnusableFile(f"{file} is not UTF-8: save it as UTF-8 (in Excel, as 'CSV UTF-8').") from None
    separator = find_separator(first, known.__contains__)
    headings = [heading.strip() for heading in next(csv.reader([first], delimiter=separator), [])]
    if not any(headings):
        raise UnusableFile(f"{file}: line 1 has no headings.")
    repeated = [heading for heading, count in Counter(headings).items() if count > 1]
    if repeated:
        raise UnusableFile(f"{file}: line 1: several columns are called {repeated[0]!r}.")
    types = dict.fromkeys(headings, "VARCHAR")
    return table_source(file, types, separator, keep_rejects=keep_rejects)


def table_source(file: Path, types: Mapping[str, str], separator: str = ",", *, keep_rejects: bool) -> Source:
    """A CSV file whose columns are known."""
    columns = ", ".join(f"{literal(heading)}: {literal(type_)}" for heading, type_ in types.items())
    options = f"auto_detect = false, header = true, delim = {literal(separator)}, quote = '\"', escape = '\"'"
    rejects = ", store_rejects = true, rejects_limit = 0" if keep_rejects else ""
    relation = f"read_csv({literal(str(file))}, {options}, columns = {{{columns}}}{rejects})"
    return Source(relation, types)


def count_of(names: Collection[str]) -> str:
    """Names for people, at most ten."""
    told = sorted(names)
    return ", ".join(told[:10]) + (f" and {len(told) - 10} more" if len(told) > 10 else "")
