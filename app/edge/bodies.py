"""Read the body of a request up to a limit, and its media type."""

from fastapi import Request

from app.problems import BODY_TOO_LARGE, MALFORMED_BODY, Problem


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body, which must not be empty.

    Raises:
        Problem: BODY_TOO_LARGE if it is larger than `max_bytes`, MALFORMED_BODY if it is empty.
    """
    content_length = request.headers.get("content-length", "0")
    if content_length.isdigit() and int(content_length) > max_bytes:
        raise _too_large(max_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > max_bytes:
            raise _too_large(max_bytes)
        chunks.append(chunk)
    body = b"".join(chunks)
    if not body:
        raise Problem(MALFORMED_BODY, "The body is empty.")
    return body


def media_type(request: Request) -> str:
    """Return the media type from the Content-Type header, lower-case and without parameters, or ""."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(name: str) -> bool:
    """Return whether a media type is a JSON type, such as application/json or application/ld+json."""
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))


def _too_large(max_bytes: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"The body is larger than {max_bytes} bytes.")
