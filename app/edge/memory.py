"""Return memory that is free to the system."""

import ctypes
import sys

import anyio
from anyio import to_thread

RETURN_SECONDS = 30


async def return_free_memory() -> None:
    """Return free memory twice a minute until cancelled, if the C library can do that; never returns then.

    The allocator of glibc keeps what many callers needed at once, although they are gone.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    trim = getattr(libc, "malloc_trim", None)
    while trim is not None:
        await anyio.sleep(RETURN_SECONDS)
        # In a thread, because it can take some ten milliseconds.
        await to_thread.run_sync(trim, 0)
