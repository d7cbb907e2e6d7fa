"""`keys create | list | revoke`."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.console import migrated_database, out, say, table
from app.keys.queries import list_keys
from app.keys.schemas import SCOPES, Scope
from app.keys.service import create_key, revoke_key

keys = typer.Typer(no_args_is_help=True, help="API keys: make, list and revoke them.")
SCOPES_HELP = "; ".join(f"{scope}: {what}" for scope, what in SCOPES.items())


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    scope: Annotated[list[Scope], typer.Option(help=SCOPES_HELP)] = [  # noqa: B006
        Scope.SCORE,
        Scope.READ,
        Scope.WRITE,
    ],
) -> None:
    """Make a key and print it: the only time that it is shown."""
    with migrated_database() as database:
        _, secret = database.write_sync(lambda tx: create_key(tx, name, scope, "command"))
        say(secret)


@keys.command("list")
def list_() -> None:
    """List the keys, revoked ones too."""
    with migrated_database() as database:
        rows = table("id", "name", "begins", "scopes", "made", "revoked")
        for key in database.read_sync(list_keys):
            revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
            made = f"{key.created_at:%Y-%m-%d %H:%M}"
            rows.add_row(str(key.id), key.name, key.prefix, " ".join(key.scopes), made, revoked)
        rows.columns[0].no_wrap = True
        out.print(rows)


@keys.command()
def revoke(key_id: Annotated[UUID, typer.Argument(help="From `keys list`.")]) -> None:
    """Revoke a key, for good; running services refuse it within two seconds."""
    with migrated_database() as database:
        key = database.write_sync(lambda tx: revoke_key(tx, key_id))
        say(f"Revoked {key.name}.")
