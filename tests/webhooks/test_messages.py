"""What arrives at the far end: every event once or more, under its id, signed."""

from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.api.calls import end_of_feed, events_after, new_prospect, ok, qualify, refusal, session, types_of
from tests.conftest import serving, settings_for
from tests.waiting import until
from tests.webhooks.conftest import HERE, deliveries
from tests.webhooks.far_end import accept, says


def verified(secret, received):
    """The message, if the signature is right: raises otherwise."""
    return Webhook(secret).verify(received.body, received.headers)


def test_every_event_arrives_as_the_feed_has_it(client, end, subscribe, link):
    start, hook = end_of_feed(client), subscribe(end.url)
    told = qualify(
        client,
        link,
        question_set="bant",
        ratings={"need": 4},
        decision={"decision": "pursue", "actor": "ana@example.com"},
    )
    feed = events_after(client, start)
    assert types_of(feed) == [
        "prospect.created", "session.opened", "session.answered", "score.changed", "decision.recorded",
    ]  # fmt: skip
    received = end.wait_for(len(feed))
    messages = [verified(hook["secret"], one) for one in received]
    assert sorted((one["data"] for one in messages), key=lambda event: event["position"]) == feed
    for one, message in zip(received, messages, strict=True):
        assert one.method == "POST"
        assert one.headers["content-type"] == "application/json"
        assert one.id == message["id"] == message["data"]["id"]
        assert (message["type"], message["timestamp"]) == (message["data"]["type"], message["data"]["at"])
        assert (message["prospect"], message["session"]) == (None, None)
    log = until(lambda: deliveries(client, hook, status="delivered"), lambda log: len(log) == len(feed))
    assert [one["event_id"] for one in log] == [event["id"] for event in reversed(feed)]
    assert {(one["attempts"], one["last_status"], one["due_at"]) for one in log} == {(1, 204, None)}
    assert told["session_id"] in {message["data"]["session_id"] for message in messages}


def test_a_full_message_has_the_prospect_and_the_session_as_they_are(client, end, subscribe, link):
    hook = subscribe(end.url, payload="full", types=["score.changed", "prospect.created"])
    told = qualify(client, link, name="Acme", question_set="bant", ratings={"need": 4})
    received = end.wait_for(2)
    by_type = {one.json["type"]: verified(hook["secret"], one) for one in received}
    prospect = ok(client.get(f"/v1/prospects/{told['prospect_id']}"))
    assert by_type["prospect.created"]["prospect"] == by_type["score.changed"]["prospect"] == prospect
    assert by_type["prospect.created"]["session"] is None
    assert by_type["score.changed"]["session"] == session(client, told["session_id"])


def test_only_what_was_asked_for_is_sent(client, place, subscribe, link):
    ends = [place() for _ in range(3)]
    subscribe(ends[0].url, types=["session.*", "prospect.created"])
    subscribe(ends[1].url, types=["score.changed"], question_set="meddpicc")
    subscribe(ends[2].url, question_set="meddpicc", types=["session.opened"])
    for key in ("bant", "meddpicc"):
        qualify(client, link, question_set=key, deal=key)
    (opened,) = ends[2].wait_for(1)
    assert opened.json["data"]["question_set"].startswith("meddpicc@")
    ends[1].wait_for(1)
    ends[0].wait_for(3)
    assert sorted(one.json["type"] for one in ends[0].received) == [
        "prospect.created", "session.opened", "session.opened",
    ]  # fmt: skip
    assert [len(one.received) for one in ends] == [3, 1, 1]


def test_a_person_is_left_out_unless_the_webhook_names_the_set(client, place, subscribe, link):
    ends, other_link = [place() for _ in range(2)], {**link, "source": "another"}
    subscribe(ends[0].url, types=["prospect.created", "score.changed"])
    subscribe(ends[1].url, types=["score.changed"], question_set="purpose-before-self")
    qualify(client, link, question_set="purpose-before-self", ratings={"transparency": 4})
    qualify(client, other_link, question_set="bant", ratings={"need": 4})
    (about_a_person,) = ends[1].wait_for(1)
    assert about_a_person.json["data"]["question_set"] == "purpose-before-self@1"
    created, scored = sorted(ends[0].wait_for(2), key=lambda one: one.json["type"])
    assert created.json["data"]["links"] == scored.json["data"]["links"] == [other_link]
    assert len(ends[0].received) == 2


def test_nothing_is_told_of_what_was_rolled_back_nor_of_what_was_before(client, end, subscribe, link):
    qualify(client, link, question_set="bant", ratings={"need": 4})
    subscribe(end.url)
    refused = client.post("/v1/qualify", json={**link, "name": "Never", "ratings": {"nowhere": 4}})
    assert refusal(refused) == (422, "invalid-request")
    last = new_prospect(client, name="Afterwards")
    (only,) = end.wait_for(1)
    assert only.json["data"]["prospect_id"] == last["id"]


def test_two_secrets_sign_for_a_day_after_a_change(client, clock, end, subscribe):
    own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    hook = subscribe(end.url, types=["prospect.created"], secret=own)
    assert hook["secret"] == own
    new_prospect(client)
    changed = ok(client.post(f"/v1/webhooks/{hook['id']}/secret", json={}))
    assert changed["secret"] != own
    assert "secret" not in ok(client.get(f"/v1/webhooks/{hook['id']}"))
    first = end.wait_for(1)[0]
    verified(own, first)
    new_prospect(client)
    both = end.wait_for(2)[1]
    verified(own, both)
    verified(changed["secret"], both)
    before = clock.ahead
    clock.turn(hours=25)
    try:
        new_prospect(client)
        last = end.wait_for(3)[2]
    finally:
        clock.ahead = before
    # The clock of the tests was ahead, that of the library is not.
    assert len(both.headers["webhook-signature"].split()) == 2
    (signature,) = last.headers["webhook-signature"].split()
    at = timedelta(seconds=int(last.headers["webhook-timestamp"]))
    assert at - timedelta(seconds=last.at) > timedelta(hours=24)
    with pytest.raises(WebhookVerificationError, match="too new"):
        verified(changed["secret"], last)
    when = datetime.fromtimestamp(at.total_seconds(), UTC)
    assert signature == Webhook(changed["secret"]).sign(last.id, when, last.body)


