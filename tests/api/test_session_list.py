"""GET /v1/sessions: filters, and the ranked order."""

import base64
import json
from uuid import uuid4

import pytest

from tests.api.calls import (
    SMALL,
    answer,
    every_page,
    new_prospect,
    ok,
    open_session,
    pointers,
    qualify,
    refusal,
    session,
)
from tests.api.conftest import published

FIT = {"budget": 5, "need": 5, "timeline": 5, "goal": 5}
MIXED = {"budget": 3, "need": 3, "timeline": 3, "goal": 3}
NO_FIT = {"budget": 1, "need": 1, "timeline": 1, "goal": 1}


def listed(client, **query):
    return ok(client.get("/v1/sessions", params=query))["items"]


def ids(items):
    return [item["session_id"] for item in items]


def cursor(*values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.fixture
def opened(client, small):
    """Opens a session of the small set with these ratings, each for a prospect of its own."""
    return lambda **ratings: open_session(
        client, new_prospect(client)["id"], question_set=small, ratings=ratings
    )


def test_a_line_shows_the_figures_of_the_session(client, small, opened):
    """match: 4 and 4 of 8; benefit: 3 of 8 and the goal open."""
    told = opened(budget=5, timeline=5, need=4)
    (line,) = listed(client, question_set=small)
    shown = {name: told[name] for name in ("session_id", "prospect_id", "question_set", "revision", "status")}
    assert {name: line[name] for name in shown} == shown
    assert line["score"] == pytest.approx((100 * 75) ** 0.5)
    assert line["lowest"] == pytest.approx((100 * 37.5) ** 0.5)
    assert (line["coverage"], line["indication"], line["settled"]) == (0.5, "undetermined", False)
    assert (line["decision"], line["outcome"]) == (None, None)


def test_a_line_follows_every_answer(client, small, opened):
    told = opened(budget=5)
    answer(client, told["session_id"], **FIT)
    (line,) = listed(client, question_set=small)
    assert (line["revision"], line["indication"], line["settled"], line["score"]) == (2, "fit", True, 100.0)


def test_filters(client, link, small, opened):
    fit, mixed, no_fit = (opened(**ratings) for ratings in (FIT, MIXED, NO_FIT))
    done = qualify(
        client,
        link,
        question_set=small,
        deal="north",
        decision={"decision": "pursue", "actor": "ana@example.com"},
        outcome={"outcome": "won"},
    )
    expected = [
        ({"indication": "fit"}, [fit]),
        ({"indication": "mixed"}, [mixed]),
        ({"indication": "no_fit"}, [no_fit]),
        ({"indication": "undetermined", "status": "open"}, []),
        ({"status": "closed"}, [done]),
        ({"decision": "pursue"}, [done]),
        ({"decision": "nurture"}, []),
        ({"outcome": "won"}, [done]),
        ({"deal": "north"}, [done]),
        ({"deal": "south"}, []),
        ({"prospect_id": mixed["prospect_id"]}, [mixed]),
        ({"status": "open"}, [no_fit, mixed, fit]),
        ({}, [done, no_fit, mixed, fit]),
    ]
    for query, sessions in expected:
        assert ids(listed(client, question_set=small, **query)) == ids(sessions), query


def test_a_set_can_be_asked_for_by_key_or_by_version(client, small, publish, opened):
    first = opened(budget=1)
    publish(SMALL | {"key": small, "title": "Second"})
    second = open_session(client, new_prospect(client)["id"], question_set=f"{small}@2")
    assert ids(listed(client, question_set=small)) == ids([second, first])
    assert ids(listed(client, question_set=f"{small}@1")) == ids([first])
    assert ids(listed(client, question_set=f"{small}@2")) == ids([second])


def test_newest_first_unless_ranked(client, small, opened):
    made = [opened() for _ in range(4)]
    assert ids(listed(client, question_set=small)) == ids(made[::-1])


def not_scorable(client, told):
    """Both questions on the benefit are not applicable: that side has no lowest."""
    skipped = [{"question": key, "state": "not_applicable"} for key in ("need", "goal")]
    return ok(client.patch(f"/v1/sessions/{told['session_id']}/answers", json={"answers": skipped}))


def test_ranked_is_by_indication_from_fit_down_then_by_lowest_nulls_last(client, small, opened):
    """Undetermined sessions have a lowest of √(50·50), √(50·0) and √(25·0); the first of a tie goes first."""
    unscorable = not_scorable(client, opened())
    no_fit, mixed, fit = opened(**NO_FIT), opened(**MIXED), opened(**FIT)
    tied, higher, also_tied = opened(budget=3), opened(budget=5, need=5), opened(budget=5)
    unanswered = opened()
    assert unscorable["score"]["lowest"] is None
    ranked = [fit, higher, tied, also_tied, unanswered, mixed, no_fit, unscorable]
    assert ids(listed(client, question_set=small, sort="ranked")) == ids(ranked)


def test_a_lowest_that_is_null_comes_after_a_lowest_of_zero(client, publish):
    """No thresholds, so no indication: only the lowest ranks."""
    plain = published(publish, {name: part for name, part in SMALL.items() if name != "thresholds"})
    made = [open_session(client, new_prospect(client)["id"], question_set=plain) for _ in range(3)]
    not_scorable(client, made[0])
    answer(client, made[2]["session_id"], budget=5, need=5)
    assert ids(listed(client, question_set=plain, sort="ranked")) == ids([made[2], made[1], made[0]])
    assert session(client, made[0]["session_id"])["score"]["indication"] is None


@pytest.mark.parametrize("sort", ["newest", "ranked"])
@pytest.mark.parametrize("limit", [1, 2, 3])
def test_pages_lose_nothing_over_ties_while_others_are_opened(client, small, opened, sort, limit):
    made = [opened() for _ in range(3)] + [opened(budget=5, need=4) for _ in range(3)]
    made.append(not_scorable(client, opened()))
    address = f"/v1/sessions?question_set={small}&sort={sort}&limit={limit}"
    whole = ids(listed(client, question_set=small, sort=sort))
    walked = ids(every_page(client, address, between=lambda: opened(**FIT)))
    assert walked == whole
    assert sorted(walked) == sorted(ids(made))


NOBODY = str(uuid4())


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"statuss": "open"}, "/statuss"),
        ({"status": "half-open"}, "/status"),
        ({"indication": "good"}, "/indication"),
        ({"sort": "best"}, "/sort"),
        ({"prospect_id": "7"}, "/prospect_id"),
        ({"question_set": "Not a key"}, "/question_set"),
        ({"question_set": "key@0"}, "/question_set"),
        ({"after": cursor(1, -50.0, NOBODY)}, "/after"),
        ({"after": cursor(NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(10**30, -50.0, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(float("inf"), -50.0, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(float("nan"), -50.0, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(1, float("nan"), NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(1, 10**400, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor("1", -50.0, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(6, -50.0, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(-1, -50.0, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(1, -100.5, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(1, 1.5, NOBODY), "sort": "ranked"}, "/after"),
        ({"after": cursor(1.5, -50.0, NOBODY), "sort": "ranked"}, "/after"),
    ],
)
def test_a_query_that_cannot_be_used_is_refused(client, query, where):
    refused = client.get("/v1/sessions", params=query)
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == [where]
    assert refused.json()["errors"][0]["where"] == "query"
