"""What does not arrive is sent again; who is gone, slow or in need of rest keeps nobody else waiting."""

import base64
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from threading import Event
from uuid import uuid4

import pytest

from app.db import open_database
from app.webhooks.outbox import delete_expired
from app.webhooks.sender import Sender
from tests.api.calls import new_prospect, ok, pointers, refusal
from tests.conftest import serving, settings_for
from tests.waiting import PATIENCE, until
from tests.webhooks.conftest import HERE, deliveries
from tests.webhooks.far_end import accept, says

CREATED = {"types": ["prospect.created"]}
# Standard Webhooks' example, in seconds.
GAPS = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]


def seconds(later, earlier):
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def test_ten_attempts_in_three_days_and_then_it_is_given_up_until_somebody_asks(
    client, stopped, end, subscribe
):
    end.answer = says(503, "down for\nrepair")
    hook = subscribe(end.url, **CREATED)
    new_prospect(client)
    begun = None
    for attempt, gap in enumerate(GAPS, 1):
        (log,) = until(
            lambda: deliveries(client, hook),
            lambda found, n=attempt: (
                found
                and found[0]["attempts"] == n
                and found[0]["last_status"]
                and seconds(found[0]["due_at"], found[0]["last_attempt_at"]) > 1
            ),
        )
        begun = begun or log["last_attempt_at"]
        assert log["status"] == "pending"
        # From the end of the attempt: with up to a tenth more.
        assert gap <= seconds(log["due_at"], log["last_attempt_at"]) <= 1.1 * gap
        assert len(end.received) == attempt
        stopped.turn(seconds=1.1 * gap + 3)
    (log,) = until(lambda: deliveries(client, hook, status="failed"))
    assert (log["attempts"], log["last_status"], log["last_answer"]) == (10, 503, "down for\nrepair")
    assert timedelta(seconds=seconds(log["settled_at"], begun)) >= timedelta(days=3)
    assert len({one.id for one in end.received}) == 1
    assert len({one.headers["webhook-timestamp"] for one in end.received}) == 10
    end.answer = accept
    again = f"/v1/webhooks/{hook['id']}/deliveries/replay"
    assert ok(client.post(again, json={})) == {"replayed": 1}
    (log,) = until(lambda: deliveries(client, hook, status="delivered"))
    assert (log["attempts"], log["last_answer"]) == (1, None)
    assert ok(client.post(again, json={})) == {"replayed": 0}
    assert ok(client.post(again, json={"delivery_ids": [log["id"]]})) == {"replayed": 1}
    unknown = {"delivery_ids": [log["id"], str(uuid4())]}
    assert pointers(client.post(again, json=unknown)) == ["/delivery_ids/1"]
    assert len({one.id for one in end.wait_for(12)}) == 1


def test_410_disables_and_nobody_else_is_affected(client, place, subscribe):
    gone, there = place(), place()
    gone.answer = says(410)
    hook, other = subscribe(gone.url, **CREATED), subscribe(there.url, **CREATED)
    new_prospect(client)
    there.wait_for(1)
    disabled = until(
        lambda: ok(client.get(f"/v1/webhooks/{hook['id']}")), lambda one: one["status"] == "disabled"
    )
    assert disabled["disabled_because"] == "The receiver responded with 410 Gone."
    new_prospect(client)
    there.wait_for(2)
    until(lambda: len(deliveries(client, other, status="delivered")) == 2)
    assert len(gone.received) == 1
    gone.answer = accept
    on = ok(client.patch(f"/v1/webhooks/{hook['id']}", json={"status": "active"}))
    assert (on["status"], on["disabled_because"]) == ("active", None)
    last = new_prospect(client)
    assert gone.wait_for(2)[-1].json["data"]["prospect_id"] == last["id"]
    until(lambda: [one["status"] for one in deliveries(client, hook)] == ["delivered", "failed"])


