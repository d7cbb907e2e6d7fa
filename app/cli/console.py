"""What all subcommands share: how they print, the database, and how a command fails."""

import logging
import re
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError

from app.db import Database, open_database
from app.db.failures import database_problem, first_line
from app.db.sqlite_file import has_content, side_file
from app.migrate import UnknownSchema, schema_flaw
from app.problems import Problem, UserError
from app.schemas import REFUSED_ANYWHERE
from app.scoring import Flaw, Flawed, shape_flaws
from app.settings import Settings


def escaped_controls(text: str) -> str:
    """Return a text with the characters escaped that a name must not contain, except line feeds and tabs.

    JSON stays JSON with the same content: it never contains the characters below U+0020 as they are, and the
    escapes of the others are also those of JSON.
    """
    return REFUSED_ANYWHERE.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return found[0] if found[0] in "\n\t" else f"\\x{code:02x}" if code < 0x20 else f"\\u{code:04x}"


# A command prints its failure itself. Without a handler, logging prints the same line once more.
logging.getLogger("app").addHandler(logging.NullHandler())


def fail(message: str) -> NoReturn:
    """Print a message to standard error, and exit with code 1."""
    print_note(message)
    raise typer.Exit(1)


def print_text(text: str, *, ends_line: bool = True) -> None:
    """Print plain text without wrapping it, so that pipes get the same lines as terminals."""
    typer.echo(escaped_controls(text), nl=ends_line)


def print_note(text: str) -> None:
    """Print a sentence to standard error, without wrapping it."""
    typer.echo(escaped_controls(text), err=True)


def print_document(text: str) -> None:
    """Print YAML or SQL. A pipe gets it as it is, because an escape would change its meaning."""
    typer.echo(escaped_controls(text) if sys.stdout.isatty() else text)


def counted(count: int, noun: str) -> str:
    """Return a count with its noun in the right number: "1 row", "1,200 rows"."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def parse_column_names(pairs: list[str]) -> dict[str, str]:
    """Parse KEY=COLUMN pairs, and return the columns by key. Fail if a pair is malformed or repeats a key."""
    columns: dict[str, str] = {}
    for pair in pairs:
        key, equals, column = pair.partition("=")
        if not (key and equals and column):
            fail(f"--map {pair}: write KEY=COLUMN, with the question or attribute as the key.")
        if key in columns:
            fail(f"--map {pair}: {key} already has a column.")
        columns[key] = column
    return columns


def flaws_of(error: Flawed | Problem | ValidationError, data: Any = None) -> list[Flaw]:
    """Return the flaws that an error reports; `data` is the value that was validated, if known.

    The list is empty for a problem that reports no place.
    """
    if isinstance(error, Flawed):
        return list(error.flaws)
    if isinstance(error, Problem):
        return [Flaw(field_error.pointer, field_error.detail) for field_error in error.errors]
    return shape_flaws(error, data)


def reason_of(problem: Problem) -> str:
    """Return what a problem of a file says, without the places, which are those of a request."""
    return "\n".join(error.detail for error in problem.errors) or problem.detail


def _lines_of(flaws: Iterable[Flaw]) -> str:
    return "\n".join(f"{flaw.pointer.strip('/') or 'settings'}: {flaw.detail}" for flaw in flaws)


@contextmanager
def reported_failures() -> Iterator[None]:
    """Turn every failure that the user can correct into a message and exit code 1."""
    try:
        yield
    except (Flawed, ValidationError) as error:
        fail(_lines_of(flaws_of(error)))
    except Problem as problem:
        # The remedy of a problem addresses callers of the API, so it is left out.
        fail(_lines_of(flaws_of(problem)) or problem.detail)
    except (DBAPIError, sqlite3.Error) as error:
        failure = database_problem(error)
        fail(f"{failure.detail if failure else 'The database cannot be used.'} ({first_line(error)})")
    except BrokenPipeError:
        # The reader of the output, such as `head`, has stopped. Typer ends the command without a message.
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        fail(f"{error.filename}: {reason}." if error.filename else f"{reason}.")
    except UserError as error:
        fail(str(error))


@contextmanager
def existing_database() -> Iterator[Database]:
    """Open the database that the settings name. Fail if it does not exist or its schema is not the newest.

    Only `serve`, `migrate` and `restore` create or change a schema.
    """
    with reported_failures(), opened_database() as database:
        if database.file and not has_content(database.file):
            fail(no_database(database.file))
        with database.engine.connect() as connection:
            flaw = schema_flaw(connection)
        if flaw:
            fail(flaw)
        yield database


@contextmanager
def database_at_hand() -> Iterator[Database | None]:
    """Open the database that the settings name; None if it cannot be read or has another schema."""
    with opened_database() as database:
        yield database if _is_readable(database) else None


def _is_readable(database: Database) -> bool:
    if database.file and not has_content(database.file):
        return False
    try:
        with database.engine.connect() as connection:
            return schema_flaw(connection) is None
    except (DBAPIError, UnknownSchema):
        return False


@contextmanager
def opened_database() -> Iterator[Database]:
    """Open the database that the settings name, and close it at the end."""
    database = open_database(Settings())
    try:
        yield database
    finally:
        database.close()


def no_database(file: Path) -> str:
    """Return the message for an SQLite database whose file does not exist."""
    return (
        f"There is no database at {file}: check the setting PROSPECT_FIT_DATABASE_URL, or run "
        "'prospect-fit migrate' to create one."
    )


def missing_journal(file: Path, since: datetime) -> str:
    """Return the message for a database file that was copied without its journal."""
    return (
        f"{file} was in use by a service that started at {since:%Y-%m-%d %H:%M} UTC, but its journal, "
        f"{side_file(file, '-wal').name}, is missing. The file was probably copied without its journal, and "
        "lacks the last changes. To copy a database, use 'prospect-fit backup'. If another program, such as "
        "sqlite3, opened the file after the service was killed, nothing is missing."
    )


def warn_if_journal_is_missing(database: Database) -> None:
    """Warn on standard error if the database file was copied without its journal."""
    if database.file and database.lost_journal_since:
        print_note(missing_journal(database.file, database.lost_journal_since))
