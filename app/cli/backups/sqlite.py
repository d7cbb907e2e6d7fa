"""Copy an SQLite database while a service uses it, check the copy, and put a copy back."""

import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from app.cli.backups.files import UnusableBackup, new_file
from app.cli.console import missing_journal, no_database
from app.db import Database
from app.db.sqlite_file import (
    SIDE_FILE_SUFFIXES,
    has_content,
    is_sqlite,
    locked,
    side_file,
    uri,
    used_without_journal,
)
from app.migrate import UNKNOWN_SCHEMA, is_unknown_revision, migrate

MAX_REPORTED = 5
NOT_OURS = "{} is not a backup of Prospect Fit: it has no schema revision."


def back_up(source: Path, file: Path, *, force: bool) -> str:
    """Copy the database to `file` as it is at one moment, check the copy, and return its schema revision.

    Writers continue meanwhile. Everything that was committed before the call is in the copy.
    """
    if not has_content(source):
        raise UnusableBackup(no_database(source))
    if file.exists() and file.samefile(source):
        raise UnusableBackup(f"{file} is the database itself: choose another name.")
    with new_file(file, replace=force) as part:
        try:
            _copy(source, part)
        except sqlite3.OperationalError as error:
            raise UnusableBackup(f"{file} cannot be written: {error}.") from error
        return checked_revision(part, source)


def is_backup(file: Path) -> bool:
    """Return whether a file begins as SQLite databases do."""
    return has_content(file) and is_sqlite(file)


def _copy(source: Path, target: Path) -> None:
    """Copy a database in one step, so that the copy is consistent. The copy has no journal."""
    with (
        closing(sqlite3.connect(uri(source), uri=True)) as original,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        with suppress(sqlite3.OperationalError):  # the check reports a database of another program
            copy.execute("UPDATE installation SET in_use_since = NULL")


def checked_revision(file: Path, name: Path) -> str:
    """Check the integrity of a database and return its schema revision. `name` is its name in messages.

    Raises:
        UnusableBackup: if it is damaged, or not a database of Prospect Fit that this build knows.
    """
    with closing(sqlite3.connect(uri(file, "ro"), uri=True)) as connection:
        try:
            damage = [row[0] for row in connection.execute(f"PRAGMA integrity_check({MAX_REPORTED})")]
            orphans = connection.execute("PRAGMA foreign_key_check").fetchmany(MAX_REPORTED)
            revisions = _revisions(connection)
        except sqlite3.DatabaseError as error:
            raise UnusableBackup(f"{name} is damaged: {error}.") from error
    if damage != ["ok"]:
        raise UnusableBackup(f"{name} is damaged: {'; '.join(damage)}.")
    if orphans:
        tables = ", ".join(sorted({str(table) for table, *_ in orphans}))
        raise UnusableBackup(f"{name} is damaged: rows refer to others that do not exist, in {tables}.")
    if len(revisions) != 1:
        raise UnusableBackup(NOT_OURS.format(name))
    if is_unknown_revision(revisions[0]):
        raise UnusableBackup(f"{name}: {UNKNOWN_SCHEMA}")
    return revisions[0]


def _revisions(connection: sqlite3.Connection) -> list[str]:
    tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'question_set_version')"
    if connection.execute(tables).fetchone() != (2,):
        return []
    return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def restore(file: Path, target: Path, *, force: bool) -> str:
    """Replace the database with a backup, migrated to the newest schema; return the revision of the backup.

    The database is replaced in one step, after everything that can fail.

    Raises:
        UnusableBackup: if the backup is damaged or has an unknown schema, if there is a database and `force`
            is false, or if a service uses the database.
    """
    if not is_backup(file):
        raise UnusableBackup(f"{file} is not an SQLite database.")
    if target.exists() and file.samefile(target):
        raise UnusableBackup(f"{file} is the database itself.")
    if (since := used_without_journal(file)) and not force:
        raise UnusableBackup(f"{missing_journal(file, since)} To restore it anyway, use --force.")
    if has_content(target) and not force:
        raise UnusableBackup(f"There is a database at {target}: to replace it, use --force.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as lock, new_file(target, replace=True) as part:
        old = _lock(lock, target)
        try:
            _copy(file, part)
        except sqlite3.OperationalError:  # such as a full disk
            raise
        except sqlite3.DatabaseError as error:
            raise UnusableBackup(f"{file} is damaged: {error}.") from error
        revision = checked_revision(part, file)
        database = Database(f"sqlite:///{part}")
        try:
            migrate(database)
        finally:
            database.close()
        _keep_owner(target, part)
        _remove_journal(old, target)
        return revision


def _remove_journal(old: sqlite3.Connection | None, target: Path) -> None:
    """Remove the journal of the old database: SQLite would apply it to the new one.

    SQLite first copies its content to the old database, which stays complete if this process is killed now.
    """
    if old:
        with suppress(sqlite3.Error):
            old.execute("PRAGMA journal_mode=DELETE")
    for suffix in SIDE_FILE_SUFFIXES:
        side_file(target, suffix).unlink(missing_ok=True)


def _lock(lock: ExitStack, target: Path) -> sqlite3.Connection | None:
    """Lock the old database, so that no service can open it before it is replaced.

    Returns None if there is no old database, or if its file is damaged.
    """
    if not has_content(target):
        return None
    try:
        return lock.enter_context(locked(target))
    except sqlite3.OperationalError as error:
        raise UnusableBackup(
            f"A service or another program uses {target}: stop it, and try again."
        ) from error
    except sqlite3.DatabaseError:
        return None


def _keep_owner(target: Path, part: Path) -> None:
    """Give the new file to the owner of the old one, so that a service can open what root restored."""
    if hasattr(os, "chown"):
        known = target if target.exists() else target.parent
        with suppress(PermissionError):
            os.chown(part, known.stat().st_uid, known.stat().st_gid)
