"""The HTTP protocol of the server: limit the head of a request, and refuse bad data with a problem."""

import logging
from http import HTTPStatus

from starlette.requests import Request
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.clock import new_id
from app.edge.problem_responses import problem_response
from app.edge.security_headers import with_security_headers
from app.edge.stopping import STOPPING
from app.problems import HEAD_TOO_LARGE, MALFORMED_REQUEST, Kind, Problem

log = logging.getLogger("app.requests")
MOST_HEAD_BYTES = 64 * 1024


class BoundedHttp(HttpToolsProtocol):
    """Uvicorn's protocol, but the head of a request has a limited size, and errors are problems."""

    # Bytes received since the last byte of a body or the end of a request: a head, or padding before it.
    _unfinished = 0

    def data_received(self, data: bytes) -> None:
        """Parse the data, and close the connection if the head of a request is too large."""
        self._unfinished += len(data)
        super().data_received(data)
        if self._unfinished > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse(HEAD_TOO_LARGE, f"They are larger than {MOST_HEAD_BYTES} bytes.")

    def on_body(self, body: bytes) -> None:
        """Receive a part of a body. `read_body` limits its size."""
        self._unfinished = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Receive the end of a request."""
        self._unfinished = 0
        super().on_message_complete()

    def shutdown(self) -> None:
        """Accept no further request, and end the running one if it only waits for events."""
        super().shutdown()
        if self.cycle is not None:
            self.cycle.scope["state"][STOPPING] = True

    def send_400_response(self, msg: str) -> None:
        """Refuse data that is not HTTP."""
        self._refuse(MALFORMED_REQUEST, msg)

    def _refuse(self, kind: Kind, detail: str) -> None:
        half_answered = getattr(self.cycle, "response_started", False) and not self.cycle.response_complete
        if not half_answered:
            self.transport.write(_refusal(kind, detail))
        self.transport.close()


def _refusal(kind: Kind, detail: str) -> bytes:
    """Return the bytes of the whole response: there is no request yet that the application could handle."""
    request_id = str(new_id())
    log.info("refused", extra={"fields": {"request_id": request_id, "status": kind.status}})
    headers = {"Connection": "close", "X-Request-ID": request_id}
    response = problem_response(
        Request({"type": "http", "state": {"request_id": request_id}}), Problem(kind, detail, headers=headers)
    )
    lines = [f"HTTP/1.1 {kind.status} {HTTPStatus(kind.status).phrase}".encode()]
    lines += [name + b": " + value for name, value in with_security_headers(response.raw_headers)]
    return b"\r\n".join([*lines, b"", bytes(response.body)])
