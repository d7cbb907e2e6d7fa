"""The HTTP protocol of the server: limit what a connection may hold, and refuse bad data with a problem."""

import logging
import math
import socket
import struct
from asyncio import BufferedProtocol, Transport
from http import HTTPStatus
from typing import Any

import httptools
from starlette.requests import Request
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.clock import new_id
from app.edge.bodies import BODY_ARRIVED
from app.edge.connections import CONNECTIONS, Connections
from app.edge.ending import ABORT, STOPPING
from app.edge.problem_responses import problem_response
from app.edge.security_headers import with_security_headers
from app.problems import HEAD_TOO_LARGE, MALFORMED_REQUEST, REQUEST_TIMEOUT, Problem, overloaded

log = logging.getLogger("app.requests")
MAX_HEAD_BYTES = 64 * 1024
# From the first byte of a head to its end, and from the start of a connection to the first byte.
MAX_HEAD_SECONDS = 10
# How long the rest of a body may take to arrive after the response was sent.
MAX_REST_SECONDS = 5
# How long a caller can leave a response unread that is too large for the buffers.
MAX_UNREAD_SECONDS = 30
# How long a stopping process waits for callers that do not send or read.
MAX_STOPPING_WAIT_SECONDS = 4
# Data is parsed in pieces that end with a head, but have at least this size. A piece contains few requests.
MIN_PIECE_BYTES = 64


class _HoldingFlow(FlowControl):
    """Does not read while data is held back, even if the running request wants to receive something."""

    _holding = False

    def hold(self, holding: bool) -> None:  # noqa: FBT001
        self._holding = holding
        if holding:
            self.pause_reading()

    def resume_reading(self) -> None:
        if not self._holding:
            super().resume_reading()


class _SmallReads(BufferedProtocol):
    """Reads little at once for a protocol, which uvloop otherwise gives up to 256 KB.

    It is an object of its own because uvloop uses `get_buffer` only of what is no `asyncio.Protocol`. All
    connections of an event loop share one `buffer`, because the data is copied before the next one reads.
    """

    def __init__(self, http: HttpToolsProtocol, buffer: memoryview) -> None:
        self._buffer = buffer
        self.connection_lost = http.connection_lost  # type: ignore[method-assign]
        self.pause_writing = http.pause_writing  # type: ignore[method-assign]
        self.resume_writing = http.resume_writing  # type: ignore[method-assign]
        self._receive = http.data_received

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read into."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Receive what was read."""
        self._receive(bytes(self._buffer[:nbytes]))


