"""The fit that other tools embed: by id, by link, for many at once."""

from uuid import uuid4

import pytest

from tests.api.calls import (
    SMALL,
    answer,
    conclude,
    decide,
    new_prospect,
    ok,
    open_session,
    pointers,
    qualify,
    refusal,
    session,
)
from tests.api.conftest import published


def fit_of(client, prospect_id, **query):
    return client.get(f"/v1/prospects/{prospect_id}/fit", params=query)


def fit_by_link(client, link, **query):
    address = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}/fit"
    return client.get(address, params=query)


def fits(client, *prospects, **sent):
    return client.post("/v1/fits", json={"prospects": list(prospects), **sent})


def test_a_fit_is_the_score_of_the_session_in_small(client, link, small):
    told = qualify(client, link, question_set=small, deal="north", ratings={"budget": 5, "need": 4})
    ok(decide(client, told["session_id"], "pursue", revision=1))
    told = session(client, told["session_id"])
    fit = ok(fit_of(client, told["prospect_id"], question_set=small))
    for name in ("prospect_id", "session_id", "question_set", "deal", "status", "revision", "updated_at"):
        assert fit[name] == told[name]
    for name in (
        "summary",
        "indication",
        "settled",
        "leaning",
        "blockers",
        "score",
        "lowest",
        "highest",
        "coverage",
        "grade",
    ):
        assert fit[name] == told["score"][name]
    assert (fit["weaker_side"], fit["decision"], fit["outcome"]) == ("benefit", "pursue", None)


def test_it_is_the_same_by_link(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 5})
    by_id = ok(fit_of(client, told["prospect_id"], question_set=small))
    assert ok(fit_by_link(client, link, question_set=small)) == by_id


def test_without_a_set_it_is_of_the_newest_session_of_any_set(client, link, other_link, small):
    older = qualify(client, link, ratings={"budget": 5})
    newer = qualify(client, link, question_set=small, ratings={"budget": 1})
    fit = ok(fit_by_link(client, link))
    assert (fit["session_id"], fit["question_set"]) == (newer["session_id"], f"{small}@1")
    assert ok(fit_of(client, newer["prospect_id"])) == fit
    assert ok(fits(client, link))["items"][0]["fit"] == fit
    ok(conclude(client, newer["session_id"], "won"))
    assert ok(fit_by_link(client, link))["session_id"] == older["session_id"]
    assert ok(fit_by_link(client, link))["question_set"].startswith("qualifying-a-sale@")
    new_prospect(client, links=[other_link])
    assert refusal(fit_by_link(client, other_link)) == (404, "not-found")


def test_without_a_set_sessions_about_a_person_or_the_own_company_do_not_count(client, link, publish):
    """The prospect itself was first qualified as one."""
    sale, person = (published(publish, SMALL | {"subject": subject}) for subject in ("prospect", "person"))
    told = qualify(client, link, question_set=sale, ratings={"budget": 5})
    about = qualify(client, link, question_set=person, ratings={"budget": 1})
    assert ok(fit_by_link(client, link))["session_id"] == told["session_id"]
    named = ok(fit_by_link(client, link, question_set=person))
    assert (named["session_id"], named["subject"]) == (about["session_id"], "person")


def test_an_open_session_goes_before_a_newer_closed_one(client, link, small):
    """Two deals: the second is opened later and closed."""
    opened = qualify(client, link, question_set=small, deal="north", ratings={"budget": 2})
    closed = qualify(client, link, question_set=small, deal="south", outcome={"outcome": "lost"})
    assert ok(fit_by_link(client, link, question_set=small))["session_id"] == opened["session_id"]
    ok(conclude(client, opened["session_id"], "won"))
    fit = ok(fit_by_link(client, link, question_set=small))
    assert (fit["session_id"], fit["status"], fit["outcome"]) == (closed["session_id"], "closed", "lost")


def test_of_several_open_ones_the_newest_is_shown(client, link, small):
    qualify(client, link, question_set=small, deal="north")
    newest = qualify(client, link, question_set=small, deal="south")
    qualify(client, link, question_set=small, deal="north", ratings={"budget": 3})
    assert ok(fit_by_link(client, link, question_set=small))["session_id"] == newest["session_id"]


def test_a_deal_can_be_asked_for(client, link, small):
    north = qualify(client, link, question_set=small, deal="north")
    south = qualify(client, link, question_set=small, deal="south")
    for told in (north, south):
        fit = ok(fit_by_link(client, link, question_set=small, deal=told["deal"]))
        assert fit["session_id"] == told["session_id"]
    assert refusal(fit_by_link(client, link, question_set=small, deal="west")) == (404, "not-found")


