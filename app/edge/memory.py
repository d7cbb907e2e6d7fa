"""Return free memory to the operating system."""

import ctypes
import sys

import anyio
from anyio import to_thread

RETURN_SECONDS = 30


async def return_free_memory() -> None:
    """Return free memory twice a minute until cancelled, if the C library can do that; never returns then.

    The allocator of glibc keeps memory that many callers needed at the same time, even after they are gone.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    trim = getattr(libc, "malloc_trim", None)
    while trim is not None:
        await anyio.sleep(RETURN_SECONDS)
        # In a thread, because it can take tens of milliseconds.
        await to_thread.run_sync(trim, 0)
