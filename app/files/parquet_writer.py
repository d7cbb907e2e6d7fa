"""Write Parquet with DuckDB."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from app.files.columns import Column, ColumnType, Value
from app.files.finished import chunks_of
from app.files.text_writers import NdjsonWriter
from app.scoring.sql.words import literal

MAX_MEMORY = "256MB"
DUCKDB_TYPES: Mapping[ColumnType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "day": "DATE",
    "time": "TIMESTAMPTZ",
}


class ParquetWriter:
    """Writes Parquet. The rows are collected in a temporary file, which DuckDB converts at the end."""

    def __init__(self, columns: Sequence[Column], folder: Path | None = None) -> None:
        self._columns = columns
        self._lines = NdjsonWriter(columns)
        self._folder = TemporaryDirectory(dir=folder, prefix="prospect-fit-")
        self._rows = (Path(self._folder.name) / "rows.ndjson").open("wb")

    def write(self, rows: Iterable[Sequence[Value]]) -> bytes:
        self._rows.write(self._lines.write(rows))
        return b""

    def finish(self) -> Iterator[bytes]:
        self._rows.close()
        written = Path(self._folder.name) / "rows.parquet"
        self._convert(Path(self._rows.name), written)
        yield from chunks_of(written)

    def close(self) -> None:
        """Delete the temporary files."""
        self._rows.close()
        self._folder.cleanup()

    def _convert(self, rows: Path, written: Path) -> None:
        types = ", ".join(
            f"{literal(column.name)}: {literal(DUCKDB_TYPES[column.type])}" for column in self._columns
        )
        source = f"read_json({literal(str(rows))}, format = 'newline_delimited', columns = {{{types}}})"
        with duckdb.connect(config={"memory_limit": MAX_MEMORY, "threads": 1}) as connection:
            connection.execute(f"SET temp_directory = {literal(self._folder.name)}; SET TimeZone = 'UTC'")
            target = f"{literal(str(written))} (FORMAT parquet, COMPRESSION zstd)"
            connection.execute(f"COPY (FROM {source}) TO {target}")
