"""Value aliases: the words of another system, taken for ours."""

import pytest

from tests.api.calls import ok, pointers, qualify, ratings_of, refusal, session, upsert
from tests.inbound.intake.calls import make, taken_in


def teach(client, source, *aliases):
    sent = [dict(zip(("field", "sent", "means"), alias, strict=True)) for alias in aliases]
    return client.put(f"/v1/value-aliases/{source}", json={"aliases": sent})


@pytest.fixture
def source(link):
    """A source that no other test uses."""
    return f"crm-{link['external_id']}"[:64]


def attributes(client, told):
    return ok(client.get(f"/v1/prospects/{told['prospect_id']}"))["attributes"]


def test_they_are_told_as_they_were_sent_and_replaced_as_a_whole(client, source):
    assert ok(client.get(f"/v1/value-aliases/{source}")) == {"source": source, "aliases": []}
    ok(teach(client, source, ("industry", "Software & Internet", "saas"), ("budget", "Hot", 5)))
    said = [
        {"field": "budget", "sent": "Hot", "means": 5},
        {"field": "industry", "sent": "Software & Internet", "means": "saas"},
    ]
    assert ok(client.get(f"/v1/value-aliases/{source}"))["aliases"] == said
    assert ok(teach(client, source, ("public", "Yes", True)))["aliases"] == [
        {"field": "public", "sent": "Yes", "means": True}
    ]
    # JSON tells 2.0 from 2, and SQLite's JSON does not.
    kept = teach(client, source, ("a", "A", 2.0), ("b", "B", "2"), ("c", "C", -2.5e16))
    assert [one["means"] for one in ok(kept)["aliases"]] == [2.0, "2", -2.5e16]
    assert '"means":2.0' in kept.text
    assert ok(teach(client, source))["aliases"] == []


def test_a_form_of_the_source_is_translated_attributes_and_questions(client, source, ruled):
    ok(
        teach(
            client, source,
            ("industry", "Bank (retail)", "bank"), ("public", "Yes", True), ("employees", "11-50", 50),
            ("demand", "Hot", 5), ("audit", "Not yet", "unknown"),
        )
    )  # fmt: skip
    form = {
        "source": source,
        "external_id": "1",
        "industry": "Bank (retail)",
        "public": "Yes",
        "employees": "11-50",
    }
    told = ok(client.post(f"/v1/qualify/{ruled}", json={**form, "demand": "Hot", "audit": "Not yet"}))
    assert attributes(client, told) == {"industry": "bank", "public": True, "employees": 50}
    assert ratings_of(session(client, told["session_id"])) == {"demand": 5, "audit": "unknown"}


def test_so_is_whatever_comes_with_the_source(client, source, ruled):
    ok(teach(client, source, ("industry", "Bank (retail)", "bank")))
    link = {"source": source, "external_id": "1"}
    told = qualify(client, link, question_set=ruled, attributes={"industry": "Bank (retail)"})
    assert attributes(client, told) == {"industry": "bank"}
    changed = ok(upsert(client, link, attributes={"industry": "Bank (retail)", "city": "Bank (retail)"}))
    assert changed["attributes"] == {"industry": "bank", "city": "Bank (retail)"}
    assert changed["revision"] == 1 + 1


def test_other_sources_fields_and_spellings_are_left_alone(client, source, link, ruled):
    ok(teach(client, source, ("industry", "Bank", "bank")))
    for sent in ({**link, "industry": "Bank"}, {"source": source, "external_id": "2", "industry": "BANK"}):
        told = ok(client.post(f"/v1/qualify/{ruled}", json=sent))
        assert attributes(client, told) == {"industry": sent["industry"]}


def test_a_text_with_two_meanings_is_refused(client, source):
    twice = teach(client, source, ("industry", "A", "a"), ("industry", "A", "b"))
    assert (refusal(twice), pointers(twice)) == ((422, "invalid-request"), ["/aliases/1/sent"])
    assert ok(client.get(f"/v1/value-aliases/{source}"))["aliases"] == []


@pytest.mark.parametrize(
    ("alias", "pointer"),
    [
        ({"field": "Industry", "sent": "A", "means": "a"}, "/aliases/0/field"),
        ({"field": "industry", "sent": "", "means": "a"}, "/aliases/0/sent"),
        ({"field": "industry", "sent": None, "means": "a"}, "/aliases/0/sent"),
        ({"field": "industry", "sent": "A", "means": ["a"]}, "/aliases/0/means"),
        ({"field": "industry", "sent": "A"}, "/aliases/0/means"),
        ({"field": "industry", "sent": "A", "means": "a", "of": "us"}, "/aliases/0/of"),
    ],
)
def test_a_bad_alias_is_named(client, source, alias, pointer):
    response = client.put(f"/v1/value-aliases/{source}", json={"aliases": [alias]})
    assert (refusal(response), pointers(response)) == ((422, "invalid-request"), [pointer])


