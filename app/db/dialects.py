"""Statements that differ between SQLite and PostgreSQL: upserts and table locks."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Row, Table
from sqlmodel import SQLModel

from app.db.compiled import execute
from app.db.transaction import Transaction


def insert_if_new(tx: Transaction, table: type[SQLModel], values: dict[str, Any]) -> bool:
    """Insert a row unless one with the same unique values exists, and return whether it was inserted.

    The insert waits for concurrent inserts of the same values.
    """
    rows = SQLModel.metadata.tables[str(table.__tablename__)]
    return bool(tx.run(_insert_new(rows, dialect_of(tx)), values))


def insert_new(
    tx: Transaction, table: type[SQLModel], values: Sequence[dict[str, Any]]
) -> set[tuple[Any, ...]]:
    """Insert the rows whose unique values do not exist yet, and return their primary keys."""
    rows = SQLModel.metadata.tables[str(table.__tablename__)]
    return {tuple(row) for row in tx.sql.execute(_insert_new(rows, dialect_of(tx)), values)}


@cache
def _insert_new(table: Table, dialect: str) -> Any:
    """Return the statement of `insert_new`. It is built once, because that takes longer than running it."""
    return insert_into(table, dialect).on_conflict_do_nothing().returning(*table.primary_key)


def insert_or_replace(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with different primary keys. A row whose primary key exists replaces the existing one."""
    tx.insert_rows(_insert_or_replace(table, dialect_of(tx)), rows)


@cache
def _insert_or_replace(table: Table, dialect: str) -> Any:
    """Return the statement of `insert_or_replace`, built once."""
    statement = insert_into(table, dialect)
    others = {name: value for name, value in statement.excluded.items() if name not in table.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=others)


def insert_or_update(
    tx: Transaction, table: Table, values: dict[str, Any], changes: dict[str, Any]
) -> Row[Any]:
    """Insert a row, or make the changes to the row with its primary key. Return the row as it is then.

    Concurrent calls for one row wait for each other until their transactions end.
    """
    statement = insert_into(table, dialect_of(tx)).values(values)
    statement = statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=changes)
    return tx.sql.execute(statement.returning(*table.c)).one()


def dialect_of(tx: Transaction) -> str:
    """Return "sqlite" or "postgresql"."""
    return tx.sql.dialect.name


def insert_into(table: Table, dialect: str) -> Any:
    """Return an INSERT of the dialect, which can say what to do on a conflict."""
    # A dialect imports its drivers, which takes longer than many commands.
    if dialect == "sqlite":
        from sqlalchemy.dialects import sqlite  # noqa: PLC0415

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415

    return postgresql.insert(table)


def lock_table(tx: Transaction, table: type[SQLModel]) -> None:
    """Block all other writers of a table until the transaction ends. SQLite has only one writer anyway."""
    _lock_table(tx, table, "SHARE ROW EXCLUSIVE")


def lock_table_for_insert(tx: Transaction, table: type[SQLModel]) -> None:
    """Take the lock that an insert takes: wait for `lock_table` in other transactions, and block it.

    Call this before reading, if what the transaction inserts depends on what it reads.
    """
    _lock_table(tx, table, "ROW EXCLUSIVE")


def _lock_table(tx: Transaction, table: type[SQLModel], mode: str) -> None:
    if dialect_of(tx) == "postgresql":
        execute(tx.sql, f'LOCK TABLE "{table.__tablename__}" IN {mode} MODE', ())
