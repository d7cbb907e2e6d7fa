"""Keys that expire, and keys that are replaced by a successor while they still work."""

from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from tests.api.at_once import at_once
from tests.api.calls import ok, pointers, refusal
from tests.conftest import ADMIN_KEY, serving, settings_for
from tests.waiting import soon

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NOON = datetime(2027, 1, 29, 12, tzinfo=UTC)
END_OF_31 = datetime(2027, 2, 1, tzinfo=UTC)
ANA = "ana@example.com"
ENDED_WITHIN = 5


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def clock():
    return Clock()


@pytest.fixture(scope="module")
def owner(new_database, clock):
    """The admin of a service whose clock the tests set."""
    with serving(settings_for(new_database()), clock=clock) as running:
        yield running.client


@pytest.fixture(autouse=True)
def at_noon(clock):
    clock.now = NOON


def made(client, *scopes, **sent):
    return ok(client.post("/v1/keys", json={"name": "k", "scopes": list(scopes or ["read"]), **sent}), 201)


def rotate(client, key, **sent):
    return client.post(f"/v1/keys/{key['id']}/rotate", json=sent)


def asks(client, key):
    return client.get("/v1/prospects", params={"limit": 1}, headers={"X-API-Key": key["key"]})


def listed(client, key):
    return next(one for one in ok(client.get("/v1/keys"))["items"] if one["id"] == key["id"])


def expired(response, day):
    assert refusal(response) == (401, "unauthenticated")
    assert response.json()["detail"] == f"This API key expired on {day} UTC."


def test_a_key_works_through_its_last_day_and_then_says_that_it_expired(owner, clock):
    key = made(owner, expires_on="2027-01-31")
    assert (key["expires_on"], key["expires_at"]) == ("2027-01-31", "2027-02-01T00:00:00Z")
    clock.now = END_OF_31 - timedelta(microseconds=1)
    ok(asks(owner, key))
    clock.now = END_OF_31
    expired(asks(owner, key), "2027-02-01 at 00:00")
    assert listed(owner, key)["expires_on"] == "2027-01-31"


def test_a_key_can_expire_today_but_not_yesterday(owner):
    assert made(owner, expires_on="2027-01-29")["expires_on"] == "2027-01-29"
    for day in ("2027-01-28", "9999-12-31", "2027-02-30", "tomorrow", 20270131):
        refused = owner.post("/v1/keys", json={"name": "k", "scopes": ["read"], "expires_on": day})
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/expires_on"])


def test_a_key_without_a_last_day_does_not_expire(owner, clock):
    key = made(owner)
    assert (key["expires_on"], key["expires_at"]) == (None, None)
    clock.now = NOON + 20_000 * DAY
    ok(asks(owner, key))


def test_a_successor_has_all_that_the_key_has_and_both_work_for_a_day(owner, clock):
    key = made(owner, "read", "write", person=ANA, expires_on="2027-06-30")
    successor = ok(rotate(owner, key), 201)
    for field in ("name", "scopes", "person", "expires_on", "expires_at"):
        assert successor[field] == key[field]
    assert (successor["replaces"], successor["successor"]) == (key["id"], None)
    assert successor["key"] != key["key"]
    before = listed(owner, key)
    assert (before["successor"], before["replaces"]) == (successor["id"], None)
    assert (before["expires_at"], before["expires_on"]) == ("2027-01-30T12:00:00Z", "2027-01-30")
    clock.now = NOON + DAY - timedelta(seconds=1)
    ok(asks(owner, key))
    ok(asks(owner, successor))
    clock.now = NOON + DAY
    expired(asks(owner, key), "2027-01-30 at 12:00")
    ok(asks(owner, successor))


def test_an_overlap_ends_no_later_than_the_key(owner):
    key = made(owner, expires_on="2027-01-30")
    ok(rotate(owner, key, overlap_hours=48), 201)
    assert listed(owner, key)["expires_at"] == "2027-01-31T00:00:00Z"


def test_without_an_overlap_the_old_key_ends_within_five_seconds(owner):
    key = made(owner)
    ok(asks(owner, key))
    ok(rotate(owner, key, overlap_hours=0), 201)
    soon(lambda: asks(owner, key).status_code == 401, seconds=ENDED_WITHIN)


@pytest.mark.parametrize("wrong", [-1, 8761, 0.5, "a day", None])
def test_an_overlap_that_is_not_a_number_of_hours_is_refused(owner, wrong):
    refused = rotate(owner, made(owner), overlap_hours=wrong)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/overlap_hours"])


