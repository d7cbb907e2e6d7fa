"""`openapi`: what the API looks like, as JSON."""

import json

from app.commands.console import say
from app.main import create_app
from app.settings import Settings


def openapi() -> None:
    """Print the OpenAPI 3.1 document."""
    say(json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False))