@pytest.mark.parametrize("as_date", [False, True])
def test_who_asks_to_be_left_alone_is_left_alone(client, stopped, end, subscribe, as_date):
    wish = format_datetime(stopped() + timedelta(hours=2), usegmt=True) if as_date else "7200"
    end.answer = says(429, "slow down", Retry_After=wish)
    hook = subscribe(end.url, **CREATED)
    new_prospect(client)
    paused = until(lambda: ok(client.get(f"/v1/webhooks/{hook['id']}")), lambda one: one["paused_until"])
    wanted = stopped() + timedelta(hours=2)
    assert abs(datetime.fromisoformat(paused["paused_until"]) - wanted) < timedelta(seconds=1)
    end.answer = accept
    new_prospect(client)
    log = until(lambda: deliveries(client, hook), lambda found: len(found) == 2)
    stopped.turn(hours=1, minutes=55)
    assert ok(client.post(f"/v1/webhooks/{hook['id']}/test"))["status"] == 204
    time.sleep(0.6)
    assert [one["attempts"] for one in deliveries(client, hook)] == [0, 0]
    stopped.turn(minutes=6)
    # One after the other now, and not as fast as possible.
    until(lambda: deliveries(client, hook, status="delivered"))
    stopped.turn(seconds=1)
    log = until(lambda: deliveries(client, hook, status="delivered"), lambda found: len(found) == 2)
    assert [one["attempts"] for one in log] == [1, 1]


WISHES = [
    "soon", "-5", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "9" * 40,
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2027 00:00:00 +99999999999999",
]  # fmt: skip


@pytest.mark.parametrize("wish", WISHES)
def test_a_wish_that_says_nothing_is_none_and_none_is_longer_than_a_day(
    client, stopped, end, subscribe, wish
):
    end.answer = says(503, Retry_After=wish)
    hook = subscribe(end.url, **CREATED)
    new_prospect(client)
    (log,) = until(lambda: deliveries(client, hook), lambda found: found and found[0]["last_status"])
    pause = seconds(log["due_at"], stopped().isoformat())
    assert pause == 24 * 3600 if wish.startswith("9") else GAPS[0] <= pause <= 1.1 * GAPS[0]


def test_what_an_old_address_says_late_does_not_count_for_the_new_one(client, place, subscribe):
    old, new, moved = place(), place(), Event()

    def gone(_):
        moved.wait(PATIENCE)
        return 410, {}, ""

    old.answer = gone
    hook = subscribe(old.url, **CREATED)
    new_prospect(client)
    old.wait_for(1)
    ok(client.patch(f"/v1/webhooks/{hook['id']}", json={"url": new.url}))
    moved.set()
    until(lambda: [one for one in deliveries(client, hook) if one["last_status"] == 410])
    now = ok(client.get(f"/v1/webhooks/{hook['id']}"))
    assert (now["status"], now["revision"]) == ("active", 2)
    new.wait_for(1)


def test_an_answer_that_breaks_off_has_told_its_status(client, end, subscribe):
    end.answer = lambda _: (200, {"Content-Length": "50"}, "ok")
    hook = subscribe(end.url, **CREATED)
    new_prospect(client)
    (log,) = until(lambda: deliveries(client, hook, status="delivered"))
    assert (log["attempts"], log["last_status"]) == (1, 200)


def test_a_redirect_is_not_followed(client, place, subscribe):
    elsewhere, end = place(), place()
    end.answer = says(307, Location=elsewhere.url)
    hook = subscribe(end.url, **CREATED)
    new_prospect(client)
    (log,) = until(lambda: deliveries(client, hook), lambda found: found and found[0]["last_status"])
    assert (log["status"], log["last_status"]) == ("pending", 307)
    assert ok(client.post(f"/v1/webhooks/{hook['id']}/test"))["status"] == 307
    assert elsewhere.received == []


