"""`openapi`: print the API's description."""

import json
from typing import Annotated

import typer

from app.cli.console import reported_failures, say
from app.edge.openapi import Version, described
from app.main import create_app
from app.settings import Settings


def openapi(
    *,
    version: Annotated[Version, typer.Option(help="The version of OpenAPI.")] = "3.1",
) -> None:
    """Print the description of the API as OpenAPI, in JSON."""
    with reported_failures():
        document = described(create_app(Settings()), version)
    say(json.dumps(document, indent=2, ensure_ascii=False))
