"""Run computations in threads, so that the event loop answers other requests meanwhile.

While a computation runs on the event loop, the process answers no other request. While it runs in a thread,
the event loop continues every few milliseconds, except during a single call into C code. So the input of such
calls has to be limited.
"""

import gc
from collections.abc import Callable
from typing import TypeVar

import anyio
from anyio import to_thread

T = TypeVar("T")
# More threads would compute no faster, because only one of them runs Python code at a time, and the event
# loop would wait longer for its turn.
MAX_SHORT_COMPUTATIONS = 2
MAX_LONG_COMPUTATIONS = 1
MAX_FILE_READINGS = 2
# Up to this size, reading a body takes a millisecond or two. A thread costs a tenth of a millisecond.
MAX_INLINE_BYTES = 16_384


class Computing:
    """The threads of one process for computations. A computation must not wait or use the database.

    The database has other threads, so transactions never wait for computations.
    """

    def __init__(self) -> None:
        self._short_limiter = anyio.CapacityLimiter(MAX_SHORT_COMPUTATIONS)
        self._long_limiter = anyio.CapacityLimiter(MAX_LONG_COMPUTATIONS)
        self._file_limiter = anyio.CapacityLimiter(MAX_FILE_READINGS)

    async def run(self, compute: Callable[[], T]) -> T:
        """Return what `compute` returns, which takes some tenths of a second at most."""
        return await to_thread.run_sync(compute, limiter=self._short_limiter)

    async def run_long(self, compute: Callable[[], T]) -> T:
        """Return what `compute` returns, which can take seconds: one such computation runs at a time."""
        return await to_thread.run_sync(_without_collector, compute, limiter=self._long_limiter)

    async def run_reading(self, read: Callable[[], T]) -> T:
        """Return what `read` returns, which reads a file and can take minutes.

        It is not interrupted: it has to check itself whether it should end.
        """
        return await to_thread.run_sync(read, limiter=self._file_limiter)

    async def run_if_large(self, size: int, compute: Callable[[], T]) -> T:
        """Return what `compute` returns, without a thread if it reads at most MAX_INLINE_BYTES."""
        return compute() if size <= MAX_INLINE_BYTES else await self.run(compute)


def _without_collector(compute: Callable[[], T]) -> T:
    """Compute without the garbage collector.

    It would examine the objects of the computation again and again. Each time, it would stop all threads, for
    up to a tenth of a second.
    """
    gc.disable()
    try:
        return compute()
    finally:
        gc.enable()
