"""What every subcommand uses to talk: a console, the database, and an orderly way to give up."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import DBAPIError

from app.db import Database
from app.main import open_database
from app.migrate import UnknownSchema, migrate
from app.problems import Problem
from app.question_sets.files import InvalidFile, read_builtin
from app.question_sets.plans import Plans
from app.question_sets.service import publish_builtin
from app.scoring import Flaw, Flawed, shape_flaws
from app.settings import Settings

# A pipe has no width: give its tables room rather than cut them.
out = Console(width=None if sys.stdout.isatty() else 200, emoji=False)
err = Console(stderr=True, emoji=False)


def fail(message: str) -> NoReturn:
    """Say what is wrong on standard error, and exit with 1."""
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    raise typer.Exit(1)


def say(text: str) -> None:
    """Print plain text, unwrapped, for people and pipes alike."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def named_columns(mapped: list[str]) -> dict[str, str]:
    """The columns by the key that they stand for, from KEY=COLUMN."""
    named: dict[str, str] = {}
    for pair in mapped:
        key, equals, column = pair.partition("=")
        if not (key and equals and column):
            fail(f"--map {pair}: write KEY=COLUMN, the question or attribute first.")
        if key in named:
            fail(f"--map {pair}: {key} has a column already.")
        named[key] = column
    return named


def table(*columns: str) -> Table:
    """An empty table with these headings."""
    return Table(*columns, box=None, header_style="bold", pad_edge=False)


def flaws_of(error: Flawed | Problem | ValidationError, data: Any = None) -> list[Flaw]:
    """What an error finds wrong, place by place, in `data` if that is known; a problem may know no place."""
    if isinstance(error, Flawed):
        return list(error.flaws)
    if isinstance(error, Problem):
        return [Flaw(found.pointer, found.detail) for found in error.errors]
    return shape_flaws(error, data)


def _told(flaws: Iterable[Flaw]) -> str:
    return "\n".join(f"{flaw.pointer.strip('/') or 'settings'}: {flaw.detail}" for flaw in flaws)


@contextmanager
def reported_failures() -> Iterator[None]:
    """Turn the failures that a person can mend into a message and exit code 1."""
    try:
        yield
    except (Flawed, ValidationError) as error:
        fail(_told(flaws_of(error)))
    except Problem as problem:
        # Its remedy is for callers of the API.
        fail(_told(flaws_of(problem)) or problem.detail)
    except DBAPIError as error:
        fail(f"The database cannot be used: {error.orig}")
    except (InvalidFile, UnknownSchema, OSError) as error:
        fail(str(error))


@contextmanager
def migrated_database() -> Iterator[Database]:
    """The database of the settings, at the newest schema."""
    with reported_failures():
        database = open_database(Settings())
        try:
            migrate(database)
            yield database
        finally:
            database.close()


@contextmanager
def published_plans() -> Iterator[tuple[Database, Plans]]:
    """The database with the built-in sets published, and the plans of all its sets."""
    with migrated_database() as database:
        database.write_sync(lambda tx: publish_builtin(tx, read_builtin()))
        yield database, Plans(database, Settings().default_question_set)
