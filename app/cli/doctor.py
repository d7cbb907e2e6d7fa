"""`doctor`: check the installation."""

import sys
from collections.abc import Callable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated

import httpx
import typer
from rich.markup import escape

from app.cli.console import missing_journal, no_database, opened_database, reported_failures
from app.cli.terminal import out, table
from app.db import Database, Transaction
from app.db.sqlite_file import has_content
from app.encryption.files import WrongKey
from app.encryption.queries import any_encrypted
from app.encryption.service import check_key, open_cipher
from app.installation import identity
from app.keys.queries import list_keys
from app.main import exposed_files
from app.migrate import current_revision, schema_flaw
from app.problems import Problem
from app.question_sets.builtin_sets import read_builtin
from app.question_sets.queries import find_version, list_newest, split_name
from app.settings import Settings

Check = tuple[str, bool, str]
# A service waits this long for its database before it responds that it is not ready.
SERVICE_SECONDS = 20


def doctor(
    url: Annotated[
        str | None,
        typer.Option(help="The URL of a running service, to check that it uses the same database."),
    ] = None,
) -> None:
    """Check the settings, the database and its content. Exits with 1 if a check fails."""
    with reported_failures(), opened_database() as database:
        all_passed = True
        rows = table("", "check", "result")
        for name, passed, result in _checks(Settings(), database, url):
            rows.add_row("[green]ok[/]" if passed else "[red]no[/]", name, escape(result))
            all_passed = all_passed and passed
        out.print(rows)
    if not all_passed:
        raise typer.Exit(1)


def _checks(settings: Settings, database: Database, url: str | None) -> Iterator[Check]:
    yield "version", True, f"{version('prospect-fit')} on Python {sys.version.split()[0]}"
    yield "built-in question sets", True, f"{len(read_builtin())} valid"
    if database.file:
        if not has_content(database.file):
            yield "database", False, no_database(database.file)
            return
        exposed = [str(file) for file in exposed_files(settings)]
        remedy = f"other users can read them: run 'chmod 600 {' '.join(exposed)}'"
        yield "files", not exposed, remedy if exposed else "only their owner can read them"
        if database.lost_journal_since:
            yield "journal", False, missing_journal(database.file, database.lost_journal_since)
    try:
        yield from database.read_sync(_database_checks(settings, url))
    except Problem as problem:
        yield "database", False, f"{problem.detail} ({database.engine.url!r})"


def _encryption_check(tx: Transaction, settings: Settings) -> Check:
    try:
        check_key(tx, open_cipher(settings))
    except WrongKey as error:
        return "encryption key", False, str(error)
    return (
        "encryption key",
        True,
        "it decrypts the secrets" if any_encrypted(tx) else "nothing is encrypted yet",
    )


def _database_checks(settings: Settings, url: str | None) -> Callable[[Transaction], list[Check]]:
    def check(tx: Transaction) -> list[Check]:
        revision = current_revision(tx.db.connection())
        checks = [("database", True, repr(tx.db.get_bind().engine.url))]
        if flaw := schema_flaw(tx.db.connection()):
            return [*checks, ("schema", False, f"{revision}: {flaw}" if revision else flaw)]
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
            *([_same_database(url, identity(tx))] if url else []),
        ]

    return check


def _same_database(url: str, own: str) -> Check:
    """Ask a running service which database it uses."""
    name = f"service at {url}"
    try:
        response = httpx.get(f"{url.rstrip('/')}/readyz", timeout=SERVICE_SECONDS)
        answer = response.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return name, False, f"It cannot be reached, or is not Prospect Fit: {type(error).__name__}."
    if response.status_code != HTTPStatus.OK:
        return name, False, f"It is not ready: {answer.get('detail')}"
    if answer.get("database") != own:
        return (
            name,
            False,
            "It uses another database than this command, or a copy of it: compare the settings.",
        )
    return name, True, "It uses the same database."
