"""Links to other systems, and what happens when two prospects turn out to be one."""

import pytest

from tests.api.calls import (
    answer,
    conclude,
    merge,
    new_prospect,
    ok,
    open_session,
    qualify,
    refusal,
    session,
)


def link_to(client, prospect_id, link):
    return client.post(f"/v1/prospects/{prospect_id}/links", json=link)


def unlink(client, prospect_id, link):
    return client.delete(f"/v1/prospects/{prospect_id}/links/{link['source']}/{link['external_id']}")


def get(client, prospect_id):
    return client.get(f"/v1/prospects/{prospect_id}")


def linked(client, link):
    return client.get(f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}")


def test_a_link_is_added_once_however_often_it_is_sent(client, link):
    prospect = new_prospect(client)
    told = ok(link_to(client, prospect["id"], link))
    assert (told["links"], told["revision"]) == ([link], 2)
    assert ok(link_to(client, prospect["id"], link)) == told
    assert ok(linked(client, link)) == told


def test_a_link_belongs_to_one_prospect(client, link):
    owner = new_prospect(client, links=[link])
    other = new_prospect(client)
    refused = link_to(client, other["id"], link)
    assert refusal(refused) == (409, "link-taken")
    assert owner["id"] in refused.json()["detail"]
    assert ok(get(client, other["id"])) == other


def test_the_same_id_in_another_system_is_another_link(client, link):
    one = new_prospect(client, links=[link])
    two = new_prospect(client, links=[link | {"source": "other"}])
    assert ok(linked(client, link))["id"] == one["id"] != two["id"]


def test_a_link_that_was_taken_away_is_free(client, link, other_link):
    prospect = new_prospect(client, links=[link, other_link])
    told = ok(unlink(client, prospect["id"], link))
    assert (told["links"], told["revision"]) == ([other_link], 2)
    assert refusal(linked(client, link)) == (404, "not-found")
    assert refusal(unlink(client, prospect["id"], link)) == (404, "not-found")
    new_prospect(client, links=[link])


def test_a_link_of_another_prospect_cannot_be_taken_away(client, link):
    owner = new_prospect(client, links=[link])
    assert refusal(unlink(client, new_prospect(client)["id"], link)) == (404, "not-found")
    assert ok(get(client, owner["id"]))["links"] == [link]


def test_a_prospect_has_at_most_50_links(client, link):
    links = [link | {"source": f"s{number}"} for number in range(50)]
    prospect = new_prospect(client, links=links)
    assert refusal(link_to(client, prospect["id"], link)) == (422, "invalid-request")
    assert len(ok(link_to(client, prospect["id"], links[0]))["links"]) == 50


def test_merging_moves_links_sessions_and_the_attributes_that_are_lacking(client, link, other_link, small):
    kept = qualify(client, link, question_set=small, deal="kept", name="Kept", attributes={"employees": 12})
    gone = qualify(
        client,
        other_link,
        question_set=small,
        deal="gone",
        name="Gone",
        attributes={"employees": 99, "region": "north"},
        ratings={"budget": 4},
    )
    told = ok(merge(client, kept["prospect_id"], gone["prospect_id"]))
    assert (told["id"], told["name"]) == (kept["prospect_id"], "Kept")
    assert told["attributes"] == {"employees": 12, "region": "north"}
    assert sorted(told["links"], key=str) == sorted([link, other_link], key=str)
    assert session(client, gone["session_id"])["prospect_id"] == kept["prospect_id"]
    assert refusal(get(client, gone["prospect_id"])) == (404, "not-found")
    assert ok(linked(client, other_link)) == told


def test_a_merged_session_goes_on_under_either_link(client, link, other_link, small):
    new_prospect(client, links=[link])
    gone = qualify(client, other_link, question_set=small, ratings={"budget": 4})
    kept = ok(linked(client, link))
    ok(merge(client, kept["id"], gone["prospect_id"]))
    told = qualify(client, link, question_set=small, ratings={"need": 2})
    assert (told["session_id"], told["revision"]) == (gone["session_id"], 2)


def test_the_name_of_the_other_is_taken_where_there_is_none(client):
    kept, gone = new_prospect(client), new_prospect(client, name="Known")
    assert ok(merge(client, kept["id"], gone["id"]))["name"] == "Known"


def test_merging_rescores_the_open_sessions_of_both(client, ruled):
    """120 employees are rated 5 by rule, so one of two questions is known where none was."""
    kept = new_prospect(client, attributes={"employees": 120})
    gone = new_prospect(client, attributes={"industry": "bank"})
    first = open_session(client, kept["id"], question_set=ruled)
    second = open_session(client, gone["id"], question_set=ruled, deal="other")
    ok(merge(client, kept["id"], gone["id"]))
    for opened in (first, second):
        told = session(client, opened["session_id"])
        assert told["attributes"] == {"employees": 120, "industry": "bank"}
        assert (told["score"]["rated"], told["score"]["open"]) == (1, 2)


def test_two_open_sessions_for_one_deal_are_in_the_way(client, small):
    kept, gone = new_prospect(client), new_prospect(client)
    sessions = [open_session(client, p["id"], question_set=small)["session_id"] for p in (kept, gone)]
    refused = merge(client, kept["id"], gone["id"])
    assert refusal(refused) == (409, "session-is-open")
    assert all(session_id in refused.json()["detail"] for session_id in sessions)
    assert ok(get(client, gone["id"])) == gone
    ok(conclude(client, sessions[1], "lost"))
    ok(merge(client, kept["id"], gone["id"]))
    answer(client, sessions[0], budget=5)


def test_a_merged_attribute_that_an_open_session_cannot_read_is_missing_there_and_listed(client, ruled):
    kept, gone = new_prospect(client), new_prospect(client, attributes={"employees": "many"})
    opened = open_session(client, kept["id"], question_set=ruled)
    ok(merge(client, kept["id"], gone["id"]))
    told = session(client, opened["session_id"])
    assert told["attributes"] == {"employees": "many"}
    assert [one["attribute"] for one in told["score"]["unread_attributes"]] == ["employees"]
    assert told["score"]["open_questions"] == opened["score"]["open_questions"]


def test_a_prospect_cannot_be_merged_into_itself(client):
    prospect = new_prospect(client)
    assert refusal(merge(client, prospect["id"], prospect["id"])) == (422, "invalid-request")
    assert ok(get(client, prospect["id"])) == prospect


@pytest.mark.parametrize("which", [0, 1])
def test_both_have_to_be_there(client, which):
    ids = [new_prospect(client)["id"], new_prospect(client)["id"]]
    assert client.delete(f"/v1/prospects/{ids[which]}").status_code == 204
    assert refusal(merge(client, *ids)) == (404, "not-found")


def test_a_merge_that_would_make_too_much_of_a_prospect_is_refused(client, link):
    many = [new_prospect(client, attributes={f"{p}{n}": n for n in range(101)}) for p in "ab"]
    assert refusal(merge(client, *[p["id"] for p in many])) == (422, "invalid-request")
    links = [[link | {"source": f"{p}{n}"} for n in range(26)] for p in "ab"]
    many = [new_prospect(client, links=some) for some in links]
    assert refusal(merge(client, *[p["id"] for p in many])) == (422, "invalid-request")
    assert ok(get(client, many[1]["id"])) == many[1]
