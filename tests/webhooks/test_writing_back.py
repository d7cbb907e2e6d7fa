"""What a record gets besides figures, and that what comes back from it is no news."""

import json

import pytest

from app.webhooks.record_updates.message import record_body, shorten
from tests.api.calls import answer, ok, patch, qualify, ratings_of, session, upsert
from tests.waiting import until
from tests.webhooks.conftest import deliveries
from tests.webhooks.far_end import accept, says

BANT = {"question_set": "bant"}
TOKEN = "tok-77d2e3"


def base(end):
    return end.url.removesuffix("/hook")


def update(**more):
    return {"source": "crm", "fields": {"/budget": "rating.budget"}, "token": {"token": TOKEN}, **more}


@pytest.fixture
def account(link):
    return {"source": "crm", "external_id": link["external_id"]}


def form(client, link, **fields):
    return ok(client.post("/v1/qualify/bant", json={**link, **fields}))


def test_what_a_system_sends_back_is_no_news_and_what_a_person_changes_there_is(
    client, end, subscribe, account
):
    subscribe(f"{base(end)}/{{external_id}}", record_update=update(), **BANT)
    first = form(client, account, budget="2")
    session_id = first["session_id"]
    end.wait_for(1, lambda one: one.json["budget"] == 2)
    # A person changes it here, and the record follows.
    told = answer(client, session_id, budget=4)
    hook = ok(client.get("/v1/webhooks"))["items"][-1]
    end.wait_for(1, lambda one: one.json["budget"] == 4)
    until(lambda: not deliveries(client, hook, status="pending"))
    # The automation of the CRM sends the record that it has.
    assert form(client, account, budget="4")["revision"] == told["revision"]
    # In the CRM, a person sets what had been there at first.
    back = form(client, account, budget="2")
    assert (back["session_id"], back["revision"]) == (session_id, told["revision"] + 1)
    assert ratings_of(session(client, session_id))["budget"] == 2


def test_a_cut_name_that_comes_back_does_not_replace_the_name(client, end, subscribe, account):
    named = {"/name": {"figure": "name", "max_length": 10}, "/region": "attribute.region"}
    hook = subscribe(f"{base(end)}/{{external_id}}", record_update=update(fields=named), **BANT)
    whole = "Acme Logistics Ltd"
    form(client, account, name=whole, budget="3")
    sent = end.wait_for(1)[-1].json
    assert sent == {"name": "Acme Logi…"}
    until(lambda: not deliveries(client, hook, status="pending"))
    told = form(client, account, name=sent["name"])
    kept = ok(client.get(f"/v1/prospects/{told['prospect_id']}"))
    assert kept["name"] == whole
    form(client, account, name="Acme Rail")
    assert ok(client.get(f"/v1/prospects/{told['prospect_id']}"))["name"] == "Acme Rail"


def test_a_test_request_counts_as_sent_too(client, end, subscribe, account):
    told = form(client, account, budget="2")
    hook = subscribe(f"{base(end)}/{{external_id}}", record_update=update(), **BANT)
    answered = answer(client, told["session_id"], budget=5)
    until(lambda: deliveries(client, hook, status="delivered"))
    ok(client.post(f"/v1/webhooks/{hook['id']}/test"))
    assert form(client, account, budget="5")["revision"] == answered["revision"]


def test_people_see_withdrawn_answers_and_what_nobody_answered_stays(client, end, subscribe, account):
    fields = {f"/{name}": f"rating.{name}" for name in ("budget", "need", "nothing_of_the_kind")}
    fields |= {"/region": "attribute.region", "/size": "attribute.employees", "/decision": "decision"}
    subscribe(f"{base(end)}/{{external_id}}", record_update=update(fields=fields), **BANT)
    upsert(client, account, attributes={"employees": 120})
    told = qualify(client, account, **BANT, ratings={"budget": 4})
    assert end.wait_for(1)[-1].json == {"budget": 4, "size": 120, "decision": None}
    ok(patch(client, told["session_id"], answers=[{"question": "budget", "state": "open"}]))
    (last,) = end.wait_for(1, lambda one: one.json["budget"] is None)
    assert last.json == {"budget": None, "size": 120, "decision": None}


