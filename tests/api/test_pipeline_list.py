"""GET /v1/sessions for a pipeline review: what a line shows, and the filters and orders for it."""

import re
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import event

from app.question_sets.plans import Plans
from app.sessions.presenters import session_lines
from app.sessions.queries import list_sessions
from app.sessions.schemas import SessionFilter
from tests.api.calls import (
    SMALL,
    answer,
    change,
    conclude,
    decide,
    every_page,
    new_prospect,
    ok,
    patch,
    pointers,
    qualify,
    refusal,
)
from tests.api.conftest import published
from tests.api.test_cursors import alone, plans_of
from tests.api.test_session_list import FIT, MIXED, ids, listed
from tests.scoring.building import question, reciprocal, step

__all__ = ["alone"]
BLOCKING = reciprocal(
    step("only", question("budget", "match", must_reach=3), question("need", "benefit")),
    thresholds={"fit_at": 60, "no_fit_below": 50},
)


def dated(client, link, small, number, revisit_on, **sent):
    """A session that a person decided to nurture until a day."""
    decision = {"decision": "nurture", "revisit_on": revisit_on, "actor": "ana"}
    linked = link | {"external_id": f"{link['external_id']}-{number}"}
    return qualify(client, linked, question_set=small, decision=decision, **sent)


def test_a_line_has_everything_for_a_pipeline_review(client, link, publish):
    """match: budget 1 of 5 misses its 3, so 0 of 4; benefit: 4 of 4."""
    blocking = published(publish, BLOCKING)
    answers = [
        {"question": "need", "rating": 5, "answered_at": "2026-01-02T10:00:00Z", "actor": "ben@example.com"},
        {
            "question": "budget",
            "rating": 1,
            "answered_at": "2026-01-03T10:00:00Z",
            "actor": "ana@example.com",
        },
    ]
    decision = {"decision": "nurture", "revisit_on": "2027-03-01", "actor": "ana"}
    told = qualify(
        client, link, name="Müller GmbH", question_set=blocking, answers=answers, decision=decision
    )
    (line,) = listed(client, question_set=blocking)
    assert (line["name"], line["links"], line["subject"]) == ("Müller GmbH", [link], "prospect")
    assert line["summary"] == told["score"]["summary"]
    assert (line["leaning"], line["blockers"], line["indication"]) == ("no_fit", ["budget"], "no_fit")
    assert (line["decision"], line["revisit_on"]) == ("nurture", "2027-03-01")
    assert (line["answered_by"], line["answered_at"]) == ("ana@example.com", "2026-01-03T10:00:00Z")
    assert (line["former_indication"], line["indication_changed_at"]) == (None, None)
    assert (line["amount"], line["currency"]) == (None, None)
    for amount in (10, 12.5):
        ok(conclude(client, told["session_id"], "won", amount=amount, currency="EUR"))
    (line,) = listed(client, question_set=blocking)
    assert (line["outcome"], line["amount"], line["currency"]) == ("won", 12.5, "EUR")


def test_a_session_without_anything_has_nulls(client, small):
    ok(
        client.post("/v1/sessions", json={"prospect_id": new_prospect(client)["id"], "question_set": small}),
        201,
    )
    (line,) = listed(client, question_set=small)
    empty = ("name", "answered_at", "answered_by", "decision", "revisit_on", "amount", "former_indication")
    assert {name: line[name] for name in empty} == dict.fromkeys(empty)
    assert (line["links"], line["blockers"]) == ([], [])


def test_an_answer_that_was_withdrawn_is_not_the_last_one(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 3}, actor="ana")
    ok(patch(client, told["session_id"], ratings={"need": 3}, actor="ben"))
    assert listed(client, question_set=small)[0]["answered_by"] == "ben"
    ok(patch(client, told["session_id"], answers=[{"question": "need", "state": "open"}], actor="eva"))
    assert listed(client, question_set=small)[0]["answered_by"] == "ana"


