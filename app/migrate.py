"""Database migrations. It is safe to start several processes at the same time."""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, inspect, text

from app.db import Database
from app.problems import UserError

# Next to `app`, both in a checkout and in a wheel.
MIGRATIONS_FOLDER = Path(__file__).parent.parent / "migrations"
MIGRATION_LOCK = 0x70666D6967  # "pfmig"; any number that no other advisory lock uses
VERSION_TABLE = "alembic_version"  # what Alembic calls it
NO_SCHEMA = (
    "This database has no tables of Prospect Fit: check the setting PROSPECT_FIT_DATABASE_URL, or run "
    "'prospect-fit migrate' to create them."
)
OLD_SCHEMA = "This database has an older schema: run 'prospect-fit migrate'."
# An unknown revision does not show whether the other build is earlier or later.
UNKNOWN_SCHEMA = (
    "This database has the schema of an earlier or later build of Prospect Fit, and this build cannot "
    "upgrade it: use that build, or start with a new database and load your data again."
)


class UnknownSchema(UserError):
    """The database has a schema revision that this build does not know."""


def migrate(database: Database) -> str:
    """Run all missing migrations in one transaction, and return the new revision.

    Creates the file of an SQLite database if it is missing.

    Raises:
        UnknownSchema: if the database has the schema of another build. Nothing is changed then.
    """
    database.create()
    with database.engine.connect() as connection:
        if database.is_sqlite:
            # With foreign keys on, rebuilding a table would delete the rows that refer to it.
            connection.connection.dbapi_connection.execute("PRAGMA foreign_keys=OFF")  # type: ignore[union-attr]
        try:
            with connection.begin():
                _lock(connection)
                revision = current_revision(connection)
                if is_unknown_revision(revision):
                    raise UnknownSchema(UNKNOWN_SCHEMA)
                if revision != newest_revision():
                    _upgrade(connection)
        finally:
            connection.invalidate()
    return newest_revision()


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the database, or None before the first migration."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    revision: str | None = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return revision


def newest_revision() -> str:
    """Return the revision that this build needs."""
    return max(_known_revisions())


def is_unknown_revision(revision: str | None) -> bool:
    """Return whether this build does not know a revision. None, the revision of a new database, is known."""
    return revision is not None and revision not in _known_revisions()


def schema_flaw(connection: Connection) -> str | None:
    """Return why this build cannot use the database as it is, with the remedy; None if it can."""
    revision = current_revision(connection)
    if revision == newest_revision():
        return None
    if revision is None:
        return NO_SCHEMA
    return UNKNOWN_SCHEMA if is_unknown_revision(revision) else OLD_SCHEMA


@cache
def _known_revisions() -> frozenset[str]:
    # The name of each file begins with its revision, a number of four digits.
    return frozenset(file.name.partition("_")[0] for file in (MIGRATIONS_FOLDER / "versions").glob("*_*.py"))


def _upgrade(connection: Connection) -> None:
    # Starts that do not migrate are faster without Alembic.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _lock(connection: Connection) -> None:
    """Let one process migrate while the others wait. On SQLite, BEGIN IMMEDIATE is the lock."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL lock_timeout = '60s'; SET LOCAL statement_timeout = 0"))
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
