"""Two CRMs that send all fields after every change of a record, and a person, who has the last word.

The CRMs are stand-ins behind real sockets. Each takes record updates, and then sends the whole record, as a
flow does that any change starts.
"""

import threading
from itertools import count
from queue import SimpleQueue

import httpx
import pytest

from tests.api.calls import (
    SMALL,
    end_of_feed,
    events_after,
    every_page,
    history,
    ok,
    patch,
    ratings_of,
    session,
)
from tests.waiting import PATIENCE, until
from tests.webhooks.conftest import deliveries

TYPES = ["score.changed", "outcome.recorded"]
numbers = count(1)


class Crm:
    """One record of a CRM.

    `updates` counts what was written to it, and `flows` and `calls` what it began to send and has sent.
    """

    def __init__(self, service, question_set, link):
        self.record = {}
        self.flows = self.calls = self.updates = 0
        self._lock = threading.Lock()
        self._to_send = SimpleQueue()
        self._address = f"{service.url}/v1/qualify/{question_set}"
        self._headers = dict(service.client.headers)
        self._link = link
        threading.Thread(target=self._send, daemon=True).start()

    def save(self, **fields):
        """A user changes fields."""
        with self._lock:
            self._change(fields)

    def take(self, received):
        """A record update arrives."""
        with self._lock:
            self.updates += 1
            self._change(received.json)
        return 204, {}, ""

    def _change(self, fields):
        """Whatever changes the record starts the flow."""
        self.record |= fields
        self.flows += 1
        self._to_send.put(dict(self.record))

    def _send(self):
        while True:
            record = self._to_send.get()
            sent = {name: value for name, value in record.items() if name != "score"}
            response = httpx.post(
                self._address, json=self._link | sent, headers=self._headers, timeout=PATIENCE, verify=False
            )
            response.raise_for_status()
            self.calls += 1


@pytest.fixture
def small(client):
    """The key of a set of its own, in the service that sends."""
    key = f"loop-{next(numbers)}"
    draft = f"/v1/question-sets/{key}/draft"
    ok(client.put(draft, json=SMALL | {"key": key}))
    ok(client.post(f"{draft}/publish", headers={"If-Match": '"1"'}), 201)
    return key


@pytest.fixture
def crms(client, hooked, place, subscribe, link, small, writes):  # noqa: PLR0917  # fixtures
    """Two systems that know one prospect, and have their records updated."""
    links = {name: link | {"source": f"{name}-{link['external_id']}"[:60]} for name in ("a", "b")}
    ok(client.post("/v1/prospects", json={"name": "Acme", "links": list(links.values())}), 201)
    made = []
    for its_link in links.values():
        crm, end = Crm(hooked, small, its_link), place()
        end.answer = crm.take
        crm.webhook = subscribe(
            f"{end.url}/{{external_id}}",
            types=TYPES,
            question_set=small,
            record_update={"source": its_link["source"], "fields": writes, "token": {"token": "t"}},
        )
        made.append(crm)
    return made


@pytest.fixture
def come_to_rest(client, crms):
    """Waits until the CRMs have sent everything, and every event has reached their records."""
    webhooks = [crm.webhook for crm in crms]
    start = end_of_feed(client)

    def is_at_rest():
        flows = [crm.flows for crm in crms]
        if flows != [crm.calls for crm in crms]:
            return False
        count = len(events_after(client, start, types=",".join(TYPES)))
        settled = [
            [one for one in deliveries(client, webhook, limit="200") if one["status"] != "pending"]
            for webhook in webhooks
        ]
        # An update that has arrived meanwhile has started a flow.
        return all(len(done) == count for done in settled) and flows == [crm.flows for crm in crms]

    return lambda: until(is_at_rest)


@pytest.mark.parametrize(
    "writes",
    [{"/score": "points"}, {"/score": "points", "/budget": "rating.budget", "/need": "rating.need"}],
    ids=["the score is written", "the ratings are written too"],
)
def test_two_crms_and_a_person_come_to_rest(client, crms, small, writes, come_to_rest):
    first, second = crms
    first.save(budget=3, name="Acme Ltd")
    come_to_rest()
    second.save(budget=5, need=1)
    come_to_rest()
    (line,) = every_page(client, f"/v1/sessions?question_set={small}")
    session_id = line["session_id"]
    assert ratings_of(session(client, session_id)) == {"budget": 5, "need": 1}

    ok(patch(client, session_id, ratings={"budget": 4}))
    come_to_rest()
    first.save(need=2)
    come_to_rest()
    assert ratings_of(session(client, session_id)) == {"budget": 4, "need": 2}

    first.save(outcome="won")
    come_to_rest()
    # Each change is one revision, and each revision one update of each record at most, which is one call.
    now = session(client, session_id)
    assert [one["change"] for one in history(client, session_id)["revisions"]] == [
        "opened", "answered", "answered", "answered", "outcome",
    ]  # fmt: skip
    assert all(crm.updates <= now["revision"] for crm in crms)
    assert sum(crm.calls for crm in crms) == 4 + sum(crm.updates for crm in crms)
    assert ratings_of(now) == {"budget": 4, "need": 2}
    assert len(every_page(client, f"/v1/sessions?question_set={small}")) == 1
    if "/budget" in writes:
        assert [(crm.record["budget"], crm.record["need"]) for crm in crms] == [(4, 2), (4, 2)]


@pytest.mark.parametrize("writes", [{"/score": "points"}], ids=["the score is written"])
def test_they_come_to_rest_when_all_speak_at_once(client, crms, small, writes, come_to_rest):
    """Nobody knows in which order the three are heard. The person speaks last."""
    del writes
    first, second = crms
    for rating in (1, 2, 3, 4):
        first.save(budget=rating)
        second.save(budget=6 - rating, need=rating)
    come_to_rest()
    (line,) = every_page(client, f"/v1/sessions?question_set={small}")
    first.save(goal=1)
    ok(patch(client, line["session_id"], ratings={"budget": 5, "need": 5}))
    second.save(timeline=2)
    come_to_rest()
    now = session(client, line["session_id"])
    assert ratings_of(now) == {"budget": 5, "need": 5, "goal": 1, "timeline": 2}
    assert all(crm.updates <= now["revision"] for crm in crms)
    # Eight saves with a value of their own, and those of the three in the end.
    assert now["revision"] <= 11
