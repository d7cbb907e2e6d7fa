"""Events that only time causes: a day to revisit has come, and an answer goes stale soon; each once."""

from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count

import pytest

from app.db import open_database
from app.question_sets.plans import Plans
from app.sessions.reminders import any_due, record_due
from app.sessions.session_edit import SYSTEM_KEY_NAME, UnitOfWork
from tests.api.at_once import at_once
from tests.api.calls import conclude, end_of_feed, events_after, ok, patch, qualify, types_of
from tests.api.test_cursors import plans_of
from tests.conftest import serving, settings_for
from tests.scoring.building import question, step, weighted

numbers = count(1)
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
SET = weighted(
    step(
        "only",
        question("need"),
        question("timeline", stale_after_days=30),
        question("budget", stale_after_days=90),
    ),
    thresholds={"fit_at": 60, "no_fit_below": 40},
)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def running(new_database):
    clock = Clock()
    with serving(settings_for(new_database()), clock=clock) as service:
        address = "/v1/question-sets/ageing/draft"
        ok(service.client.put(address, json=SET | {"key": "ageing"}))
        ok(service.client.post(f"{address}/publish", headers={"If-Match": '"1"'}), 201)
        database = open_database(service.settings, clock)
        yield service.client, clock, database
        database.close()


@pytest.fixture
def client(running):
    return running[0]


@pytest.fixture
def database(running):
    return running[2]


@pytest.fixture
def clock(running, client):
    """It only ever goes on. What other tests left is due and recorded by then."""
    clock = running[1]
    clock.now += 200 * DAY
    for _ in range(3):
        end_of_feed(client)
    return clock


@pytest.fixture
def link():
    return {"source": "test", "external_id": f"reminded-{next(numbers)}"}


def decide(client, told, decision, **sent):
    body = {"decision": decision, "revision": told["revision"], "actor": "ana@example.com", **sent}
    return ok(client.post(f"/v1/sessions/{told['session_id']}/decision", json=body))


def reminders(client, start):
    return [
        event
        for event in events_after(client, start)
        if event["type"] in ("revisit.due", "answer.stale_soon")
    ]


def nurtured(client, link, day, **sent):
    decision = {"decision": "nurture", "revisit_on": day.date().isoformat(), "actor": "ana@example.com"}
    return qualify(client, link, question_set="ageing", ratings={"need": 4}, decision=decision, **sent)


def test_the_day_to_revisit_is_announced_once_when_it_comes(client, clock, link):
    start = end_of_feed(client)
    due = clock.now + 3 * DAY
    told = nurtured(client, link, due)
    clock.now = datetime.combine(due, datetime.min.time(), UTC) - timedelta(seconds=1)
    assert reminders(client, start) == []
    clock.now += timedelta(seconds=1)
    (event,) = reminders(client, start)
    assert (event["type"], event["session_id"], event["links"]) == (
        "revisit.due",
        told["session_id"],
        [link],
    )
    assert (event["decision"], event["revisit_on"], event["change"]) == (
        "nurture",
        due.date().isoformat(),
        None,
    )
    assert (event["revision"], event["score"]) == (told["revision"], told["score"]["score"])
    clock.now += DAY
    assert reminders(client, start) == [event]


def test_a_later_decision_moves_the_day_and_one_without_a_day_removes_it(client, clock, link):
    start = end_of_feed(client)
    told = nurtured(client, link, clock.now + DAY)
    later = (clock.now + 5 * DAY).date().isoformat()
    told = decide(client, told, "nurture", revisit_on=later)
    clock.now += 2 * DAY
    assert reminders(client, start) == []
    decide(client, told, "nurture")
    clock.now += 9 * DAY
    assert reminders(client, start) == []


def test_each_decision_has_its_reminder_also_after_a_disqualification(client, clock, link):
    start = end_of_feed(client)
    told = nurtured(client, link, clock.now + DAY)
    clock.now += DAY
    assert len(reminders(client, start)) == 1
    day = (clock.now + DAY).date().isoformat()
    decide(client, told, "disqualify", revisit_on=day)
    clock.now += DAY
    assert [event["decision"] for event in reminders(client, start)] == ["nurture", "disqualify"]


