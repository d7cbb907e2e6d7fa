"""Many callers at the same moment."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from tests.waiting import PATIENCE

T = TypeVar("T")


def at_once(calls: Iterable[Callable[[], T]]) -> list[T]:
    """The results of all calls, each made by a thread of its own once every thread is ready."""
    calls = list(calls)
    ready = Barrier(len(calls), timeout=PATIENCE)

    def call(make: Callable[[], T]) -> T:
        ready.wait()
        return make()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(call, calls, timeout=2 * PATIENCE))


def statuses(responses: Iterable[Any]) -> set[int]:
    return {response.status_code for response in responses}
