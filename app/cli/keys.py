"""`keys create | list | rotate | revoke`: manage API keys."""

import re
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import typer

from app.cli.console import existing_database, fail, print_text
from app.cli.terminal import out, table
from app.keys.presenters import keys_out
from app.keys.queries import list_keys
from app.keys.schemas import SCOPES, KeyRotation, NewKey, Scope
from app.keys.service import create_key, revoke_key, rotate_key

keys = typer.Typer(
    add_completion=False, no_args_is_help=True, help="Create, list, rotate and revoke API keys."
)
SCOPES_HELP = "; ".join(f"{scope}: {description}" for scope, description in SCOPES.items())


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses the key.")],
    scope: Annotated[list[Scope], typer.Option(help=SCOPES_HELP)] = [  # noqa: B006
        Scope.SCORE,
        Scope.READ,
        Scope.WRITE,
    ],
    person: Annotated[
        str | None, typer.Option(help="The person whom the key belongs to, and the actor of its requests.")
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DAY", help="The last day, in UTC, on which the key works.")
    ] = None,
) -> None:
    """Create an API key and print it. It is shown only once."""
    with existing_database() as database:
        new = NewKey.model_validate({"name": name, "scopes": scope, "person": person, "expires_on": expires})
        _, secret = database.write_sync(lambda tx: create_key(tx, new, "command"))
        print_text(secret)


@keys.command()
def rotate(
    key_id: Annotated[UUID, typer.Argument(help="The id of the key, as `keys list` shows it.")],
    overlap: Annotated[
        str,
        typer.Option(help="How long the old key still works: a number of hours or days, such as 24h or 7d."),
    ] = "24h",
) -> None:
    """Create the successor of an API key and print it. It is shown only once."""
    with existing_database() as database:
        rotation = KeyRotation(overlap_hours=_hours(overlap))
        until = timedelta(hours=rotation.overlap_hours)
        _, secret = database.write_sync(lambda tx: rotate_key(tx, key_id, until, "command"))
        print_text(secret)


def _hours(duration: str) -> int:
    """Return the hours of a duration such as 24h or 7d. Fail if it is malformed."""
    found = re.fullmatch(r"([0-9]{1,4})([hd])", duration)
    if found is None:
        fail(f"--overlap {duration}: write a number of hours or days, such as 24h or 7d.")
    return int(found[1]) * (24 if found[2] == "d" else 1)


@keys.command("list")
def list_() -> None:
    """List all API keys, including revoked and expired ones."""
    with existing_database() as database:
        rows = table("id", "name", "person", "prefix", "scopes", "created", "expires", "revoked", "successor")
        for key in database.read_sync(lambda tx: keys_out(tx, list_keys(tx))):
            times = [_in_minutes(time) for time in (key.created_at, key.expires_at, key.revoked_at)]
            scopes, successor = " ".join(key.scopes), str(key.successor or "")
            rows.add_row(str(key.id), key.name, key.person or "", key.prefix, scopes, *times, successor)
        rows.columns[0].no_wrap = True
        out.print(rows)


def _in_minutes(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if time else ""


@keys.command()
def revoke(
    key_id: Annotated[UUID, typer.Argument(help="The id of the key, as `keys list` shows it.")],
) -> None:
    """Revoke an API key permanently. Running services reject it within two seconds."""
    with existing_database() as database:
        key = database.write_sync(lambda tx: revoke_key(tx, key_id))
        print_text(f"Revoked {key.name}.")
