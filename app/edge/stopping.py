"""Whether the process is stopping: requests that wait for events then end at once."""

from fastapi import Request

# The protocol sets this attribute in the state of a running request.
STOPPING = "stopping"


def is_stopping(request: Request) -> bool:
    """Return whether the process that handles the request is stopping."""
    return getattr(request.state, STOPPING, False)
