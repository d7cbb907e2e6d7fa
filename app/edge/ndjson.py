"""Bodies of many lines, NDJSON: read and answered at the same time, a few lines in memory."""

from collections.abc import AsyncIterator

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.edge.bodies import media_type
from app.edge.stopping import is_stopping
from app.inbound.imports.records import Lines
from app.problems import UNSUPPORTED_MEDIA_TYPE, Problem, unavailable

NDJSON_MEDIA_TYPE = "application/x-ndjson"
NDJSON_MEDIA_TYPES = (NDJSON_MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/jsonlines")
# Who sends on without reading what is answered blocks both ends, for so long.
STUCK_SECONDS = 60
LINGER_SECONDS = 3
# So often a body that does not go on is left for a look whether the process is to stop.
LOOK_SECONDS = 0.25


class NdjsonResponse(StreamingResponse):
    """One JSON object a line."""

    media_type = NDJSON_MEDIA_TYPE


class StreamingNdjsonResponse(NdjsonResponse):
    """Lines that are made while the request's body still arrives.

    Starlette looks out for the caller's leaving by receiving what comes next: that is the body here.
    Who leaves is noticed by whoever reads it.
    """

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send every line as soon as the caller takes it; raises ClientDisconnect if they do not."""
        try:
            await self.stream_response(lambda message: _in_time(send, message))
        except TimeoutError:
            raise ClientDisconnect from None


async def _in_time(send: Send, message: Message) -> None:
    with anyio.fail_after(STUCK_SECONDS):
        await send(message)


class BodyReader:
    """The body of a request while it arrives. Whoever reads it raises ClientDisconnect if the caller left."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._more = True

    async def next(self) -> bytes | None:
        """What has come, or None at the end; raises UNAVAILABLE when the process is told to stop."""
        while self._more:
            if is_stopping(self._request):
                raise unavailable("The service stops.")
            with anyio.move_on_after(LOOK_SECONDS):
                return await self._receive()
        return None

    async def lines(self, most_bytes: int) -> AsyncIterator[list[bytes | None]]:
        """Its lines without their ends; None for one longer than `most_bytes`. Raises as `next` does."""
        lines = Lines(most_bytes)
        while (chunk := await self.next()) is not None:
            yield lines.feed(chunk)
        yield lines.rest()

    async def drain(self) -> None:
        """Before an early end: to close while they send would take from the caller what was not yet read."""
        with anyio.move_on_after(LINGER_SECONDS):
            while self._more:
                await self._receive()

    async def _receive(self) -> bytes:
        message = await self._request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._more = message.get("more_body", False)
        body: bytes = message.get("body", b"")
        return body


def require_media_type(request: Request, *others: str) -> str:
    """The media type of a body of lines, or of one of the others; raises UNSUPPORTED_MEDIA_TYPE."""
    declared = media_type(request)
    if declared not in NDJSON_MEDIA_TYPES + others:
        wanted = " or ".join((NDJSON_MEDIA_TYPE, *others))
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"The Content-Type of the body is not {wanted}.")
    return declared
