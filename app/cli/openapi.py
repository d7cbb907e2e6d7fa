"""`openapi`: print the description of the API."""

import json
from typing import Annotated

import typer

from app.cli.console import print_text, reported_failures
from app.edge.openapi import Version, described
from app.main import create_app
from app.settings import Settings


def openapi(
    *,
    version: Annotated[Version, typer.Option(help="The OpenAPI version.")] = "3.1",
) -> None:
    """Print the OpenAPI description of the API as JSON."""
    with reported_failures():
        document = described(create_app(Settings()), version)
    print_text(json.dumps(document, indent=2, ensure_ascii=False))
