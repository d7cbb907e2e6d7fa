"""A service whose clock the tests turn."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count

import httpx
import pytest

from tests.api.calls import ok
from tests.conftest import NewDatabase, serving, settings_for

numbers = count(1)


class Office:
    """A service in which a second passes before every call, so that its time tells the calls apart."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)
        self.client: httpx.Client

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, _: object = None) -> None:
        self.now += timedelta(seconds=1)

    def wait(self, days: int) -> None:
        self.now += timedelta(days=days)

    def publish(self, definition: dict[str, object], key: str | None = None) -> str:
        """Publish a question set under a key that no other test uses, or as the next version of a key."""
        key = key or f"insight-set-{next(numbers)}"
        drafted = self.client.put(f"/v1/question-sets/{key}/draft", json={**definition, "key": key})
        assert drafted.status_code in (200, 201), drafted.text
        headers = {"If-Match": drafted.headers["etag"]}
        ok(self.client.post(f"/v1/question-sets/{key}/draft/publish", headers=headers), 201)
        return key

    def report(self, name: str, **query: object) -> dict[str, object]:
        told: dict[str, object] = ok(self.client.get(f"/v1/insights/{name}", params=query))
        return told


@pytest.fixture(scope="session")
def office(new_database: NewDatabase) -> Iterator[Office]:
    office = Office()
    with serving(settings_for(new_database()), clock=office.clock) as running:
        office.client = running.client
        office.client.event_hooks = {"request": [office.pass_time]}
        yield office