def test_an_outcome_ends_the_wait_for_the_day(client, clock, link):
    start = end_of_feed(client)
    told = nurtured(client, link, clock.now + DAY)
    ok(conclude(client, told["session_id"], "won"))
    clock.now += 2 * DAY
    assert reminders(client, start) == []


def test_an_answer_that_goes_stale_in_a_week_is_announced_once(client, clock, link):
    """The timeline goes stale after 30 days, the budget after 90."""
    start, began = end_of_feed(client), clock.now
    ratings = {"need": 4, "timeline": 4, "budget": 4}
    told = qualify(client, link, question_set="ageing", ratings=ratings)
    clock.now = began + 23 * DAY - timedelta(seconds=1)
    assert reminders(client, start) == []
    clock.now = began + 23 * DAY
    (event,) = reminders(client, start)
    assert (event["type"], event["question"], event["session_id"], event["change"]) == (
        "answer.stale_soon",
        "timeline",
        told["session_id"],
        None,
    )
    assert datetime.fromisoformat(event["stale_at"]) == began + 30 * DAY
    clock.now = began + 29 * DAY
    assert reminders(client, start) == [event]
    clock.now = began + 83 * DAY
    assert [told["question"] for told in reminders(client, start)] == ["timeline", "budget"]


def test_an_answer_that_is_given_again_is_announced_again(client, clock, link):
    start, began = end_of_feed(client), clock.now
    told = qualify(client, link, question_set="ageing", ratings={"timeline": 4})
    clock.now = began + 25 * DAY
    assert len(reminders(client, start)) == 1
    ok(patch(client, told["session_id"], ratings={"timeline": 5}))
    assert len(reminders(client, start)) == 1
    clock.now = began + 48 * DAY
    assert len(reminders(client, start)) == 2


def test_a_closed_session_and_a_withdrawn_answer_are_not_announced(client, clock, link):
    start, began = end_of_feed(client), clock.now
    told = qualify(client, link, question_set="ageing", deal="a", ratings={"timeline": 4})
    ok(conclude(client, told["session_id"], "won"))
    told = qualify(client, link, question_set="ageing", deal="b", ratings={"timeline": 4})
    ok(patch(client, told["session_id"], answers=[{"question": "timeline", "state": "open"}]))
    clock.now = began + 25 * DAY
    assert reminders(client, start) == []


def test_carried_answers_are_announced_for_the_new_session(client, clock, link):
    start, began = end_of_feed(client), clock.now
    first = qualify(client, link, question_set="ageing", deal="a", ratings={"timeline": 4})
    clock.now = began + 25 * DAY
    assert len(reminders(client, start)) == 1
    second = qualify(client, link, question_set="ageing", deal="b", carry_over=True)
    assert [event["session_id"] for event in reminders(client, start)] == [
        first["session_id"],
        second["session_id"],
    ]


def test_several_processes_record_each_reminder_once(client, clock, link, database):
    start, plans = end_of_feed(client), Plans(database, "ageing")
    for number in range(5):
        linked = link | {"external_id": f"{link['external_id']}-{number}"}
        nurtured(client, linked, clock.now + DAY)
    clock.now += DAY

    def record(tx):
        record_due(UnitOfWork(tx, plans, SYSTEM_KEY_NAME), WEEK)

    at_once([partial(database.write_sync, record)] * 4)
    assert not database.read_sync(partial(any_due, notice=WEEK))
    assert types_of(reminders(client, start)) == ["revisit.due"] * 5


def test_what_is_due_is_found_by_index(database):
    plans = plans_of(database, partial(any_due, notice=WEEK))
    found = "\n".join(plans.values())
    assert "ix_session_revisit_pending_on" in found
    assert "ix_session_next_expiry_at" in found
