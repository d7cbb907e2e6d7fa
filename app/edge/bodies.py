"""Read the body of a request within limits of size and time, and its media type."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import Request

from app.problems import (
    BODY_TOO_LARGE,
    MALFORMED_BODY,
    REQUEST_TIMEOUT,
    UNSUPPORTED_MEDIA_TYPE,
    Problem,
    overloaded,
)

MAX_BODY_SECONDS = 60
# For all incomplete bodies of a process. One body can use at most half of it.
MAX_INCOMPLETE_BYTES = 32 * 1024 * 1024


# The attribute of a request's state that says whether its whole body has arrived. The protocol sets it.
BODY_ARRIVED = "body_arrived"


def has_arrived(request: Request) -> bool:
    """Return whether the whole body of a request has arrived, so that it can be read without waiting."""
    return getattr(request.state, BODY_ARRIVED, False)


class IncompleteBodies:
    """The bodies that a process is reading. If they need too much memory, it stops reading the oldest one."""

    def __init__(self, max_body_bytes: int) -> None:
        self._max_bytes = max(MAX_INCOMPLETE_BYTES, 2 * max_body_bytes)
        self._bytes = 0
        self._readings: OrderedDict[asyncio.Timeout, int] = OrderedDict()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Callable[[int], None]]:
        """Limit the time of the block, which reads one body and reports the size of each part.

        Raises:
            Problem: REQUEST_TIMEOUT if the body does not arrive in time, OVERLOADED if newer bodies need
                the memory.
        """
        timeout = asyncio.timeout(MAX_BODY_SECONDS)
        self._readings[timeout] = 0
        try:
            async with timeout:
                yield lambda size: self._add(timeout, size)
        except TimeoutError:
            if timeout not in self._readings:
                raise overloaded(
                    "Too many bodies are arriving, and this one has been arriving for longest."
                ) from None
            detail = f"The body did not arrive within {MAX_BODY_SECONDS} seconds."
            raise Problem(REQUEST_TIMEOUT, detail, headers={"Connection": "close"}) from None
        finally:
            self._bytes -= self._readings.pop(timeout, 0)

    def _add(self, timeout: asyncio.Timeout, size: int) -> None:
        if timeout in self._readings:
            self._readings[timeout] += size
            self._bytes += size
        while self._bytes > self._max_bytes:
            oldest, size_of_oldest = self._readings.popitem(last=False)
            self._bytes -= size_of_oldest
            oldest.reschedule(0)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """Read a body, which must not be empty.

    Raises:
        Problem: BODY_TOO_LARGE if it is larger than `max_bytes`, MALFORMED_BODY if it is empty, and what
            `require_plain` and `IncompleteBodies.reading` raise.
    """
    require_plain(request)
    content_length = request.headers.get("content-length", "0")
    if content_length.isdigit() and int(content_length) > max_bytes:
        raise _too_large(max_bytes)
    body = await (request.body() if has_arrived(request) else _read_parts(request, max_bytes))
    if len(body) > max_bytes:
        raise _too_large(max_bytes)
    if not body:
        raise Problem(MALFORMED_BODY, "The body is empty.")
    return body


async def _read_parts(request: Request, max_bytes: int) -> bytes:
    """Read a body while it arrives, until it is larger than `max_bytes`."""
    bodies: IncompleteBodies = request.app.state.service.bodies
    chunks, size = [], 0
    async with bodies.reading() as add_size:
        async for chunk in request.stream():
            size += len(chunk)
            chunks.append(chunk)
            if size > max_bytes:
                break
            add_size(len(chunk))
    return b"".join(chunks)


def require_plain(request: Request) -> None:
    """Check that a body is not compressed.

    Raises:
        Problem: UNSUPPORTED_MEDIA_TYPE.
    """
    if request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise Problem(
            UNSUPPORTED_MEDIA_TYPE,
            "The body has a Content-Encoding: send it as it is, without compression.",
            headers={"Accept-Encoding": "identity"},
        )


def media_type(request: Request) -> str:
    """Return the media type from the Content-Type header, lower-case and without parameters, or ""."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(name: str) -> bool:
    """Return whether a media type is a JSON type, such as application/json or application/ld+json."""
    return name == "application/json" or (name.startswith("application/") and name.endswith("+json"))


def _too_large(max_bytes: int) -> Problem:
    return Problem(BODY_TOO_LARGE, f"The body is larger than {max_bytes} bytes.")
