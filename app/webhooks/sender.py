"""Send one request to another system, only to the addresses that were checked."""

import socket
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from ssl import SSLContext, SSLError
from time import monotonic
from typing import Any

import anyio
import httpcore
import httpx
from anyio import CancelScope, CapacityLimiter, to_thread
from cachetools import TTLCache
from pydantic import BaseModel, Field, ValidationError

from app.schemas import VISIBLE
from app.webhooks.message import OutgoingRequest
from app.webhooks.outbox import AttemptResult
from app.webhooks.schemas import ClientCredentials
from app.webhooks.targets import Address, BlockedTarget, Lookup, Targets

# Of an answer: its head, and the beginning that is kept of it, with as much to spare.
MAX_RESPONSE_BYTES = 40_000
READ_CHUNK_BYTES = 4_000
MAX_ADDRESSES = 4
# Of an answer no more is read: room for any token.
ANSWER_BYTES = 20_000
ANSWER_SECONDS = 1
LONGEST_ERROR = 300
MAX_TOKENS = 100
# A token that says nothing of its age is asked for again after so long, and any a little before its end.
TOKEN_SECONDS = 600
SPARE_SECONDS = 30
# One name that hangs holds a few of these at most, until the time is over.
MAX_LOOKUPS = 500
UNAUTHORISED = 401
DEFAULT_HEADERS = {"User-Agent": "Prospect-Fit", "Accept": "*/*", "Accept-Encoding": "identity"}
BROKEN_OFF = "the connection was broken off"
FAILURES = (httpcore.NetworkError, httpcore.ProtocolError)


class Connector(httpcore.AsyncNetworkBackend):
    """Connects to the first of some addresses that lets it, and to no other, whatever the host is called.

    `seconds` are for all of them together.
    """

    def __init__(self, addresses: Sequence[Address], seconds: float) -> None:
        self._addresses = addresses[:MAX_ADDRESSES]
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
                return _BoundedStream(await connect(address))
        return _BoundedStream(await connect(last))


