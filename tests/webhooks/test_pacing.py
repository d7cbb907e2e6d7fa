"""Who is busy gets everything, at a pace that it can follow, and refuses few requests for it."""

from collections import deque
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import col, func, select

from app.clock import new_id
from app.events.queries import EVENT_TABLE
from app.main import open_cipher, open_database, prepare_database
from app.webhooks import outbox
from app.webhooks.outbox import AttemptResult
from app.webhooks.retries import Pace, slower_pace
from app.webhooks.schemas import NewWebhook, WebhookChange
from app.webhooks.service import create_webhook, update_webhook
from app.webhooks.tables import Delivery, Webhook
from tests.api.calls import new_prospect, ok
from tests.conftest import settings_for
from tests.waiting import until
from tests.webhooks.conftest import deliveries
from tests.webhooks.far_end import accept, says

BEGUN = datetime(2026, 1, 31, 9, tzinfo=UTC)
# As long as a process waits between two passes.
STEP = timedelta(seconds=0.25)
LEASE = timedelta(seconds=20)


class Receiver:
    """Accepts so many requests in any second of the simulated time, and refuses the others with a 429."""

    def __init__(self, per_second):
        self.per_second, self.accepted, self.requests, self.refused = per_second, deque(), 0, 0

    def answer(self, at):
        self.requests += 1
        while self.accepted and self.accepted[0] <= at - timedelta(seconds=1):
            self.accepted.popleft()
        if len(self.accepted) < self.per_second:
            self.accepted.append(at)
            return AttemptResult(204)
        self.refused += 1
        return AttemptResult(429)


class Simulation:
    """A webhook with many pending deliveries, in a time that goes on in steps. An answer takes one step."""

    def __init__(self, settings, count):
        self.now = BEGUN
        self.database = open_database(settings, lambda: self.now)
        prepare_database(self.database, settings)
        self.cipher, self.answers = open_cipher(settings), []
        self.id = self.database.write_sync(lambda tx: self._create(tx, count))

    def _create(self, tx, count):
        webhook, _ = create_webhook(tx, self.cipher, NewWebhook(url="https://example.com/"))
        events = [
            {
                "id": new_id(),
                "position": place,
                "type": "prospect.created",
                "at": tx.at,
                "silent": False,
                "data": {},
            }
            for place in range(1, count + 1)
        ]
        tx.db.execute(EVENT_TABLE.insert(), events)
        tx.db.add_all(
            Delivery(
                id=new_id(),
                webhook_id=webhook.id,
                event_id=event["id"],
                position=event["position"],
                due_at=tx.at,
            )
            for event in events
        )
        return webhook.id

    def step(self, receivers):
        """One pass of a process: store the answers of the step before, and send what can be sent."""
        results, self.answers = self.answers, []

        def record_and_claim(tx):
            outbox.record_results(tx, results)
            return outbox.claim_due(tx, self.id, LEASE)

        leases = self.database.write_sync(record_and_claim)
        self.answers = [(lease, receivers.answer(self.now)) for lease in leases]
        self.now += STEP

    def count(self, **wanted):
        conditions = [getattr(Delivery, name) == value for name, value in wanted.items()]
        counting = select(func.count(col(Delivery.id))).where(*conditions)
        return self.database.read_sync(lambda tx: tx.db.exec(counting).one())

    def webhook(self):
        return self.database.read_sync(lambda tx: tx.db.get(Webhook, self.id))


@pytest.fixture
def simulate(new_database):
    made = []

    def start(count):
        made.append(Simulation(settings_for(new_database()), count))
        return made[-1]

    yield start
    for one in made:
        one.database.close()


def test_six_hundred_records_reach_who_takes_ten_in_a_second(simulate):
    """Without a refusal it would take 60 seconds."""
    simulation, receiver = simulate(600), Receiver(10)
    while simulation.count(status="delivered") < 600:
        for _ in range(20):
            simulation.step(receiver)
    assert receiver.requests == 600 + receiver.refused
    assert receiver.refused <= 20
    assert simulation.now - BEGUN <= timedelta(seconds=120)
    # A refused request costs no attempt.
    assert simulation.count(status="delivered", attempts=1) == 600