def test_of_an_erased_prospect_nothing_is_sent_but_that(client, end, subscribe, link):
    end.answer = says(500)
    hook = subscribe(end.url)
    told = qualify(client, link, question_set="bant", ratings={"need": 4})
    until(lambda: deliveries(client, hook), lambda log: len(log) == 4)
    end.wait_for(4)
    client.delete(f"/v1/prospects/{told['prospect_id']}").raise_for_status()
    end.answer = accept
    (erased,) = end.wait_for(1, lambda one: one.json["type"] == "prospect.erased")
    assert erased.json["data"]["prospect_id"] == told["prospect_id"]
    assert [one["event_id"] for one in until(lambda: deliveries(client, hook, status="delivered"))] == [
        erased.id
    ]
    assert len(deliveries(client, hook)) == 1


def test_who_unsubscribes_gets_nothing_more(client, end, subscribe):
    hook = subscribe(end.url, types=["prospect.created"])
    new_prospect(client)
    end.wait_for(1)
    assert client.delete(f"/v1/webhooks/{hook['id']}").status_code == 204
    new_prospect(client)
    other = subscribe(end.url, types=["prospect.created"])
    new_prospect(client)
    end.wait_for(2)
    until(lambda: deliveries(client, other, status="delivered"))
    assert len(end.received) == 2
    assert refusal(client.get(f"/v1/webhooks/{hook['id']}")) == (404, "not-found")


def test_samples_are_a_bare_list_newest_first_with_ids(client, link):
    invented = ok(client.get("/v1/webhook-samples?types=question_set.retired&limit=1"))
    assert [one["type"] for one in invented] == ["question_set.retired"]
    for _ in range(3):
        new_prospect(client)
    told = qualify(client, link, question_set="bant")
    found = ok(client.get("/v1/webhook-samples?types=prospect.created&limit=3&payload=full"))
    assert len({one["id"] for one in found}) == 3
    positions = [one["data"]["position"] for one in found]
    assert positions == sorted(positions, reverse=True)
    assert found[0]["prospect"]["id"] == told["prospect_id"]


def test_a_test_sends_at_once_what_it_is_about_under_an_id_of_its_own(client, end, subscribe, link):
    hook = subscribe(end.url, types=["outcome.recorded"])
    tried = ok(client.post(f"/v1/webhooks/{hook['id']}/test"))
    assert (tried["status"], tried["error"]) == (204, None)
    made_up = verified(hook["secret"], end.received[0])
    assert made_up["type"] == "outcome.recorded"
    qualify(client, link, question_set="bant", outcome={"outcome": "lost"})
    (real,) = end.wait_for(1, lambda one: one.json["data"]["position"] > 1)
    end.answer = says(418, "I am a teapot")
    tried = ok(client.post(f"/v1/webhooks/{hook['id']}/test"))
    assert (tried["status"], tried["answer"]) == (418, "I am a teapot")
    again = end.received[-1]
    assert again.json["data"] == real.json["data"]
    assert again.id != real.id
    assert len(deliveries(client, hook)) == 1


@pytest.mark.parametrize("shows", [False, True])
def test_what_the_far_end_answers_is_shown_only_if_the_setting_says_so(end, tmp_path, shows):
    end.answer = says(418, "what the neighbours say")
    setting = {"webhook_test_shows_answer": True} if shows else {}
    settings = settings_for(f"sqlite:///{tmp_path}/fit.db", webhook_networks=HERE, **setting)
    with serving(settings) as running:
        hook = ok(running.client.post("/v1/webhooks", json={"url": end.url}), 201)
        tried = ok(running.client.post(f"/v1/webhooks/{hook['id']}/test"))
        new_prospect(running.client)
        (log,) = until(lambda: [one for one in deliveries(running.client, hook) if one["last_status"]])
    assert (tried["status"], tried["error"], tried["milliseconds"] >= 0) == (418, None, True)
    assert (log["last_status"], log["last_error"], log["last_milliseconds"] >= 0) == (418, None, True)
    shown = "what the neighbours say" if shows else None
    assert (tried["answer"], log["last_answer"]) == (shown, shown)


def test_events_of_an_import_reach_webhooks_only_with_notify(client, end, subscribe):
    start, hook = end_of_feed(client), subscribe(end.url, types=["prospect.created"])

    def bring(external_id, **query):
        line = {"external_id": external_id}
        sent = {"params": {"source": "history", **query}, "headers": {"Content-Type": "application/x-ndjson"}}
        assert client.post("/v1/prospects/import", json=line, **sent).status_code == 200

    bring("1")
    bring("2", notify="true")
    (received,) = end.wait_for(1)
    feed = events_after(client, start)
    assert [(one["links"][0]["external_id"], one["silent"]) for one in feed] == [("1", True), ("2", False)]
    assert received.json["data"] == feed[1]
    until(lambda: ok(client.get(f"/v1/webhooks/{hook['id']}"))["waiting"] == 0)
    assert len(deliveries(client, hook)) == 1
