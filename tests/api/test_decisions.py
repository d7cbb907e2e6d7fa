"""A person's decision on the revision they saw, and what became of it."""

import pytest

from tests.api.calls import (
    answer,
    conclude,
    decide,
    history,
    new_prospect,
    ok,
    open_session,
    pointers,
    refusal,
    session,
)


@pytest.fixture
def opened(client, small):
    """The id of a session at revision 1, with both sides half rated: 100 and 75."""
    rated = {"budget": 5, "need": 4}
    return open_session(client, new_prospect(client)["id"], question_set=small, ratings=rated)["session_id"]


def by_header(client, session_id, if_match, **sent):
    address = f"/v1/sessions/{session_id}/decision"
    return client.post(
        address,
        json={"decision": "pursue", "actor": "ana@example.com", **sent},
        headers={"If-Match": if_match},
    )


def test_a_decision_needs_the_revision_that_was_seen(client, opened):
    assert refusal(decide(client, opened, "pursue")) == (428, "revision-required")
    assert session(client, opened)["decision"] is None


def test_it_is_kept_beside_the_score_as_it_stood(client, opened):
    said = {"match": "yes", "benefit": "no", "reason": "An old customer.", "revisit_on": "2026-06-01"}
    told = ok(decide(client, opened, "nurture", revision=1, actor="ana", **said))
    decision = told["decision"]
    assert {name: decision[name] for name in said} == said
    assert (decision["decision"], decision["actor"], decision["revision"]) == ("nurture", "ana", 1)
    assert decision["indication"] == "undetermined"
    assert decision["score"] == pytest.approx(7500**0.5)
    assert (told["revision"], told["status"]) == (2, "open")


@pytest.mark.parametrize("if_match", ['"1"', 'W/"1"'])
def test_the_revision_can_come_as_if_match(client, opened, if_match):
    assert ok(by_header(client, opened, if_match))["decision"]["revision"] == 1


@pytest.mark.parametrize("if_match", ["1", "*", '"0"', '"one"', '"1", "2"'])
def test_an_if_match_that_is_no_revision_is_refused(client, opened, if_match):
    assert refusal(by_header(client, opened, if_match)) == (422, "invalid-request")


def test_body_and_header_must_agree(client, opened):
    assert refusal(by_header(client, opened, '"1"', revision=2)) == (422, "invalid-request")
    assert ok(by_header(client, opened, '"1"', revision=1))["revision"] == 2


@pytest.mark.parametrize("revision", [1, 3])
def test_a_decision_on_another_revision_is_stale(client, opened, revision):
    answer(client, opened, goal=1)
    refused = decide(client, opened, "pursue", revision=revision)
    assert refusal(refused) == (412, "stale-revision")
    assert "revision 2" in refused.json()["detail"]
    assert refusal(by_header(client, opened, f'"{revision}"')) == (412, "stale-revision")
    told = session(client, opened)
    assert (told["decision"], told["revision"]) == (None, 2)


def test_a_decision_can_be_changed_and_both_stay_on_record(client, opened):
    ok(decide(client, opened, "nurture", revision=1))
    told = ok(decide(client, opened, "pursue", revision=2))
    assert told["decision"]["decision"] == "pursue"
    decisions = history(client, opened)["decisions"]
    assert [(d["decision"], d["revision"]) for d in decisions] == [("nurture", 1), ("pursue", 2)]


def test_another_person_who_decides_the_same_is_on_record_too(client, opened):
    ok(decide(client, opened, "pursue", revision=1, actor="ana"))
    ok(decide(client, opened, "pursue", revision=2, actor="ben"))
    assert [d["actor"] for d in history(client, opened)["decisions"]] == ["ana", "ben"]


