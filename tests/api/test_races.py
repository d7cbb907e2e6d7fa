"""Many callers at once: nothing is doubled, nothing fails. What a crowd does is in test_upserts_by_many."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, takewhile
from time import monotonic

from tests.api.at_once import at_once, statuses
from tests.api.calls import SMALL, ok, open_session, patch
from tests.api.calls import new_prospect as new
from tests.api.conftest import published
from tests.scoring.building import question, step, weighted

THREADS = 16


def test_of_many_who_open_a_session_one_does(client, small):
    prospect = new(client)["id"]
    sent = {"prospect_id": prospect, "question_set": small}
    responses = at_once(partial(client.post, "/v1/sessions", json=sent) for _ in range(THREADS))
    assert Counter(r.status_code for r in responses) == {201: 1, 409: THREADS - 1}


def test_one_version_published_by_all_is_one_version(client, small, publish):
    publishing = at_once(partial(publish, SMALL | {"key": small, "title": "Second"}) for _ in range(8))
    assert set(publishing) == {2}
    assert len(ok(client.get(f"/v1/question-sets/{small}/versions"))["items"]) == 2


def test_answers_that_age_and_news_of_the_prospect_never_wait_for_each_other_in_a_circle(client, publish):
    """A session that has aged is written twice in one transaction, which looks at its prospect again."""
    ageing = published(
        publish, weighted(step("all", question("need", stale_after_days=1), question("price")))
    )
    prospect = new(client)["id"]
    opened = open_session(client, prospect, question_set=ageing, ratings={"price": 1})["session_id"]
    deadline = monotonic() + 3

    def answers():
        for turn in cycle(range(1, 6)):
            soon_stale = datetime.now(UTC) - timedelta(days=1) + timedelta(milliseconds=30)
            sent = {"question": "need", "rating": turn, "answered_at": soon_stale.isoformat()}
            yield patch(client, opened, answers=[sent])

    def news():
        for turn in cycle(range(100)):
            yield client.patch(f"/v1/prospects/{prospect}", json={"attributes": {"turn": turn}})

    def until_then(calls):
        return list(takewhile(lambda _: monotonic() < deadline, calls()))

    told = at_once([partial(until_then, calls) for calls in (answers, answers, news, news)])
    assert statuses(response for responses in told for response in responses) == {200}
