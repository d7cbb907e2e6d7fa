"""The only middleware: give requests an id, handle HEAD as GET, log it, and catch unexpected exceptions."""

import logging
import time
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from app.clock import new_id
from app.edge.problem_responses import internal_error

log = logging.getLogger("app.requests")
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
        # `KeyRing.authorise` binds the key.
        with bound_contextvars(request_id=request_id, method=scope["method"], key=None):
            await self._handle(scope, receive, send)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id, is_head = scope["state"]["request_id"].encode(), scope["method"] == "HEAD"
        if is_head:
            # A copy: the server reads its own scope to decide whether to send a body.
            scope = {**scope, "method": "GET"}
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id)]
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = CLIENT_CLOSED_REQUEST
        except Exception:
            log.exception("failed", extra={"fields": {"route": _route(scope)}})
            if status:
                raise
            await internal_error(Request(scope))(scope, receive, send_with_id)
        finally:
            milliseconds = round(1000 * (time.perf_counter() - started), 2)
            fields = {"route": _route(scope), "status": status, "milliseconds": milliseconds}
            log.info("request", extra={"fields": fields})


def _route(scope: Scope) -> Any:
    """Return the route of a request. Its path is not logged, because it may name a prospect."""
    return getattr(scope.get("route"), "path", None)
