"""Which set a prospect is asked when the caller names none: the one that is meant for it."""

from itertools import count

import pytest

from tests.api.calls import (
    new_prospect,
    ok,
    open_session,
    qualify,
    refusal,
)
from tests.conftest import serving, settings_for
from tests.scoring.building import question, step, weighted

numbers = count(1)


def meant(key, conditions, priority=None, **attributes):
    """A set of two questions for the prospects that meet the conditions."""
    return weighted(
        step("only", question("need"), question(f"only_{key.replace('-', '_')}")),
        key=key,
        thresholds={"fit_at": 60, "no_fit_below": 40},
        attributes={"trade": "text", "employees": "number", "public": "boolean"} | attributes,
        **{"for": conditions},
        **({} if priority is None else {"priority": priority}),
    )


DEFAULT = ("qualifying-a-sale@1", "default", "no question set is meant for this prospect")
LARGE = ("large@1", "for", "employees at least 1000; priority 20")
SETS = [
    meant("logistics", {"trade": {"in": ["logistics", "freight"]}}, 10),
    meant("large", {"employees": {"at_least": 1000}}, 20),
    meant("bank", {"trade": {"equals": "bank"}, "public": {"equals": True}}),
    meant("small-bank", {"trade": {"equals": "bank"}, "employees": {"below": 50}}),
]


@pytest.fixture(scope="module")
def client(new_database):
    """A service of its own: a set that is meant for somebody would be in other tests' way."""
    with serving(settings_for(new_database())) as running:
        for definition in SETS:
            publish(running.client, definition)
        yield running.client


@pytest.fixture
def link():
    return {"source": "test", "external_id": f"chosen-{next(numbers)}"}


def publish(client, definition):
    address = f"/v1/question-sets/{definition['key']}/draft"
    saved = ok(client.put(address, json=definition))
    return ok(client.post(f"{address}/publish", headers={"If-Match": f'"{saved["revision"]}"'}), 201)


def chosen(told):
    return told["question_set"], told["chosen_by"], told["chosen_because"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"trade": "freight"}, ("logistics@1", "for", "trade in logistics, freight; priority 10")),
        ({"employees": 1000}, LARGE),
        (
            {"trade": "freight", "employees": "1e3"},
            ("large@1", "for", "employees at least 1000; priority 20"),
        ),
        (
            {"trade": "bank", "public": True},
            ("bank@1", "for", "trade equals bank and public equals true; priority 0"),
        ),
        (
            {"trade": "bank"},
            ("qualifying-a-sale@1", "default", "no question set is meant for this prospect"),
        ),
        ({}, ("qualifying-a-sale@1", "default", "no question set is meant for this prospect")),
    ],
    ids=str,
)
def test_the_matching_set_with_the_highest_priority_is_taken_and_says_why(client, link, attributes, expected):
    assert chosen(qualify(client, link, attributes=attributes)) == expected
    prospect = new_prospect(client, attributes=attributes)
    assert chosen(open_session(client, prospect["id"])) == expected


def test_between_equals_nobody_chooses_and_nothing_is_written(client, link):
    equals = {"attributes": {"trade": "bank", "public": True, "employees": 12}}
    refused = client.post("/v1/qualify", json={**link, **equals})
    assert refusal(refused) == (409, "several-sets-match")
    assert "bank and small-bank" in refused.json()["detail"]
    assert "priority 0" in refused.json()["detail"]
    address = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}"
    assert refusal(client.get(address)) == (404, "not-found")
    assert chosen(qualify(client, link, question_set="bank", **equals))[:2] == ("bank@1", "request")


def test_a_set_that_is_named_is_taken_whatever_is_meant(client, link):
    told = qualify(client, link, attributes={"trade": "freight"}, question_set="bant@1")
    assert chosen(told) == ("bant@1", "request", "the request names it")


def test_what_the_prospect_is_known_for_counts_not_only_what_is_sent(client, link):
    qualify(client, link, attributes={"trade": "freight"}, question_set="bant")
    told = qualify(client, link, ratings={"only_logistics": 4})
    assert chosen(told)[:2] == ("logistics@1", "for")
    again = qualify(client, link, ratings={"need": 4})
    assert (again["session_id"], again["session_opened"]) == (told["session_id"], False)


def test_a_conclusion_alone_goes_to_the_one_open_session(client, link):
    opened = qualify(client, link, question_set="bant", attributes={"trade": "freight"})
    told = qualify(client, link, decision={"decision": "nurture", "actor": "ana@example.com"})
    assert told["session_id"] == opened["session_id"]
    assert chosen(told) == ("bant@1", "session", "it is the set of the only open session")
    won = qualify(client, link, outcome={"outcome": "won"})
    assert (won["session_id"], won["status"]) == (opened["session_id"], "closed")


def test_where_no_set_is_meant_the_one_open_session_goes_on_before_a_default_begins(client, link):
    opened = qualify(client, link, question_set="bant")
    told = qualify(client, link, ratings={"need": 4})
    assert (told["session_id"], told["chosen_by"]) == (opened["session_id"], "session")
    other = qualify(client, link, ratings={"requirements": 4}, deal="other")
    assert chosen(other) == DEFAULT
    qualify(client, link, question_set="champ")
    assert chosen(qualify(client, link, ratings={"requirements": 4})) == DEFAULT


def test_with_several_open_sessions_a_conclusion_goes_to_the_set_that_is_meant(client, link):
    qualify(client, link, question_set="bant", attributes={"trade": "freight"})
    opened = qualify(client, link, ratings={"need": 5})
    told = qualify(client, link, decision={"decision": "nurture", "actor": "ana@example.com"})
    assert (told["session_id"], told["chosen_by"]) == (opened["session_id"], "for")


def test_a_set_is_meant_for_nobody_whose_attribute_has_another_type_than_it_declares(client, link):
    """Two teams may declare one attribute differently: neither must stop the calls of the other."""
    assert chosen(qualify(client, link, attributes={"employees": "many"})) == DEFAULT


def test_the_newest_version_alone_is_asked_for_whom_it_is_meant(client):
    for key, trade in (("moving", "circus"), ("moving", "zoo")):
        publish(client, meant(key, {"trade": {"equals": trade}}, 30))
    zoo = {"source": "test", "external_id": "zoo"}
    circus = {"source": "test", "external_id": "circus"}
    assert chosen(qualify(client, zoo, attributes={"trade": "zoo"}))[0] == "moving@2"
    assert chosen(qualify(client, circus, attributes={"trade": "circus"}))[1] == "default"


def test_a_retired_set_is_meant_for_nobody(client, link):
    publish(client, meant("gone", {"trade": {"equals": "gone"}}, 30))
    assert chosen(qualify(client, link, attributes={"trade": "gone"}))[1] == "for"
    ok(client.post("/v1/question-sets/gone/versions/1/retire"))
    late = link | {"external_id": "too late"}
    assert chosen(qualify(client, late, attributes={"trade": "gone"}))[1] == "default"
