"""The body of a request, no longer than it may be, and what it says that it is."""

from fastapi import Request

from app.problems import BODY_TOO_LARGE, MALFORMED_BODY, Problem


async def read_body(request: Request, most_bytes: int) -> bytes:
    """The bytes of a body, at least one; raises BODY_TOO_LARGE or MALFORMED_BODY."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > most_bytes:
        raise _too_large(most_bytes)
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most_bytes:
            raise _too_large(most_bytes)
        chunks.append(chunk)
    body = b"".join(chunks)
    if not body:
        raise Problem(MALFORMED_BODY, "The body is empty.")
    return body


def media_type(request: Request) -> str:
    """What the Content-Type says, without its parameters; empty if there is none."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(declared: str) -> bool:
    """Whether a media type is one of JSON's."""
    return declared == "application/json" or (
        declared.startswith("application/") and declared.endswith("+json")
    )


def _too_large(most_bytes: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"The body is larger than {most_bytes} bytes.")
