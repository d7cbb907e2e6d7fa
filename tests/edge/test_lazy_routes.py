"""A route is examined when it is first used, also if several threads use it at the same time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from app.edge.routes import LazyRoute
from app.schemas import Out

THREADS = 8


class Told(Out):
    text: str


async def answer(text: str) -> Told:
    return Told(text=text)


def test_a_route_is_found_before_it_is_examined() -> None:
    route = LazyRoute("/told/{text}", answer, methods=["GET"])
    assert "path_regex" not in vars(route)
    matched, scope = route.matches({"type": "http", "path": "/told/it", "method": "GET"})
    assert (matched.name, scope["path_params"]) == ("FULL", {"text": "it"})
    assert "dependant" not in vars(route)


def test_threads_that_use_a_route_at_the_same_time_find_it_complete() -> None:
    route = LazyRoute("/told/{text}", answer, methods=["GET"])
    start = Barrier(THREADS)

    def examined(_: int) -> int:
        start.wait()
        return id(route.dependant)

    with ThreadPoolExecutor(THREADS) as threads:
        assert len(set(threads.map(examined, range(THREADS)))) == 1
    assert [field.name for field in route.dependant.path_params] == ["text"]


def test_a_route_has_no_other_attributes() -> None:
    assert not hasattr(LazyRoute("/told/{text}", answer, methods=["GET"]), "unknown")
