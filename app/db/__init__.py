"""The database: transactions, and what its dialects do differently."""

from app.db.column_types import UtcDateTime
from app.db.compiled import new_untracked, untracked
from app.db.database import Database, open_database
from app.db.dialects import (
    dialect_of,
    insert_if_new,
    insert_into,
    insert_new,
    insert_or_replace,
    insert_or_update,
    lock_table,
    lock_table_for_insert,
)
from app.db.table import Table
from app.db.transaction import Transaction

__all__ = [
    "Database",
    "Table",
    "Transaction",
    "UtcDateTime",
    "dialect_of",
    "insert_if_new",
    "insert_into",
    "insert_new",
    "insert_or_replace",
    "insert_or_update",
    "lock_table",
    "lock_table_for_insert",
    "new_untracked",
    "open_database",
    "untracked",
]
