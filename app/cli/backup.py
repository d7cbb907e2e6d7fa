"""`backup FILE` and `restore FILE`: copy the whole database to one file, and put it back."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.backups import postgresql, sqlite
from app.cli.backups.files import UnusableBackup, already_exists
from app.cli.console import fail, opened_database, print_text, reported_failures, warn_if_journal_is_missing
from app.migrate import newest_revision

KEY_IS_NOT_INCLUDED = "The backup does not contain the encryption key: back up the key separately."
Force = Annotated[bool, typer.Option("--force", help="Replace an existing file or database.")]


def backup(
    file: Annotated[Path, typer.Argument(help="The file to write.")],
    *,
    force: Force = False,
) -> None:
    """Copy the database to a file. The service can keep running.

    The file contains every change that was acknowledged before the command started. The command checks the
    copy before it gives the file its name. For PostgreSQL, it runs pg_dump.
    """
    with reported_failures(), opened_database() as database:
        try:
            _check_destination(file, force=force)
            if database.file:
                revision = sqlite.back_up(database.file, file, force=force)
            else:
                revision = postgresql.back_up(database, file, force=force)
        except UnusableBackup as error:
            fail(str(error))
        warn_if_journal_is_missing(database)
    print_text(f"Wrote {file}: {file.stat().st_size:,} bytes, schema {revision}.")
    print_text(KEY_IS_NOT_INCLUDED)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that 'prospect-fit backup' wrote.")],
    *,
    force: Force = False,
) -> None:
    """Replace the database with a backup. Stop the service first.

    The command checks the backup, restores it and migrates it to the newest schema. If the backup cannot be
    restored, the database stays as it is.
    """
    with reported_failures(), opened_database() as database:
        try:
            _check_exists(file)
            if database.file:
                revision = sqlite.restore(file, database.file, force=force)
            else:
                revision = postgresql.restore(database, file, force=force)
        except UnusableBackup as error:
            fail(str(error))
    migrated = "" if revision == newest_revision() else f", migrated from schema {revision}"
    print_text(f"Restored {file}{migrated}. Start the service, and run 'prospect-fit verify'.")


def _check_destination(file: Path, *, force: bool) -> None:
    if not file.exists():
        return
    if not force:
        raise already_exists(file)
    if not (sqlite.is_backup(file) or postgresql.is_backup(file)):
        # It may be the journal of the database, or the file with the key.
        raise UnusableBackup(f"{file} is not a backup, and --force replaces only backups.")


def _check_exists(file: Path) -> None:
    if not file.exists():
        raise UnusableBackup(f"There is no file {file}.")
