"""A changed score lands in the CRM's own record, and an older one never after a newer."""

import threading

import pytest

from tests.api.calls import answer, decide, ok, pointers, qualify, refusal, session
from tests.waiting import PATIENCE, until
from tests.webhooks.conftest import deliveries
from tests.webhooks.far_end import accept
from tests.webhooks.vendors import filled, stand_in

BANT = {"question_set": "bant", "ratings": {"need": 5, "budget": 4, "authority": 2}}


def base(end):
    return end.url.removesuffix("/hook")


def own(link, source, external_id):
    return {"source": source, "external_id": f"{external_id}{abs(hash(link['external_id'])) % 10**9}"}


def test_what_the_crm_says_is_in_the_log(client, end, subscribe, link):
    company = own(link, f"hubspot.{'x' + link['external_id'].partition('-')[0]}", "8")
    crm = end.answer = stand_in("hubspot-company", company["external_id"])
    known, crm.fields = crm.fields, {"fit_score": float}
    made = filled("hubspot-company", base(end))
    made["record_update"]["source"] = company["source"]
    hook = subscribe(**made)
    nothing = client.post(f"/v1/webhooks/{hook['id']}/test")
    assert refusal(nothing) == (409, "nothing-to-send")
    qualify(client, company, **BANT)
    log = until(lambda: [one for one in deliveries(client, hook) if one["last_status"]])
    assert log[0]["last_status"] == 400
    assert "PROPERTY_DOESNT_EXIST" in log[0]["last_answer"]
    tried = ok(client.post(f"/v1/webhooks/{hook['id']}/test"))
    assert (tried["status"], "fit_indication" in tried["answer"]) == (400, True)
    # Mended, it lands without a new answer.
    crm.fields = known
    pending = [one["id"] for one in deliveries(client, hook, status="pending")]
    assert len(pending) == 1
    assert ok(client.post(f"/v1/webhooks/{hook['id']}/test"))["status"] == 200
    assert crm.records["companies", company["external_id"]]["fit_indication"] == "undetermined"


def test_a_token_that_is_not_to_be_had_is_told(client, end, subscribe, link):
    end.answer = stand_in("salesforce-account")
    made = filled("salesforce-account", base(end))
    made["record_update"]["client_credentials"]["client_secret"] = "wrong"
    hook = subscribe(**made)
    qualify(client, own(link, "salesforce.account", "002"), **BANT)
    log = until(lambda: [one for one in deliveries(client, hook) if one["last_error"]])
    assert log[0]["last_error"] == "the token endpoint responded with 400 and without a token"


def test_who_has_no_record_there_is_skipped(client, end, subscribe, link):
    hook = subscribe(**filled("hubspot-company", base(end)))
    qualify(client, link, **BANT)
    log = until(lambda: deliveries(client, hook, status="skipped"))
    assert log[0]["last_error"] == "The prospect has no link with the source of the webhook."
    assert end.received == []


@pytest.mark.parametrize("deal", [".", ".."])
def test_a_deal_that_would_lead_elsewhere_leads_nowhere(client, end, subscribe, link, deal):
    update = {"fields": {"/score": "score"}, "token": {"token": "t"}}
    hook = subscribe(f"{base(end)}/crm/deals/{{deal}}", record_update=update, question_set="bant")
    qualify(client, link, **BANT, deal=deal)
    log = until(lambda: deliveries(client, hook, status="skipped"))
    assert log[0]["last_error"] == "A URL cannot contain '.' or '..' as the id of a record."
    assert end.received == []


def test_another_host_does_not_get_what_was_entrusted_to_this_one(client, end, subscribe):
    update = {"fields": {"/score": "score"}, "token": {"token": "t"}}
    hook = subscribe(f"{base(end)}/deals/{{deal}}", record_update=update)
    address = f"/v1/webhooks/{hook['id']}"
    assert pointers(client.patch(address, json={"url": "https://1.1.1.1/{deal}"})) == ["/record_update"]
    ok(client.patch(address, json={"url": f"{base(end)}/opportunities/{{deal}}"}))
    ok(client.patch(address, json={"url": "https://1.1.1.1/{deal}", "record_update": update}))


