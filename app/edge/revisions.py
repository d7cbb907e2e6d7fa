"""Revisions in requests and responses: the headers If-Match and ETag."""

from typing import Annotated, Protocol, Self, TypeVar

from fastapi import Header, Response
from pydantic import Field

from app.edge.openapi import REQUIRED_PARAMETER
from app.problems import invalid_field
from app.scoring import form


class _HasRevision(Protocol):
    """A request body with an optional revision."""

    @property
    def revision(self) -> int | None: ...

    def model_copy(self, *, update: dict[str, int | None]) -> Self: ...


RequestBody = TypeVar("RequestBody", bound=_HasRevision)
QUOTED_REVISION = form(r'^(W/)?"[1-9][0-9]{0,8}"$', 'send the revision in quotes: "3"')
IfMatch = Annotated[
    str | None,
    Header(pattern=QUOTED_REVISION, description='the revision in quotes: "3"'),
]
# For an operation without a body, which refuses a request without this header (428).
RequiredIfMatch = Annotated[IfMatch, Field(json_schema_extra={REQUIRED_PARAMETER: True})]


def seen_revision(if_match: str | None, in_body: int | None = None) -> int | None:
    """Return the revision that the caller sent in the header or in the body, or None.

    Raises:
        Problem: INVALID_REQUEST if the two differ.
    """
    in_header = int(if_match.removeprefix("W/").strip('"')) if if_match else None
    if in_body and in_header and in_body != in_header:
        raise invalid_field(
            "/revision", "conflict", "the body and If-Match name different revisions: send only one"
        )
    return in_body or in_header


def with_revision(request: RequestBody, if_match: str | None) -> RequestBody:
    """Return the request with the revision that the caller sent, in the header or in the body."""
    return request.model_copy(update={"revision": seen_revision(if_match, request.revision)})


def set_etag(response: Response, revision: int) -> None:
    """Set the ETag of a response to a revision."""
    response.headers["ETag"] = f'"{revision}"'
