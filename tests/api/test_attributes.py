"""What happens to open sessions when more becomes known of a prospect."""

import pytest

from tests.api.calls import (
    as_read,
    change,
    conclude,
    history,
    new_prospect,
    ok,
    open_session,
    pointers,
    qualify,
    ratings_of,
    refusal,
    session,
    upsert,
)


@pytest.fixture
def prospect(client, link):
    """Knows nothing yet."""
    return new_prospect(client, links=[link])


def rule_rated(told):
    reasons = told["score"]["strengths"] + told["score"]["gaps"]
    return {line["question"]: line["rating"] for line in reasons if line["rated_by"] == "rule"}


def test_a_new_attribute_rates_what_it_has_a_rule_for(client, prospect, ruled):
    """120 employees are 5: 4 of 8, where the demand is still open."""
    opened = open_session(client, prospect["id"], question_set=ruled)
    assert opened["score"]["rated"] == 0
    ok(change(client, prospect["id"], attributes={"employees": 120}))
    told = session(client, opened["session_id"])
    assert (told["revision"], told["attributes"]) == (2, {"employees": 120})
    assert (told["score"]["lowest"], told["score"]["highest"]) == (50.0, 100.0)
    assert rule_rated(told) == {"size": 5}
    assert told["answers"] == []
    assert history(client, opened["session_id"])["revisions"][1]["change"] == "attributes"


def test_a_new_attribute_asks_what_was_not_asked(client, prospect, ruled):
    opened = open_session(client, prospect["id"], question_set=ruled)
    assert [q["question"] for q in opened["score"]["next_questions"]] == ["size", "demand"]
    ok(change(client, prospect["id"], attributes={"industry": "bank"}))
    told = session(client, opened["session_id"])
    assert [q["question"] for q in told["score"]["next_questions"]] == ["size", "audit", "demand"]


def test_an_attribute_that_is_removed_opens_its_question_again(client, prospect, ruled):
    ok(change(client, prospect["id"], attributes={"employees": 120}))
    opened = open_session(client, prospect["id"], question_set=ruled)
    ok(change(client, prospect["id"], attributes={"employees": None}))
    told = session(client, opened["session_id"])
    assert (told["score"]["rated"], told["attributes"]) == (0, {})


def test_every_way_to_send_an_attribute_rescores_every_open_session(client, link, prospect, ruled, small):
    north = open_session(client, prospect["id"], question_set=ruled, deal="north")
    south = open_session(client, prospect["id"], question_set=ruled, deal="south")
    unruled = open_session(client, prospect["id"], question_set=small)
    ok(upsert(client, link, attributes={"employees": 5}))
    assert [session(client, s["session_id"])["revision"] for s in (north, south, unruled)] == [2, 2, 1]
    qualify(client, link, question_set=ruled, deal="north", attributes={"employees": 500})
    for opened in (north, south):
        told = session(client, opened["session_id"])
        assert (told["revision"], rule_rated(told)) == (3, {"size": 5})


def test_attributes_and_answers_of_one_call_are_one_revision(client, link, ruled):
    first = qualify(client, link, question_set=ruled)
    told = qualify(client, link, question_set=ruled, attributes={"employees": 120}, ratings={"demand": 5})
    assert (told["revision"], told["score"]["score"]) == (2, 100.0)
    (opened, both) = history(client, first["session_id"])["revisions"]
    assert opened["change"] == "opened"
    assert set(both["changed"]) == {"attributes", "answers"}


def test_what_no_rule_uses_is_no_revision_of_a_session(client, prospect, ruled):
    opened = open_session(client, prospect["id"], question_set=ruled)
    ok(change(client, prospect["id"], name="Renamed", attributes={"region": "north"}))
    assert session(client, opened["session_id"]) == as_read(opened)


def test_a_closed_session_keeps_its_copy(client, prospect, ruled):
    ok(change(client, prospect["id"], attributes={"employees": 120}))
    opened = open_session(client, prospect["id"], question_set=ruled, ratings={"demand": 4})
    closed = ok(conclude(client, opened["session_id"], "won"))
    ok(change(client, prospect["id"], attributes={"employees": 1, "industry": "bank"}))
    assert session(client, opened["session_id"]) == closed


def test_a_persons_rating_goes_before_the_rule(client, prospect, ruled):
    opened = open_session(client, prospect["id"], question_set=ruled, ratings={"size": 2})
    ok(change(client, prospect["id"], attributes={"employees": 120}))
    told = session(client, opened["session_id"])
    assert (ratings_of(told), rule_rated(told)) == ({"size": 2}, {})


@pytest.mark.parametrize("sent", ["120", 120.0, "1.2e2"])
def test_a_text_that_is_a_number_is_taken_as_one(client, prospect, ruled, sent):
    opened = open_session(client, prospect["id"], question_set=ruled)
    ok(change(client, prospect["id"], attributes={"employees": sent}))
    assert session(client, opened["session_id"])["attributes"] == {"employees": 120}


@pytest.mark.parametrize(
    "wrong", [{"employees": "many"}, {"employees": True}, {"industry": 7}, {"public": 1}, {"public": "true"}]
)
def test_a_wrong_type_for_an_open_session_is_refused_and_nothing_is_written(
    client, link, prospect, ruled, wrong
):
    told = open_session(client, prospect["id"], question_set=ruled)
    sent = {"name": "New", "attributes": {"region": "north", **wrong}}
    refusals = [
        change(client, prospect["id"], **sent),
        upsert(client, link, **sent),
        client.post("/v1/qualify", json={**link, **sent, "question_set": ruled, "ratings": {"demand": 5}}),
    ]
    (name,) = wrong
    for refused in refusals:
        assert refusal(refused) == (422, "invalid-request")
        assert pointers(refused) == [f"/attributes/{name}"]
    assert ok(client.get(f"/v1/prospects/{prospect['id']}")) == prospect
    assert session(client, told["session_id"]) == as_read(told)