def test_a_token_that_no_header_can_hold_is_none_and_is_not_told(client, end, subscribe, link):
    end.answer = lambda _: (200, {"Content-Type": "application/json"}, '{"access_token": "sEcReT\\nX: y"}')
    hook = subscribe(**filled("salesforce-account", base(end)))
    qualify(client, own(link, "salesforce.account", "003"), **BANT)
    log = until(lambda: [one for one in deliveries(client, hook) if one["last_error"]])
    assert log[0]["last_error"] == "the token endpoint responded with 200 and without a token"


def test_a_test_sends_nothing_of_another_question_set(client, end, subscribe, link):
    account = {"source": "crm", "external_id": link["external_id"]}
    qualify(client, account, question_set="bant", ratings={"budget": 4})
    record = subscribe(f"{base(end)}/{{external_id}}", record_update=GOOD, question_set="qualifying-a-sale")
    message = subscribe(end.url, types=["score.*"], question_set="qualifying-a-sale")
    refused = client.post(f"/v1/webhooks/{record['id']}/test")
    assert refusal(refused) == (409, "nothing-to-send")
    ok(client.post(f"/v1/webhooks/{message['id']}/test"))
    (made_up,) = end.wait_for(1)
    assert made_up.json["data"]["question_set"].startswith("qualifying-a-sale@")
    assert made_up.json["data"]["links"] != [account]


def test_an_older_state_never_follows_a_newer_one(client, end, subscribe, link):
    company = own(link, "crm", "9")
    slow, said = threading.Event(), threading.Event()
    written = []

    def record(received):
        if not slow.is_set():
            slow.set()
            said.wait(PATIENCE)
        written.append(received.json["score"])
        return accept(received)

    end.answer = record
    update = {"source": "crm", "fields": {"/score": "points"}, "token": {"token": "t"}}
    hook = subscribe(f"{base(end)}/{{external_id}}", record_update=update, question_set="bant")
    told = qualify(client, company, question_set="bant", ratings={"need": 1})
    assert slow.wait(PATIENCE)
    for rating in (2, 3, 4, 5):
        last = answer(client, told["session_id"], need=rating)
    said.set()
    until(lambda: written and written[-1] == last["score"]["points"])
    until(lambda: not deliveries(client, hook, status="pending"))
    assert written == sorted(written)
    # What was waiting while the first was on its way went as one.
    assert len(written) <= 4
    assert {one["status"] for one in deliveries(client, hook)} == {"delivered", "superseded"}


def test_every_figure_can_be_mapped_and_what_a_set_does_not_have_is_left_out(client, end, subscribe, link):
    account = own(link, "crm", "10")
    fields = {
        "/a~1b/match": "match_score", "/a~1b/other": "nowhere_score", "/n/~0/x": "rated",
        "/when": "valid_until", "/decided": "decision", "/settled": "settled", "/deal": "deal",
    }  # fmt: skip
    update = {"method": "PUT", "source": "crm", "fields": fields, "token": {"token": "t"}, "values": "typed"}
    of_set = {"question_set": "qualifying-a-sale"}
    subscribe(f"{base(end)}/x/{{external_id}}?deal={{deal}}", record_update=update, **of_set)
    told = qualify(client, account, deal="a b/&?", **of_set, ratings={"budget": 4})
    decide(client, told["session_id"], "pursue", revision=1).raise_for_status()
    last = until(lambda: [one for one in end.received if one.json["decided"] == "pursue"])[-1]
    now = session(client, told["session_id"])
    (match,) = [d["estimate"] for d in now["score"]["dimensions"] if d["key"] == "match"]
    assert last.json == {
        "a/b": {"match": match}, "n": {"~": {"x": 1}}, "when": now["score"]["valid_until"],
        "decided": "pursue", "settled": False, "deal": "a b/&?",
    }  # fmt: skip
    assert (last.method, last.path) == ("PUT", f"/x/{account['external_id']}?deal=a%20b%2F%26%3F")