def test_an_update_without_any_value_waits_for_one(client, end, subscribe, account):
    """Of the mapped questions, none is answered at first."""
    fields = {"/id": "external_id", "/budget": "rating.budget", "/mark": "update_id"}
    hook = subscribe(f"{base(end)}/records", record_update=update(fields=fields), **BANT)
    form(client, account, need="2")
    until(lambda: deliveries(client, hook, status="skipped"))
    form(client, account, budget="4")
    assert end.wait_for(1)[0].json["budget"] == 4
    (skipped,) = deliveries(client, hook, status="skipped")
    assert (len(end.received), skipped["last_error"]) == (
        1,
        "There is no value yet for any of the mapped figures.",
    )


@pytest.mark.usefixtures("stopped")
def test_every_link_of_a_source_has_its_record(client, end, subscribe, account):
    first, other = account["external_id"], account["external_id"] + "-b"
    prospect = ok(upsert(client, account), 201)
    for link in ({"source": "crm", "external_id": other}, {"source": "erp", "external_id": first + "-c"}):
        ok(client.post(f"/v1/prospects/{prospect['id']}/links", json=link))
    end.answer = lambda one: says(404, "no such record")(one) if one.path.endswith("-b") else accept(one)
    changes = {"types": ["score.changed"], **BANT}
    hook = subscribe(f"{base(end)}/{{external_id}}", record_update=update(), **changes)
    told = qualify(client, account, **BANT, ratings={"budget": 4})

    def statuses():
        return {(one["external_id"], one["status"], one["last_status"]) for one in deliveries(client, hook)}

    # The record that is not there is tried again, and the other one has everything.
    until(lambda: statuses() == {(first, "delivered", 204), (other, "pending", 404)})
    end.answer = accept
    answer(client, told["session_id"], budget=5)
    until(lambda: not deliveries(client, hook, status="pending"))
    written = {(one.path.rpartition("/")[2], one.json["budget"]) for one in end.received}
    assert written == {(first, 4), (other, 4), (first, 5), (other, 5)}
    assert statuses() == {(first, "delivered", 204), (other, "delivered", 204), (other, "superseded", 404)}
    # One that was sent to a record is sent again to this record.
    newest = deliveries(client, hook, status="delivered")
    again = [one["id"] for one in newest if one["external_id"] == other]
    count = len(end.received)
    replay = client.post(f"/v1/webhooks/{hook['id']}/deliveries/replay", json={"delivery_ids": again})
    assert ok(replay) == {"replayed": 1}
    until(lambda: len(end.received) > count and not deliveries(client, hook, status="pending"))
    assert [one.path.rpartition("/")[2] for one in end.received[count:]] == [other]


def test_ids_lists_and_constants_are_in_the_body(client, end, subscribe, link):
    number = str(abs(hash(link["external_id"])) % 10**9)
    fields = {
        "/ids/0": {"figure": "external_id", "type": "number"},
        "/vals/score": {"figure": "points", "type": "text"},
        "/custom/0/id": {"value": 12},
        "/custom/0/value": "indication",
        "/custom/1/value": "rating.nowhere",
        "/trigger": {"value": []},
        "/context": {"value": {"0": None}},
    }
    made = update(fields=fields, method="POST", source="numbered")
    hook = subscribe(f"{base(end)}/json/2/write", record_update=made, **BANT)
    shown = ok(client.get(f"/v1/webhooks/{hook['id']}"))["record_update"]["fields"]
    assert shown["/ids/0"] == {"figure": "external_id", "type": "number", "max_length": None}
    assert (shown["/custom/0/value"], shown["/trigger"]) == ("indication", {"value": []})
    qualify(client, {"source": "numbered", "external_id": number}, **BANT, ratings={"budget": 4})
    sent = end.wait_for(1)[-1]
    assert (sent.method, sent.json) == (
        "POST",
        {
            "ids": [int(number)],
            "vals": {"score": "4"},
            "custom": [{"id": 12, "value": "undetermined"}],
            "trigger": [],
            "context": {"0": None},
        },
    )
    qualify(client, {"source": "numbered", "external_id": f"x{number}"}, **BANT, ratings={"budget": 4})
    (skipped,) = until(lambda: deliveries(client, hook, status="skipped"))
    assert skipped["last_error"] == "The figure external_id is not a number."


