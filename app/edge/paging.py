"""Keyset pagination. A page is `{items, next}`, where `next` is the absolute address of the next page."""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Request
from pydantic import Field, TypeAdapter
from pydantic_core import to_json

from app.edge.service import Service
from app.problems import invalid_field
from app.schemas import PLAIN_DIGITS, In, Out

T = TypeVar("T")
# A cursor can contain a name, in which each character takes up to four bytes.
MAX_CURSOR_LENGTH = 4000


class Limit(In):
    """The query parameter of a list without pages."""

    limit: Annotated[int, Field(ge=1, le=200, description="the maximum number of items"), PLAIN_DIGITS] = 50


class PageQuery(Limit):
    """The query parameters of a list with pages."""

    after: Annotated[
        str | None,
        Field(
            max_length=MAX_CURSOR_LENGTH,
            json_schema_extra={"minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"},
            description="the value of `after` in the URL in `next`",
        ),
    ] = None


class Page(Out, Generic[T]):
    """A page of a list."""

    items: list[T]
    next: Annotated[str | None, Field(description="the absolute URL of the next page; null on the last page")]


def position_after(cursor: str | None, position_type: TypeAdapter[T]) -> T | None:
    """Decode a cursor to a position in a list, or None without a cursor.

    Raises:
        Problem: INVALID_REQUEST if the cursor does not contain a position of this type.
    """
    if cursor is None:
        return None
    try:
        position = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        return position_type.validate_json(position, strict=True)
    except ValueError:
        raise invalid_field(
            "/after", "invalid", "send the value from the URL in 'next', or leave it out", "query"
        ) from None


def base_url(request: Request) -> str:
    """Return the URL at which callers reach the service, without a slash at the end."""
    service: Service = request.app.state.service
    # Behind a proxy, the URL of the request is not the one that the caller used.
    return service.settings.public_url or str(request.base_url).rstrip("/")


def next_page(request: Request, rows: Sequence[Any], limit: int, position: Sequence[Any]) -> str | None:
    """Return the address of the next page, or None if this is the last one.

    `rows` holds up to `limit` + 1 rows, so that it shows whether more follow. `position` is the position of
    the last row on this page.
    """
    if len(rows) <= limit:
        return None
    cursor = base64.urlsafe_b64encode(to_json(list(position))).decode().rstrip("=")
    return address_after(request, cursor)


def address_after(request: Request, cursor: str) -> str:
    """Return the absolute address of the same request with another cursor."""
    address = request.url.include_query_params(after=cursor)
    service: Service = request.app.state.service
    # Behind a proxy, the URL of the request is not the one that the caller used.
    public_url = service.settings.public_url
    return f"{public_url}{address.path}?{address.query}" if public_url else str(address)