GOOD = {"source": "crm", "fields": {"/score": "score"}, "token": {"token": "t"}}
URL = "https://1.1.1.1/{external_id}"
BAD = {
    "no such figure": (URL, GOOD | {"fields": {"/score": "mood"}}, "/record_update/fields/~1score"),
    "what only a form's answer tells": (
        URL,
        GOOD | {"fields": {"/created": "prospect_created"}},
        "/record_update/fields/~1created",
    ),
    "no pointer": (URL, GOOD | {"fields": {"score": "score"}}, "/record_update/fields/score"),
    "a value and one below it": (URL, GOOD | {"fields": {"/a": "score", "/a/b": "grade"}}, "/record_update"),
    "no fields": (URL, GOOD | {"fields": {}}, "/record_update/fields"),
    "no token": (URL, {k: v for k, v in GOOD.items() if k != "token"}, "/record_update"),
    "a token with a line end": (URL, GOOD | {"token": {"token": "a\r\nb"}}, "/record_update/token/token"),
    "an unknown place": ("https://1.1.1.1/{account}", GOOD, "/url"),
    "a place in two pairs of braces": ("https://1.1.1.1/{{external_id}}", GOOD, "/url"),
    "a brace that is never closed": ("https://1.1.1.1/{external_id}/{deal", GOOD, "/url"),
    "no place": ("https://1.1.1.1/account", GOOD, "/url"),
    "a place in the host": ("https://{external_id}.example.com/{external_id}", GOOD, "/url"),
    "a place in the host alone": ("https://{external_id}/", GOOD, "/url"),
    "a link without a source": (
        URL,
        {k: v for k, v in GOOD.items() if k != "source"},
        "/record_update/source",
    ),
    "a record that nothing identifies": (
        "https://1.1.1.1/write",
        GOOD | {"fields": {"/ids/0": "score"}},
        "/url",
    ),
    "an id in the body without its source": (
        "https://1.1.1.1/write",
        {"fields": {"/ids/0": "external_id"}, "token": {"token": "t"}},
        "/record_update/source",
    ),
    "an unknown figure in an object": (
        URL,
        GOOD | {"fields": {"/score": {"figure": "mood"}}},
        "/record_update/fields/~1score/figure",
    ),
    "a length of nothing": (
        URL,
        GOOD | {"fields": {"/score": {"figure": "summary", "max_length": 0}}},
        "/record_update/fields/~1score/max_length",
    ),
    "a figure of no question": (
        URL,
        GOOD | {"fields": {"/score": "rating.A B"}},
        "/record_update/fields/~1score",
    ),
    "a constant and a figure": (
        URL,
        GOOD | {"fields": {"/score": {"value": 1, "figure": "score"}}},
        "/record_update/fields/~1score/figure",
    ),
    "a list with a gap": (URL, GOOD | {"fields": {"/a/0": "score", "/a/2": "grade"}}, "/record_update"),
    "a list with a name": (URL, GOOD | {"fields": {"/a/0": "score", "/a/x": "grade"}}, "/record_update"),
    "a header of the connection": (URL, GOOD | {"headers": {"Host": "x"}}, "/record_update/headers"),
    "a header in two cases": (URL, GOOD | {"headers": {"X-A": "1", "x-a": "2"}}, "/record_update/headers"),
    "a header with a line end": (URL, GOOD | {"headers": {"X-A": "a\r\nb"}}, "/record_update/headers/X-A"),
    "a name that no header has": (URL, GOOD | {"headers": {"X A": "1"}}, "/record_update/headers/X A"),
    "a header without a place for the token": (
        URL,
        GOOD | {"token_header": "X-Api-Key: {key}"},
        "/record_update/token_header",
    ),
    "a header for the token that the connection needs": (
        URL,
        GOOD | {"token_header": "Host: {token}"},
        "/record_update",
    ),
    "two headers for the token": (
        URL,
        GOOD | {"headers": {"authorization": "Basic x"}},
        "/record_update",
    ),
    "another method": (URL, GOOD | {"method": "DELETE"}, "/record_update/method"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_record_update_that_cannot_work_is_told(client, what):
    url, update, pointer = BAD[what]
    refused = client.post("/v1/webhooks", json={"url": url, "record_update": update})
    assert refusal(refused) == (422, "invalid-request"), what
    assert pointers(refused) == [pointer]


RECORD = {"url": URL, "record_update": GOOD}
BAD_WEBHOOKS = {
    "an unknown type": ({"types": ["score.lost"]}, "/types/0"),
    "an unknown set": ({"question_set": "nowhere"}, "/question_set"),
    "a short secret": ({"secret": "whsec_c2hvcnQ="}, "/secret"),
    "a secret in other letters": ({"secret": "whsec_???"}, "/secret"),
    "a secret that is not ASCII": ({"secret": "whsec_" + "é" * 44}, "/secret"),
    "a secret without its beginning": ({"secret": "A" * 44}, "/secret"),
    "another payload": ({"payload": "fat"}, "/payload"),
    "types that no set has": ({"types": ["prospect.*"], "question_set": "bant"}, "/types"),
    "an unknown field": ({"events": ["*"]}, "/events"),
    "types that have no record": (RECORD | {"types": ["prospect.*", "question_set.retired"]}, "/types"),
    "a message beside a record": (RECORD | {"payload": "full"}, "/payload"),
}


@pytest.mark.parametrize("what", BAD_WEBHOOKS)
def test_a_webhook_that_cannot_work_is_told(client, what):
    wanted, pointer = BAD_WEBHOOKS[what]
    refused = client.post("/v1/webhooks", json={"url": "https://1.1.1.1/", **wanted})
    assert refusal(refused) == (422, "invalid-request"), what
    assert pointers(refused) == [pointer]


def test_a_webhook_stays_of_its_kind_and_knows_its_revision(client, end, subscribe):
    hook = subscribe(end.url)
    record = subscribe(f"{base(end)}/{{deal}}", record_update=GOOD)
    address, other = f"/v1/webhooks/{hook['id']}", f"/v1/webhooks/{record['id']}"
    assert pointers(client.patch(address, json={"record_update": GOOD})) == ["/record_update"]
    assert pointers(client.patch(other, json={"payload": "full"})) == ["/payload"]
    assert pointers(client.patch(other, json={"url": end.url})) == ["/url"]
    assert pointers(client.patch(other, json={"url": f"{end.url}/{{x}}", "record_update": GOOD})) == ["/url"]
    assert pointers(client.patch(other, json={"types": ["prospect.*"]})) == ["/types"]
    for needed in ("url", "types", "payload", "record_update", "status"):
        assert pointers(client.patch(address, json={needed: None})) == [f"/{needed}"]
    for nothing_new in ({}, {"name": None}, {"url": end.url, "types": []}):
        assert ok(client.patch(address, json=nothing_new))["revision"] == 1
    changed = client.patch(address, json={"name": "Ours"}, headers={"If-Match": '"1"'})
    assert (ok(changed)["revision"], changed.headers["etag"]) == (2, '"2"')
    stale = client.patch(address, json={"name": "Theirs", "revision": 1})
    assert refusal(stale) == (412, "stale-revision")
    assert ok(client.patch(address, json={"name": None}))["name"] is None
    listed = ok(client.get("/v1/webhooks"))["items"]
    assert [one["id"] for one in listed] == [hook["id"], record["id"]]
