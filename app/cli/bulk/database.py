"""Tables of a database as files: read into one before scoring, written from one after it.

A table is told as its database's URL with its name behind: postgresql://user@host/crm#sales.accounts
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Engine,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    create_engine,
    inspect,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, NoSuchTableError

from app.cli.bulk.source import UnusableFile
from app.scoring.sql.words import literal

AT_ONCE = 5000
READ_AS = {Integer: "BIGINT", Boolean: "BOOLEAN", Numeric: "DOUBLE"}
TYPES = {"VARCHAR": Text, "BOOLEAN": Boolean, "DOUBLE": Double}
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class DatabaseTable:
    """A table in a database."""

    url: str
    table: str

    @classmethod
    def named(cls, text: str) -> "DatabaseTable | None":
        """The table that a text names, None if it names no database; raises `Unusable` without a table."""
        if "://" not in text:
            return None
        url, _, table = text.partition("#")
        if not table:
            raise UnusableFile(
                "Name the table behind the database's address: postgresql://…/crm#sales.accounts"
            )
        return cls(url, table)

    def fetch(self, file: Path) -> dict[str, str]:
        """Write all rows into a CSV file; its columns with their types. Raises `Unusable`."""
        engine = self._engine(must_exist=True)
        try:
            table = Table(self._name, MetaData(), schema=self._schema, autoload_with=engine)
            reading = {"stream_results": True, "yield_per": AT_ONCE}
            with (
                engine.connect().execution_options(**reading) as connection,
                file.open("w", newline="") as out,
            ):
                writer = csv.writer(out)
                writer.writerow([column.name for column in table.columns])
                writer.writerows(map(_as_text, connection.execute(select(table))))
            return {column.name: _type_of(column) for column in table.columns}
        except NoSuchTableError:
            raise UnusableFile(f"There is no table {self.table} in that database.") from None
        except DBAPIError as error:
            raise UnusableFile(f"The database cannot be read: {error.orig}") from None
        finally:
            engine.dispose()

    def require_new(self) -> None:
        """Raise `Unusable` if the table is there already, or the database is not."""
        engine = self._engine()
        try:
            if inspect(engine).has_table(self._name, schema=self._schema):
                raise UnusableFile(f"There is a table {self.table} already: name another one, or drop it.")
        except DBAPIError as error:
            raise UnusableFile(f"The database cannot be used: {error.orig}") from None
        finally:
            engine.dispose()

    def store(self, connection: DuckDBPyConnection, file: Path) -> None:
        """Make the table of a file's rows, all or none. Raises `Unusable`."""
        answer = connection.execute(f"FROM {literal(str(file))}")
        columns: list[Column[Any]] = [
            Column(called, TYPES.get(str(type_), BigInteger)) for called, type_, *_ in answer.description
        ]
        table = Table(self._name, MetaData(), *columns, schema=self._schema)
        names = [column.name for column in columns]
        engine = self._engine()
        try:
            with engine.begin() as writing:
                if engine.dialect.name == "sqlite":
                    # Its driver begins with the first row otherwise, and the table would stay without any.
                    writing.exec_driver_sql("BEGIN")
                table.create(writing)
                for rows in _pages(answer):
                    writing.execute(table.insert(), [dict(zip(names, row, strict=True)) for row in rows])
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
                "That is not the address of a database: postgresql://… or sqlite:///…"
            ) from None


def _type_of(column: Column[Any]) -> str:
    return next((told for kind, told in READ_AS.items() if isinstance(column.type, kind)), "VARCHAR")


def _as_text(row: Any) -> list[Any]:
    return [str(value).lower() if isinstance(value, bool) else value for value in row]


def _pages(answer: DuckDBPyConnection) -> Iterator[list[Row]]:
    while rows := answer.fetchmany(AT_ONCE):
        yield rows
