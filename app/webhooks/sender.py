"""Send one request to another system, only to the addresses that were checked."""

import re
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
from app.webhooks.outbox import AttemptResult
from app.webhooks.record_updates.message import OutgoingRequest
from app.webhooks.record_updates.schemas import TOKEN_PLACEHOLDER, ClientCredentials
from app.webhooks.targets import Address, BlockedTarget, Lookup, Targets

# Read from one connection at most: the head of a response, the beginning of its body, and some spare.
MAX_RESPONSE_BYTES = 40_000
READ_CHUNK_BYTES = 4_000
MAX_ADDRESSES = 4
# No more of a response body is read. It is enough for any token.
MAX_BODY_BYTES_READ = 20_000
BODY_READ_SECONDS = 1
MAX_ERROR_LENGTH = 300
MAX_CACHED_TOKENS = 100
# The lifetime of a token whose response has no expires_in. A new token is requested a little before the old
# one expires.
DEFAULT_TOKEN_SECONDS = 600
TOKEN_MARGIN_SECONDS = 30
# The threads that resolve hosts. A host whose lookup hangs holds a few of them until the time-out.
MAX_LOOKUP_THREADS = 500
HTTP_UNAUTHORISED = 401
DEFAULT_HEADERS = {"User-Agent": "Prospect-Fit", "Accept": "*/*", "Accept-Encoding": "identity"}
MASKED = "…"
# A shorter value of a header, such as *, is no secret, and occurs in any text.
MIN_MASKED_LENGTH = 8
CONNECTION_LOST = "the connection was closed"
# Where a message of the HTTP library begins to quote what the other system sent.
QUOTED_BYTES = re.compile(r"\W*\b(bytearray\()?b['\"].*", re.DOTALL)
CONNECTION_ERRORS = (httpcore.NetworkError, httpcore.ProtocolError)


