"""Why a running request has to end early: the process is stopping, or the caller's key no longer works."""

from typing import NoReturn

import anyio
from fastapi import Request
from starlette.requests import ClientDisconnect

from app.problems import UNAUTHENTICATED, Problem, unavailable

# Attributes of the state of a running request. The protocol sets the first, and `KeyWatch` the second.
STOPPING = "stopping"
REVOKED = "revoked"
# The attribute of a request's state with the function that closes its connection. The protocol sets it.
ABORT = "abort"


def is_stopping(request: Request) -> bool:
    """Return whether the process that handles the request is stopping."""
    return getattr(request.state, STOPPING, False)


def is_revoked(request: Request) -> bool:
    """Return whether the key of the caller was revoked or expired while the request was running."""
    return getattr(request.state, REVOKED, False)


def revoked() -> Problem:
    """Return the UNAUTHENTICATED problem of a request whose key stopped working while it was running."""
    detail = "This API key was revoked or expired while the request was running."
    return Problem(UNAUTHENTICATED, detail, headers={"WWW-Authenticate": "Bearer"})


def stopping() -> Problem:
    """Return the UNAVAILABLE problem for a request that the process cancels because it is stopping."""
    return unavailable("The service is stopping.")


def require_running(request: Request) -> None:
    """Check that a request may continue.

    Raises:
        Problem: UNAUTHENTICATED if its key was revoked or expired, UNAVAILABLE if the process is stopping.
    """
    if is_revoked(request):
        raise revoked()
    if is_stopping(request):
        raise stopping()


async def break_off(request: Request) -> NoReturn:
    """Close the connection, so that the caller sees that the response is not complete.

    Raises:
        ClientDisconnect: always.
    """
    if abort := getattr(request.state, ABORT, None):
        abort()
        # Let the protocol notice this before the application returns. Otherwise it logs an error.
        await anyio.lowlevel.checkpoint()
    raise ClientDisconnect
