"""Prospects: create, read, change, upsert."""

from uuid import UUID, uuid4

import pytest

from tests.api.calls import change, new_prospect, ok, pointers, refusal, upsert


def get(client, prospect_id):
    return ok(client.get(f"/v1/prospects/{prospect_id}"))


def linked(client, link):
    return client.get(f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}")


def test_a_prospect_is_created_with_its_links_and_read_again(client, link, other_link):
    told = new_prospect(client, name=" Example ", attributes={"employees": 12}, links=[link, other_link])
    assert (told["name"], told["attributes"], told["revision"]) == ("Example", {"employees": 12}, 1)
    assert told["links"] == [link, other_link]
    assert UUID(told["id"]).version == 7
    assert get(client, told["id"]) == told
    assert ok(linked(client, other_link)) == told


def test_a_prospect_can_be_created_knowing_nothing_at_all(client):
    told = new_prospect(client)
    assert (told["name"], told["attributes"], told["links"]) == (None, {}, [])


def test_a_link_that_is_taken_refuses_the_whole_prospect(client, link, other_link):
    first = new_prospect(client, links=[link])
    refused = client.post("/v1/prospects", json={"links": [other_link, link]})
    assert refusal(refused) == (409, "link-taken")
    assert first["id"] in refused.json()["detail"]
    assert refusal(linked(client, other_link)) == (404, "not-found")


def test_a_change_leaves_alone_what_it_does_not_name(client):
    prospect = new_prospect(client, name="Example", attributes={"employees": 12, "region": "north"})
    told = ok(change(client, prospect["id"], attributes={"employees": 13, "industry": "bank"}))
    assert told["attributes"] == {"employees": 13, "region": "north", "industry": "bank"}
    assert (told["name"], told["revision"]) == ("Example", 2)
    assert told["updated_at"] > prospect["updated_at"]
    told = ok(change(client, prospect["id"], name="Renamed"))
    assert (told["name"], told["revision"], told["attributes"]["employees"]) == ("Renamed", 3, 13)


def test_a_null_removes(client):
    prospect = new_prospect(client, name="Example", attributes={"employees": 12, "region": "north"})
    told = ok(change(client, prospect["id"], name=None, attributes={"region": None, "absent": None}))
    assert (told["name"], told["attributes"]) == (None, {"employees": 12})


def test_a_change_that_changes_nothing_is_no_revision(client):
    prospect = new_prospect(client, name="Example", attributes={"employees": 12})
    for nothing in ({}, {"name": "Example"}, {"attributes": {"employees": 12, "absent": None}}):
        assert ok(change(client, prospect["id"], **nothing)) == prospect


@pytest.mark.parametrize(("before", "after"), [(1, True), (0, False), (True, 1)])
def test_true_and_1_are_two_things(client, before, after):
    prospect = new_prospect(client, attributes={"public": before})
    told = ok(change(client, prospect["id"], attributes={"public": after}))
    assert told["attributes"]["public"] is after
    assert get(client, prospect["id"])["attributes"]["public"] is after


def test_a_change_can_refuse_to_overwrite_a_newer_one(client):
    prospect = new_prospect(client, name="Example")
    ok(change(client, prospect["id"], name="Newer", revision=1))
    assert refusal(change(client, prospect["id"], name="Stale", revision=1)) == (412, "stale-revision")
    assert get(client, prospect["id"])["name"] == "Newer"


def test_an_upsert_creates_and_then_changes(client, link):
    created = upsert(client, link, name="Example", attributes={"employees": 12})
    told = ok(created, 201)
    assert (told["links"], told["revision"]) == ([link], 1)
    changed = ok(upsert(client, link, attributes={"employees": 13}), 200)
    assert (changed["id"], changed["name"], changed["attributes"]) == (
        told["id"],
        "Example",
        {"employees": 13},
    )
    assert ok(upsert(client, link, attributes={"employees": 13}), 200) == changed


@pytest.mark.parametrize("external_id", ["a b", "größe", "100%", "a+b", "x&y=1", "'; --", "𝒳:1", "…"])
def test_an_external_id_may_hold_almost_anything(client, link, external_id):
    odd = link | {"external_id": link["external_id"] + external_id}
    told = new_prospect(client, links=[odd])
    found = client.get("/v1/prospects/by-external-id/test/" + escaped(odd["external_id"]))
    assert ok(found)["id"] == told["id"]
    assert ok(client.get("/v1/prospects", params={"q": odd["external_id"]}))["items"] == [told]


def escaped(text):
    return "".join(f"%{byte:02x}" for byte in text.encode())


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"name": ""}, "/name"),
        ({"name": "x" * 256}, "/name"),
        ({"name": "two\nlines"}, "/name"),
        ({"name": 5}, "/name"),
        ({"attributes": {"Employees": 1}}, "/attributes/Employees"),
        ({"attributes": {"employees": [1]}}, "/attributes/employees"),
        ({"attributes": {"employees": 2**53 + 1}}, "/attributes/employees"),
        ({"nickname": "x"}, "/nickname"),
        ({"links": [{"source": "Sales", "external_id": "1"}]}, "/links/0/source"),
        ({"links": [{"source": "crm", "external_id": "a/b"}]}, "/links/0/external_id"),
    ],
)
def test_what_cannot_be_used_is_refused_where_it_stands(client, wrong, where):
    refused = client.post("/v1/prospects", json=wrong)
    assert refusal(refused) == (422, "invalid-request")
    assert all(pointer.startswith(where) for pointer in pointers(refused))


def test_a_prospect_has_at_most_200_attributes(client):
    prospect = new_prospect(client, attributes={f"a{n}": n for n in range(150)})
    more = {f"b{n}": n for n in range(51)}
    assert refusal(change(client, prospect["id"], attributes=more)) == (422, "invalid-request")
    assert len(get(client, prospect["id"])["attributes"]) == 150


def test_who_is_not_there_is_not_found(client, link):
    assert refusal(client.get(f"/v1/prospects/{uuid4()}")) == (404, "not-found")
    assert refusal(change(client, uuid4(), name="x")) == (404, "not-found")
    assert refusal(client.delete(f"/v1/prospects/{uuid4()}")) == (404, "not-found")
    assert refusal(linked(client, link)) == (404, "not-found")
    assert refusal(client.get("/v1/prospects/no-uuid")) == (422, "invalid-request")
