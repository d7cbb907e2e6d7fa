"""Which revision of a thing the caller saw: If-Match on the way in, ETag on the way out."""

from typing import Annotated, Protocol, Self, TypeVar

from fastapi import Header, Response

from app.problems import invalid_field
from app.scoring import form


class _Based(Protocol):
    """A request body that may name a revision."""

    @property
    def revision(self) -> int | None: ...

    def model_copy(self, *, update: dict[str, int | None]) -> Self: ...


R = TypeVar("R", bound=_Based)
IN_QUOTES = form(r'^(W/)?"[1-9][0-9]{0,8}"$', 'send the revision in quotes: "3"')
IfMatch = Annotated[
    str | None,
    Header(pattern=IN_QUOTES, description='the revision in quotes: "3"'),
]


def seen_revision(if_match: str | None, in_body: int | None = None) -> int | None:
    """The revision that the header or the body names; raises INVALID_REQUEST if they differ."""
    in_header = int(if_match.removeprefix("W/").strip('"')) if if_match else None
    if in_body and in_header and in_body != in_header:
        raise invalid_field("/revision", "conflict", "the body and If-Match name two revisions")
    return in_body or in_header


def with_revision(request: R, if_match: str | None) -> R:
    """A request with the revision that it is based on, wherever that was sent."""
    return request.model_copy(update={"revision": seen_revision(if_match, request.revision)})


def set_etag(response: Response, revision: int) -> None:
    """Tell the revision as the ETag."""
    response.headers["ETag"] = f'"{revision}"'
