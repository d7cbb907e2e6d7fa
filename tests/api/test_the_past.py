"""Sessions of the past: when they were opened, and whether their answers knew how they ended."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.calls import (
    answer,
    conclude,
    history,
    new_prospect,
    ok,
    open_session,
    pointers,
    qualify,
    refusal,
    session,
)

LOST = {"outcome": "lost", "amount": 900, "currency": "EUR", "closed_on": "2025-03-31", "reason": "price"}


def test_a_session_is_opened_on_the_day_that_the_call_names(client, link, small):
    told = qualify(client, link, question_set=small, opened_on="2025-01-15", ratings={"need": 4})
    assert told["opened_at"] == "2025-01-15T00:00:00Z"
    assert told["updated_at"] > "2026"
    prospect = new_prospect(client, name="Acme")["id"]
    opened = open_session(client, prospect, question_set=small, opened_on="2025-01-15")
    assert opened["opened_at"] == "2025-01-15T00:00:00Z"


def test_the_day_changes_nothing_on_a_session_that_is_open(client, link, small):
    opened = qualify(client, link, question_set=small, ratings={"need": 4})
    told = qualify(client, link, question_set=small, opened_on="2025-01-15", ratings={"need": 4})
    assert (told["session_opened"], told["opened_at"]) == (False, opened["opened_at"])
    assert told["revision"] == opened["revision"]


@pytest.mark.one_database
def test_a_day_in_the_future_is_refused_and_nothing_is_written(client, link, small):
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    refused = client.post("/v1/qualify", json={**link, "question_set": small, "opened_on": tomorrow})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/opened_on"])
    form = client.post(f"/v1/qualify/{small}", json={**link, "opened_on": tomorrow})
    assert (refusal(form), pointers(form)) == ((422, "invalid-request"), ["/opened_on"])
    by_link = f"/v1/prospects/by-external-id/{link['source']}/{link['external_id']}"
    assert client.get(by_link).status_code == 404


def test_answers_that_come_with_the_outcome_are_hindsight(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 1}, outcome=LOST)
    assert told["outcome"]["hindsight"] is True
    assert history(client, told["session_id"])["outcomes"] == [told["outcome"]]
    corrected = ok(conclude(client, told["session_id"], "won"))
    assert corrected["outcome"]["hindsight"] is True
    assert session(client, told["session_id"])["outcome"] == corrected["outcome"]


@pytest.mark.parametrize("again", [{}, {"ratings": {"budget": 5}}], ids=["nothing", "the same"])
def test_answers_from_before_the_outcome_are_not_hindsight(client, link, small, again):
    qualify(client, link, question_set=small, ratings={"budget": 5})
    told = qualify(client, link, question_set=small, outcome=LOST, **again)
    assert told["outcome"]["hindsight"] is False


def test_answers_that_were_carried_over_are_not_hindsight(client, link, small):
    qualify(client, link, question_set=small, ratings={"budget": 5}, outcome=LOST)
    opened = qualify(client, link, question_set=small, carry_over=True, deal="2", outcome=LOST)
    assert [one["rating"] for one in opened["answers"]] == [5]
    assert opened["outcome"]["hindsight"] is False


def test_an_outcome_on_its_own_has_no_hindsight(client, link, small):
    told = qualify(client, link, question_set=small)
    answer(client, told["session_id"], budget=3)
    assert ok(conclude(client, told["session_id"], "lost"))["outcome"]["hindsight"] is False
