"""Ready-made record updates, to be sent to POST /v1/webhooks with what is the caller's own filled in."""

from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from app.wire import Out

FILES = Path(__file__).parent / "ready_made"


class WebhookTemplate(Out):
    """A record update to begin with."""

    name: Annotated[str, Field(examples=["hubspot-company"])]
    title: str
    prepare: Annotated[
        list[str], Field(description="what has to be there in the other system, and what to fill in")
    ]
    webhook: Annotated[dict[str, Any], Field(description="the body for POST /v1/webhooks")]


class WebhookTemplateList(Out):
    items: list[WebhookTemplate]


@cache
def templates() -> WebhookTemplateList:
    """All of them, by name."""
    read = TypeAdapter(WebhookTemplate).validate_json
    return WebhookTemplateList(items=[read(file.read_text("utf-8")) for file in sorted(FILES.glob("*.json"))])
