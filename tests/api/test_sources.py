"""How the ids of a source are compared: exactly, without case, or as Salesforce does."""

import json
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import psycopg
import pytest

from app.db import Database
from app.prospects import service as prospects
from app.prospects.schemas import Link, ProspectChange, match_key
from tests.api.at_once import at_once
from tests.api.calls import every_page, merge, new_prospect, ok, qualify, refusal, upsert
from tests.waiting import until

# The pair that Salesforce's own documentation shows.
SHORT, LONG = "001D000000IqhSL", "001D000000IqhSLIAZ"
OTHER_CASE = "001D000000IqhSl"


@pytest.fixture
def source():
    return f"crm-{uuid4().hex[:12]}"


def put(client, source, rule, **sent):
    return client.put(f"/v1/sources/{source}", json={"id_rule": rule, **sent})


def found(client, source, external_id):
    return client.get(f"/v1/prospects/by-external-id/{source}/{external_id}")


def link_of(source, external_id):
    return {"source": source, "external_id": external_id}


def imported(client, source, *ids):
    """Import prospects that are named after their places in the file."""
    rows = [{"external_id": one, "name": f"number {place}"} for place, one in enumerate(ids)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    headers = {"Content-Type": "application/x-ndjson"}
    told = client.post(f"/v1/prospects/import?source={source}", content=lines, headers=headers).text
    summary = json.loads(told.splitlines()[-1])
    return {name: summary[name] for name in ("created", "changed", "unchanged", "refused")}


@pytest.mark.parametrize(
    ("sent", "key"),
    [
        (SHORT, SHORT),
        (LONG, SHORT),
        # Capitals at the places 1 and 5, 6 to 10, and none: 1 + 16 = 17, 31 and 0.
        ("A000AAAAAA00000R5A", "A000AAAAAA00000"),
        # All others are texts: the last three do not fit, are in lower case, or it is too short or too long.
        ("001D000000IqhSLIAA", "001D000000IqhSLIAA"),
        ("001D000000IqhSLiaz", "001D000000IqhSLiaz"),
        ("001d000000iqhslIAZ", "001d000000iqhslIAZ"),
        ("001D000000IqhSLIAZ0", "001D000000IqhSLIAZ0"),
        ("001D000000IqhS-IAJ", "001D000000IqhS-IAJ"),
        ("001D0000", "001D0000"),
    ],
)
def test_the_long_form_of_a_salesforce_id_has_the_key_of_the_short_one(sent, key):
    assert match_key("salesforce", sent) == key


def test_a_source_is_exact_until_its_rule_is_set(client, source):
    address = f"/v1/sources/{source}"
    assert ok(client.get(address)) == {"source": source, "id_rule": "exact"}
    assert source not in [one["source"] for one in ok(client.get("/v1/sources"))["items"]]
    told = ok(put(client, source, "ignore_case"))
    assert told == {"source": source, "id_rule": "ignore_case"}
    assert ok(client.get(address)) == told
    assert told in ok(client.get("/v1/sources"))["items"]
    assert refusal(put(client, source, "sloppy")) == (422, "invalid-request")


@pytest.mark.parametrize(
    ("rule", "first", "again", "another"),
    [
        ("exact", "Ab", "Ab", "ab"),
        ("ignore_case", "STRASSE-É", "straße-e\u0301", "strase-é"),
        ("salesforce", SHORT, LONG, OTHER_CASE),
        ("salesforce", LONG, SHORT, "001D000000IqhSLIAA"),
    ],
)
def test_one_prospect_is_found_by_every_form_of_its_id(client, source, rule, first, again, another):
    ok(put(client, source, rule))
    assert imported(client, source, first) == {"created": 1, "changed": 0, "unchanged": 0, "refused": 0}
    prospect = ok(found(client, source, first))
    for one in (first, again):
        assert ok(found(client, source, one)) == prospect
        told = qualify(client, link_of(source, one))
        assert (told["prospect_id"], told["prospect_created"]) == (prospect["id"], False)
        assert ok(found(client, source, f"{one}/fit"))["prospect_id"] == prospect["id"]
        asked = {"prospects": [link_of(source, one), link_of(source, another)]}
        items = ok(client.post("/v1/fits", json=asked))["items"]
        assert [item["prospect_id"] for item in items] == [prospect["id"], None]
        listed = every_page(client, f"/v1/prospects?source={source}&q={one}")
        assert [item["id"] for item in listed] == [prospect["id"]]
        form = ok(client.post("/v1/qualify/qualifying-a-sale", json=link_of(source, one)))
        assert form["prospect_id"] == prospect["id"]
        # A link is shown as it was first sent, and added once.
        told = ok(client.post(f"/v1/prospects/{prospect['id']}/links", json=link_of(source, one)))
        assert told["links"] == [link_of(source, first)]
    assert refusal(found(client, source, another)) == (404, "not-found")
    assert every_page(client, f"/v1/prospects?source={source}&q={another}") == []
    other = new_prospect(client)
    taken = client.post(f"/v1/prospects/{other['id']}/links", json=link_of(source, again))
    assert refusal(taken) == (409, "link-taken")
    unlinked = client.delete(f"/v1/prospects/{prospect['id']}/links/{source}/{again}")
    assert ok(unlinked)["links"] == []


def test_an_import_takes_the_forms_of_one_id_for_one_prospect_and_the_last_one_counts(client, source):
    ok(put(client, source, "salesforce"))
    assert imported(client, source, "b", LONG, OTHER_CASE, SHORT) == {
        "created": 3,
        "changed": 1,
        "unchanged": 0,
        "refused": 0,
    }
    prospect = ok(found(client, source, SHORT))
    assert (prospect["name"], prospect["links"]) == ("number 3", [link_of(source, LONG)])
    assert imported(client, source, SHORT)["changed"] == 1
    assert imported(client, source, LONG)["unchanged"] == 1
    told = imported(client, source, LONG, SHORT)
    assert (told["unchanged"], told["changed"]) == (1, 1)


def test_a_rule_applies_to_the_links_that_are_there(client, source):
    prospect = new_prospect(client, links=[link_of(source, LONG)])
    same_elsewhere = new_prospect(client, links=[link_of(f"{source}-2", SHORT)])
    assert refusal(found(client, source, SHORT)) == (404, "not-found")
    ok(put(client, source, "salesforce"))
    assert ok(found(client, source, SHORT)) == prospect
    assert ok(found(client, f"{source}-2", SHORT)) == same_elsewhere
    ok(put(client, source, "ignore_case"))
    assert ok(found(client, source, LONG.lower())) == prospect
    ok(put(client, source, "exact"))
    assert ok(found(client, source, LONG)) == prospect
    assert refusal(found(client, source, LONG.lower())) == (404, "not-found")


def test_a_key_may_pass_from_one_link_to_another(client, source):
    """By `salesforce` the long form has the key that the capitals of another id have by `ignore_case`."""
    capitals, long = "ABCDE0000000000", "abcde0000000000AAA"
    ok(put(client, source, "salesforce"))
    first, second = (new_prospect(client, links=[link_of(source, one)]) for one in (capitals, long))
    ok(put(client, source, "ignore_case"))
    assert ok(found(client, source, capitals.lower()))["id"] == first["id"]
    assert ok(found(client, source, long.lower()))["id"] == second["id"]


def test_ids_that_would_collide_refuse_the_rule_and_are_listed(client, source):
    first, second, third = (
        new_prospect(client, links=[link_of(source, one)]) for one in ("Acme", "ACME", "acme")
    )
    new_prospect(client, links=[link_of(source, "other")])
    refused = put(client, source, "ignore_case")
    assert refusal(refused) == (409, "links-collide")
    assert refused.json()["detail"].startswith("By this rule, 2 links of other prospects")
    assert [error["detail"] for error in refused.json()["errors"]] == [
        f"'Acme' of prospect {first['id']} and '{external_id}' of prospect {other['id']} would be the same id"
        for external_id, other in (("ACME", second), ("acme", third))
    ]
    assert ok(client.get(f"/v1/sources/{source}"))["id_rule"] == "exact"
    assert [ok(found(client, source, one))["id"] for one in ("ACME", "acme")] == [second["id"], third["id"]]
    # Merged, they are one prospect, which keeps the first id.
    ok(merge(client, first["id"], second["id"]))
    kept = ok(merge(client, first["id"], third["id"]))
    ok(put(client, source, "ignore_case"))
    told = ok(found(client, source, "aCME"))
    assert (told["id"], told["links"]) == (first["id"], [link_of(source, "Acme")])
    assert told["revision"] == kept["revision"] + 1


def test_a_rule_is_set_once_under_one_idempotency_key(client, source):
    sent = {"idempotency_key": f"rule-{source}"}
    assert ok(put(client, source, "ignore_case", **sent)) == ok(put(client, source, "ignore_case", **sent))
    assert refusal(put(client, source, "exact", **sent)) == (422, "idempotency-key-reused")


def test_a_payload_with_another_form_of_the_id_is_erased_with_its_prospect(client, source):
    ok(put(client, source, "salesforce"))
    mapping = {"source": source, "external_id": "/id", "name": "/name"}
    intake = ok(client.post("/v1/intakes", json={"name": "erased", "mapping": mapping}), 201)
    # It fails, and is there before its prospect.
    told = client.post(intake["address"], json={"id": LONG, "name": "x" * 300})
    receipt = f"/v1/intakes/{intake['id']}/receipts/{ok(told, 202)['receipt_id']}"
    prospect = new_prospect(client, links=[link_of(source, SHORT)])
    assert client.delete(f"/v1/prospects/{prospect['id']}").status_code == 204
    assert refusal(client.get(receipt)) == (404, "not-found")


def test_a_rule_that_changes_while_prospects_are_created_makes_no_second_one(client, source):
    """Four clients send 40 ids in four forms while the rule changes back and forth."""
    ids = [f"Id-{number}" for number in range(40)]
    forms = (str, str.lower, str.upper, str.swapcase)
    ok(put(client, source, "ignore_case"))

    def create_all(form):
        return lambda: [upsert(client, link_of(source, form(one))).status_code for one in ids]

    def change():
        return [put(client, source, rule).status_code for rule in ("salesforce", "ignore_case") * 6]

    told = at_once([*map(create_all, forms), change])
    created = [status for statuses in told[:4] for status in statuses]
    assert set(created) <= {200, 201}
    assert set(told[4]) <= {200, 409}
    prospects = every_page(client, f"/v1/prospects?source={source}&limit=200")
    assert len(prospects) == created.count(201)
    if ok(client.get(f"/v1/sources/{source}"))["id_rule"] == "ignore_case":
        assert len({one["links"][0]["external_id"].lower() for one in prospects}) == len(prospects)


def test_ids_are_composed_and_have_no_spaces_at_their_ends_wherever_they_arrive(client, source):
    decomposed, composed = "\u3000Cre\u0301dit\u00a0", "Crédit"
    told = qualify(client, link_of(source, decomposed), name=f" {decomposed}", deal=decomposed)
    prospect = ok(found(client, source, composed))
    assert (prospect["name"], prospect["links"]) == (composed, [link_of(source, composed)])
    assert ok(found(client, source, decomposed)) == prospect
    for q in (composed, decomposed, "CRE\u0301DIT", "crédi"):
        listed = client.get("/v1/prospects", params={"q": q, "source": source})
        assert ok(listed)["items"] == [prospect]
    for deal in (composed, decomposed):
        listed = ok(client.get("/v1/sessions", params={"deal": deal, "prospect_id": prospect["id"]}))["items"]
        assert [one["session_id"] for one in listed] == [told["session_id"]]
    assert imported(client, source, decomposed)["changed"] == 1
    form = ok(client.post("/v1/qualify/qualifying-a-sale", json=link_of(source, decomposed)))
    assert form["prospect_id"] == prospect["id"]
    items = ok(client.post("/v1/fits", json={"prospects": [link_of(source, decomposed)]}))["items"]
    assert items[0]["prospect_id"] == prospect["id"]
    dry = {"mapping": {"source": source, "external_id": "/id"}, "payload": {"id": decomposed}}
    (item,) = ok(client.post("/v1/intake-dry-run", json=dry))["items"]
    assert item["answer"]["prospect_id"] == prospect["id"]


@pytest.mark.parametrize("inserted_before", [0, 10])
def test_a_link_that_waits_for_a_change_of_the_rule_is_inserted_by_the_new_rule(postgres, inserted_before):
    """After five runs, the driver prepares a statement, which then takes its locks at another moment."""
    url = postgres()
    database = Database(url, pool_size=1)

    def insert(external_id):
        link, change = Link(source="crm", external_id=external_id), ProspectChange()
        return database.write_sync(lambda tx: prospects.upsert(tx, link, change)).from_link.link

    for number in range(inserted_before):
        insert(str(number))
    with psycopg.connect(url) as changing, psycopg.connect(url) as watching, ThreadPoolExecutor(1) as thread:
        changing.execute("LOCK TABLE prospect_link IN SHARE ROW EXCLUSIVE MODE")
        changing.execute("INSERT INTO source_rule (source, id_rule) VALUES ('crm', 'ignore_case')")
        inserting = thread.submit(insert, "ABC")
        until(lambda: watching.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone())
        changing.commit()
        assert inserting.result() == ("crm", "abc")
    database.close()
