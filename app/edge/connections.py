"""The connections of one process: how many there may be, and a check of their time limits every second."""

import logging
import select
from asyncio import get_running_loop
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic
from typing import Protocol

import anyio

log = logging.getLogger("app.requests")
CHECK_SECONDS = 1
# If no caller has left, how long to wait before looking again.
LOOK_AGAIN_SECONDS = 0.1
# How much is read at once. A caller can make the service hold this much in addition to the other limits.
MAX_READ_BYTES = 32 * 1024
# The key of the application's state under which a connection finds the `Connections` of its process.
CONNECTIONS = "connections"


class Connection(Protocol):
    """What the limits need from a connection."""

    def fileno(self) -> int:
        """Return the file descriptor of its socket."""

    def check(self) -> None:
        """Close the connection if its caller has exceeded a time limit."""

    def abort(self) -> None:
        """Close the connection at once."""


class Connections:
    """The open connections of a process. A connection is idle while no request of it is running."""

    def __init__(self, max_connections: int) -> None:
        self.read_buffer = memoryview(bytearray(MAX_READ_BYTES))
        self._max_connections = max_connections
        self._open: set[Connection] = set()
        # The one that has been idle for longest is the first.
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._closed_for_others = 0
        self._look_again_at = 0.0
        self._turns: deque[Callable[[], None]] = deque()

    def add(self, connection: Connection) -> bool:
        """Add a new, idle connection.

        If there are too many, close those whose callers have left, or else the one that has been idle for
        longest. Returns whether there is room: False if a request is running on every other connection.
        """
        if len(self._open) >= self._max_connections:
            self._close_left()
        has_room = len(self._open) < self._max_connections or self._close_longest_idle()
        self._open.add(connection)
        self._idle[connection] = None
        return has_room

    def remove(self, connection: Connection) -> None:
        """Remove a closed connection."""
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def set_running(self, connection: Connection) -> None:
        """Note that a request is running on a connection."""
        self._idle.pop(connection, None)

    def set_idle(self, connection: Connection) -> None:
        """Note that the response to the request on a connection is complete."""
        self._idle[connection] = None

    def take_turn(self, start: Callable[[], None]) -> None:
        """Call `start`, which starts a request that was sent before the last one was answered.

        One such request starts in each iteration of the event loop. Otherwise, callers that send hundreds at
        once would keep the others waiting.
        """
        self._turns.append(start)
        if len(self._turns) == 1:
            get_running_loop().call_soon(self._start_next)

    def _start_next(self) -> None:
        start = self._turns.popleft()
        if self._turns:
            get_running_loop().call_soon(self._start_next)
        start()

    async def run_checks(self) -> None:
        """Check the time limits of every connection until cancelled; never returns.

        One timer for all of them costs less than several timers for each request.
        """
        while True:
            await anyio.sleep(CHECK_SECONDS)
            for connection in list(self._open):
                connection.check()
            if self._closed_for_others:
                fields = {"count": self._closed_for_others, "max_connections": self._max_connections}
                log.warning("idle connections closed to make room", extra={"fields": fields})
                self._closed_for_others = 0

    def _close_left(self) -> None:
        """Close the connections whose callers have left while a request is running.

        A connection does not notice this while it reads nothing, for example after the whole body has arrived
        and while the request waits for the database.
        """
        if monotonic() < self._look_again_at:
            return
        poll, running = select.poll(), {one.fileno(): one for one in self._open if one not in self._idle}
        for descriptor in running:
            poll.register(descriptor, select.POLLRDHUP)
        left = [running[descriptor] for descriptor, _ in poll.poll(0)]
        for connection in left:
            self.remove(connection)
            connection.abort()
        if not left:
            self._look_again_at = monotonic() + LOOK_AGAIN_SECONDS

    def _close_longest_idle(self) -> bool:
        if not self._idle:
            return False
        oldest = next(iter(self._idle))
        self.remove(oldest)
        oldest.abort()
        self._closed_for_others += 1
        return True
