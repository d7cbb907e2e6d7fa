"""Keyset pages: `{items, next}`, with `next` an absolute address in the body."""

import base64
import json
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Request
from pydantic import Field, TypeAdapter

from app.edge.service import Service
from app.problems import invalid_field
from app.schemas import In, Out

T = TypeVar("T")


class Limit(In):
    """How much of a list."""

    limit: Annotated[int, Field(ge=1, le=200, description="at most this many items")] = 50


class PageQuery(Limit):
    """Which page of a list."""

    after: Annotated[str | None, Field(max_length=500, description="from the address in `next`")] = None


class Page(Out, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: Annotated[str | None, Field(description="the next page's absolute address; null on the last")]


def position_after(cursor: str | None, shape: TypeAdapter[T]) -> T | None:
    """The position in a cursor, of the shape that the list's positions have; raises INVALID_REQUEST."""
    if cursor is None:
        return None
    try:
        position = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        return shape.validate_json(position, strict=True)
    except ValueError:
        raise invalid_field(
            "/after", "invalid", "send the value from the address in 'next', or nothing", "query"
        ) from None


def base_url(request: Request) -> str:
    """Where callers reach the service, without a slash at the end."""
    service: Service = request.app.state.service
    # Behind a proxy the request does not know where the caller sent it.
    return service.settings.public_url or str(request.base_url).rstrip("/")


def next_page(request: Request, found: Sequence[Any], limit: int, position: Sequence[Any]) -> str | None:
    """The address of the page after `position`, the last of `found`; None if there is none.

    `found` was read with one item more than the page shows.
    """
    if len(found) <= limit:
        return None
    cursor = base64.urlsafe_b64encode(json.dumps(list(position)).encode()).decode().rstrip("=")
    return address_after(request, cursor)


def address_after(request: Request, cursor: str | int) -> str:
    """The absolute address of the same request, but for what comes after a cursor."""
    address = request.url.include_query_params(after=cursor)
    service: Service = request.app.state.service
    # Behind a proxy the request does not know where the caller sent it.
    public = service.settings.public_url
    return f"{public}{address.path}?{address.query}" if public else str(address)
