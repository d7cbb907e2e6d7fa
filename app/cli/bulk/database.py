"""Read the rows of a database table, and copy a file of scores into a new table.

A table is written as the URL of its database, '#' and its name: postgresql://user@host/crm#sales.accounts
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    Engine,
    Float,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    create_engine,
    func,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError

from app.files.parquet import exact_path
from app.files.table import Cell, TableFile, never_stop
from app.files.table import Row as FileRow
from app.scoring.sql.words import literal

ROWS_PER_BATCH = 5000
DUCKDB_TYPES = {Integer: "BIGINT", Boolean: "BOOLEAN", Numeric: "DOUBLE", Float: "DOUBLE"}
NEW_COLUMN_TYPES = {"VARCHAR": Text, "BOOLEAN": Boolean, "DOUBLE": Double}
Row = tuple[Any, ...]


class UnusableFile(ValueError):
    """The file or table cannot be used. The message gives the reason and, if there is one, the remedy."""


@dataclass(frozen=True, slots=True)
class DatabaseTable:
    """A table in a database; `table` may have a schema: sales.accounts."""

    url: str
    table: str

    @classmethod
    def parse(cls, text: str) -> "DatabaseTable | None":
        """Parse "URL#table"; return None if the text is not a URL. Raises `UnusableFile` without a table."""
        if "://" not in text:
            return None
        url, _, table = text.partition("#")
        if not table:
            raise UnusableFile(
                "Add the table to the address of the database: postgresql://…/crm#sales.accounts"
            )
        return cls(url, table)

    def types(self) -> dict[str, str]:
        """Return the DuckDB type of each column. Raises `UnusableFile`."""
        with self._read() as (_, table):
            return {column.name: _type_of(column) for column in table.columns}

    def count(self) -> int:
        """Return the number of rows. Raises `UnusableFile`."""
        with self._read() as (connection, table):
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def rows(self) -> Iterator[Row]:
        """Yield the rows, without keeping them in memory. Raises `UnusableFile`."""
        with self._read() as (connection, table):
            options = {"stream_results": True, "yield_per": ROWS_PER_BATCH}
            yield from map(tuple, connection.execution_options(**options).execute(select(table)))

    def fetch(self, file: Path) -> None:
        """Write all rows to a CSV file. Raises `UnusableFile`."""
        with file.open("w", newline="") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(self.types())
            writer.writerows(map(_as_text, self.rows()))

    @contextmanager
    def _read(self) -> Iterator[tuple[Connection, Table]]:
        engine = self._engine(must_exist=True)
        try:
            table = Table(self._name, MetaData(), schema=self._schema, autoload_with=engine)
            with engine.connect() as connection:
                yield connection, table
        except NoSuchTableError:
            raise UnusableFile(f"There is no table {self.table} in that database.") from None
        except DBAPIError as error:
            raise UnusableFile(f"The database cannot be read: {error.orig}") from None
        finally:
            engine.dispose()

    def require_new(self) -> None:
        """Raise `UnusableFile` if the table already exists or the database cannot be used."""
        engine = self._engine()
        try:
            if inspect(engine).has_table(self._name, schema=self._schema):
                raise UnusableFile(f"The table {self.table} already exists: choose another name, or drop it.")
        except DBAPIError as error:
            raise UnusableFile(f"The database cannot be used: {error.orig}") from None
        finally:
            engine.dispose()

    def store(self, connection: DuckDBPyConnection, file: Path) -> None:
        """Create the table from the rows of a file, in one transaction. Raises `UnusableFile`."""
        result = connection.execute(f"FROM {literal(exact_path(file))}")
        columns: list[Column[Any]] = [
            Column(name, NEW_COLUMN_TYPES.get(str(type_), BigInteger))
            for name, type_, *_ in result.description
        ]
        table = Table(self._name, MetaData(), *columns, schema=self._schema)
        names = [column.name for column in columns]
        engine = self._engine()
        try:
            with engine.begin() as target:
                if engine.dialect.name == "sqlite":
                    # The SQLite driver begins its transaction with the first insert. Without this, a failed
                    # insert would leave an empty table.
                    target.exec_driver_sql("BEGIN")
                table.create(target)
                for rows in _batches(result):
                    target.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
        except DBAPIError as error:
            raise UnusableFile(f"The database cannot be written: {error.orig}") from None
        finally:
            engine.dispose()

    @property
    def _schema(self) -> str | None:
        return self.table.rpartition(".")[0] or None

    @property
    def _name(self) -> str:
        return self.table.rpartition(".")[2]

    def _engine(self, *, must_exist: bool = False) -> Engine:
        try:
            url = make_url(self.url)
            if url.drivername in ("postgres", "postgresql"):
                url = url.set(drivername="postgresql+psycopg")
            if must_exist and url.drivername == "sqlite" and not Path(url.database or "").is_file():
                raise UnusableFile(f"There is no file {url.database}.")
            return create_engine(url, hide_parameters=True)
        except (ArgumentError, NoSuchModuleError):
            raise UnusableFile(
                "This is not the address of a database: use postgresql://… or sqlite:///…"
            ) from None


class DatabaseRows(TableFile):
    """The rows of a table as those of a file. Row 2 is the first one, as below headings."""

    # Its columns have types, as those of Parquet have.
    format = "parquet"

    def __init__(self, table: DatabaseTable) -> None:
        super().__init__(never_stop)
        self._table = table
        self.headings = tuple(table.types())

    def rows(self) -> Iterator[FileRow]:
        """Yield the rows. Raises `UnusableFile`."""
        for number, row in enumerate(self._table.rows(), 2):
            yield FileRow(number, number, tuple(map(_cell, row)))

    def close(self) -> None:
        """Do nothing: the database is open only while it is read."""


def _cell(value: Any) -> Cell:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date | time | datetime):
        return value.isoformat()
    if isinstance(value, str):
        return value.strip() or None
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _type_of(column: Column[Any]) -> str:
    return next((name for type_, name in DUCKDB_TYPES.items() if isinstance(column.type, type_)), "VARCHAR")


def _as_text(row: Any) -> list[Any]:
    return [str(value).lower() if isinstance(value, bool) else value for value in row]


def _batches(result: DuckDBPyConnection) -> Iterator[list[Row]]:
    while rows := result.fetchmany(ROWS_PER_BATCH):
        yield rows