def test_a_refusal_pauses_and_several_at_once_are_one(simulate):
    simulation, closed = simulate(20), Receiver(0)
    simulation.step(closed)
    assert (closed.requests, simulation.webhook().rate) == (8, None)
    simulation.step(closed)
    slowed = simulation.webhook()
    # All eight were sent before the first refusal arrived, after one step.
    assert (slowed.rate, slowed.paused_until) == (8.0, BEGUN + STEP + timedelta(seconds=2))
    assert simulation.count(status="pending", attempts=0) == 20
    # Then one more is sent, and refused a step later: half of the rate, and twice the pause.
    while simulation.webhook().rate == 8.0:
        simulation.step(closed)
    slower = simulation.webhook()
    assert (closed.requests, slower.rate) == (9, pytest.approx(4, rel=0.01))
    assert slower.paused_until == slowed.paused_until + STEP + timedelta(seconds=4)


def test_a_new_address_starts_anew(simulate):
    simulation, closed = simulate(20), Receiver(0)
    for _ in range(2):
        simulation.step(closed)
    change = WebhookChange(url="https://example.org/")
    simulation.database.write_sync(lambda tx: update_webhook(tx, simulation.cipher, simulation.id, change))
    now = simulation.webhook()
    assert (now.paused_until, now.rate, now.next_send_at) == (None, None, None)


def after(seconds, pace):
    return pace.since + timedelta(seconds=seconds)


@pytest.mark.one_database
def test_the_rate_doubles_every_minute_until_there_is_none():
    pace = Pace(8.0, BEGUN, 2.0)
    assert [pace.rate_at(after(seconds, pace)) for seconds in (-5, 0, 60, 120)] == [8, 8, 16, 32]
    assert pace.rate_at(after(180, pace)) is None
    assert Pace(1 / 60, BEGUN, 2.0).rate_at(BEGUN + timedelta(days=3650)) is None


@pytest.mark.one_database
def test_pauses_double_up_to_five_minutes_and_rates_halve_down_to_one_in_a_minute():
    pace, at, pauses = None, BEGUN, []
    for _ in range(12):
        pace = slower_pace(pace, at, None)
        pauses.append((pace.since - at).total_seconds())
        at = pace.since
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300, 300]
    assert pace.rate == 1 / 60
    # Who accepted for half a minute gets a short pause again.
    later = slower_pace(pace, after(31, pace), None)
    assert (later.since - after(31, pace)).total_seconds() == 2
    asked = slower_pace(None, BEGUN, BEGUN + timedelta(hours=1))
    assert (asked.rate, asked.since) == (8, BEGUN + timedelta(hours=1))


@pytest.mark.one_database
def test_what_was_not_sent_in_time_is_not_sent_in_addition():
    pace = Pace(4.0, BEGUN, 2.0)
    assert pace.count_at(BEGUN, None) == 1
    following = pace.next_after(1, BEGUN, None)
    assert following == BEGUN + timedelta(seconds=0.25)
    assert pace.count_at(BEGUN + timedelta(seconds=0.2), following) == 0
    assert pace.count_at(following, following) == 1
    # Of ten seconds, a quarter of a second counts.
    assert pace.count_at(BEGUN + timedelta(seconds=10), following) == 2


def test_a_429_without_retry_after_over_a_socket(client, stopped, end, subscribe):
    end.answer = says(429, "slow down")
    hook = subscribe(end.url, types=["prospect.created"])
    new_prospect(client)
    paused = until(lambda: ok(client.get(f"/v1/webhooks/{hook['id']}")), lambda one: one["paused_until"])
    assert datetime.fromisoformat(paused["paused_until"]) - stopped() == timedelta(seconds=2)
    (log,) = deliveries(client, hook)
    assert (log["status"], log["attempts"], log["last_status"], paused["rate"]) == ("pending", 0, 429, 8.0)
    end.answer = accept
    stopped.turn(seconds=2)
    (log,) = until(lambda: deliveries(client, hook, status="delivered"))
    assert (log["attempts"], len(end.received)) == (1, 2)
    stopped.turn(minutes=3)
    new_prospect(client)
    until(lambda: len(deliveries(client, hook, status="delivered")) == 2)
    assert ok(client.get(f"/v1/webhooks/{hook['id']}"))["rate"] is None


def test_an_outage_is_not_slow_down(client, end, subscribe):
    """A 503 without Retry-After is tried again as any other failure, and the others are sent meanwhile."""
    end.answer = says(503)
    hook = subscribe(end.url, types=["prospect.created"])
    new_prospect(client)
    (log,) = until(lambda: [one for one in deliveries(client, hook) if one["last_status"]])
    shown = ok(client.get(f"/v1/webhooks/{hook['id']}"))
    assert (log["attempts"], shown["paused_until"], shown["rate"]) == (1, None, None)
