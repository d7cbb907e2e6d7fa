"""The one middleware: a request id, HEAD as GET, one log line a request, and the last net for failures."""

import logging
import time
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.clock import new_id
from app.edge.problem_responses import internal_error

log = logging.getLogger("app.requests")
GONE = 499  # in the log only: the client went away before its request was complete


class RequestLog:
    """Plain ASGI, since anything that wraps the body costs most of a small request's time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, method = str(new_id()), scope["method"]
        scope.setdefault("state", {})["request_id"] = request_id
        if method == "HEAD":
            # A copy: the server looks at its own, to send no body.
            scope = {**scope, "method": "GET"}
        started, status = time.perf_counter(), 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif method == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except ClientDisconnect:
            status = GONE  # nobody is there to be told
        except Exception:
            log.exception("failed", extra={"fields": _fields(scope, method, request_id)})
            if status:
                raise
            await internal_error(Request(scope))(scope, receive, send_with_id)
        finally:
            taken = round(1000 * (time.perf_counter() - started), 2)
            fields = {**_fields(scope, method, request_id), "status": status, "milliseconds": taken}
            log.info("request", extra={"fields": fields})


def _fields(scope: Scope, method: str, request_id: str) -> dict[str, Any]:
    """What is logged of a request: its route, never its address, which may name a prospect."""
    caller = scope["state"].get("caller")
    return {
        "request_id": request_id,
        "method": method,
        "route": getattr(scope.get("route"), "path", None),
        "key": str(caller.key_id) if caller else None,
    }
