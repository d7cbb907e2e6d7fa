"""Days, amounts and revisions that cannot be used."""

import pytest

from app.problems import INVALID_REQUEST, REVISION_REQUIRED, STALE_REVISION
from tests.edge.problem import assert_problem

pytestmark = pytest.mark.usefixtures("unwritten")

DAYS = {
    "seconds since 1970": 1_700_000_000,
    "seconds as text": "86400",
    "a day that is not": "2026-02-30",
    "a month that is not": "2026-13-01",
    "the year 0": "0000-01-01",
    "five digits": "10000-01-01",
    "before Christ": "-001-01-01",
    "a moment": "2026-01-31T00:00:00",
    "a moment in UTC": "2026-01-31T00:00:00Z",
    "German": "31.01.2026",
    "a week": "2026-W01-1",
    "other digits": "٢٠٢٦-٠١-٣١",
    "a word": "infinity",
    "nothing": "",
    "true": True,
}


@pytest.mark.one_database
@pytest.mark.parametrize("day", DAYS.values(), ids=DAYS)
def test_an_unusable_day(client, link, target, day):
    outcome, decision = {"outcome": "won", "closed_on": day}, {"decision": "nurture", "revisit_on": day}
    address = f"/v1/sessions/{target.session_id}"
    refused = client.post("/v1/qualify", json={**link, "outcome": outcome})
    assert_problem(refused, INVALID_REQUEST, "/outcome/closed_on")
    refused = client.post("/v1/qualify", json={**link, "decision": decision})
    assert_problem(refused, INVALID_REQUEST, "/decision/revisit_on")
    assert_problem(client.post(f"{address}/outcome", json=outcome), INVALID_REQUEST, "/closed_on")
    refused = client.post(f"{address}/decision", json={**decision, "revision": target.revision})
    assert_problem(refused, INVALID_REQUEST, "/revisit_on")


@pytest.mark.one_database
@pytest.mark.parametrize("amount", [-0.01, "5", True, [5], -1e308])
def test_an_unusable_amount(client, target, amount):
    response = client.post(
        f"/v1/sessions/{target.session_id}/outcome", json={"outcome": "won", "amount": amount}
    )
    assert_problem(response, INVALID_REQUEST, "/amount")


@pytest.mark.one_database
@pytest.mark.parametrize("revision", [0, -1, 2**31, 2**62, 1.5, "1", True, [1]])
def test_an_unusable_revision(client, target, revision):
    session, prospect = f"/v1/sessions/{target.session_id}", f"/v1/prospects/{target.prospect_id}"
    sent = {"revision": revision}
    answered = client.patch(f"{session}/answers", json={**sent, "ratings": {"budget": 5}})
    assert_problem(answered, INVALID_REQUEST, "/revision")
    decided = client.post(
        f"{session}/decision", json={**sent, "decision": "pursue", "actor": "ana@example.com"}
    )
    assert_problem(decided, INVALID_REQUEST, "/revision")
    assert_problem(client.patch(prospect, json={**sent, "name": "new"}), INVALID_REQUEST, "/revision")


def test_a_revision_of_1_0_is_1(client, target):
    """JSON has one kind of number, and its schema knows no other integer."""
    prospect = f"/v1/prospects/{target.prospect_id}"
    assert client.patch(prospect, json={"revision": 1.0}).json()["revision"] == 1
    assert_problem(client.patch(prospect, json={"revision": 2.0}), STALE_REVISION)


def test_the_largest_revision_is_stale_and_no_overflow(client, target):
    session = f"/v1/sessions/{target.session_id}"
    sent = {"revision": 2**31 - 1}
    answered = client.patch(f"{session}/answers", json={**sent, "ratings": {"budget": 5}})
    assert_problem(answered, STALE_REVISION)
    assert_problem(
        client.post(f"{session}/decision", json={**sent, "decision": "pursue", "actor": "ana@example.com"}),
        STALE_REVISION,
    )
    response = client.patch(f"/v1/prospects/{target.prospect_id}", json={**sent, "name": "new"})
    assert_problem(response, STALE_REVISION)


IF_MATCH = {
    "unquoted": "1",
    "any": "*",
    "zero": '"0"',
    "too large": '"9999999999"',
    "a list": '"1", "2"',
    "empty": '""',
    "single quotes": "'1'",
    "negative": '"-1"',
    "a fraction": '"1.0"',
    "trailing": '"1"x',
    "a hash": '"ffab130c"',
}


@pytest.mark.one_database
@pytest.mark.parametrize("if_match", IF_MATCH.values(), ids=IF_MATCH)
def test_an_unusable_if_match(client, target, if_match):
    response = client.post(
        f"/v1/sessions/{target.session_id}/decision",
        json={"decision": "pursue", "actor": "ana@example.com"},
        headers={"If-Match": if_match},
    )
    assert_problem(response, INVALID_REQUEST, "/if-match", where="header")


def test_a_decision_on_no_revision_or_on_two(client, target):
    address = f"/v1/sessions/{target.session_id}/decision"
    assert_problem(
        client.post(address, json={"decision": "pursue", "actor": "ana@example.com"}), REVISION_REQUIRED
    )
    sent = {"decision": "pursue", "revision": target.revision, "actor": "ana@example.com"}
    response = client.post(address, json=sent, headers={"If-Match": f'"{target.revision + 1}"'})
    assert_problem(response, INVALID_REQUEST, "/revision")
