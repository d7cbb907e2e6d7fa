"""Why a running request has to end early: the process is stopping, or the caller's key no longer works."""

from fastapi import Request

from app.problems import UNAUTHENTICATED, Problem, unavailable

# Attributes of the state of a running request. The protocol sets the first, and `KeyWatch` the second.
STOPPING = "stopping"
REVOKED = "revoked"


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


def require_running(request: Request) -> None:
    """Check that a request may continue.

    Raises:
        Problem: UNAUTHENTICATED if its key was revoked or expired, UNAVAILABLE if the process is stopping.
    """
    if is_revoked(request):
        raise revoked()
    if is_stopping(request):
        raise unavailable("The service is stopping.")
