"""The row that identifies the database, and a write to it that shows that the database accepts writes."""

import hashlib
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlmodel import CheckConstraint, Field, select, text, update

from app.db import Table, Transaction, UtcDateTime
from app.db.sqlite_file import inode_of

IDENTITY_LENGTH = 16
MAY_FIND_SERVER = text("SELECT has_function_privilege('pg_control_system()', 'EXECUTE')")
FIND_SERVER = text("SELECT system_identifier FROM pg_control_system()")
FIND_DATABASE_NUMBER = text("SELECT oid FROM pg_database WHERE datname = current_database()")


class Installation(Table, table=True):
    """The identity and the state of the database, in one row.

    `database_id` is new for every new database. `written_at` is when a service last checked that it can
    write. `in_use_since` is set while a service uses an SQLite file: see `app.db.sqlite_file`.
    """

    __tablename__ = "installation"
    __table_args__ = (CheckConstraint("id = 1", name="ck_installation_id"),)

    id: int = Field(primary_key=True)
    database_id: UUID
    written_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    in_use_since: datetime | None = Field(default=None, sa_type=UtcDateTime)


def write_check(tx: Transaction) -> None:
    """Write a few bytes: only a write that is committed shows that the database accepts writes."""
    tx.db.exec(update(Installation).values(written_at=tx.at))


def identity(tx: Transaction) -> str:
    """Return a text that identifies a database. A database and its copy have different texts.

    It consists of the id in the database, and of the number that the file system gives to an SQLite file, or
    of the numbers that PostgreSQL gives to the server and the database. The physical copies of a PostgreSQL
    server have the same numbers.
    """
    database_id = tx.db.exec(select(Installation.database_id)).one()
    engine = tx.db.get_bind().engine
    if engine.dialect.name == "sqlite":
        place = str(inode_of(Path(engine.url.database or "")))
    else:
        server = tx.db.scalar(FIND_SERVER) if tx.db.scalar(MAY_FIND_SERVER) else None
        place = f"{server} {tx.db.scalar(FIND_DATABASE_NUMBER)}"
    return hashlib.sha256(f"{database_id} {place}".encode()).hexdigest()[:IDENTITY_LENGTH]