def test_a_number_and_true_match_an_alias_by_their_text(client, source, ruled):
    """Option ids of Pipedrive, choices of Dataverse, record ids of Odoo."""
    ok(
        teach(
            client, source,
            ("demand", 100000003, 4), ("audit", "17", 2), ("industry", 5, "bank"), ("public", 1, True),
            ("employees", True, 250),
        )
    )  # fmt: skip
    kept = ok(client.get(f"/v1/value-aliases/{source}"))["aliases"]
    assert {(one["field"], one["sent"]) for one in kept} == {
        ("demand", "100000003"), ("audit", "17"), ("industry", "5"), ("public", "1"), ("employees", "true")
    }  # fmt: skip
    numbers = {"demand": 100000003, "audit": 17, "industry": 5.0, "public": 1, "employees": True}
    texts = {"demand": "100000003", "audit": "17", "industry": "5", "public": "1", "employees": "true"}
    for number, fields in enumerate((numbers, texts)):
        form = {"source": source, "external_id": str(number), **fields}
        told = ok(client.post(f"/v1/qualify/{ruled}", json=form))
        assert attributes(client, told) == {"industry": "bank", "public": True, "employees": 250}
        assert ratings_of(session(client, told["session_id"])) == {"demand": 4, "audit": 2}
    twice = teach(client, source, ("industry", 5, "a"), ("industry", "5", "b"))
    assert pointers(twice) == ["/aliases/1/sent"]


def test_decisions_and_outcomes_are_translated_too(client, source, small):
    ok(
        teach(
            client, source,
            ("outcome", "Closed Won", "won"), ("outcome", 2, "lost"), ("outcome", "Prospecting", None),
            ("decision", "Go", "pursue"), ("outcome_reason", "Too expensive", "price"),
            ("outcome_currency", "Euro", "EUR"),
        )
    )  # fmt: skip
    form = {"source": source, "external_id": "1", "budget": 4, "actor": "ana@example.com"}
    open_still = ok(
        client.post(f"/v1/qualify/{small}", json=form | {"outcome": "Prospecting", "decision": "Go"})
    )
    assert (open_still["decision"], open_still["outcome"]) == ("pursue", None)
    won = {"outcome": "Closed Won", "outcome_reason": "Too expensive", "outcome_currency": "Euro"}
    told = ok(client.post(f"/v1/qualify/{small}", json=form | won | {"outcome_amount": "10"}))
    outcome = session(client, told["session_id"])["outcome"]
    assert (outcome["outcome"], outcome["reason"], outcome["currency"]) == ("won", "price", "EUR")
    lost = ok(client.post(f"/v1/qualify/{small}", json=form | {"external_id": "2", "outcome": 2}))
    assert lost["outcome"] == "lost"
    # A word that is no alias can still be one of this service, in any spelling.
    no_decision = ok(
        client.post(f"/v1/qualify/{small}", json=form | {"external_id": "3", "outcome": "No Decision"})
    )
    assert no_decision["outcome"] == "no_decision"
    refused = client.post(f"/v1/qualify/{small}", json=form | {"external_id": "4", "outcome": "Closed"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/outcome"])
    assert "a value alias of the source" in refused.json()["errors"][0]["detail"]


def test_ids_that_are_also_meanings_are_translated_once(client, source, ruled, anybody):
    """The records 1, 2 and 3 of an Odoo model mean hot, warm and cold."""
    aliases = [("demand", 1, 5), ("demand", 5, 1), ("employees", 1, 5), ("employees", 5, 1)]
    ok(teach(client, source, *aliases))
    form = {"source": source, "external_id": "1", "demand": 5, "employees": 5}
    told = ok(client.post(f"/v1/qualify/{ruled}", json=form))
    assert ratings_of(session(client, told["session_id"])) == {"demand": 1}
    assert attributes(client, told) == {"employees": 1}
    by_json = qualify(client, {"source": source, "external_id": "2"}, attributes={"employees": 5})
    assert attributes(client, by_json) == {"employees": 1}
    mapping = {"source": source, "external_id": "/id", "ratings": {"demand": "/d"}}
    intake = make(client, mapping=mapping | {"attributes": {"employees": "/e"}}, question_set=ruled)
    (item,) = taken_in(client, anybody, intake, {"id": 3, "e": 1, "d": 1})["items"]
    assert ratings_of(session(client, item["session_id"])) == {"demand": 5}
    assert attributes(client, item) == {"employees": 5}
    address = f"/v1/prospects/import?source={source}&id=id"
    for number, qualifying in enumerate((f"&question_set={ruled}", f"&qualify={ruled}")):
        ids = (f"file-{number}-a", f"file-{number}-b")
        file = f"id,employees\n{ids[0]},1\n{ids[1]},5\n"
        headers = {"Content-Type": "text/csv"}
        assert client.post(address + qualifying, content=file, headers=headers).is_success
        for external_id, employees in zip(ids, (5, 1), strict=True):
            prospect = ok(client.get(f"/v1/prospects/by-external-id/{source}/{external_id}"))
            assert prospect["attributes"] == {"employees": employees}
