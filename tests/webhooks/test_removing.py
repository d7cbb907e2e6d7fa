"""Webhooks come and go while events are handed out to them: nothing fails, and nobody waits for ever."""

import threading

from tests.api.calls import new_prospect, ok
from tests.webhooks.far_end import says


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
