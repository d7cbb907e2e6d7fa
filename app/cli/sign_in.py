"""`sign-in`: print a link that signs a browser in once."""

from typing import Annotated

import typer

from app.cli.console import existing_database, fail, print_text
from app.keys.service import create_sign_in_link
from app.settings import Settings

NO_ADMIN_KEY = "There is no valid admin key: run 'prospect-fit keys create NAME --scope admin'."


def sign_in(
    url: Annotated[
        str | None, typer.Option(help="The URL of the service. By default, that of the settings.")
    ] = None,
) -> None:
    """Print a link that signs a browser in once, within five minutes. It uses the oldest admin key."""
    settings = Settings()
    with existing_database() as database:
        secret = database.write_sync(create_sign_in_link)
    if secret is None:
        fail(NO_ADMIN_KEY)
    print_text(sign_in_url(url or settings.public_url or settings.local_url(settings.port), secret))


def sign_in_url(url: str, secret: str) -> str:
    """Return the address that signs a browser in."""
    return f"{url.rstrip('/')}/sign-in?link={secret}"
