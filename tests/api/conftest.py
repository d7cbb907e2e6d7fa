"""A second way into the service's database, and question sets of a test's own."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from typing import Any

import httpx
import pytest

from app.db import Database, open_database
from app.question_sets import service as question_sets
from app.scoring import read_question_set
from tests.api.calls import RULED, SMALL
from tests.conftest import Running
from tests.waiting import PATIENCE

Publish = Callable[[dict[str, Any]], int]
numbers = count(1)


@pytest.fixture(scope="session")
def database(service: Running) -> Iterator[Database]:
    """The service's own database, by the back door."""
    database = open_database(service.settings)
    yield database
    database.close()


@pytest.fixture(scope="session")
def anybody(service: Running) -> Iterator[httpx.Client]:
    """A client without any key."""
    with httpx.Client(base_url=service.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="session")
def publish(database: Database) -> Publish:
    """Publishes a definition, and says as which version."""

    def publish_it(definition: dict[str, Any]) -> int:
        question_set = read_question_set(definition)
        version, _ = database.write_sync(partial(question_sets.publish, question_set=question_set))
        return version.version

    return publish_it


@pytest.fixture
def small(publish: Publish) -> str:
    """The key of a small reciprocal set that no other test uses."""
    return published(publish, SMALL)


@pytest.fixture
def ruled(publish: Publish) -> str:
    """The key of a small set with rules on attributes that no other test uses."""
    return published(publish, RULED)


def published(publish: Publish, definition: dict[str, Any]) -> str:
    key = f"set-{next(numbers)}"
    publish(definition | {"key": key})
    return key


@pytest.fixture
def other_link(link: dict[str, str]) -> dict[str, str]:
    """A second link that no other test uses."""
    return link | {"external_id": link["external_id"] + "-2"}
