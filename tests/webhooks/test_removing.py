"""Webhooks come and go while events are handed out to them: nothing fails, and nobody waits for ever."""

import threading

from app.webhooks import subscriptions
from tests.api.calls import new_prospect, ok, refusal
from tests.catalogue import connected
from tests.conftest import serving, settings_for
from tests.webhooks.conftest import HERE, deliveries
from tests.webhooks.far_end import says, until


def test_webhooks_that_go_while_events_are_handed_out_and_settled(client, end):
    end.answer = says(429, Retry_After="1")
    failures = []
    stop = threading.Event()

    def write():
        while not stop.is_set():
            new_prospect(client)
            answer = client.get("/v1/events/latest?limit=1")
            if not answer.is_success:
                failures.append(answer.text)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(15):
        made = [ok(client.post("/v1/webhooks", json={"url": end.url}), 201)["id"] for _ in range(3)]
        end.wait_for(1)
        for webhook_id in made:
            gone = client.delete(f"/v1/webhooks/{webhook_id}")
            if gone.status_code != 204:
                failures.append(gone.text)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ok(client.get("/v1/webhooks"))["items"] == []


def test_a_long_log_goes_some_at_a_time(client, hooked, end, subscribe, monkeypatch):
    monkeypatch.setattr(subscriptions, "REMOVED_AT_ONCE", 3)
    hook = subscribe(end.url, types=["prospect.created"])
    for _ in range(8):
        new_prospect(client)
    until(lambda: len(deliveries(client, hook)) == 8)
    assert client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    assert refusal(client.get(f"/v1/webhooks/{hook['id']}")) == (404, "not-found")
    with connected(hooked.settings.database_url.get_secret_value()) as connection:
        here = hook["id"].replace("-", "") if hooked.is_sqlite else hook["id"]
        left = f"SELECT count(*) FROM webhook_delivery WHERE webhook_id = '{here}'"
        assert connection.exec_driver_sql(left).scalar() == 0


def test_what_somebody_erases_this_moment_keeps_nothing_else_from_being_sent(postgres, place):
    """Both deliveries that they hold: one that is on its way, and one that has its turn."""
    slow, quick = place(), place()
    settings = settings_for(postgres(), webhook_networks=HERE, webhook_seconds=1)
    answered = threading.Event()
    slow.answer = lambda received: (answered.wait(0.9), says(204)(received))[1]
    with serving(settings) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": slow.url}), 201)
        new_prospect(running.client)
        slow.wait_for(1)
        with connected(settings.database_url.get_secret_value()) as connection, connection.begin():
            held = connection.exec_driver_sql("SELECT id FROM webhook_delivery FOR UPDATE").all()
            assert len(held) == 1
            answered.set()
            ok(running.client.post("/v1/webhooks", json={"url": quick.url}), 201)
            new_prospect(running.client)
            quick.wait_for(1)
        # Nobody erased it in the end, so the other is told again that it has arrived.
        until(lambda: [one["status"] for one in deliveries(running.client, hook)] == ["delivered"] * 2)
