"""`openapi`: the reference, for machines and for people."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.commands.console import failures_told, is_fresh, say
from app.main import create_app
from app.openapi import Version, described
from app.reference.events import events_page
from app.reference.markdown import reference
from app.settings import Settings


def openapi(
    *,
    version: Annotated[Version, typer.Option(help="The version of OpenAPI to tell it in.")] = "3.1",
    markdown: Annotated[bool, typer.Option("--markdown", help="Print openapi.md instead.")] = False,
    events: Annotated[bool, typer.Option("--events", help="Print docs/events.md instead.")] = False,
    check: Annotated[
        Path | None, typer.Option(help="Print nothing; exit with 1 unless this file is up to date.")
    ] = None,
) -> None:
    """Print the OpenAPI document, or the reference with an example of every operation."""
    with failures_told():
        text = events_page() if events else reference() if markdown else _document(version)
        if check is None:
            say(text.rstrip())
        else:
            is_fresh(check, text)


def _document(version: Version) -> str:
    document = described(create_app(Settings()), version)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
