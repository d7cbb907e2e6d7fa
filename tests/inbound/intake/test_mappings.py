"""Mappings: what they find in a payload, and what is wrong with one."""

import pytest

from app.inbound.intake.mapping import CONCLUSION_FIELDS, UNRESOLVED, PointerResolver
from tests.api.calls import ok, pointers, qualify, ratings_of, refusal, session
from tests.inbound.forms.test_aliases import teach
from tests.inbound.intake.calls import HUBSPOT, by_hubspot, make, places, prospect_of, receipt, taken_in

PAYLOAD = {
    "id": 42,
    "": 0,
    "a/b": 1,
    "m~n": 2,
    "~1": 3,
    "list": ["foo", {"bar": None}],
    "pairs": [
        {"key": "name", "value": "x"},
        {"key": "0", "value": {"Value": 7}},
        {"key": "none", "value": None},
    ],
    "Pairs": [{"Key": "name", "Value": "y"}],
    "mixed": [{"key": "name", "value": "x"}, {"name": "y"}],
}


@pytest.mark.parametrize(
    ("pointer", "found"),
    [
        ("", PAYLOAD),
        ("/id", 42),
        ("/", 0),
        ("/a~1b", 1),
        ("/m~0n", 2),
        ("/~01", 3),
        ("/list/0", "foo"),
        ("/list/1/bar", None),
        ("/list/1/bar/x", None),
        ("/pairs/name", "x"),
        ("/pairs/0/Value", 7),
        ("/pairs/1/value/Value", 7),
        ("/pairs/none", None),
        ("/Pairs/name", "y"),
        *(
            (nowhere, UNRESOLVED)
            for nowhere in ("/ID", "/list/2", "/list/-", "/list/00", "/list/-1", "/list/foo")
        ),
        *((nowhere, UNRESOLVED) for nowhere in ("/id/x", "/mixed/name", "/pairs/other", "/x/y/z")),
    ],
)
def test_where_a_pointer_leads(pointer, found):
    there = PointerResolver(PAYLOAD).look_up(pointer)
    assert there is found if found is UNRESOLVED else there == found


def dry(client, mapping, payload, **sent):
    whole = {"source": "mapped", "external_id": "/id", **mapping}
    return client.post("/v1/intake-dry-run", json={"mapping": whole, "payload": payload, **sent})


def flaws(response):
    assert refusal(response) == (422, "invalid-request")
    return {error["pointer"]: (error["code"], error["detail"]) for error in response.json()["errors"]}


def test_what_leads_nowhere_or_to_no_single_value_is_named_with_what_is_there(client, ruled):
    mapping = {
        "external_id": "/ids",
        "name": "/nobody",
        "deal": "/deal",
        "attributes": {"industry": "/about", "region": "/about/region"},
        "ratings": {"demand": "/scores", "audit": "/scores/1"},
    }
    payload = {"ids": [7], "deal": {"id": 1}, "about": {"secret": "hush"}, "scores": [4]}
    told = flaws(dry(client, mapping, payload, question_set=ruled))
    assert {place: code for place, (code, _) in told.items()} == {
        "/mapping/external_id": "wrong_type",
        "/mapping/name": "points_nowhere",
        "/mapping/deal": "wrong_type",
        "/mapping/attributes/industry": "wrong_type",
        "/mapping/attributes/region": "points_nowhere",
        "/mapping/ratings/demand": "wrong_type",
        "/mapping/ratings/audit": "points_nowhere",
    }
    assert "leads to a list" in told["/mapping/external_id"][1]
    assert "leads to an object" in told["/mapping/attributes/industry"][1]
    assert "hush" not in str(told)


