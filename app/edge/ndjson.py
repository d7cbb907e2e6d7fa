"""Streams of NDJSON: read the request and send the response at the same time, with few lines in memory."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from time import monotonic
from typing import Any

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from app.edge.bodies import media_type, require_plain
from app.edge.ending import is_revoked, require_running
from app.edge.streams import Stream
from app.files.formats import MEDIA_TYPES, Format
from app.problems import REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, Problem

NDJSON_MEDIA_TYPES = MEDIA_TYPES["ndjson"]
NDJSON_MEDIA_TYPE = NDJSON_MEDIA_TYPES[0]
MAX_DRAIN_SECONDS = 3
# If the key was revoked, the whole response has to end in a second.
MAX_DRAIN_SECONDS_REVOKED = 0.5
# How long a caller may send nothing while its body is not complete.
MAX_SILENT_SECONDS = 60
# How often to check whether the request has to end, while no data arrives.
END_CHECK_SECONDS = 0.25


def lines_body(description: str) -> dict[str, Any]:
    """Return the OpenAPI of a body of NDJSON. `description` says what each line is."""
    content = {NDJSON_MEDIA_TYPE: {"schema": {"type": "string", "description": description}}}
    return {"requestBody": {"required": True, "content": content}}


class Lines:
    """Splits chunks of bytes into lines, without their line ends.

    A line longer than `max_bytes` is None.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._partial_line, self._too_long = bytearray(), False

    def feed(self, chunk: bytes) -> list[bytes | None]:
        """Return the lines that end in this chunk."""
        first, *others = chunk.split(b"\n")
        if not others:
            self._add(first)
            return []
        *whole, rest = others
        lines = [self._line(first), *(line if len(line) <= self._max_bytes else None for line in whole)]
        self._add(rest)
        return lines

    def rest(self) -> list[bytes | None]:
        """Return what follows the last line end, at the end of the input: at most one line."""
        return [self._line(b"")] if self._partial_line or self._too_long else []

    def _line(self, end: bytes) -> bytes | None:
        self._add(end)
        line = None if self._too_long else bytes(self._partial_line)
        self._partial_line, self._too_long = bytearray(), False
        return line

    def _add(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._partial_line) + len(part) > self._max_bytes
        if self._too_long:
            self._partial_line.clear()
        else:
            self._partial_line += part


class BodyReader:
    """Reads the body of a request while it arrives. All methods raise ClientDisconnect if the caller left."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._more_body = True

    async def next(self) -> bytes | None:
        """Return the next chunk, or None at the end.

        Raises:
            Problem: what `require_running` raises, and REQUEST_TIMEOUT if no chunk arrives in time.
        """
        arrives_by = monotonic() + MAX_SILENT_SECONDS
        while self._more_body:
            require_running(self._request)
            if monotonic() > arrives_by:
                raise Problem(REQUEST_TIMEOUT, f"Nothing arrived for {MAX_SILENT_SECONDS} seconds.")
            with anyio.move_on_after(END_CHECK_SECONDS):
                return await self._receive()
        return None

    async def lines(self, max_bytes: int) -> AsyncIterator[list[bytes | None]]:
        """Yield lists of lines without their ends, with None for a line longer than `max_bytes`.

        Raises what `next` raises.
        """
        lines = Lines(max_bytes)
        while (chunk := await self.next()) is not None:
            yield lines.feed(chunk)
        yield lines.rest()

    async def drain(self) -> None:
        """Read and discard the rest of the body for a moment, before the response ends early.

        Closing the connection while the caller still sends would destroy the part of the response that the
        caller has not read yet.
        """
        seconds = MAX_DRAIN_SECONDS_REVOKED if is_revoked(self._request) else MAX_DRAIN_SECONDS
        with anyio.move_on_after(seconds):
            while self._more_body:
                await self._receive()

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._more_body = message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body


class NdjsonResponse(Stream):
    """A response with one JSON object in each line, computed while it is sent.

    If `lines` raises a problem, the process stops or the key of the caller is revoked, the response ends with
    `last_line(problem)`. `body` is the reader of the request's body if that is still arriving: Starlette
    detects a disconnected caller by receiving messages, which would consume the body, so the reader does it.
    `close` is called when the response ends, however it ends.
    """

    media_type = NDJSON_MEDIA_TYPE

    def __init__(
        self,
        request: Request,
        lines: AsyncGenerator[str | bytes, None],
        last_line: Callable[[Problem], str],
        body: BodyReader | None = None,
        close: Callable[[], None] | None = None,
        # FastAPI describes the response with this default.
        status_code: int = 200,
    ) -> None:
        super().__init__(_all_lines(request, lines, last_line, body), status_code)
        self._body = body
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines, and release what they need. Raises what `Stream` raises."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._close:
                self._close()

    async def send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the lines."""
        if self._body:
            await self.stream_response(send)
        else:
            await super().send_all(scope, receive, send)


async def _all_lines(
    request: Request,
    lines: AsyncGenerator[str | bytes, None],
    last_line: Callable[[Problem], str],
    body: BodyReader | None,
) -> AsyncIterator[str | bytes]:
    try:
        async with aclosing(lines):
            async for some in lines:
                yield some
                require_running(request)
                await anyio.lowlevel.checkpoint()
    except Problem as problem:
        yield last_line(problem)
        if body:
            await body.drain()


def require_format(request: Request, *formats: Format) -> Format:
    """Return the one of some formats that the media type of a body names. The body is not compressed.

    Raises:
        Problem: UNSUPPORTED_MEDIA_TYPE.
    """
    require_plain(request)
    sent = media_type(request)
    for format_ in formats:
        if sent in MEDIA_TYPES[format_]:
            return format_
    expected = " or ".join(MEDIA_TYPES[format_][0] for format_ in formats)
    raise Problem(UNSUPPORTED_MEDIA_TYPE, f"The Content-Type of the body is not {expected}.")
