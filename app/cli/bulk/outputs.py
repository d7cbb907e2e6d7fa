"""Write rows from DuckDB to a file or a new table."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from app.cli.bulk.database import DatabaseTable, UnusableFile
from app.files.columns import Column, ColumnType
from app.files.formats import SUFFIXES
from app.files.formulas import FORMULA, NUMBER
from app.files.parquet import exact_path
from app.files.writer import write_table
from app.scoring.sql.words import case, literal, name

WRITTEN_SUFFIXES = (".csv", ".tsv", ".xlsx", ".ndjson", ".jsonl", ".parquet")
PARQUET_OPTIONS = "FORMAT parquet, COMPRESSION zstd"
# By suffix, how DuckDB writes a file.
COPY_OPTIONS: Mapping[str, str] = {
    ".csv": "FORMAT csv, HEADER true",
    ".tsv": "FORMAT csv, HEADER true, DELIM '\t'",
    ".ndjson": "FORMAT json",
    ".jsonl": "FORMAT json",
}
COLUMN_TYPES: Mapping[str, ColumnType] = {"BOOLEAN": "boolean", "DOUBLE": "number", "BIGINT": "integer"}
ROWS_PER_BATCH = 5000


def check_outputs(source: Path | DatabaseTable, outputs: Sequence[Path | DatabaseTable]) -> None:
    """Raise `UnusableFile` if one of the outputs cannot be written."""
    for output in outputs:
        if isinstance(output, DatabaseTable):
            output.require_new()
        elif output.suffix.lower() not in WRITTEN_SUFFIXES:
            raise UnusableFile(f"{output}: the name must end in {', '.join(WRITTEN_SUFFIXES)}.")
        elif isinstance(source, Path) and output.resolve() == source.resolve():
            raise UnusableFile(f"{output} is the input file: write to another file.")
        elif not output.parent.is_dir():
            raise UnusableFile(f"There is no folder {output.parent}.")


def write_output(connection: DuckDBPyConnection, rows: Path, output: Path | DatabaseTable) -> Path:
    """Write the rows of a Parquet file to an output, and return a Parquet file that has them.

    A file appears when it is complete, and replaces an existing one. Raises `UnusableFile` for a table.
    """
    if isinstance(output, DatabaseTable):
        output.store(connection, rows)
        return rows
    suffix = output.suffix.lower()
    if SUFFIXES[suffix] == "parquet":
        os.replace(rows, output)  # noqa: PTH105  # atomic, and replaces an existing file
        return output
    source = f"FROM {literal(exact_path(rows))}"
    if SUFFIXES[suffix] == "xlsx":
        _write_workbook(connection, source, output)
        return rows
    if SUFFIXES[suffix] == "csv":
        source = _without_formulas(connection, source)
    unfinished = rows.with_name("unfinished" + suffix)
    connection.execute(f"COPY ({source}) TO {literal(str(unfinished))} ({COPY_OPTIONS[suffix]})")
    os.replace(unfinished, output)  # noqa: PTH105
    return rows


def _write_workbook(connection: DuckDBPyConnection, source: str, output: Path) -> None:
    described = connection.execute(f"DESCRIBE {source}").fetchall()
    types = {column: "BIGINT" if "INT" in type_ else type_ for column, type_, *_ in described}
    selected = ", ".join(
        name(column) if type_ in COLUMN_TYPES else f"CAST({name(column)} AS VARCHAR)"
        for column, type_ in types.items()
    )
    result = connection.execute(f"SELECT {selected} {source}")
    columns = [Column(column, COLUMN_TYPES.get(type_, "text")) for column, type_ in types.items()]
    write_table(output, "xlsx", columns, _rows(result))


def _rows(result: DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := result.fetchmany(ROWS_PER_BATCH):
        yield from rows


def _without_formulas(connection: DuckDBPyConnection, rows: str) -> str:
    """Return a SELECT whose texts a spreadsheet does not read as formulas. Numbers stay as they are."""
    described = connection.execute(f"DESCRIBE {rows}").fetchall()
    texts = [name(column) for column, type_, *_ in described if type_ == "VARCHAR"]
    cells = ", ".join(f"{_without_formula(text)} AS {text}" for text in texts)
    return f"SELECT * REPLACE ({cells}) FROM ({rows})" if texts else rows


def _without_formula(text: str) -> str:
    is_formula = f"REGEXP_MATCHES({text}, {literal('^' + FORMULA)})"
    is_number = f"REGEXP_FULL_MATCH({text}, {literal(NUMBER)})"
    return case((f"{is_formula} AND NOT {is_number}", f"CHR(39) || {text}"), otherwise=text)
