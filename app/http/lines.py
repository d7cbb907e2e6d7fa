"""Bodies of many lines, NDJSON: read and answered at the same time, a few lines in memory."""

from collections.abc import AsyncIterator

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.http.bodies import media_type
from app.lines import Lines
from app.problems import UNSUPPORTED_MEDIA_TYPE, Problem

MEDIA_TYPE = "application/x-ndjson"
MEDIA_TYPES = (MEDIA_TYPE, "application/ndjson", "application/jsonl", "application/jsonlines")
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
    lines = Lines(most_bytes)
    async for chunk in request.stream():
        yield lines.feed(chunk)
    yield lines.rest()


def require_lines(request: Request, *others: str) -> str:
    """The media type of a body of lines, or of one of the others; raises UNSUPPORTED_MEDIA_TYPE."""
    declared = media_type(request)
    if declared not in MEDIA_TYPES + others:
        wanted = " or ".join((MEDIA_TYPE, *others))
        raise Problem(UNSUPPORTED_MEDIA_TYPE, f"The Content-Type of the body is not {wanted}.")
    return declared
