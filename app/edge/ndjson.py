"""Streams of NDJSON: read the request and send the response at the same time, with few lines in memory."""

from collections.abc import AsyncIterator
from time import monotonic

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.edge.bodies import media_type
from app.edge.stopping import is_stopping
from app.inbound.imports.records import Lines
from app.problems import REQUEST_TIMEOUT, UNSUPPORTED_MEDIA_TYPE, Problem, unavailable

NDJSON_MEDIA_TYPE = "application/x-ndjson"
NDJSON_MEDIA_TYPES = (NDJSON_MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/jsonlines")
# A caller that sends without reading the response blocks both sides. The response ends after this time.
SEND_TIMEOUT_SECONDS = 60
MAX_DRAIN_SECONDS = 3
# How long a caller may send nothing while its body is not complete.
MAX_SILENT_SECONDS = 60
# How often to check whether the process is stopping, while no data arrives.
STOP_CHECK_SECONDS = 0.25


class NdjsonResponse(StreamingResponse):
    """A response with one JSON object in each line."""

    media_type = NDJSON_MEDIA_TYPE


class StreamingNdjsonResponse(NdjsonResponse):
    """A response whose lines are computed while the body of the request is still arriving.

    Starlette detects a disconnected caller by receiving messages, which here would consume the body. So this
    class leaves that to the code that reads the body.
    """

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send the lines. Raises ClientDisconnect if the caller does not read a line in time."""
        try:
            await self.stream_response(lambda message: _send_in_time(send, message))
        except TimeoutError:
            raise ClientDisconnect from None


async def _send_in_time(send: Send, message: Message) -> None:
    with anyio.fail_after(SEND_TIMEOUT_SECONDS):
        await send(message)


class BodyReader:
    """Reads the body of a request while it arrives. All methods raise ClientDisconnect if the caller left."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._more_body = True

    async def next(self) -> bytes | None:
        """Return the next chunk, or None at the end.

        Raises:
            Problem: UNAVAILABLE if the process is stopping, REQUEST_TIMEOUT if no chunk arrives in time.
        """
        arrives_by = monotonic() + MAX_SILENT_SECONDS
        while self._more_body:
            if is_stopping(self._request):
                raise unavailable("The service is stopping.")
            if monotonic() > arrives_by:
                raise Problem(REQUEST_TIMEOUT, f"Nothing arrived for {MAX_SILENT_SECONDS} seconds.")
            with anyio.move_on_after(STOP_CHECK_SECONDS):
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
        """Read and discard the rest of the body for a few seconds, before the response ends early.

        Closing the connection while the caller still sends would destroy the part of the response that the
        caller has not read yet.
        """
        with anyio.move_on_after(MAX_DRAIN_SECONDS):
            while self._more_body:
                await self._receive()

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._more_body = message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body


def require_media_type(request: Request, *others: str) -> str:
    """Return the media type of a body if it is NDJSON or one of `others`.

    Raises:
        Problem: UNSUPPORTED_MEDIA_TYPE.
    """
    media_type_ = media_type(request)
    if media_type_ not in NDJSON_MEDIA_TYPES + others:
        expected = " or ".join((NDJSON_MEDIA_TYPE, *others))
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"The Content-Type of the body is not {expected}.")
    return media_type_
