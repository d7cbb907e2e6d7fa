"""A prospect with a session to attack, and the proof that nothing was written."""

from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from sqlalchemy import func, select
from sqlmodel import SQLModel

from app.db import Database, Transaction, open_database
from app.question_sets import service as question_sets
from app.scoring import read_question_set
from tests.api.calls import RULED, ok
from tests.conftest import NewDatabase, Running
from tests.edge.process import Served, process
from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Target:
    """Something that is there to be attacked."""

    prospect_id: str
    session_id: str
    revision: int
    source: str = "attacked"
    external_id: str = "one"


@pytest.fixture(scope="session")
def database(service: Running) -> Iterator[Database]:
    """The service's own database, by the back door."""
    database = open_database(service.settings)
    yield database
    database.close()


@pytest.fixture(scope="session")
def stranger(service: Running) -> Iterator[httpx.Client]:
    """A client without a key."""
    with httpx.Client(base_url=service.url, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="session")
def served(new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A process of its own, with a database of its own."""
    with process(tmp_path_factory.mktemp("served"), new_database()) as running:
        yield running


@pytest.fixture(scope="session")
def ruled(database: Database) -> str:
    """The key of a set that declares employees a number, industry a text and public a boolean."""
    question_set = read_question_set(RULED | {"key": "ruled-at-the-edge"})
    database.write_sync(lambda tx: question_sets.publish(tx, question_set))
    return question_set.key


@pytest.fixture(scope="session")
def target(service: Running) -> Target:
    link = {"source": Target.source, "external_id": Target.external_id}
    sent = {**link, "attributes": {"employees": 5}, "ratings": {"budget": 3}}
    told = service.client.post("/v1/qualify", json=sent).json()
    return Target(told["prospect_id"], told["session_id"], told["revision"])


@pytest.fixture
def unwritten(service: Running, database: Database, target: Target, ruled: str) -> Iterator[None]:
    """Every table has as many rows, of the same revisions, after the test as before it."""
    del target, ruled
    # Other tests leave answers that go stale; whoever reads a list first has those sessions scored again.
    ok(service.client.get("/v1/sessions"))
    before = database.read_sync(_rows)
    yield
    assert database.read_sync(_rows) == before


def _rows(tx: Transaction) -> dict[str, int]:
    """How many rows every table has, and what their revisions add up to; in one statement."""
    tables = SQLModel.metadata.tables.items()
    counts = {name: select(func.count()).select_from(table) for name, table in tables}
    sums = {f"{name}.revision": select(func.sum(t.c.revision)) for name, t in tables if "revision" in t.c}
    wanted = [count.scalar_subquery().label(name) for name, count in (counts | sums).items()]
    return dict(tx.db.execute(select(*wanted)).one()._mapping)