def test_the_filter_by_actor_takes_the_last_answer(client, link, other_link, small):
    told = qualify(client, link, question_set=small, ratings={"budget": 3}, actor="ana")
    qualify(client, other_link, question_set=small, ratings={"budget": 3}, actor="ben")
    assert ids(listed(client, question_set=small, actor="ana")) == [told["session_id"]]
    ok(patch(client, told["session_id"], ratings={"need": 3}, actor="ben"))
    assert listed(client, question_set=small, actor="ana") == []
    assert len(listed(client, question_set=small, actor="ben")) == 2


def test_the_filter_by_blocker(client, publish):
    blocking = published(publish, BLOCKING)
    made = [
        ok(
            client.post(
                "/v1/sessions",
                json={
                    "prospect_id": new_prospect(client)["id"],
                    "question_set": blocking,
                    "ratings": ratings,
                },
            ),
            201,
        )
        for ratings in ({"budget": 2}, {"budget": 3}, {})
    ]
    assert ids(listed(client, question_set=blocking, has_blocker="true")) == ids(made[:1])
    assert ids(listed(client, question_set=blocking, has_blocker="false")) == ids(made[:0:-1])


def test_the_filter_by_the_day_to_revisit_leaves_that_day_out(client, link, small):
    first = dated(client, link, small, 1, "2027-01-31")
    dated(client, link, small, 2, "2027-02-01")
    dated(client, link, small, 3, None)
    assert ids(listed(client, question_set=small, revisit_before="2027-02-01")) == ids([first])
    ok(decide(client, first["session_id"], "nurture", revision=first["revision"], revisit_on=None))
    assert listed(client, question_set=small, revisit_before="2027-02-01") == []


def test_the_filter_by_change_includes_that_time(client, link, other_link, small):
    qualify(client, link, question_set=small)
    later = qualify(client, other_link, question_set=small)
    assert ids(listed(client, question_set=small, changed_since=later["updated_at"])) == ids([later])


def test_the_filter_by_a_changed_indication_shows_the_former_one(client, link, other_link, small):
    qualify(client, other_link, question_set=small, ratings=FIT)
    told = qualify(client, link, question_set=small, ratings=MIXED)
    start = told["updated_at"]
    assert listed(client, question_set=small, indication_changed_since=start) == []
    told = answer(client, told["session_id"], **FIT)
    (line,) = listed(client, question_set=small, indication_changed_since=start)
    assert (line["former_indication"], line["indication"]) == ("mixed", "fit")
    assert line["indication_changed_at"] == told["updated_at"]
    ok(decide(client, told["session_id"], "pursue", revision=told["revision"]))
    (line,) = listed(client, question_set=small, indication_changed_since=told["updated_at"])
    assert (line["former_indication"], line["indication_changed_at"]) == ("mixed", told["updated_at"])


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_the_earliest_day_to_revisit_is_first_and_none_is_last(client, link, small, limit):
    days = ["2027-02-01", None, "2026-12-31", "2027-02-01"]
    made = [dated(client, link, small, number, day) for number, day in enumerate(days)]
    address = f"/v1/sessions?question_set={small}&sort=revisit_on&limit={limit}"
    assert ids(every_page(client, address)) == ids([made[2], made[0], made[3], made[1]])


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_what_changed_last_is_first(client, link, small, limit):
    made = [dated(client, link, small, number, None) for number in range(3)]
    answer(client, made[0]["session_id"], budget=4)
    address = f"/v1/sessions?question_set={small}&sort=updated_at&limit={limit}"
    assert ids(every_page(client, address)) == ids([made[0], made[2], made[1]])


@pytest.mark.parametrize("limit", [1, 2, 50])
def test_names_are_sorted_in_any_case_and_as_they_are_now(client, link, small, limit):
    # The longest name, of a character whose case folds to three.
    names = ["beta", "ALPHA", None, "Alpha", "\u1f52" * 255]
    made = [
        dated(client, link, small, number, None, **({"name": name} if name else {}))
        for number, name in enumerate(names)
    ]
    address = f"/v1/sessions?question_set={small}&sort=name&limit={limit}"
    by_name = [made[2], made[1], made[3], made[0], made[4]]
    assert ids(every_page(client, address)) == ids(by_name)
    ok(change(client, made[0]["prospect_id"], name="Aachen"))
    assert ids(every_page(client, address)) == ids([made[2], made[0], made[1], made[3], made[4]])


