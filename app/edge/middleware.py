"""The only middleware: it gives requests an id, handles HEAD as GET, logs them, and completes responses.

Every response gets the headers that protect browsers, and every error is a problem, whichever route or
mounted application it comes from.
"""

import logging
import time
from asyncio import CancelledError
from contextlib import suppress
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.clock import new_id
from app.edge.ending import break_off, stopping
from app.edge.logs import request_fields
from app.edge.problem_responses import internal_error, is_problem, problem_instead_of, problem_response
from app.edge.security_headers import with_security_headers

log = logging.getLogger("app.requests")
FIRST_ERROR_STATUS = 400
# The server keeps what it has written until the caller reads it. So it writes a piece only after the caller
# has read most of the pieces before it.
MAX_PIECE_BYTES = 64 * 1024
CLIENT_CLOSED_REQUEST = 499  # in the log only: the client disconnected before its request was complete


class RequestLog:
    """Gives every request an id, and logs it in one line.

    It is plain ASGI: a middleware that wraps the body takes most of the time of a small request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and log it with its status and duration."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = str(new_id())
        scope.setdefault("state", {})["request_id"] = request_id
        # `KeyRing.authorise` sets the key.
        token = request_fields.set({"request_id": request_id, "method": scope["method"], "key": None})
        try:
            await self._handle(scope, receive, send)
        finally:
            request_fields.reset(token)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["method"] == "HEAD"
        if is_head:
            # A copy: the server reads its own scope to decide whether to send a body.
            scope = {**scope, "method": "GET"}
        response, started = _Response(scope, receive, send, has_body=not is_head), time.perf_counter()
        try:
            await self._app(scope, receive, response.send)
        except ClientDisconnect:
            response.status = CLIENT_CLOSED_REQUEST
        except CancelledError:
            # The process is stopping, and the time for running requests has ended.
            await response.cut_off()
        except Exception:
            log.exception("failed", extra={"fields": {"route": _route(scope)}})
            if response.status:
                raise
            await internal_error(Request(scope))(scope, receive, response.send)
        finally:
            milliseconds = round(1000 * (time.perf_counter() - started), 2)
            fields = {"route": _route(scope), "status": response.status, "milliseconds": milliseconds}
            log.info("request", extra={"fields": fields})


class _Response:
    """Sends one response, with the headers that every response has. `status` is 0 until it starts."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, has_body: bool) -> None:
        self.status = 0
        self._scope, self._receive, self._send = scope, receive, send
        self._has_body = has_body
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        """Send a message. If it starts an error that is not a problem, send a problem instead."""
        if self._is_replaced:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= FIRST_ERROR_STATUS and not is_problem(message["headers"]):
                self._is_replaced = True
                problem = problem_instead_of(message, Request(self._scope))
                await problem(self._scope, self._receive, self._send_completed)
                return
        await self._send_completed(message)

    async def cut_off(self) -> None:
        """End the response now: with a problem if it has not started, otherwise by closing the connection."""
        request = Request(self._scope)
        if self.status == 0:
            await problem_response(request, stopping())(self._scope, self._receive, self.send)
            return
        with suppress(ClientDisconnect):
            await break_off(request)

    async def _send_completed(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            request_id = (b"x-request-id", self._scope["state"]["request_id"].encode())
            message = {**message, "headers": with_security_headers([*message["headers"], request_id])}
        elif not self._has_body:
            message = {**message, "body": b""}
        elif len(message.get("body", b"")) > MAX_PIECE_BYTES:
            await _send_in_pieces(self._send, message)
            return
        await self._send(message)


async def _send_in_pieces(send: Send, message: Message) -> None:
    # Views, so that the pieces of one document share its memory.
    body = memoryview(message["body"])
    last = (len(body) - 1) // MAX_PIECE_BYTES * MAX_PIECE_BYTES
    for start in range(0, last, MAX_PIECE_BYTES):
        await send({**message, "body": body[start : start + MAX_PIECE_BYTES], "more_body": True})
    await send({**message, "body": body[last:]})


def _route(scope: Scope) -> Any:
    """Return the route of a request. Its path is not logged, because it may name a prospect."""
    return getattr(scope.get("route"), "path", None)