class Connector(httpcore.AsyncNetworkBackend):
    """Connects to the first of the given addresses that accepts, and never resolves the host again.

    Args:
        seconds: the time-out for all addresses together.
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
        """Connect to one of the addresses.

        Raises:
            httpcore.ConnectError: if none of them accepts.
            httpcore.ConnectTimeout: if the last one does not answer in time.
        """
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
    """A stream that fails after MAX_RESPONSE_BYTES, and raises TLS errors as httpcore errors."""

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._bytes_left = MAX_RESPONSE_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        if not self._bytes_left:
            raise httpcore.RemoteProtocolError("the response is too long")
        try:
            read = await self._inner.read(min(max_bytes, READ_CHUNK_BYTES, self._bytes_left), timeout)
        except SSLError as error:  # httpcore converts TLS errors only during the handshake
            raise httpcore.ReadError(f"TLS: {error.reason}") from None
        self._bytes_left -= len(read)
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
            # Close it even on cancellation: nothing else has a reference to the stream yet.
            with anyio.CancelScope(shield=True):
                await self._inner.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class TokenResponse(BaseModel):
    """The response of a token endpoint (RFC 6749, 5.1)."""

    access_token: str = Field(max_length=8000, pattern=VISIBLE)
    expires_in: float = DEFAULT_TOKEN_SECONDS


class NoTokenError(Exception):
    """The token endpoint returned no bearer token. The message gives the reason."""


class Sender:
    """Sends requests. It follows no redirects, and reuses no connection: two hosts at one address share none.

    Args:
        networks: the networks that the operator allows, as for `Targets`.
        timeout: seconds for the whole attempt: lookup, connection, token and the beginning of the response.
        lookup: resolves a host; by default with `getaddrinfo` in threads of its own.
    """

    def __init__(self, networks: str, timeout: float, lookup: Lookup | None = None) -> None:
        self.targets = Targets(networks, lookup or _threaded_lookup(CapacityLimiter(MAX_LOOKUP_THREADS)))
        self.timeout = timeout
        self._ssl_context = httpx.create_ssl_context()
        self._tokens: TTLCache[tuple[str, ...], tuple[str, float]] = TTLCache(
            MAX_CACHED_TOKENS, ttl=24 * 3600
        )

    async def send(self, outgoing: OutgoingRequest) -> AttemptResult:
        """Make one attempt and return its result. It never raises for a failure of the other system.

        If the response is 401, a token from the cache is replaced and the request is sent once more.
        """
        started = monotonic()
        try:
            with anyio.fail_after(self.timeout) as limit:
                result = await self._try(outgoing, limit)
                if result.status == HTTP_UNAUTHORISED and self._forget_token(outgoing):
                    result = await self._try(outgoing, limit)
        except (BlockedTarget, NoTokenError) as error:
            result = AttemptResult(error=str(error)[:MAX_ERROR_LENGTH])
        except (TimeoutError, httpcore.TimeoutException):
            result = AttemptResult(error=f"no response within {self.timeout:g} seconds")
        except (*CONNECTION_ERRORS, ValueError) as error:
            reason = QUOTED_BYTES.sub("", str(error).replace("\0", "")) or CONNECTION_LOST
            error_text = f"{type(error).__name__}: {reason}"
            result = AttemptResult(error=error_text[:MAX_ERROR_LENGTH])
        milliseconds = round(1000 * (monotonic() - started))
        written = outgoing.written if result.succeeded else None
        return replace(result, milliseconds=milliseconds, written=written)

    async def _try(self, outgoing: OutgoingRequest, limit: CancelScope) -> AttemptResult:
        token = outgoing.token
        if outgoing.client_credentials:
            token = await self._token(outgoing.client_credentials)
        headers = {**outgoing.headers, **outgoing.secret_headers}
        if token:
            name, _, value = outgoing.token_header.partition(": ")
            headers[name] = value.replace(TOKEN_PLACEHOLDER, token)
        async with self._open_request(
            outgoing.method, outgoing.url, outgoing.body, headers, carries_credentials=token is not None
        ) as response:
            # The status is known by now. Extend the deadline, so that reading the body cannot lose it.
            limit.deadline = max(limit.deadline, anyio.current_time() + 2 * BODY_READ_SECONDS)
            body_start = await _read_beginning(response, BODY_READ_SECONDS)
            # A receiver that repeats its request must not bring the secrets into the log.
            secrets = [value for value in outgoing.secret_headers.values() if len(value) >= MIN_MASKED_LENGTH]
            for secret in [*secrets, token] if token else secrets:
                body_start = body_start.replace(secret, MASKED)
            return AttemptResult(response.status, None, body_start, _header_value(response, b"retry-after"))

    @asynccontextmanager
    async def _open_request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, carries_credentials: bool
    ) -> AsyncIterator[httpcore.Response]:
        target = await self.targets.find(url, carries_credentials=carries_credentials)
        parsed = target.url
        request_url = httpcore.URL(
            scheme=parsed.scheme.encode(), host=parsed.host.encode(), port=parsed.port, target=parsed.path
        )
        all_headers = {**DEFAULT_HEADERS, **headers, "Host": parsed.host_header}
        # Names in any case are one header. The last value counts.
        by_name = {name.lower(): (name, value) for name, value in all_headers.items()}
        async with (
            httpcore.AsyncHTTPConnection(
                request_url.origin,
                self._ssl_context,
                network_backend=Connector(target.addresses, self.timeout),
            ) as connection,
            connection.stream(method, request_url, headers=[*by_name.values()], content=body) as response,
        ):
            yield response

    async def _token(self, credentials: ClientCredentials) -> str:
        cached = self._tokens.get(_cache_key(credentials))
        if cached and monotonic() < cached[1]:
            return cached[0]
        form = {
            "grant_type": "refresh_token" if credentials.refresh_token else "client_credentials",
            **credentials.model_dump(exclude={"token_url"}, exclude_none=True),
        }
        body = str(httpx.QueryParams(form)).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        async with self._open_request(
            "POST", credentials.token_url, body, headers, carries_credentials=True
        ) as response:
            text = await _read_beginning(response)
        try:
            parsed = TokenResponse.model_validate_json(text)
        except ValidationError:
            raise NoTokenError(
                f"the token endpoint responded with {response.status} and without a token"
            ) from None
        expires_at = monotonic() + max(0, parsed.expires_in - TOKEN_MARGIN_SECONDS)
        self._tokens[_cache_key(credentials)] = parsed.access_token, expires_at
        return parsed.access_token

    def _forget_token(self, outgoing: OutgoingRequest) -> bool:
        """Remove the cached token of a request; return whether there was one, so that a retry makes sense."""
        credentials = outgoing.client_credentials
        return credentials is not None and self._tokens.pop(_cache_key(credentials), None) is not None


def _cache_key(credentials: ClientCredentials) -> tuple[str, ...]:
    return tuple(str(value) for value in dict(credentials).values())


def _header_value(response: httpcore.Response, header_name: bytes) -> str | None:
    return next(
        (value.decode("latin-1") for name, value in response.headers if name.lower() == header_name), None
    )


async def _read_beginning(response: httpcore.Response, seconds: float | None = None) -> str:
    """Return the beginning of a body: what arrives within `seconds`, and before the connection fails."""
    content = b""
    with anyio.move_on_after(seconds), suppress(*CONNECTION_ERRORS):
        async for chunk in response.aiter_stream():
            content += chunk
            if len(content) > MAX_BODY_BYTES_READ:
                break
    return content[:MAX_BODY_BYTES_READ].decode("utf-8", "replace").replace("\0", "")


def _threaded_lookup(limiter: CapacityLimiter) -> Lookup:
    """Return a lookup that uses threads of its own, so that a host that hangs does not block other work."""

    async def lookup(host: str, port: int) -> Sequence[Any]:
        find = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        return await to_thread.run_sync(find, limiter=limiter, abandon_on_cancel=True)

    return lookup
