"""`openapi`: the reference, for machines and for people."""

import json
from pathlib import Path
from typing import Annotated

import typer

from app.commands.console import failures_told, is_fresh, say
from app.main import create_app
from app.reference.markdown import reference
from app.settings import Settings


def openapi(
    *,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print openapi.md instead.")] = False,
    check: Annotated[
        Path | None, typer.Option(help="Print nothing; exit with 1 unless this file is up to date.")
    ] = None,
) -> None:
    """Print the OpenAPI 3.1 document, or the reference with an example of every operation."""
    with failures_told():
        text = reference() if markdown else _document()
        if check is None:
            say(text.rstrip())
        else:
            is_fresh(check, text)


def _document() -> str:
    document = create_app(Settings()).openapi()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
