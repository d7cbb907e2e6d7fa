"""The files that DuckDB reads: CSV, NDJSON and Parquet."""

import csv
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from duckdb import DuckDBPyConnection

from app.inbound.imports.records import find_separator
from app.scoring.sql.words import literal

NDJSON_SUFFIXES = (".ndjson", ".jsonl")
TABLE_SUFFIXES = (".csv", ".tsv")
PARQUET_SUFFIX = ".parquet"
SUFFIXES = (*TABLE_SUFFIXES, *NDJSON_SUFFIXES, PARQUET_SUFFIX)


class UnusableFile(ValueError):
    """The file or table cannot be used. The message gives the reason and, if there is one, the remedy."""


@dataclass(frozen=True, slots=True)
class Source:
    """Something that DuckDB can read: `relation` goes after FROM, `types` has the type of every column.

    For NDJSON, `types` has every known column, because a line may leave out any of them.
    """

    relation: str
    types: Mapping[str, str]


def open_source(
    connection: DuckDBPyConnection, file: Path, known: Collection[str], *, keep_rejects: bool
) -> Source:
    """Return the source for a file; `known` are the column names that the question set uses.

    Raises `UnusableFile`, or `duckdb.Error` for a Parquet file that cannot be read.
    """
    suffix = file.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return _table(file, known, keep_rejects=keep_rejects)
    if suffix in NDJSON_SUFFIXES:
        columns = ", ".join(f"{literal(column)}: 'VARCHAR'" for column in sorted(known))
        lines = f"read_json({literal(str(file))}, format = 'newline_delimited', columns = {{{columns}}})"
        return Source(lines, dict.fromkeys(sorted(known), "VARCHAR"))
    if suffix == PARQUET_SUFFIX:
        relation = f"read_parquet({literal(str(file))})"
        described = connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
        return Source(relation, {column: type_ for column, type_, *_ in described})
    raise UnusableFile(f"{file}: the name must end in {', '.join(SUFFIXES)}.")


def _table(file: Path, known: Collection[str], *, keep_rejects: bool) -> Source:
    """Return the source for a CSV file.

    The separator and the columns are passed to DuckDB explicitly, because its detection may skip lines.
    """
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
        raise UnusableFile(f"{file}: line 1: several columns are named {repeated[0]!r}.")
    types = dict.fromkeys(headings, "VARCHAR")
    return table_source(file, types, separator, keep_rejects=keep_rejects)


def table_source(file: Path, types: Mapping[str, str], separator: str = ",", *, keep_rejects: bool) -> Source:
    """Return the source for a CSV file with these columns. `keep_rejects` collects unreadable lines."""
    columns = ", ".join(f"{literal(heading)}: {literal(type_)}" for heading, type_ in types.items())
    options = f"auto_detect = false, header = true, delim = {literal(separator)}, quote = '\"', escape = '\"'"
    rejects = ", store_rejects = true, rejects_limit = 0" if keep_rejects else ""
    relation = f"read_csv({literal(str(file))}, {options}, columns = {{{columns}}}{rejects})"
    return Source(relation, types)


def join_names(names: Collection[str]) -> str:
    """Return the first ten names in alphabetical order, and how many more there are."""
    ordered = sorted(names)
    return ", ".join(ordered[:10]) + (f" and {len(ordered) - 10} more" if len(ordered) > 10 else "")
