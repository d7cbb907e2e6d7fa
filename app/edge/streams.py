"""Responses that are computed while they are sent."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import anyio
from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from app.edge.ending import break_off, require_running
from app.problems import Problem

# A caller that sends without reading the response blocks both sides. The response ends after this time.
SEND_TIMEOUT_SECONDS = 60


class Stream(StreamingResponse):
    """A response that ends if the caller does not read it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. Raises ClientDisconnect if the caller does not read a part in time."""

        async def send_in_time(message: Message) -> None:
            with anyio.fail_after(SEND_TIMEOUT_SECONDS):
                await send(message)

        try:
            await self.send_all(scope, receive, send_in_time)
        except TimeoutError:
            raise ClientDisconnect from None

    async def send_all(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response, without a limit of time."""
        await super().__call__(scope, receive, send)


class FileStream(Stream):
    """A file that is written while it is sent.

    If `chunks` raises a problem, the process stops or the key of the caller is revoked, the connection is
    closed before the response is complete: no last line could say so in every format.
    """

    media_type = "text/csv"

    def __init__(
        self,
        request: Request,
        chunks: AsyncGenerator[bytes, None],
        *,
        name: str,
        media_type: str,
        # FastAPI describes the response with this default.
        status_code: int = 200,
    ) -> None:
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        super().__init__(_all_chunks(request, chunks), status_code, headers, media_type)


async def _all_chunks(request: Request, chunks: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                if chunk:
                    yield chunk
                require_running(request)
                await anyio.lowlevel.checkpoint()
    except Problem:
        await break_off(request)
