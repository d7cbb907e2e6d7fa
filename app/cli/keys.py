"""`keys create | list | revoke`: manage API keys."""

from typing import Annotated
from uuid import UUID

import typer

from app.cli.console import existing_database, out, print_text, table
from app.keys.queries import list_keys
from app.keys.schemas import SCOPES, NewKey, Scope
from app.keys.service import create_key, revoke_key

keys = typer.Typer(no_args_is_help=True, help="Create, list and revoke API keys.")
SCOPES_HELP = "; ".join(f"{scope}: {description}" for scope, description in SCOPES.items())


@keys.command()
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses the key.")],
    scope: Annotated[list[Scope], typer.Option(help=SCOPES_HELP)] = [  # noqa: B006
        Scope.SCORE,
        Scope.READ,
        Scope.WRITE,
    ],
) -> None:
    """Create an API key and print it. It is shown only once."""
    with existing_database() as database:
        new = NewKey(name=name, scopes=scope)
        _, secret = database.write_sync(lambda tx: create_key(tx, new.name, new.scopes, "command"))
        print_text(secret)


@keys.command("list")
def list_() -> None:
    """List all API keys, including revoked ones."""
    with existing_database() as database:
        rows = table("id", "name", "prefix", "scopes", "created", "revoked")
        for key in database.read_sync(list_keys):
            revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
            created = f"{key.created_at:%Y-%m-%d %H:%M}"
            rows.add_row(str(key.id), key.name, key.prefix, " ".join(key.scopes), created, revoked)
        rows.columns[0].no_wrap = True
        out.print(rows)


@keys.command()
def revoke(key_id: Annotated[UUID, typer.Argument(help="The id of the key, as in `keys list`.")]) -> None:
    """Revoke an API key permanently. Running services reject it within two seconds."""
    with existing_database() as database:
        key = database.write_sync(lambda tx: revoke_key(tx, key_id))
        print_text(f"Revoked {key.name}.")
