"""Sixteen clients upsert the same external ids at once, in every way, while others turn them over."""

from collections import Counter

import pytest

from tests.api.calls import every_page, ok, ratings_of, refusal, session
from tests.api.conftest import published
from tests.api.crowd import CLIENTS, Crowd, extra, is_taken_away, puts, rating
from tests.scoring.building import question, step, weighted
from tests.scoring.strategies import EFFORT

# TEST_EFFORT=2.5 makes them 200.
IDS = max(20, round(8 * EFFORT) * 10)
MAY = {
    "put": {200, 201},
    "qualify": {200},
    "merge": {200, 404},
    "erase": {204},
    "unlink": {200, 404},
    "answer": {200, 404},
    "link": {200, 404, 409},
    "create": {201, 409},
}


@pytest.fixture(scope="module")
def crowd(service, publish):
    key = published(publish, weighted(step("all", *(question(f"q{n}") for n in range(CLIENTS)))))
    crowd = Crowd(service.client, key, IDS)
    crowd.run()
    return crowd


@pytest.fixture(scope="module")
def owners(crowd):
    """The prospects that have each link in the end."""
    owners = {}
    for prospect in every_page(crowd.client, f"/v1/prospects?source={crowd.source}&limit=200"):
        for link in prospect["links"]:
            owners.setdefault(link["external_id"], []).append(prospect)
    return owners


@pytest.fixture(scope="module")
def sessions(crowd):
    return every_page(crowd.client, f"/v1/sessions?question_set={crowd.question_set}&limit=200")


def of(crowd, *what):
    return [one for one in crowd.told if one.what in what]


def test_nothing_fails_and_nobody_is_refused_but_who_must_be(crowd):
    for what, may in MAY.items():
        assert {one.response.status_code for one in of(crowd, what)} <= may, what
    assert {one.what for one in crowd.told} == set(MAY)
    refused = {(one.what, *refusal(one.response)) for one in crowd.told if one.response.is_error}
    kinds = {(what, 404, "not-found") for what in ("merge", "unlink", "answer", "link")}
    assert refused <= kinds | {(what, 409, "link-taken") for what in ("link", "create")}
    gone = [one.response.json()["detail"] for one in of(crowd, "link") if one.response.status_code == 404]
    assert set(gone) <= {"There is no prospect with that id."}


def test_every_external_id_that_lasts_is_one_prospect_and_one_was_told_that_it_is_new(crowd, owners):
    created = Counter(one.number for one in of(crowd, "put", "qualify") if one.created)
    assert {number: created[number] for number in crowd.lasting} == dict.fromkeys(crowd.lasting, 1)
    assert {number: len(owners[str(number)]) for number in crowd.lasting} == dict.fromkeys(crowd.lasting, 1)


def test_what_was_erased_or_unlinked_is_created_again_as_often_as_it_is_needed(crowd, owners):
    created = Counter(one.number for one in of(crowd, "put", "qualify") if one.created)
    gone = Counter(one.number for one in of(crowd, "erase", "unlink") if one.response.is_success)
    for number in crowd.erased + crowd.unlinked:
        assert created[number] == gone[number] + len(owners.get(str(number), [])), number


def test_who_upserts_by_a_link_is_told_of_a_prospect_that_has_it(crowd):
    for one in of(crowd, "put"):
        assert crowd.link(one.number) in one.response.json()["links"]


def test_no_link_has_two_prospects_and_none_is_lost_that_was_told_and_not_taken_away(crowd, owners):
    assert {name: len(found) for name, found in owners.items()} == dict.fromkeys(owners, 1)
    added = {one.number for one in of(crowd, "link") if one.response.is_success}
    assert added == set(crowd.lasting)
    for number in crowd.lasting:
        assert (extra(number) in owners) != is_taken_away(number), number


def test_whoever_has_a_link_is_named_to_those_who_may_not_have_it(crowd):
    known = {prospect_of(one) for one in of(crowd, "put", "qualify", "create") if one.response.is_success}
    taken = [one for one in of(crowd, "link", "create") if one.response.status_code == 409]
    for one in taken:
        _, named, *_ = one.response.json()["detail"].split()
        assert named in known


def prospect_of(one):
    told = one.response.json()
    return told.get("prospect_id") or told["id"]


def test_of_two_who_create_with_the_same_two_links_one_does(crowd, owners):
    created = Counter(one.number for one in of(crowd, "create") if one.response.is_success)
    assert created == dict.fromkeys(range(IDS), 1)
    for number in range(IDS):
        assert owners[f"x-{number}"] == owners[f"y-{number}"]


def test_of_two_merges_each_way_one_goes_through_and_keeps_both_links(crowd, owners):
    for number in crowd.merged[::2]:
        both = [one.response.status_code for one in of(crowd, "merge") if one.number == number]
        assert sorted(both) == [200, 404]
        assert owners[str(number)] == owners[str(number + 1)]


def test_every_attribute_that_was_told_is_there(crowd, owners):
    """Of two that were merged, each client wrote to both, but attributes with names of its own."""
    for number in set(crowd.lasting) - set(crowd.merged):
        (owner,) = owners[str(number)]
        assert owner["attributes"] == {f"a{who}": number for who in range(CLIENTS) if puts(who, number)}
    for number in crowd.merged[::2]:
        (owner,) = owners[str(number)]
        assert owner["attributes"].keys() == {f"a{who}" for who in range(CLIENTS)}


def test_every_external_id_that_lasts_has_one_open_session_with_every_answer(crowd, owners, sessions):
    for number in crowd.lasting:
        (line,) = [line for line in sessions if line["deal"] == str(number)]
        ((owner,), told) = owners[str(number)], session(crowd.client, line["session_id"])
        assert (told["status"], told["prospect_id"]) == ("open", owner["id"])
        answers = {f"q{who}": rating(who, number) for who in range(CLIENTS) if not puts(who, number)}
        assert ratings_of(told) == answers
    opened = Counter(one.number for one in of(crowd, "qualify") if one.response.json()["session_opened"])
    assert {number: opened[number] for number in crowd.lasting} == dict.fromkeys(crowd.lasting, 1)


def test_no_session_is_left_without_its_prospect(crowd, sessions):
    for prospect in {line["prospect_id"] for line in sessions}:
        ok(crowd.client.get(f"/v1/prospects/{prospect}"))
    lines = Counter((line["prospect_id"], line["deal"]) for line in sessions)
    assert set(lines.values()) == {1}