def test_one_that_hangs_and_one_that_is_dead_delay_no_other(new_database, place):
    """While eight requests hang, the most for one webhook, another webhook gets everything."""
    slow, good, released = place(), place(), Event()

    def hold(_):
        released.wait(PATIENCE)
        return 204, {}, ""

    slow.answer = hold
    settings = settings_for(new_database(), webhook_networks=HERE, webhook_seconds=60)
    with serving(settings) as running:
        for url in (slow.url, nobody(place), good.url):
            ok(running.client.post("/v1/webhooks", json={"url": url, **CREATED}), 201)
        for _ in range(30):
            new_prospect(running.client)
        good.wait_for(30)
        slow.wait_for(8)
        assert len(slow.received) == 8
        released.set()
        slow.wait_for(30)


def tried(client, hook):
    """A delivery that failed, as the log has it."""
    return until(lambda: deliveries(client, hook), lambda found: found and found[0]["last_error"])[0]


def test_the_log_says_that_no_answer_came(new_database, place):
    slow, given_up = place(), Event()
    slow.answer = lambda received: (given_up.wait(PATIENCE), accept(received))[1]
    settings = settings_for(new_database(), webhook_networks=HERE, webhook_seconds=2)
    with serving(settings) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": slow.url, **CREATED}), 201)
        new_prospect(running.client)
        silent = tried(running.client, hook)
        given_up.set()
    assert (silent["last_status"], silent["last_error"]) == (None, "no response within 2 seconds")


def test_the_log_says_that_nobody_was_there(client, place, subscribe):
    hook = subscribe(nobody(place), **CREATED)
    new_prospect(client)
    assert "ConnectError" in tried(client, hook)["last_error"]


def nobody(place):
    """An address at which nobody listens."""
    return f"http://127.0.0.1:{place().port + 1}/hook"


def test_a_failure_of_the_service_itself_ends_nothing(client, end, subscribe, monkeypatch):
    """Whatever goes wrong with one attempt is told in the log, and the next one is made."""
    real, failing = Sender.send, [True]

    async def send(self, outgoing):
        if failing.pop() if failing else False:
            raise RecursionError
        return await real(self, outgoing)

    monkeypatch.setattr(Sender, "send", send)
    hook = subscribe(end.url, **CREATED)
    new_prospect(client)
    (log,) = until(lambda: deliveries(client, hook), lambda found: found and found[0]["last_error"])
    assert (log["status"], log["last_error"]) == ("pending", "the service failed; its log says why")
    new_prospect(client)
    end.wait_for(1)


def test_the_log_is_paged_and_filtered_and_forgotten_after_thirty_days(client, hooked, end, subscribe):
    hook = subscribe(end.url, **CREATED)
    for _ in range(5):
        new_prospect(client)
    until(lambda: len(deliveries(client, hook, status="delivered")) == 5)
    page = ok(client.get(f"/v1/webhooks/{hook['id']}/deliveries?limit=3"))
    rest = ok(client.get(page["next"]))
    positions = [one["position"] for one in page["items"] + rest["items"]]
    assert positions == sorted(positions, reverse=True)
    assert (len(set(positions)), rest["next"]) == (5, None)
    assert deliveries(client, hook, status="failed") == []
    beyond = base64.urlsafe_b64encode(b"[9223372036854775808]").decode().rstrip("=")
    refused = client.get(f"/v1/webhooks/{hook['id']}/deliveries?after={beyond}")
    assert refusal(refused) == (422, "invalid-request")
    refused = client.get(f"/v1/webhooks/{hook['id']}/deliveries?status=lost")
    assert refusal(refused) == (422, "invalid-request")
    for days, left in ((29, 5), (31, 0)):
        then = datetime.now(UTC) + timedelta(days=days)
        database = open_database(hooked.settings, clock=lambda then=then: then)
        database.write_sync(delete_expired)
        database.close()
        assert len(deliveries(client, hook)) == left
