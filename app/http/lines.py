"""Bodies of many lines, NDJSON: read and answered at the same time, a few lines in memory."""

from collections.abc import AsyncIterator

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

MEDIA_TYPE = "application/x-ndjson"
# Who sends on without reading what is answered blocks both ends, for so long.
STUCK_SECONDS = 60


class NdjsonResponse(StreamingResponse):
    """One JSON object a line."""

    media_type = MEDIA_TYPE


class DialogueResponse(NdjsonResponse):
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


async def lines_of(request: Request, most_bytes: int) -> AsyncIterator[list[bytes | None]]:
    """The lines of a body as they arrive, without their ends; None for one longer than `most_bytes`.

    Raises ClientDisconnect when the caller leaves.
    """
    begun, too_long = bytearray(), False
    async for chunk in request.stream():
        *ends, rest = chunk.split(b"\n")
        lines: list[bytes | None] = []
        for end in ends:
            too_long = too_long or len(begun) + len(end) > most_bytes
            lines.append(None if too_long else bytes(begun + end))
            begun, too_long = bytearray(), False
        too_long = too_long or len(begun) + len(rest) > most_bytes
        begun = bytearray() if too_long else begun + rest
        yield lines
    if begun or too_long:
        yield [None if too_long else bytes(begun)]