class BoundedHttp(HttpToolsProtocol):
    """Uvicorn's protocol, but every wait for the caller and everything that is buffered has a limit.

    A connection that has a request running has no limit of its own, unless the caller does not read.
    `read_body` and `BodyReader` limit the time of a body.
    """

    flow: _HoldingFlow

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._connections: Connections = self.app_state[CONNECTIONS]
        # The request whose response is being computed or sent. Uvicorn's `cycle` is the newest one.
        self._running: RequestResponseCycle | None = None
        # Whether the head of a request has arrived, but not all of its body.
        self._in_body = False
        # Bytes received since the last byte of a body or the end of a request: a head, or padding before it.
        self._unfinished = 0
        # Received, but not parsed yet, because another request is running.
        self._held = b""
        # When to close the connection, unless the caller sends or reads before.
        self._send_by = self._read_by = math.inf
        self._stop_by = math.inf

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Accept a connection, or refuse it if there are too many."""
        super().connection_made(transport)
        transport.set_protocol(_SmallReads(self, self._connections.read_buffer))
        self.flow = _HoldingFlow(transport)
        self._send_by = self.loop.time() + MAX_HEAD_SECONDS
        if not self._connections.add(self):
            self._refuse(overloaded("Requests are running on all connections that the service allows."))

    def connection_lost(self, exc: Exception | None) -> None:
        """Notify the running request that its caller is gone. Uvicorn notifies only the newest request."""
        self._connections.remove(self)
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        self.pipeline.clear()
        self._held = b""
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data, but hold back the requests that follow a running one."""
        self._held += data
        self._parse()

    def _parse(self) -> None:
        data, start = memoryview(self._held), 0
        while start < len(data) and not self._must_hold() and not self.transport.is_closing():
            end = self._held.find(b"\r\n\r\n", start + MIN_PIECE_BYTES) + 4
            end = end if end > start else len(data)
            self._parse_piece(data[start:end])
            start = end
        self._held = bytes(data[start:])
        self.flow.hold(bool(self._held))

    def _must_hold(self) -> bool:
        return bool(self.pipeline) or (self._running is not None and not self._in_body)

    def _parse_piece(self, data: memoryview) -> None:
        if self._unfinished == 0 and self._running is None and not self._in_body:
            self._send_by = self.loop.time() + MAX_HEAD_SECONDS
        self._unfinished += len(data)
        self._feed(data)
        if self._unfinished > MAX_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(Problem(HEAD_TOO_LARGE, f"Together, they are larger than {MAX_HEAD_BYTES} bytes."))

    def _feed(self, data: bytes | memoryview) -> None:
        """Parse data as HTTP, also if a request asks for another protocol with `Upgrade`.

        The parser ends such a request after its head, and would read its body as further requests.
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._feed(self._head_without_upgrade())
            if not self.transport.is_closing():
                self._feed(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")

    def _asks_for_upgrade(self) -> bool:
        return self.parser.should_upgrade() and any(name == b"upgrade" for name, _ in self.headers)

    def _head_without_upgrade(self) -> bytes:
        version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, version)]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_message_begin(self) -> None:
        """Receive the first byte of a head, maybe in one piece with the request before it."""
        self._unfinished = self._unfinished or 1
        super().on_message_begin()
        self.scope["state"][ABORT] = self.transport.abort

    def on_headers_complete(self) -> None:
        """Start the request, or queue it behind the running one."""
        if self._asks_for_upgrade():
            return
        self._in_body = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body, and nothing more until the application has read it.

        So an unauthorised caller cannot fill the memory. If a caller sends a body and closes the connection,
        the body is still read. Otherwise uvicorn would discard it.
        """
        self._unfinished = 0
        super().on_body(body)
        if self.cycle.body:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        """Receive the end of a request."""
        if self._asks_for_upgrade():
            return
        self._unfinished, self._in_body = 0, False
        self.scope["state"][BODY_ARRIVED] = True
        super().on_message_complete()
        if self._running is None:
            self._wait_for_caller()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running, self._send_by = cycle, math.inf
        self._connections.set_running(self)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Continue with the next request. `check` replaces uvicorn's timer for idle connections."""
        self.server_state.total_requests += 1
        if self._running is not None:
            # Discard the part of the body that the application has not read.
            self._running.body = bytearray()
        self._running = None
        self._connections.set_idle(self)
        if self.pipeline or self._held:
            self._connections.take_turn(self._continue)
        else:
            self._wait_for_caller()

    def _continue(self) -> None:
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        else:
            self._wait_for_caller()
        self._parse()
        self.flow.resume_reading()

    def _wait_for_caller(self) -> None:
        idle_seconds = MAX_HEAD_SECONDS if self._unfinished else self.timeout_keep_alive
        self._send_by = self.loop.time() + (MAX_REST_SECONDS if self._in_body else idle_seconds)
        self.flow.resume_reading()

    def pause_writing(self) -> None:
        """Give the caller some time to read."""
        self._read_by = self.loop.time() + MAX_UNREAD_SECONDS
        super().pause_writing()

    def resume_writing(self) -> None:
        """Continue the response."""
        self._read_by = math.inf
        super().resume_writing()

    def check(self) -> None:
        """Close the connection if its caller has exceeded a time limit."""
        now, is_closing = self.loop.time(), self.transport.is_closing()
        if is_closing and self._read_by == math.inf:
            # The connection closes as soon as the caller has read the response.
            self._read_by = now + MAX_UNREAD_SECONDS
        waits = self._in_body or is_closing or self.flow.write_paused
        if now > self._read_by or (now > self._stop_by and waits):
            self.abort()
        elif now > self._send_by and not is_closing:
            if self._unfinished and not self._in_body:
                detail = f"The headers did not arrive within {MAX_HEAD_SECONDS} seconds."
                self._refuse(Problem(REQUEST_TIMEOUT, detail))
            self.transport.close()

    def fileno(self) -> int:
        """Return the file descriptor of the socket."""
        return int(self.transport.get_extra_info("socket").fileno())

    def abort(self) -> None:
        """Close the connection at once, and discard what the caller has not read."""
        connected = self.transport.get_extra_info("socket")
        # Otherwise, the kernel would keep the unread data, and try to send it for many minutes.
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def shutdown(self) -> None:
        """Accept no further request, and end the running one if it only waits for events."""
        self._stop_by = self.loop.time() + MAX_STOPPING_WAIT_SECONDS
        self.pipeline.clear()
        if self._running is None:
            self.transport.close()
        else:
            self._running.keep_alive = False
            self._running.scope["state"][STOPPING] = True

    def send_400_response(self, msg: str) -> None:
        """Refuse data that is not HTTP."""
        self._refuse(Problem(MALFORMED_REQUEST, msg))

    def _refuse(self, problem: Problem) -> None:
        if self._running is None or not self._running.response_started:
            self.transport.write(_refusal(problem))
        self.transport.close()


def _refusal(problem: Problem) -> bytes:
    """Return the bytes of the whole response: there is no request yet that the application could handle."""
    request_id, status = str(new_id()), problem.kind.status
    log.info("refused", extra={"fields": {"request_id": request_id, "status": status}})
    response = problem_response(Request({"type": "http", "state": {"request_id": request_id}}), problem)
    response.headers.update({"Connection": "close", "X-Request-ID": request_id})
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode()]
    lines += [name + b": " + value for name, value in with_security_headers(response.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
