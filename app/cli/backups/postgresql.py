"""Back up and restore a PostgreSQL database with its own programs."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from psycopg.conninfo import conninfo_to_dict, make_conninfo
from sqlalchemy import URL, inspect

from app.cli.backups.files import UnusableBackup, new_file
from app.db import Database
from app.migrate import UNKNOWN_SCHEMA, is_unknown_revision, migrate

ARCHIVE_MAGIC = b"PGDMP"
OPTIONS_OF_RESTORE = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
OPTIONS_OF_FORCE = ("--clean", "--if-exists")


def back_up(database: Database, file: Path, *, force: bool) -> str:
    """Write the database to `file` in the custom format of pg_dump, and return its schema revision."""
    with new_file(file, replace=force) as part:
        command = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges"]
        destination = _destination(database.engine.url)
        printed = _printed(database.engine.url, [*command, f"--file={file}", destination])
        _run(database.engine.url, [*command, f"--file={part}", destination], printed)
        return _revision(database.engine.url, part, file)


def restore(database: Database, file: Path, *, force: bool) -> str:
    """Write a backup to an empty database in one transaction; return the schema revision of the backup.

    Afterwards the database has the newest schema. With `force`, the tables of the backup replace those of the
    database.

    Raises:
        UnusableBackup: if the backup is damaged or has an unknown schema, or if the database is not empty and
            `force` is false. Nothing is changed then.
    """
    url = database.engine.url
    if not is_backup(file):
        raise UnusableBackup(f"{file} is not a PostgreSQL backup in the custom format of pg_dump.")
    revision = _revision(url, file, file)
    if _has_tables(database) and not force:
        raise UnusableBackup("The database has tables: use an empty one, or --force to replace them.")
    command = ["pg_restore", *OPTIONS_OF_RESTORE, *(OPTIONS_OF_FORCE if force else ())]
    command += [f"--dbname={_destination(url)}", str(file)]
    _run(url, command, _printed(url, command))
    migrate(database)
    return revision


def is_backup(file: Path) -> bool:
    """Return whether a file begins as the archives of pg_dump do."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return opened.read(len(ARCHIVE_MAGIC)) == ARCHIVE_MAGIC


def _has_tables(database: Database) -> bool:
    with database.engine.connect() as connection:
        return bool(inspect(connection).get_table_names())


def _revision(url: URL, file: Path, name: Path) -> str:
    """Return the schema revision in a backup. This also checks that the backup can be read."""
    command = ["pg_restore", "--data-only", "--table=alembic_version", "--file=-", str(file)]
    rows = list(_copied_rows(_run(url, command, shlex.join(command))))
    if len(rows) != 1:
        raise UnusableBackup(f"{name} is not a backup of Prospect Fit: it has no schema revision.")
    if is_unknown_revision(rows[0]):
        raise UnusableBackup(f"{name}: {UNKNOWN_SCHEMA}")
    return rows[0]


def _copied_rows(script: str) -> Iterator[str]:
    """Yield the rows between COPY and its end, in a script of pg_restore."""
    inside = False
    for line in script.splitlines():
        if line == "\\.":
            inside = False
        elif inside:
            yield line
        inside = inside or line.startswith("COPY ")


def _destination(url: URL) -> str:
    """Return the connection of a URL as libpq reads it, without its password."""
    return make_conninfo(**{**_connection(url), "password": None})


def _connection(url: URL) -> dict[str, Any]:
    return dict(conninfo_to_dict(url.set(drivername="postgresql").render_as_string(hide_password=False)))


def _printed(url: URL, command: Sequence[str]) -> str:
    """Return a command as a person would type it in a shell."""
    password = "PGPASSWORD=… " if _connection(url).get("password") else ""
    return password + shlex.join(command)


def _run(url: URL, command: Sequence[str], printed: str) -> str:
    """Run a program of PostgreSQL and return what it prints.

    The password is in its environment, because everybody on the machine can read command lines.

    Raises:
        UnusableBackup: if the program is missing or fails. The message has the command to run by hand.
    """
    program = shutil.which(command[0])
    if program is None:
        raise UnusableBackup(
            f"{command[0]} is not installed. Run this on a machine that has it:\n\n{printed}\n"
        )
    password = _connection(url).get("password")
    environment = os.environ | ({"PGPASSWORD": str(password)} if password else {})
    done = subprocess.run(  # noqa: S603  # without a shell
        [program, *command[1:]], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UnusableBackup(f"{command[0]} failed: {done.stderr.strip()}\n\nThe command was:\n\n{printed}\n")
    return done.stdout
