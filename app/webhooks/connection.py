"""A connection to the addresses that were looked at, of which no more is read than there can be to read.

The library reads interim answers (1xx) without end, and many of them take far longer to read than to send.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from ssl import SSLContext, SSLError
from typing import Any

import anyio
import httpcore

from app.webhooks.targets import Address

# Of an answer: its head, and the beginning that is kept of it, with as much to spare.
MOST_BYTES = 40_000
BYTES_AT_ONCE = 4_000
MOST_ADDRESSES = 4


class Connector(httpcore.AsyncNetworkBackend):
    """Connects to the first of some addresses that lets it, and to no other, whatever the host is called.

    `seconds` are for all of them together.
    """

    def __init__(self, addresses: Sequence[Address], seconds: float) -> None:
        self._addresses = addresses[:MOST_ADDRESSES]
        self._seconds = seconds
        self._inner = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore's own
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; raises httpcore.ConnectError or ConnectTimeout."""
        del host, timeout
        *others, last = (str(address) for address in self._addresses)
        seconds = self._seconds / len(self._addresses)
        connect = partial(
            self._inner.connect_tcp,
            port=port,
            timeout=seconds,
            local_address=local_address,
            socket_options=socket_options,
        )
        for address in others:
            with suppress(httpcore.ConnectError, httpcore.ConnectTimeout):
                return _Bounded(await connect(address))
        return _Bounded(await connect(last))


class _Bounded(httpcore.AsyncNetworkStream):
    """A stream that fails where it should have ended long ago."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._left = MOST_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if not self._left:
            raise httpcore.RemoteProtocolError("the answer does not end")
        try:
            read = await self._inner.read(min(max_bytes, BYTES_AT_ONCE, self._left), timeout)
        except SSLError as error:  # after the handshake httpcore does not know it
            raise httpcore.ReadError(f"TLS: {error.reason}") from None
        self._left -= len(read)
        return read

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await self._inner.write(buffer, timeout)
        except SSLError as error:
            raise httpcore.WriteError(f"TLS: {error.reason}") from None

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        try:
            return _Bounded(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            # Also where the time for all of it is over: nobody else knows of the stream by then.
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