class _BoundedStream(httpcore.AsyncNetworkStream):
    """A stream that fails where it should have ended long ago."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._left = MAX_RESPONSE_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if not self._left:
            raise httpcore.RemoteProtocolError("the answer does not end")
        try:
            read = await self._inner.read(min(max_bytes, READ_CHUNK_BYTES, self._left), timeout)
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
            return _BoundedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))
        except BaseException:
            # Also where the time for all of it is over: nobody else knows of the stream by then.
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class TokenAnswer(BaseModel):
    """What a token endpoint answers (RFC 6749, 5.1)."""

    access_token: str = Field(max_length=8000, pattern=VISIBLE)
    expires_in: float = TOKEN_SECONDS


class NoTokenError(Exception):
    """No bearer token was to be had; the message says why."""


class Sender:
    """Sends, follows no redirect, and keeps no connection: two hosts at one address share none.

    `timeout` is in seconds, for all of it: look-up, connecting, token, and the beginning of the answer.
    """

    def __init__(self, networks: str, timeout: float, look_up: Lookup | None = None) -> None:
        self.targets = Targets(networks, look_up or _threaded_lookup(CapacityLimiter(MAX_LOOKUPS)))
        self.timeout = timeout
        self._ssl_context = httpx.create_ssl_context()
        self._tokens: TTLCache[tuple[str, ...], tuple[str, float]] = TTLCache(MAX_TOKENS, ttl=24 * 3600)

    async def send(self, outgoing: OutgoingRequest) -> AttemptResult:
        """Make the request, with a new bearer token once if the first is refused; what fails is told."""
        started = monotonic()
        try:
            with anyio.fail_after(self.timeout) as limit:
                result = await self._try(outgoing, limit)
                if result.status == UNAUTHORISED and self._forget_token(outgoing):
                    result = await self._try(outgoing, limit)
        except (BlockedTarget, NoTokenError) as error:
            result = AttemptResult(error=str(error)[:LONGEST_ERROR])
        except (TimeoutError, httpcore.TimeoutException):
            result = AttemptResult(error=f"no answer within {self.timeout:g} seconds")
        except (*FAILURES, ValueError) as error:
            told = f"{type(error).__name__}: {str(error) or BROKEN_OFF}".replace("\0", "")
            result = AttemptResult(error=told[:LONGEST_ERROR])
        taken = round(1000 * (monotonic() - started))
        return replace(result, milliseconds=taken)

    async def _try(self, outgoing: OutgoingRequest, limit: CancelScope) -> AttemptResult:
        token = outgoing.token
        if outgoing.client_credentials:
            token = await self._token(outgoing.client_credentials)
        headers = dict(outgoing.headers) | ({"Authorization": f"Bearer {token}"} if token else {})
        async with self._asked(outgoing.method, outgoing.url, outgoing.body, headers) as response:
            # The status is told: it is not lost where there is no time for the rest.
            limit.deadline = max(limit.deadline, anyio.current_time() + 2 * ANSWER_SECONDS)
            answer = await _read_beginning(response, ANSWER_SECONDS)
            return AttemptResult(response.status, None, answer, _header(response, b"retry-after"))

    @asynccontextmanager
    async def _asked(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str]
    ) -> AsyncIterator[httpcore.Response]:
        target = await self.targets.find(url)
        headers = {**DEFAULT_HEADERS, **headers, "Host": target.host_header}
        async with (
            httpcore.AsyncHTTPConnection(
                target.to_ask.origin,
                self._ssl_context,
                network_backend=Connector(target.addresses, self.timeout),
            ) as connection,
            connection.stream(method, target.to_ask, headers=[*headers.items()], content=body) as response,
        ):
            yield response

    async def _token(self, asked: ClientCredentials) -> str:
        known = self._tokens.get(_key(asked))
        if known and monotonic() < known[1]:
            return known[0]
        form = {
            "grant_type": "client_credentials",
            **asked.model_dump(exclude={"token_url"}, exclude_none=True),
        }
        body = str(httpx.QueryParams(form)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        async with self._asked("POST", asked.token_url, body, headers) as response:
            said = await _read_beginning(response)
        try:
            answer = TokenAnswer.model_validate_json(said)
        except ValidationError:
            raise NoTokenError(f"the token endpoint answered {response.status}, and no token") from None
        until = monotonic() + max(0, answer.expires_in - SPARE_SECONDS)
        self._tokens[_key(asked)] = answer.access_token, until
        return answer.access_token

    def _forget_token(self, outgoing: OutgoingRequest) -> bool:
        """Whether there is any use in another attempt."""
        asked = outgoing.client_credentials
        return asked is not None and self._tokens.pop(_key(asked), None) is not None


def _key(asked: ClientCredentials) -> tuple[str, ...]:
    return asked.token_url, asked.client_id, asked.client_secret, asked.scope or ""


def _header(response: httpcore.Response, wanted: bytes) -> str | None:
    return next((value.decode("latin-1") for name, value in response.headers if name.lower() == wanted), None)


async def _read_beginning(response: httpcore.Response, seconds: float | None = None) -> str:
    """What there is of an answer within some seconds; however it ends, its status has been told."""
    read = b""
    with anyio.move_on_after(seconds), suppress(*FAILURES):
        async for chunk in response.aiter_stream():
            read += chunk
            if len(read) > ANSWER_BYTES:
                break
    return read[:ANSWER_BYTES].decode("utf-8", "replace").replace("\0", "")


def _threaded_lookup(limiter: CapacityLimiter) -> Lookup:
    """In threads of its own: a name that nobody answers for does not keep others waiting."""

    async def look_up(host: str, port: int) -> Sequence[Any]:
        find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return await to_thread.run_sync(find, limiter=limiter, abandon_on_cancel=True)

    return look_up