def test_disqualify_closes_the_session_for_good(client, opened):
    told = ok(decide(client, opened, "disqualify", revision=1))
    assert (told["status"], told["closed_at"]) == ("closed", told["updated_at"])
    again = client.patch(f"/v1/sessions/{opened}/answers", json={"ratings": {"goal": 5}})
    assert refusal(again) == (409, "session-is-closed")
    assert refusal(decide(client, opened, "pursue", revision=2)) == (409, "session-is-closed")


def test_a_disqualified_session_can_still_get_an_outcome(client, opened):
    closed = ok(decide(client, opened, "disqualify", revision=1))
    told = ok(conclude(client, opened, "no_decision"))
    assert (told["outcome"]["outcome"], told["revision"]) == ("no_decision", 3)
    assert told["closed_at"] == closed["closed_at"]


WON = {
    "amount": 900, "currency": "EUR", "closed_on": "2026-02-28", "reason": "price", "competitor": "Initech",
    "actor": "ana",
}  # fmt: skip


def test_an_outcome_closes_the_session_and_again_changes_nothing(client, opened):
    told = ok(conclude(client, opened, "won", **WON))
    assert (told["status"], told["revision"]) == ("closed", 2)
    assert told["outcome"].items() >= WON.items()
    assert ok(conclude(client, opened, "won", **WON)) == told


@pytest.mark.parametrize("fact", ["amount", "currency", "closed_on", "reason", "competitor"])
def test_another_value_of_any_fact_is_a_correction(client, opened, fact):
    ok(conclude(client, opened, "won", **WON))
    other = {
        "amount": 901,
        "currency": "CHF",
        "closed_on": "2026-03-01",
        "reason": "trust",
        "competitor": "Us",
    }
    corrected = ok(conclude(client, opened, "won", **WON | {fact: other[fact]}))
    assert (corrected["outcome"][fact], corrected["revision"]) == (other[fact], 3)
    without = ok(conclude(client, opened, "won", **{name: WON[name] for name in WON if name != fact}))
    assert (without["outcome"][fact], without["revision"]) == (None, 4)


def test_a_correction_is_appended_and_the_last_one_counts(client, opened):
    for amount in (900, 950, 900):
        ok(conclude(client, opened, "won", amount=amount))
    told = session(client, opened)
    assert (told["outcome"]["amount"], told["revision"]) == (900, 4)
    outcomes = history(client, opened)["outcomes"]
    assert [(o["amount"], o["revision"]) for o in outcomes] == [(900, 1), (950, 2), (900, 3)]


def test_the_same_decision_on_the_revision_it_was_made_on_is_no_second_one(client, opened):
    first = ok(decide(client, opened, "pursue", revision=1, reason="Both sides hold."))
    again = ok(decide(client, opened, "pursue", revision=1, reason="Both sides hold."))
    assert again == first
    assert len(history(client, opened)["decisions"]) == 1
    assert refusal(decide(client, opened, "nurture", revision=1)) == (412, "stale-revision")


def test_the_score_is_the_same_before_and_after_an_outcome(client, opened):
    before = session(client, opened)["score"]
    after = ok(conclude(client, opened, "lost"))["score"]
    assert after.pop("as_of") > before.pop("as_of")
    assert after == before


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"amount": -1}, "/amount"),
        ({"amount": "900"}, "/amount"),
        ({"closed_on": "31.12.2026"}, "/closed_on"),
        ({"closed_on": 20261231}, "/closed_on"),
        ({"currency": "eur"}, "/currency"),
        ({"currency": "EURO"}, "/currency"),
        ({"currency": ""}, "/currency"),
        ({"reason": "Too expensive"}, "/reason"),
        ({"reason": "x" * 49}, "/reason"),
        ({"competitor": "x" * 2000}, "/competitor"),
        ({"won": True}, "/won"),
    ],
)
def test_an_outcome_that_cannot_be_used_closes_nothing(client, opened, wrong, where):
    refused = conclude(client, opened, "won", **wrong)
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == [where]
    assert session(client, opened)["status"] == "open"
