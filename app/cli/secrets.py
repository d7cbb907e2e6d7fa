"""`secrets rotate | forget`: change the encryption key, or continue after it was lost."""

from typing import Annotated

import typer

from app.cli.console import counted, existing_database, fail, print_text
from app.db import Transaction
from app.encryption.service import forget_secrets, open_cipher, rotate_key
from app.settings import Settings
from app.webhooks.service import disable_all

secrets = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    help="Rotate or replace the key that encrypts the stored secrets.",
)
KEY_LOST = (
    "The encryption key was lost: rotate the secret, send the record update with its token again, "
    "and set the status to active."
)


@secrets.command()
def rotate() -> None:
    """Encrypt all secrets with a new key.

    The service can keep running. With a key file, the command creates the key. With the setting, first put a
    new key before the old one, separated by a comma, and restart every process with both keys.
    """
    with existing_database() as database:
        cipher = open_cipher(Settings())
        count = rotate_key(database, cipher)
        print_text(f"Encrypted {counted(count, 'secret')} with the new key.")
        if cipher.file:
            print_text(f"The key is in {cipher.file}: back it up, apart from the database.")
        else:
            print_text("Remove the old key from PROSPECT_FIT_ENCRYPTION_KEY, and restart every process.")


@secrets.command()
def forget(
    *, yes: Annotated[bool, typer.Option("--yes", help="Confirm that the key is lost.")] = False
) -> None:
    """Replace the secrets whose key is lost with random ones, and disable all webhooks."""
    if not yes:
        fail("This replaces all stored secrets, permanently. If the key is lost, add --yes.")
    with existing_database() as database:
        cipher = open_cipher(Settings())

        def replace(tx: Transaction) -> tuple[int, int]:
            return forget_secrets(tx, cipher), disable_all(tx, KEY_LOST)

        secret_count, webhook_count = database.write_sync(replace)
        print_text(
            f"Replaced {counted(secret_count, 'secret')}, and disabled {counted(webhook_count, 'webhook')}. "
            "docs/operations.md lists what to enter again."
        )
