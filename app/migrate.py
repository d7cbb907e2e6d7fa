"""The schema: bring it to the newest migration, safely when several processes start at once."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from app.db import Database

# Beside `app`, in a checkout as in a wheel.
MIGRATIONS = Path(__file__).parent.parent / "migrations"
MIGRATION_LOCK = 0x70666D6967  # "pfmig"; any number will do that nothing else locks
# An unknown revision does not tell whether the other build is earlier or later.
UNKNOWN_SCHEMA = (
    "This database has the schema of an earlier or later build of Prospect Fit, and this build cannot "
    "upgrade it: use that build, or start with a new database and load your data again."
)


class UnknownSchema(Exception):
    """The database is at a revision that this build does not know."""


def migrate(database: Database) -> str:
    """Run every migration that is missing, in one transaction; returns the revision reached.

    Raises `UnknownSchema`, and changes nothing, if the database has the schema of another build.
    """
    with database.engine.connect() as connection:
        if database.is_sqlite:
            # Rebuilding a table with foreign keys on would delete the rows that refer to it.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        try:
            with connection.begin():
                _lock(connection)
                if is_unknown_revision(current_revision(connection)):
                    raise UnknownSchema(UNKNOWN_SCHEMA)
                config = _config()
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        finally:
            connection.invalidate()
    return newest_revision()


def current_revision(connection: Connection) -> str | None:
    """The revision that the database is at; None before the first migration."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def newest_revision() -> str:
    """The revision that this version of the service needs; read from the files once."""
    newest = _scripts().get_current_head()
    assert newest is not None, "there is at least one migration"
    return newest


def is_unknown_revision(revision: str | None) -> bool:
    """Whether this build does not know the revision; None is that of a new database."""
    return revision is not None and revision not in _known_revisions()


@cache
def _known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in _scripts().walk_revisions())


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_config())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


def _lock(connection: Connection) -> None:
    """One process migrates, the others wait; BEGIN IMMEDIATE is SQLite's lock already."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
