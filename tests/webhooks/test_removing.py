"""Webhooks come and go while events are handed out to them: nothing fails, and nobody waits for ever."""

import threading
from datetime import timedelta
from uuid import UUID, uuid4

from sqlmodel import select

from app.db import open_database
from app.webhooks import outbox
from app.webhooks import service as webhooks
from app.webhooks.tables import Delivery
from tests.api.calls import new_prospect, ok, qualify, refusal
from tests.catalogue import connected
from tests.conftest import serving, settings_for
from tests.scoring.strategies import EFFORT
from tests.waiting import PATIENCE, until
from tests.webhooks.conftest import HERE, Clock, deliveries
from tests.webhooks.far_end import says

WITHOUT_POSITION = "SELECT count(*) FROM event WHERE position IS NULL"


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
    for _ in range(max(5, round(15 * EFFORT))):
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
    monkeypatch.setattr(webhooks, "DELETE_BATCH", 3)
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


def test_a_session_that_somebody_holds_keeps_no_other_webhook_waiting(postgres, place):
    """A record is updated with the score of today, so the session has to be scored again first."""
    record, thin = place(), place()
    # Who waits for the session does so for longer than this test waits for anything.
    settings = settings_for(postgres(), webhook_networks=HERE, wait_seconds=2 * PATIENCE)
    with serving(settings) as running:
        update = {"fields": {"/fit": "indication"}, "token": {"token": "secret"}}
        url = f"{record.url}/{{session_id}}"
        hook = {"url": url, "record_update": update, "types": ["session.opened"]}
        waiting = ok(running.client.post("/v1/webhooks", json=hook), 201)
        ok(running.client.post("/v1/webhooks", json={"url": thin.url, "types": ["prospect.created"]}), 201)
        account = {"source": "crm", "external_id": "1"}
        qualify(running.client, account, question_set="bant", ratings={"need": 4})
        (told,) = until(lambda: deliveries(running.client, waiting, status="delivered"))
        thin.wait_for(1)
        with connected(settings.database_url.get_secret_value()) as connection:
            with connection.begin():
                aged = "UPDATE session SET valid_until = now() - interval '1 minute'"
                connection.exec_driver_sql(aged)
            with connection.begin():
                connection.exec_driver_sql("SELECT id FROM session FOR UPDATE")
                again = {"delivery_ids": [told["id"]]}
                ok(running.client.post(f"/v1/webhooks/{waiting['id']}/deliveries/replay", json=again))
                until(lambda: deliveries(running.client, waiting)[0]["attempts"] == 1)
                new_prospect(running.client)
                until(lambda: len(thin.received) == 2)
                assert len(record.received) == 1
        record.wait_for(2)


def test_a_new_webhook_is_told_nothing_of_before_however_much_there_is(client, hooked, end, subscribe):
    """More than is given positions at a time; nobody has read the feed since."""
    with connected(hooked.settings.database_url.get_secret_value()) as connection, connection.begin():
        old = [f"('{uuid4().hex}', 'prospect.created', '2026-01-01', FALSE, '{{}}')" for _ in range(3000)]
        connection.exec_driver_sql(f"INSERT INTO event (id, type, at, silent, data) VALUES {', '.join(old)}")
        assert connection.exec_driver_sql(WITHOUT_POSITION).scalar() >= 3000
    hook = subscribe(end.url)
    with connected(hooked.settings.database_url.get_secret_value()) as connection:
        assert connection.exec_driver_sql(WITHOUT_POSITION).scalar() == 0
    new_prospect(client)
    end.wait_for(1)
    assert len(deliveries(client, hook)) == 1


def test_an_attempt_that_nobody_told_the_end_of_is_none(new_database):
    """Processes that are killed again and again do not use up the attempts of three days."""
    settings, clock = settings_for(new_database(), webhook_networks=HERE), Clock()
    with serving(settings, clock=clock) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": "https://127.0.0.1:1/"}), 201)
        new_prospect(running.client)
        until(lambda: [one for one in deliveries(running.client, hook) if one["last_error"]])
    database = open_database(settings, clock)
    for _ in range(12):
        clock.turn(minutes=10)
        (held,) = database.write_sync(
            lambda tx: outbox.claim_due(tx, UUID(hook["id"]), timedelta(seconds=20))
        )
    refused = [(held, outbox.AttemptResult(503))]
    database.write_sync(lambda tx: outbox.record_results(tx, refused))
    (delivery,) = database.read_sync(lambda tx: tx.db.exec(select(Delivery)).all())
    assert (delivery.attempts, delivery.status) == (2, "pending")
    database.close()