@pytest.mark.one_database
def test_a_place_without_a_figure_stays_empty_in_a_list():
    assert record_body({"/a/1": 2, "/b/0/x": 1, "/c/01": 3}) == {
        "a": [None, 2],
        "b": [{"x": 1}],
        "c": {"01": 3},
    }


TEXTS = [
    ("as it is", 8, "as it is"),
    ("one too long", 11, "one too lo…"),
    ("no blank at the end", 9, "no blank…"),
    ("x" * 300, 255, "x" * 254 + "…"),
    ("long", 1, "…"),
    # An emoji is two characters in UTF-16, and is not cut in half.
    ("ab🎉", 4, "ab🎉"),
    ("ab🎉cd", 4, "ab…"),
    ("ab🎉cd", 5, "ab🎉…"),
]


@pytest.mark.one_database
@pytest.mark.parametrize(("text", "length", "cut"), TEXTS)
def test_a_text_that_is_too_long_is_cut(text, length, cut):
    assert shorten(text, length) == cut
    assert len(cut.encode("utf-16-le")) <= 2 * length


def test_no_update_is_lost_for_a_text(client, end, subscribe, account):
    end.answer = lambda one: says(400)(one) if len(one.json["next"]) > 20 else accept(one)
    fields = {"/next": {"figure": "next_question", "max_length": 20}}
    hook = subscribe(f"{base(end)}/{{external_id}}", record_update=update(fields=fields), **BANT)
    qualify(client, account, **BANT, ratings={"budget": 4})
    (log,) = until(lambda: deliveries(client, hook, status="delivered"))
    assert log["attempts"] == 1
    assert end.received[-1].json["next"].endswith("…")


TOKEN_HEADERS = {
    "Authorization: Bearer {token}": ("authorization", f"Bearer {TOKEN}"),
    "Authorization: Zoho-oauthtoken {token}": ("authorization", f"Zoho-oauthtoken {TOKEN}"),
    "Authorization: Basic {token}": ("authorization", f"Basic {TOKEN}"),
    "x-api-token: {token}": ("x-api-token", TOKEN),
}


@pytest.mark.parametrize("header", TOKEN_HEADERS)
def test_a_token_has_its_header_and_no_secret_is_shown(client, end, subscribe, account, header):
    name, value = TOKEN_HEADERS[header]
    more = {"If-Match": "*", "X-Tenant": "tenant-8812", "user-agent": "Ours 1.0"}
    made = update(token_header=header, headers=more)
    # It repeats all that it got, as some do.
    end.answer = lambda one: (400, {}, json.dumps(one.headers))
    hook = subscribe(f"{base(end)}/{{external_id}}", record_update=made, **BANT)
    shown = ok(client.get(f"/v1/webhooks/{hook['id']}"))["record_update"]
    assert (shown["token_header"], shown["headers"]) == (header, ["If-Match", "X-Tenant", "user-agent"])
    qualify(client, account, **BANT, ratings={"budget": 4})
    (log,) = until(lambda: [one for one in deliveries(client, hook) if one["last_status"]])
    got = end.received[-1].headers
    assert (got[name], got["if-match"], got["x-tenant"]) == (value, "*", "tenant-8812")
    assert (got["user-agent"], got["accept-encoding"]) == ("Ours 1.0", "identity")
    assert "authorization" in got or name != "authorization"
    for told in (log["last_answer"], client.get("/v1/webhooks").text):
        assert TOKEN not in told
        assert "tenant-8812" not in told
    # The same again is no change, and another value is one.
    address = f"/v1/webhooks/{hook['id']}"
    assert ok(client.patch(address, json={"record_update": made}))["revision"] == 1
    changed = update(token_header=header, headers=more | {"If-Match": "W/1"})
    assert ok(client.patch(address, json={"record_update": changed}))["revision"] == 2


def test_a_deal_of_a_system_counts_what_was_written_to_it(client, end, subscribe, account):
    hook = subscribe(f"{base(end)}/deals/{{deal}}", record_update=update(), **BANT)
    told = form(client, account, deal="D-1", budget="2")
    answered = answer(client, told["session_id"], budget=4)
    end.wait_for(1, lambda one: one.json["budget"] == 4)
    until(lambda: not deliveries(client, hook, status="pending"))
    assert form(client, account, deal="D-1", budget="4")["revision"] == answered["revision"]
    assert form(client, account, deal="D-1", budget="2")["revision"] == answered["revision"] + 1
