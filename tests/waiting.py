"""Waiting for what the tests wait for, on a machine of any speed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

# After so many seconds what must happen counts as what never does; a test as a whole has 300.
PATIENCE = 120
PAUSE = 0.1


def until(look: Callable[[], T], enough: Callable[[T], object] = bool) -> T:
    """What is seen as soon as it is enough. The longer it takes, the less often it looks."""
    end = time.monotonic() + PATIENCE
    pause = PAUSE / 20
    while not enough(seen := look()):
        assert time.monotonic() < end, f"still {seen} after {PATIENCE} seconds"
        time.sleep(pause)
        pause = min(1.6 * pause, PAUSE)
    return seen


def soon(look: Callable[[], T], enough: Callable[[T], object] = bool, *, seconds: float) -> T:
    """The same, for what has a time to happen in: in so many looks as fit into the time, with pauses.

    Whatever is due by the clock is due by the last look. On a slow machine every look takes longer, best one
    that asks the service something, and so the time grows with it.
    """
    for _ in range(round(seconds / PAUSE)):
        if enough(seen := look()):
            return seen
        time.sleep(PAUSE)
    raise AssertionError(f"still {seen} after {seconds} seconds and more")
