"""`doctor`: check the installation."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version

import typer

from app.cli.console import out, reported_failures, table
from app.db import Database, Transaction
from app.encryption.files import WrongKey
from app.encryption.queries import any_encrypted
from app.encryption.service import check_key
from app.keys.queries import list_keys
from app.main import exposed_files, open_cipher, open_database
from app.migrate import UNKNOWN_SCHEMA, current_revision, is_unknown_revision, newest_revision
from app.problems import Problem
from app.question_sets.files import read_builtin
from app.question_sets.queries import find_version, list_newest, split_name
from app.settings import Settings

Check = tuple[str, bool, str]


def doctor() -> None:
    """Check the settings, the database and its content. Exits with 1 if a check fails."""
    with reported_failures():
        settings = Settings()
        database = open_database(settings)
        all_passed = True
        rows = table("", "check", "result")
        for name, passed, result in _checks(settings, database):
            rows.add_row("[green]ok[/]" if passed else "[red]no[/]", name, result)
            all_passed = all_passed and passed
        out.print(rows)
        database.close()
    if not all_passed:
        raise typer.Exit(1)


def _checks(settings: Settings, database: Database) -> Iterator[Check]:
    yield "version", True, f"{version('prospect-fit')} on Python {sys.version.split()[0]}"
    yield "built-in question sets", True, f"{len(list(read_builtin()))} valid"
    if database.is_sqlite:
        exposed = [str(file) for file in exposed_files(settings)]
        remedy = f"other users can read it: run 'chmod 600 {' '.join(exposed)}'"
        yield "files", not exposed, remedy if exposed else "private"
    try:
        yield from database.read_sync(_database_checks(settings))
    except Problem as problem:
        yield "database", False, f"{problem.detail} ({database.engine.url!r})"


def _encryption_check(tx: Transaction, settings: Settings) -> Check:
    try:
        check_key(tx, open_cipher(settings))
    except WrongKey as error:
        return "encryption key", False, str(error)
    return "encryption key", True, "it fits" if any_encrypted(tx) else "nothing is encrypted yet"


def _database_checks(settings: Settings) -> Callable[[Transaction], list[Check]]:
    def check(tx: Transaction) -> list[Check]:
        revision = current_revision(tx.db.connection())
        checks = [("database", True, repr(tx.db.get_bind().engine.url))]
        if is_unknown_revision(revision):
            return [*checks, ("schema", False, f"{revision}: {UNKNOWN_SCHEMA}")]
        if revision != newest_revision():
            return [*checks, ("schema", False, f"{revision}: run 'prospect-fit migrate'")]
        active = [key for key in list_keys(tx) if key.revoked_at is None]
        default = settings.default_question_set
        key, number = split_name(default) or ("", None)
        return [
            *checks,
            ("schema", True, str(revision)),
            _encryption_check(tx, settings),
            ("API keys", bool(active), f"{len(active)} in use"),
            ("question sets", bool(list_newest(tx)), f"{len(list_newest(tx))} published"),
            ("default question set", find_version(tx, key, number) is not None, default),
        ]

    return check