def test_sets_about_a_person_are_left_out_unless_they_are_asked_for(client, link, publish):
    person = published(publish, SMALL | {"subject": "person"})
    told = qualify(client, link, question_set=person)
    mine = {"prospect_id": told["prospect_id"]}
    assert listed(client, **mine) == []
    assert ids(listed(client, **mine, subject="person")) == ids([told])
    assert ids(listed(client, **mine, question_set=person)) == ids([told])
    assert listed(client, **mine, subject="own_company") == []
    assert listed(client, question_set=person, subject="prospect") == []


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("revisit_before", "tomorrow"),
        ("revisit_before", "2027-02-30"),
        ("changed_since", "2027-02-01"),
        ("indication_changed_since", "x"),
        ("has_blocker", "maybe"),
        ("subject", "me"),
        ("sort", "size"),
        ("actor", ""),
    ],
)
def test_a_filter_that_cannot_be_read_is_pointed_at(client, name, value):
    refused = client.get("/v1/sessions", params={name: value})
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [f"/{name}"])


NOW = datetime(2026, 11, 30, tzinfo=UTC)
BY_INDEX = [
    ({"sort": "newest"}, (uuid4(),), "session"),
    ({"sort": "revisit_on"}, (NOW.date(), uuid4()), "ix_session_revisit_on"),
    ({"sort": "updated_at"}, (NOW, uuid4()), "ix_session_updated_at"),
    ({"sort": "revisit_on", "revisit_before": NOW.date()}, None, "ix_session_revisit_on"),
    ({"sort": "updated_at", "changed_since": NOW.isoformat()}, None, "ix_session_updated_at"),
    ({"indication_changed_since": NOW.isoformat()}, None, "ix_session_indication_changed_at"),
    ({"actor": "ana"}, (uuid4(),), "ix_session_answered_by"),
    ({"leaning": "fit"}, (uuid4(),), "ix_session_leaning"),
    ({"has_blocker": True}, (uuid4(),), "ix_session_has_blocker"),
    ({"subject": "person"}, (uuid4(),), "ix_session_subject"),
]


@pytest.mark.parametrize(("filters", "after", "index"), BY_INDEX)
def test_every_filter_and_order_of_the_review_is_read_by_index(alone, filters, after, index):
    """Which index PostgreSQL prefers depends on the rows, so there are none."""
    read = SessionFilter(**filters)
    plans = plans_of(alone, lambda tx: list_sessions(tx, read, None, after=after, limit=51))
    (plan,) = [plan for statement, plan in plans.items() if "JOIN prospect" in statement]
    assert index in plan, plan
    assert not re.search(r"Seq Scan|SCAN (?!.*USING)", plan), plan


def test_a_page_makes_the_same_number_of_statements_for_any_number_of_lines(database, client, link, small):
    plans = Plans(database, "bant")
    counts = []
    for number in range(3):
        told = dated(client, link, small, number, None, ratings={"budget": 4})
        ok(conclude(client, told["session_id"], "won", amount=1, currency="EUR"))
        counts.append(statements_of_a_page(database, plans, small))
    # Staleness, few matches, sessions, answers, links and outcomes. The first page also loads the plan.
    assert counts == [7, 6, 6]


def statements_of_a_page(database, plans, small):
    count = 0

    def remember(_connection, _cursor, statement, *_):
        nonlocal count
        count += statement.startswith("SELECT")

    def read(tx):
        return session_lines(
            tx, plans, list_sessions(tx, SessionFilter(), (small, None), after=None, limit=50)
        )

    event.listen(database.engine, "before_cursor_execute", remember)
    database.read_sync(read)
    event.remove(database.engine, "before_cursor_execute", remember)
    return count