def test_a_version_in_the_name_is_not_looked_at(client, link, small):
    told = qualify(client, link, question_set=small)
    fit = ok(fit_by_link(client, link, question_set=f"{small}@1"))
    assert fit["session_id"] == told["session_id"]


def test_no_session_is_no_fit_to_show(client, link, small):
    prospect = new_prospect(client, links=[link])
    assert refusal(fit_of(client, prospect["id"], question_set=small)) == (404, "not-found")
    assert refusal(fit_by_link(client, link, question_set=small)) == (404, "not-found")
    assert refusal(fit_of(client, uuid4(), question_set=small)) == (404, "not-found")


def test_a_set_name_that_is_none_is_pointed_at_in_the_query(client, link):
    qualify(client, link)
    refused = fit_by_link(client, link, question_set="Not a key")
    assert refusal(refused) == (422, "invalid-request")
    assert [(e["where"], e["pointer"]) for e in refused.json()["errors"]] == [("query", "/question_set")]


def test_many_come_in_the_order_asked_each_with_its_status(client, link, other_link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 5})
    bare = new_prospect(client, links=[other_link])
    nobody = link | {"external_id": "nobody"}
    asked = [
        {"prospect_id": bare["id"]}, link, nobody, {"prospect_id": told["prospect_id"]}, other_link, link,
        {"prospect_id": str(uuid4())},
    ]  # fmt: skip
    items = ok(fits(client, *asked, question_set=small))["items"]
    assert [item["status"] for item in items] == [404, 200, 404, 200, 404, 200, 404]
    for wanted, item in zip(asked, items, strict=True):
        assert {name: item[name] for name in wanted} == wanted
    single = ok(fit_of(client, told["prospect_id"], question_set=small))
    assert [item["fit"] for item in items] == [None, single, None, single, None, single, None]


def test_200_are_answered_at_once(client, link, small):
    prospect = new_prospect(client)["id"]
    opened = open_session(client, prospect, question_set=small)
    answer(client, opened["session_id"], budget=5)
    asked = [{"prospect_id": prospect} if n % 2 else link | {"external_id": f"none-{n}"} for n in range(200)]
    items = ok(fits(client, *asked, question_set=small))["items"]
    assert [item["status"] for item in items] == [404, 200] * 100


@pytest.mark.parametrize("number", [0, 201])
def test_none_and_201_are_refused(client, number):
    refused = fits(client, *[{"prospect_id": str(uuid4())}] * number)
    assert refusal(refused) == (422, "invalid-request")


@pytest.mark.parametrize(
    "half",
    [
        {},
        {"source": "test"},
        {"external_id": "1"},
        {"prospect_id": str(uuid4()), "source": "test"},
        {"prospect_id": str(uuid4()), "source": "test", "external_id": "1"},
    ],
)
def test_a_prospect_is_named_in_one_way(client, half):
    refused = fits(client, {"prospect_id": str(uuid4())}, half)
    assert refusal(refused) == (422, "invalid-request")
    assert refused.json()["errors"][0]["pointer"] == "/prospects/1"


@pytest.mark.parametrize("name", ["nobodys-set", "bant@77", "not a name"])
def test_a_set_that_was_never_published_is_told_and_no_prospect_without_a_session(client, link, name):
    told = qualify(client, link, question_set="bant")
    for refused in (
        fit_of(client, told["prospect_id"], question_set=name),
        fit_by_link(client, link, question_set=name),
        client.post("/v1/fits", json={"prospects": [link], "question_set": name}),
        client.get("/v1/sessions", params={"question_set": name}),
    ):
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/question_set"])


def test_a_version_that_is_named_is_the_only_one_looked_for(client, link, small, publish):
    told = qualify(client, link, question_set=small, ratings={"budget": 4})
    publish(SMALL | {"key": small, "title": "Second"})
    assert ok(fit_by_link(client, link, question_set=f"{small}@1"))["session_id"] == told["session_id"]
    assert refusal(fit_by_link(client, link, question_set=f"{small}@2")) == (404, "not-found")
    assert ok(fit_by_link(client, link, question_set=small))["session_id"] == told["session_id"]


def test_the_sessions_of_a_retired_set_are_still_found(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 4})
    ok(client.post(f"/v1/question-sets/{small}/versions/1/retire"))
    assert ok(fit_by_link(client, link, question_set=small))["session_id"] == told["session_id"]
    assert len(ok(client.get("/v1/sessions", params={"question_set": small}))["items"]) == 1
