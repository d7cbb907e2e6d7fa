"""A process that is told to stop: a request that only waits for something to happen ends at once."""

from fastapi import Request

# Where the protocol leaves word in a request's state.
STOPPING = "stopping"


def is_stopping(request: Request) -> bool:
    """Whether the process that answers was told to stop."""
    return getattr(request.state, STOPPING, False)