def test_a_rotation_that_is_sent_again_gets_the_first_response_with_the_key_masked(owner):
    key = made(owner)
    headers = {"Idempotency-Key": str(uuid4())}
    address = f"/v1/keys/{key['id']}/rotate"
    first, again = (owner.post(address, json={}, headers=headers) for _ in range(2))
    successor = ok(first, 201)
    assert ok(again, 201) == {**successor, "key": successor["prefix"] + "…"}
    assert again.headers["idempotent-replayed"] == "true"


def test_a_request_that_is_sent_again_with_the_successor_runs_once(owner):
    key = made(owner, "write")
    successor = ok(rotate(owner, key), 201)
    third = ok(rotate(owner, successor), 201)
    sent = {"json": {"name": "Acme"}, "params": {}}
    first, *others = (
        owner.post(
            "/v1/prospects", **sent, headers={"X-API-Key": one["key"], "Idempotency-Key": "the-same-request"}
        )
        for one in (key, successor, third)
    )
    assert [ok(other, 201) for other in others] == [ok(first, 201)] * 2
    stranger = {"X-API-Key": made(owner, "write")["key"], "Idempotency-Key": "the-same-request"}
    assert ok(owner.post("/v1/prospects", **sent, headers=stranger), 201) != ok(first, 201)


def test_the_history_names_the_successor_as_it_named_the_key(owner, link):
    key = made(owner, "write", person=ANA)
    successor = ok(rotate(owner, key), 201)
    for one, rating in ((key, 4), (successor, 5)):
        sent = {**link, "question_set": "bant", "ratings": {"budget": rating}}
        told = ok(owner.post("/v1/qualify", json=sent, headers={"X-API-Key": one["key"]}))
    past = ok(owner.get(f"/v1/sessions/{told['session_id']}/history"))["revisions"]
    assert [(one["key_name"], one["actor"]) for one in past] == [("k", ANA)] * 2


def test_what_no_longer_works_or_has_a_successor_cannot_be_rotated(owner, clock):
    rotated, revoked, ending = made(owner), made(owner), made(owner, expires_on="2027-01-29")
    successor = ok(rotate(owner, rotated), 201)
    ok(owner.delete(f"/v1/keys/{revoked['id']}"))
    refused = rotate(owner, rotated)
    assert refusal(refused) == (409, "cannot-rotate")
    assert successor["id"] in refused.json()["detail"]
    assert refusal(rotate(owner, revoked)) == (409, "cannot-rotate")
    clock.now = NOON + DAY
    assert refusal(rotate(owner, ending)) == (409, "cannot-rotate")
    assert refusal(rotate(owner, {"id": uuid4()})) == (404, "not-found")


def test_the_key_of_the_setting_is_changed_in_the_setting(owner):
    of_setting = next(
        one for one in ok(owner.get("/v1/keys"))["items"] if ADMIN_KEY.startswith(one["prefix"])
    )
    refused = rotate(owner, of_setting)
    assert refusal(refused) == (409, "cannot-rotate")
    assert "admin_key" in refused.json()["detail"]


def test_only_one_of_two_rotations_at_once_creates_a_successor(owner):
    key = made(owner)
    answers = at_once([partial(rotate, owner, key), partial(rotate, owner, key)])
    assert sorted(answer.status_code for answer in answers) == [201, 409]


def test_the_last_admin_key_that_does_not_expire_cannot_be_revoked(new_database):
    with serving(settings_for(new_database())) as running:
        (only,) = ok(running.client.get("/v1/keys"))["items"]
        tomorrow = (datetime.now(UTC) + DAY).date().isoformat()
        ending = made(running.client, "admin", expires_on=tomorrow)
        headers = {"X-API-Key": ending["key"]}
        refused = running.client.delete(f"/v1/keys/{only['id']}", headers=headers)
        assert refusal(refused) == (409, "last-admin-key")
        ok(running.client.delete(f"/v1/keys/{ending['id']}"))
        lasting = made(running.client, "admin")
        successor = ok(rotate(running.client, lasting, overlap_hours=0), 201)
        ok(running.client.delete(f"/v1/keys/{only['id']}"))
        refused = running.client.delete(
            f"/v1/keys/{successor['id']}", headers={"X-API-Key": successor["key"]}
        )
        assert refusal(refused) == (409, "last-admin-key")
