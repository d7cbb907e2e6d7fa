"""Requests as bytes, for what no client library would send."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx

from tests.waiting import PATIENCE


@contextmanager
def connection(url: str) -> Iterator[socket.socket]:
    """A connection that gives up waiting at some time."""
    address = urlsplit(url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connected:
        yield connected


def head(method: str, target: str, **headers: object) -> bytes:
    """A request line and headers; in the names, an underscore stands for a hyphen."""
    lines = [f"{method} {target} HTTP/1.1", "Host: edge.test"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def answer(connected: socket.socket) -> httpx.Response:
    """The one response that comes, whole; b'' for the rest if the other side closed."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += _more(connected)
    lines, _, body = received.partition(b"\r\n\r\n")
    status, *headers = lines.decode("latin-1").split("\r\n")
    told = httpx.Headers([tuple(header.split(": ", 1)) for header in headers])
    while len(body) < int(told["content-length"]):
        body += _more(connected)
    return httpx.Response(int(status.split()[1]), headers=told, content=body)


def exchange(url: str, sent: bytes) -> httpx.Response:
    """What comes back for these bytes."""
    with connection(url) as connected:
        connected.sendall(sent)
        return answer(connected)


def _more(connected: socket.socket) -> bytes:
    received = connected.recv(65536)
    assert received, "the connection was closed before the response was complete"
    return received