def test_a_wrong_type_is_kept_where_no_open_session_uses_it(client, prospect, ruled):
    told = open_session(client, prospect["id"], question_set=ruled)
    ok(conclude(client, told["session_id"], "lost"))
    ok(change(client, prospect["id"], attributes={"employees": "many"}))
    opened = open_session(client, prospect["id"], question_set=ruled)
    assert opened["attributes"] == {"employees": "many"}
    (unread,) = opened["score"]["unread_attributes"]
    assert unread == {"attribute": "employees", "reason": "not a number"}
    ok(change(client, prospect["id"], attributes={"region": "north"}))
    assert session(client, opened["session_id"]) == as_read(opened)
    ok(change(client, prospect["id"], attributes={"employees": 5}))
    told = session(client, opened["session_id"])
    assert (told["attributes"], told["score"]["unread_attributes"]) == ({"employees": 5}, [])


def test_a_stored_value_that_cannot_be_read_stops_no_qualification(client, link, prospect, ruled):
    """Nobody can know that a set declares a number, before the set is there."""
    ok(change(client, prospect["id"], attributes={"employees": "about 50", "industry": "bank"}))
    told = qualify(client, link, question_set=ruled, ratings={"demand": 4})
    assert told["score"]["rated"] == 1
    assert [one["attribute"] for one in told["score"]["unread_attributes"]] == ["employees"]
    refused = client.post(
        "/v1/qualify", json={**link, "question_set": ruled, "attributes": {"employees": "about 60"}}
    )
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/attributes/employees"])


@pytest.mark.parametrize("nothing", [None, "", " \u00a0"])
def test_null_or_an_empty_text_clears_an_attribute(client, link, prospect, ruled, nothing):
    for industry, clear in {
        "bank": lambda: qualify(client, link, question_set=ruled, attributes={"industry": nothing}),
        "retail": lambda: ok(change(client, prospect["id"], attributes={"industry": nothing})),
        "saas": lambda: ok(upsert(client, link, attributes={"industry": nothing})),
    }.items():
        known = {"employees": 120, "industry": industry, "region": "north"}
        ok(upsert(client, link, attributes=known))
        clear()
        stored = ok(client.get(f"/v1/prospects/{prospect['id']}"))
        assert stored["attributes"] == {"employees": 120, "region": "north"}


def test_value_aliases_are_translated_before_a_set_reads_what_was_sent(client, link, ruled):
    """Of a source that says "11-50" for a number, with and without a session that uses it."""
    aliases = [
        {"field": "employees", "sent": "11-50", "means": 30},
        {"field": "public", "sent": "ja", "means": True},
        {"field": "public", "sent": "vielleicht", "means": "maybe"},
    ]
    ok(client.put(f"/v1/value-aliases/{link['source']}", json={"aliases": aliases}))
    sent = {"employees": "11-50", "public": "ja"}
    told = qualify(client, link, question_set=ruled, attributes=sent)
    assert told["attributes"] == {"employees": 30, "public": True}
    ok(upsert(client, link, attributes=sent))
    refused = upsert(client, link, attributes={"public": "vielleicht"})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/attributes/public"])


def test_a_number_that_takes_the_place_of_true_is_seen(client, prospect, ruled):
    """Python calls them equal: the session must not go on with true."""
    opened = open_session(client, prospect["id"], question_set=ruled)
    ok(change(client, prospect["id"], attributes={"public": True}))
    other = new_prospect(client, attributes={"public": 1})
    told = ok(client.post(f"/v1/prospects/{other['id']}/merge", json={"prospect_id": prospect["id"]}))
    assert told["attributes"]["public"] == 1
    merged = session(client, opened["session_id"])
    assert merged["attributes"]["public"] is not True
    assert [one["attribute"] for one in merged["score"]["unread_attributes"]] == ["public"]


def test_texts_are_compared_whatever_their_case_and_the_blanks_around_them(client, link, ruled):
    told = qualify(client, link, question_set=ruled, attributes={"industry": " Bank\u00a0"})
    assert told["attributes"] == {"industry": " Bank\u00a0"}
    assert "audit" in told["score"]["open_questions"]


FIRM = {
    "industry": "logistics",
    "employees": "640",
    "annual_revenue": 12_000_000,
    "region": "europe",
    "growth": 7.5,
}


def test_the_built_in_firmographic_fit_sorts_without_any_answer(client, link):
    """Ratings 5, 5, 3, 5, 4: x is 4 + 4 + 2 + 4 + 3 = 17 of 20, which is 85."""
    qualify(client, link, question_set="firmographic-fit", attributes=FIRM)
    told = qualify(client, link, question_set="firmographic-fit")
    assert (told["score"]["score"], told["score"]["indication"], told["score"]["grade"]) == (85.0, "fit", "A")


@pytest.mark.parametrize("unknown", [{"industry": "mining"}, {"region": "Atlantis"}])
def test_there_a_value_that_is_not_known_leaves_its_question_open(client, unknown):
    """Of the ratings 5, 5, 3, 5, 4 one of the fives is missing: x is 13 of 16."""
    told = ok(
        client.post("/v1/score", json={"question_set": "firmographic-fit", "attributes": {**FIRM, **unknown}})
    )
    assert (told["score"], told["coverage"]) == (81.25, 0.8)
