"""Two services on one database, as with several workers or replicas."""

from functools import partial

import httpx
import pytest

from tests.api.at_once import at_once, statuses
from tests.api.calls import SMALL, history, ok, qualify, ratings_of, refusal, session
from tests.api.conftest import published
from tests.conftest import serving
from tests.scoring.building import question, step, weighted
from tests.waiting import PATIENCE, soon

pytestmark = pytest.mark.usefixtures("patient_sqlite")

THREADS = 12
WITHIN = 5


@pytest.fixture(scope="module")
def other(service):
    """A client of a second service on the same database."""
    with serving(service.settings) as running:
        yield running.client


def test_what_one_writes_the_other_reads(client, other, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 5})
    assert session(other, told["session_id"])["score"] == told["score"]
    told = qualify(other, link, question_set=small, ratings={"need": 4})
    assert session(client, told["session_id"])["answers"] == told["answers"]


def test_both_at_once_lose_and_double_nothing(client, other, link, publish):
    wide = published(publish, weighted(step("all", *(question(f"q{n}") for n in range(THREADS * 3)))))

    def send(number):
        through = (client, other)[number % 2]
        mine = [{f"q{number * 3 + turn}": 1 + turn} for turn in range(3)]
        sent = {**link, "question_set": wide}
        return [through.post("/v1/qualify", json={**sent, "ratings": ratings}) for ratings in mine]

    responses = [r for sent in at_once(partial(send, n) for n in range(THREADS)) for r in sent]
    assert statuses(responses) == {200}
    told = [r.json() for r in responses]
    assert sum(one["prospect_created"] for one in told) == sum(one["session_opened"] for one in told) == 1
    assert ratings_of(session(other, told[0]["session_id"])) == {
        f"q{n}": 1 + n % 3 for n in range(THREADS * 3)
    }
    revisions = history(client, told[0]["session_id"])["revisions"]
    assert [r["revision"] for r in revisions] == list(range(1, THREADS * 3 + 1))


def test_a_key_revoked_at_one_is_refused_by_the_other_within_five_seconds(client, other):
    made = ok(client.post("/v1/keys", json={"name": "shared", "scopes": ["read"]}), 201)
    address = str(other.base_url.join("/v1/prospects?limit=1"))
    headers = {"X-API-Key": made["key"]}
    with httpx.Client(headers=headers, timeout=PATIENCE) as caller:
        ok(caller.get(address))
        ok(client.delete(f"/v1/keys/{made['id']}"))
        refused = soon(lambda: caller.get(address), lambda told: told.is_error, seconds=WITHIN)
    assert refusal(refused) == (401, "unauthenticated")


def test_what_is_published_at_one_is_used_by_the_other_within_five_seconds(other, small, publish):
    assert ok(other.post("/v1/score", json={"question_set": small}))["question_set"] == f"{small}@1"
    publish(SMALL | {"key": small, "title": "Second"})
    soon(
        lambda: ok(other.post("/v1/score", json={"question_set": small}))["question_set"] == f"{small}@2",
        seconds=WITHIN,
    )
