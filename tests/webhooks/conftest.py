"""A service that may send to this machine, and far ends for it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.api.calls import ok
from tests.conftest import NewDatabase, Running, serving, settings_for
from tests.webhooks.far_end import FarEnd, far_end

HERE = "127.0.0.0/8"
Subscribe = Callable[..., dict[str, Any]]


class Clock:
    """Goes on by itself until it is stopped, and further when told to."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._stopped: datetime | None = None

    def __call__(self) -> datetime:
        return (self._stopped or datetime.now(UTC)) + self.ahead

    def stop(self) -> None:
        self._stopped = datetime.now(UTC)

    def reset(self) -> None:
        self.ahead, self._stopped = timedelta(), None

    def turn(self, **by: float) -> None:
        self.ahead += timedelta(**by)


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture
def stopped(clock: Clock) -> Iterator[Clock]:
    """No attempt takes any time: what is due is due so long after it, and no longer."""
    clock.stop()
    yield clock
    clock.reset()


@pytest.fixture(scope="module")
def hooked(new_database: NewDatabase, clock: Clock) -> Iterator[Running]:
    """A service whose webhooks may go to this machine, with the most time for an answer that there is.

    It shows what far ends answer.
    """
    settings = settings_for(
        new_database(), webhook_networks=HERE, webhook_seconds=60, webhook_test_shows_answer=True
    )
    with serving(settings, clock=clock) as running:
        yield running


@pytest.fixture
def client(hooked: Running) -> httpx.Client:
    return hooked.client


@pytest.fixture
def place() -> Iterator[Callable[..., FarEnd]]:
    """Makes far ends that are there for the test."""
    with ExitStack() as there:
        yield lambda *at, **how: there.enter_context(far_end(*at, **how))


@pytest.fixture
def end(place: Callable[..., FarEnd]) -> FarEnd:
    return place()


@pytest.fixture
def subscribe(client: httpx.Client) -> Iterator[Subscribe]:
    """Makes webhooks that are gone after the test."""
    made: list[str] = []

    def make(url: str, **wanted: Any) -> dict[str, Any]:
        webhook = ok(client.post("/v1/webhooks", json={"url": url, **wanted}), 201)
        made.append(webhook["id"])
        return webhook

    yield make
    for webhook_id in made:
        client.delete(f"/v1/webhooks/{webhook_id}")


def deliveries(client: httpx.Client, webhook: dict[str, Any], **query: str) -> list[dict[str, Any]]:
    """The log of a webhook, newest first."""
    return ok(client.get(f"/v1/webhooks/{webhook['id']}/deliveries", params=query))["items"]