@pytest.mark.parametrize(
    ("payload", "pointer", "code"),
    [
        ({"id": None, "r": 4}, "/mapping/external_id", "missing"),
        ({"id": "", "r": 4}, "/mapping/external_id", "missing"),
        ({"id": True, "r": 4}, "/mapping/external_id", "wrong_type"),
        ({"id": "a/b", "r": 4}, "/mapping/external_id", "bad_format"),
        ({"id": "x" * 201, "r": 4}, "/mapping/external_id", "too_long"),
        ({"id": 1, "r": 6}, "/mapping/ratings/demand", "off_scale"),
        ({"id": 1, "r": "4.5"}, "/mapping/ratings/demand", "off_scale"),
        ({"id": 1, "r": "Hot"}, "/mapping/ratings/demand", "off_scale"),
        ({"id": 1, "r": True}, "/mapping/ratings/demand", "off_scale"),
        ({"id": 1, "e": "many"}, "/mapping/attributes/employees", "wrong_type"),
        ({"id": 1, "e": False}, "/mapping/attributes/employees", "wrong_type"),
        ({"id": 1, "n": 7.5}, "/mapping/name", "wrong_type"),
        ({"id": 1, "n": True}, "/mapping/name", "wrong_type"),
        ({"id": 1, "n": "two\nlines"}, "/mapping/name", "bad_format"),
        ({"id": 1, "c": "x" * 1001}, "/mapping/attributes/city", "invalid"),
        ({"id": 1, "c": 2**53 + 1}, "/mapping/attributes/city", "invalid"),
        ({"id": 1, "i": "x" * 1001}, "/mapping/attributes/industry", "too_long"),
        ({"id": 1, "t": "2999-01-01T00:00:00Z"}, "/mapping/at", "in_the_future"),
        ([1], "/mapping/external_id", "points_nowhere"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_by_the_pointer_that_led_to_it(
    client, anybody, ruled, payload, pointer, code
):
    attributes = {"employees": "/e", "city": "/c", "industry": "/i"}
    mapping = {"name": "/n", "at": "/t", "attributes": attributes, "ratings": {"demand": "/r"}}
    told = flaws(dry(client, mapping, payload, question_set=ruled, partial=True))
    assert {place: said[0] for place, said in told.items()} == {pointer: code}
    # What is taken in fails for the same reason.
    intake = make(client, mapping={"source": "mapped", "external_id": "/id", **mapping}, question_set=ruled)
    failed = taken_in(client, anybody, intake, payload)
    assert (failed["status"], places(failed)) == ("failed", [pointer])


def test_values_are_taken_as_a_flat_form_takes_them(client, ruled):
    ok(teach(client, "crm.words", ("demand", "Hot", 5), ("industry", "Banking", "bank")))
    mapping = {
        "source": "crm.words",
        "external_id": "/id",
        "name": "/n",
        "deal": "/deal",
        "empty_values": ["", False, "n/a"],
        "attributes": {"employees": "/e", "public": "/p", "industry": "/i", "city": "/c"},
        "ratings": {"demand": "/d", "audit": "/a", "mood": "/m"},
    }
    sent = {"mapping": mapping, "question_set": ruled, "partial": True}
    first = {
        "id": 7.0,
        "n": 1848,
        "deal": 11,
        "e": "250",
        "p": "TRUE",
        "i": "Banking",
        "c": "Rome",
        "d": "Hot",
        "a": "unknown",
    }
    (told,) = ok(client.post("/v1/intake-dry-run", json=sent | {"payload": first | {"m": 3}}))["items"]
    assert told["mapped"] == dict.fromkeys(CONCLUSION_FIELDS) | {
        "source": "crm.words",
        "external_id": "7",
        "name": "1848",
        "deal": "11",
        "assessor": None,
        "actor": None,
        "question_set": f"{ruled}@1",
        "attributes": {"employees": 250, "public": True, "industry": "bank", "city": "Rome"},
        "answers": [
            {"question": "demand", "state": "rated", "rating": 5},
            {"question": "audit", "state": "unknown", "rating": None},
        ],
        "ignored": ["mood"],
        "unresolved_pointers": [],
    }


def test_null_clears_and_what_is_absent_or_empty_says_nothing(client, anybody, link, ruled):
    source = f"crm-{link['external_id']}"[:64]
    mapping = {
        "source": source,
        "external_id": "/id",
        "name": "/n",
        "empty_values": [False],
        "empty_ratings": [0],
        "attributes": {"employees": "/e", "industry": "/i/name", "city": "/c"},
        "ratings": {"demand": "/d", "audit": "/a/value"},
    }
    intake = make(client, mapping=mapping, question_set=ruled)
    full = {"id": 1, "n": "Hooli", "e": 5, "i": {"name": "bank"}, "c": "Rome", "d": 4, "a": {"value": 2}}

    def state(payload):
        (item,) = taken_in(client, anybody, intake, payload)["items"]
        prospect = ok(prospect_of(client, source, str(payload["id"])))
        return prospect["name"], prospect["attributes"], ratings_of(session(client, item["session_id"]))

    whole = ("Hooli", {"employees": 5, "industry": "bank", "city": "Rome"}, {"demand": 4, "audit": 2})
    assert state(full) == whole
    # Absent keys and empty texts.
    assert state({"id": 1}) == whole
    assert state({"id": 1, "n": "", "e": " ", "i": {"name": ""}, "c": "", "d": "", "a": {}}) == whole
    # 0 is a value, except of a rating. A pointer that leads through a null ends in null.
    assert state({"id": 1, "e": 0, "i": None, "d": 0}) == (
        "Hooli",
        {"employees": 0, "city": "Rome"},
        {"demand": "open", "audit": 2},
    )
    cleared = {"demand": "open", "audit": "open"}
    assert state({"id": 1, "n": False, "e": False, "c": None, "a": None}) == (None, {}, cleared)


def test_null_does_not_clear_what_somebody_else_has_said(client, anybody, link, ruled):
    source = f"crm-{link['external_id']}"[:64]
    mapping = {
        "source": source,
        "external_id": "/id",
        "attributes": {"city": "/c"},
        "ratings": {"demand": "/d"},
    }
    intake = make(client, mapping=mapping, question_set=ruled)
    (item,) = taken_in(client, anybody, intake, {"id": 1, "c": "Rome", "d": 2})["items"]
    ok(client.patch(f"/v1/sessions/{item['session_id']}/answers", json={"ratings": {"demand": 5}}))
    ok(client.patch(f"/v1/prospects/{item['prospect_id']}", json={"attributes": {"city": "Oslo"}}))
    taken_in(client, anybody, intake, {"id": 1, "c": None, "d": None})
    assert ratings_of(session(client, item["session_id"])) == {"demand": 5}
    assert ok(prospect_of(client, source, "1"))["attributes"] == {"city": "Oslo"}


def test_an_empty_value_on_the_way_removes_an_attribute(client, anybody, link):
    """Odoo sends false instead of a reference, which is a list of an id and a name."""
    mapping = {
        "source": link["source"],
        "external_id": "/_id",
        "empty_values": ["", False],
        "attributes": {"region": "/state_id/1", "industry": "/industry_id/1"},
    }
    intake = make(client, mapping=mapping)
    lead = {"_id": link["external_id"], "state_id": [12, "Bavaria"], "industry_id": [0, "Banking"]}
    taken_in(client, anybody, intake, lead)
    taken_in(client, anybody, intake, lead | {"state_id": False, "industry_id": 0})
    # 0 is not false: its pointer leads nowhere, which changes nothing.
    assert ok(prospect_of(client, **link))["attributes"] == {"industry": "Banking"}


def test_a_list_is_taken_item_by_item(client, anybody, ruled):
    mapping = {
        "source": "crm.each",
        "external_id": "/id",
        "ratings": {"demand": "/d"},
        "items_pointer": "/records",
    }
    intake = make(client, mapping=mapping, question_set=ruled)
    told = taken_in(client, anybody, intake, {"records": [{"id": n, "d": n} for n in (1, 2, 3)]})
    assert [item["external_id"] for item in told["items"]] == ["1", "2", "3"]
    ratings = [ratings_of(session(client, item["session_id"])) for item in told["items"]]
    assert ratings == [{"demand": 1}, {"demand": 2}, {"demand": 3}]
    failed = taken_in(client, anybody, intake, {"records": [{"id": 4, "d": 4}, {"id": 5, "d": 9}]})
    assert (failed["status"], places(failed)) == ("failed", ["/mapping/ratings/demand"])
    assert [item["status"] for item in failed["items"]] == ["done", "failed"]
    assert prospect_of(client, "crm.each", "4").status_code == 200
    assert prospect_of(client, "crm.each", "5").status_code == 404
    dry_run = {
        "mapping": mapping,
        "question_set": ruled,
        "payload": {"records": [{"id": 1, "d": 1}, {"id": 2, "d": 9}]},
    }
    refused = client.post("/v1/intake-dry-run", json=dry_run)
    assert "(in item 2 of the list)" in refused.json()["errors"][0]["detail"]
    assert taken_in(client, anybody, intake, {"records": []})["status"] == "done"
    for payload in ({"records": 5}, {}, {"records": [{"id": 1}] * 101}):
        assert places(taken_in(client, anybody, intake, payload)) == ["/mapping/items_pointer"]


def test_without_a_named_set_it_is_chosen_as_for_qualify(client, anybody, ruled):
    mapping = {"source": "crm.choice", "external_id": "/id", "attributes": {"industry": "/i"}}
    mapping["ratings"] = {"demand": "/d", "budget": "/b"}
    intake = make(client, mapping=mapping)
    told = taken_in(client, anybody, intake, {"id": 1, "b": 4})
    assert session(client, told["items"][0]["session_id"])["question_set"] == "qualifying-a-sale@1"
    # A session that is open goes on before a default begins.
    qualify(client, {"source": "crm.choice", "external_id": "2"}, question_set=ruled, ratings={"demand": 1})
    told = taken_in(client, anybody, intake, {"id": 2, "d": 4})
    opened = session(client, told["items"][0]["session_id"])
    assert (opened["question_set"], ratings_of(opened)) == (f"{ruled}@1", {"demand": 4})


BAD = {
    "no source": ({"source": None}, "/mapping/source"),
    "a source with blanks": ({"source": "two words"}, "/mapping/source"),
    "no id": ({"external_id": None}, "/mapping/external_id"),
    "an id that is no pointer": ({"external_id": "Id"}, "/mapping/external_id"),
    "a pointer to the whole": ({"external_id": ""}, "/mapping/external_id"),
    "a bad escape": ({"external_id": "/a~2"}, "/mapping/external_id"),
    "a number": ({"name": 5}, "/mapping/name"),
    "a list": ({"deal": ["/a"]}, "/mapping/deal"),
    "a long pointer": ({"name": "/" + "x" * 500}, "/mapping/name"),
    "a bad attribute": ({"attributes": {"Industry": "/i"}}, "/mapping/attributes/Industry"),
    "an attribute that is no pointer": ({"attributes": {"industry": "i"}}, "/mapping/attributes/industry"),
    "a rating that is no pointer": ({"ratings": {"demand": 4}}, "/mapping/ratings/demand"),
    "201 attributes": ({"attributes": {f"a{n}": "/a" for n in range(201)}}, "/mapping/attributes"),
    "a bad place of a list": ({"items_pointer": "records"}, "/mapping/items_pointer"),
    "absent lists": ({"empty_values": [[]]}, "/mapping/empty_values/0"),
    "an unknown field": ({"frobnicate": 1}, "/mapping/frobnicate"),
    "an unknown question": ({"ratings": {"mood": "/m"}}, "/mapping/ratings/mood"),
    "both an attribute and a rating": (
        {"ratings": {"demand": "/m"}, "attributes": {"demand": "/m"}},
        "/mapping",
    ),
}


@pytest.mark.parametrize(("part", "pointer"), BAD.values(), ids=BAD)
def test_a_bad_mapping_is_refused(client, ruled, part, pointer):
    mapping = {"source": "crm", "external_id": "/id"} | part
    refused = client.post("/v1/intakes", json={"name": "bad", "mapping": mapping, "question_set": ruled})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [pointer])


def test_other_bad_fields_are_refused(client):
    good = {"name": "bad", "mapping": {"source": "crm", "external_id": "/id"}}
    for part, pointer in (
        ({"question_set": "nobodys"}, "/question_set"),
        ({"question_set": "bant@99"}, "/question_set"),
        ({"keep_hours": 0}, "/keep_hours"),
        ({"keep_hours": 8761}, "/keep_hours"),
        ({"keep_hours": "1"}, "/keep_hours"),
        ({"signature": by_hubspot("short")}, "/signature/secret"),
        ({"signature": by_hubspot("with a blank")}, "/signature/secret"),
        ({"signature": HUBSPOT}, "/signature/secret"),
        ({"signature": by_hubspot("long-enough") | {"timestamp_header": None}}, "/signature"),
        ({"signature": by_hubspot("long-enough") | {"signed": "{url}"}}, "/signature/signed"),
        ({"signature": by_hubspot("long-enough") | {"signed": "{body}{nonce}"}}, "/signature/signed"),
        ({"signature": by_hubspot("long-enough") | {"header": "two words"}}, "/signature/header"),
        ({"name": ""}, "/name"),
        ({"mapping": None}, "/mapping"),
    ):
        refused = client.post("/v1/intakes", json=good | part)
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [pointer])


def test_an_intake_can_be_changed_on_its_revision(client, anybody, ruled):
    intake = make(client, mapping={"source": "crm.changed", "external_id": "/id"})
    address = f"/v1/intakes/{intake['id']}"
    read = client.get(address)
    assert {name: value for name, value in intake.items() if name not in ("token", "address")} == ok(read)
    assert read.headers["etag"] == '"1"'
    assert intake["token"].startswith(intake["prefix"])
    mapping = {"source": "crm.changed", "external_id": "/key", "ratings": {"mood": "/m"}}
    changed = ok(
        client.patch(address, json={"mapping": mapping, "keep_hours": 1}, headers={"If-Match": '"1"'})
    )
    assert (changed["revision"], changed["keep_hours"], changed["name"]) == (2, 1, "of a test")
    assert changed["mapping"]["external_id"] == "/key"
    assert ok(client.patch(address, json={"keep_hours": 1}))["revision"] == 2
    stale = client.patch(address, json={"name": "x"}, headers={"If-Match": '"1"'})
    assert refusal(stale) == (412, "stale-revision")
    unknown = client.patch(address, json={"question_set": ruled})
    assert pointers(unknown) == ["/mapping/ratings/mood"]
    for null in ("name", "mapping", "keep_hours"):
        assert pointers(client.patch(address, json={null: None})) == [f"/{null}"]
    told = taken_in(client, anybody, intake, {"key": 5})
    assert told["items"][0]["external_id"] == "5"
    assert [one["id"] for one in ok(client.get("/v1/intakes"))["items"]].count(intake["id"]) == 1
    assert client.delete(address).status_code == 204
    assert refusal(client.get(address)) == (404, "not-found")
    assert refusal(anybody.post(intake["address"], json={"key": 5})) == (404, "not-found")
    assert refusal(client.get(f"{address}/receipts")) == (404, "not-found")


def test_a_receipt_of_another_intake_is_not_there(client, anybody):
    one, other = (make(client, mapping={"source": "crm.two", "external_id": "/id"}) for _ in range(2))
    told = taken_in(client, anybody, one, {"id": 1})
    assert receipt(client, one, told["id"]) == told
    assert client.get(f"/v1/intakes/{other['id']}/receipts/{told['id']}").status_code == 404


PAST = {
    "opened_on": "/CreatedDate",
    "decision": "/Decision",
    "decision_reason": "/Why",
    "outcome": "/StageName",
    "outcome_amount": "/Amount",
    "outcome_currency": "/CurrencyIsoCode",
    "outcome_closed_on": "/CloseDate",
    "outcome_reason": "/Loss_Reason__c",
}
DEAL = {
    "id": "1",
    "b": 2,
    "CreatedDate": "2025-01-15T08:30:00.000+0000",
    "Decision": "Pursue",
    "Why": "They called us.",
    "StageName": "Closed Lost",
    "Amount": 1200.5,
    "CurrencyIsoCode": "EUR",
    "CloseDate": "2025-03-31",
    "Loss_Reason__c": "Too expensive",
}


def test_a_mapping_records_a_past_deal(client, anybody, link, small):
    source = f"crm-{link['external_id']}"[:64]
    ok(teach(client, source, ("outcome", "Closed Lost", "lost")))
    mapping = {"source": source, "external_id": "/id", "ratings": {"budget": "/b"}, **PAST}
    intake = make(client, mapping=mapping, question_set=small)
    assert {name: intake["mapping"][name] for name in PAST} == PAST
    done = taken_in(client, anybody, intake, DEAL)
    assert done["problem"] is None
    kept = session(client, done["items"][0]["session_id"])
    assert kept["opened_at"] == "2025-01-15T00:00:00Z"
    assert (kept["decision"]["decision"], kept["decision"]["reason"]) == ("pursue", "They called us.")
    assert {name: kept["outcome"][name] for name in ("outcome", "amount", "closed_on", "reason")} == {
        "outcome": "lost",
        "amount": 1200.5,
        "closed_on": "2025-03-31",
        "reason": "too_expensive",
    }
    assert kept["outcome"]["hindsight"] is True


@pytest.mark.one_database
def test_a_decision_or_outcome_without_a_meaning_names_its_pointer(client, small):
    tried = dry(client, PAST, DEAL | {"id": "of-the-past"}, question_set=small)
    assert (refusal(tried), pointers(tried)) == ((422, "invalid-request"), ["/mapping/outcome"])
    future = DEAL | {"StageName": "lost", "CreatedDate": "2999-01-01"}
    tried = dry(client, PAST, future, question_set=small)
    assert (refusal(tried), pointers(tried)) == ((422, "invalid-request"), ["/mapping/opened_on"])
    mapped = ok(dry(client, PAST, DEAL | {"StageName": "LOST"}, question_set=small))["items"][0]["mapped"]
    assert (mapped["outcome"], mapped["opened_on"], mapped["outcome_amount"]) == (
        "lost",
        "2025-01-15",
        1200.5,
    )


def test_a_dry_run_stores_nothing(client, ruled, link):
    mapping = {"source": link["source"], "name": "/n", "ratings": {"demand": "/d"}}
    payload = {"id": link["external_id"], "n": "Acme", "d": 4}
    (tried,) = ok(dry(client, mapping, payload, question_set=ruled))["items"]
    assert tried["mapped"]["external_id"] == link["external_id"]
    path = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}"
    assert refusal(client.get(path)) == (404, "not-found")
    assert client.get("/v1/prospects", params={"q": link["external_id"]}).json()["items"] == []
