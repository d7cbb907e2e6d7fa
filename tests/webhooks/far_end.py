"""The far end of a webhook: a server on a socket of its own that does as it is told."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.waiting import until

Answer = tuple[int, dict[str, str], str]


@dataclass(frozen=True)
class Received:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: str
    at: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


def accept(_: Received) -> Answer:
    return 204, {}, ""


def says(status: int, body: str = "", **headers: str) -> Callable[[Received], Answer]:
    """Always answers the same."""
    return lambda _: (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@dataclass
class FarEnd:
    """What arrived, and how it answers."""

    port: int
    host: str = "127.0.0.1"
    answer: Callable[[Received], Answer] = accept
    received: list[Received] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/hook"

    def wait_for(self, count: int, of: Callable[[Received], bool] = lambda _: True) -> list[Received]:
        """So many requests of a kind, all that are there by then."""
        return until(lambda: [one for one in self.received if of(one)], lambda found: len(found) >= count)


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0))).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        received = Received(self.command, self.path, headers, body, time.time())
        self.server.far_end.received.append(received)
        status, more, text = self.server.far_end.answer(received)
        self.send_response(status)
        for name, value in more.items():
            self.send_header(name, value)
        if "Content-Length" not in more:
            self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    do_POST = do_PATCH = do_PUT = do_GET = _take  # noqa: N815  # the server looks for these names

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    far_end: FarEnd

    def handle_error(self, *_: object) -> None:
        """Who calls may be gone by the time of the answer."""


@contextmanager
def far_end(host: str = "127.0.0.1", port: int = 0, context: Any = None) -> Iterator[FarEnd]:
    """A far end at an address; with a context for TLS it speaks HTTPS."""
    server = _Server((host, port), _Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.far_end = FarEnd(server.server_port, host)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.far_end
    finally:
        server.shutdown()
        server.server_close()
