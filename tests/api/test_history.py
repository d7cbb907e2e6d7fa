"""The history tells everything, and every score can be computed again from it."""

from datetime import datetime

import pytest
from pydantic_core import to_jsonable_python

from app.scoring import Answer, Plan, read_attributes, score
from app.scoring import read_question_set as read_set
from tests.api.calls import (
    answer,
    change,
    conclude,
    decide,
    history,
    ok,
    patch,
    qualify,
    session,
    verdict_in,
)


def plan_of(client, name):
    key, _, version = name.partition("@")
    definition = ok(client.get(f"/v1/question-sets/{key}/versions/{version}"))["definition"]
    return Plan(read_set(definition), name)


def told_again(client, told):
    """The score after every revision, computed from nothing but what the revisions changed.

    A closed session is scored as of its closing.
    """
    closed_at = session(client, told["session_id"])["closed_at"]
    plan = plan_of(client, told["question_set"])
    answers, attributes, decision, scores = {}, {}, None, []
    for revision in history(client, told["session_id"])["revisions"]:
        changed = revision["changed"]
        answers |= {
            key: Answer(**said | {"answered_at": datetime.fromisoformat(said["answered_at"])})
            for key, said in changed.get("answers", {}).items()
        }
        attributes = changed.get("attributes", attributes)
        decision = changed.get("decision", decision)
        used = read_attributes(plan.question_set, attributes)
        as_of = datetime.fromisoformat(min(revision["at"], closed_at))
        again = score(plan, answers, used, as_of=as_of, pursued=decision == "pursue")
        scores.append(to_jsonable_python(again))
    return scores


@pytest.fixture
def story(client, link, ruled):
    """All that was returned, step by step, of a session in which everything happens."""
    told = [qualify(client, link, question_set=ruled, attributes={"employees": 50}, ratings={"demand": 2})]
    session_id, prospect_id = told[0]["session_id"], told[0]["prospect_id"]
    told.append(answer(client, session_id, demand=4, audit=3))
    ok(change(client, prospect_id, attributes={"industry": "bank"}))
    told.append(session(client, session_id))
    unknown = [{"question": "audit", "state": "unknown"}, {"question": "demand", "state": "not_applicable"}]
    told.append(ok(patch(client, session_id, answers=unknown)))
    told.append(ok(decide(client, session_id, "pursue", revision=4)))
    told.append(answer(client, session_id, size=5, demand=3))
    told.append(ok(conclude(client, session_id, "won", amount=1)))
    told.append(ok(conclude(client, session_id, "lost")))
    return told


def test_every_revision_is_there_with_what_it_changed(client, story):
    past = history(client, story[0]["session_id"])
    revisions = past["revisions"]
    assert [r["revision"] for r in revisions] == list(range(1, 9))
    assert [r["change"] for r in revisions] == [
        "opened", "answered", "attributes", "answered", "decided", "answered", "outcome", "outcome",
    ]  # fmt: skip
    assert revisions[2]["changed"] == {"attributes": {"employees": 50, "industry": "bank"}}
    assert revisions[4]["changed"] == {"decision": "pursue"}
    size = revisions[5]["changed"]["answers"]["size"]
    assert size == {"state": "rated", "rating": 5, "answered_at": revisions[5]["at"], "evidence": None}
    assert [r["at"] for r in revisions] == sorted(r["at"] for r in revisions)
    assert {r["key_name"] for r in revisions} == {"admin"}


def test_every_revision_keeps_the_verdict_of_the_score_that_was_returned(client, story):
    kept = [r["verdict"] for r in history(client, story[0]["session_id"])["revisions"]]
    assert kept == [verdict_in(told["score"]) for told in story]


def test_every_whole_score_can_be_computed_again_from_what_the_revisions_changed(client, story):
    assert told_again(client, story[0]) == [told["score"] for told in story]


def test_a_full_message_has_the_score_as_of_its_revision(client, story):
    """Sent today, after everything else has happened."""
    query = {"payload": "full", "limit": 50}
    sent = ok(client.get("/v1/webhook-samples", params=query))
    session_id = story[0]["session_id"]
    of_session = [one for one in sent if one["data"]["session_id"] == session_id]
    assert {one["data"]["revision"] for one in of_session} == set(range(1, 9))
    for one in of_session:
        assert one["session"]["score"] == story[one["data"]["revision"] - 1]["score"]
        assert one["session"] | {"score": None} == session(client, session_id) | {"score": None}


def test_the_figures_along_the_way_are_right(story):
    """x = r − 1 over a span of 4: 50 employees give 3 by rule; the audit counts for banks only."""
    by_hand = [
        (3 / 8, 1.0),  # size 2, demand 1
        (5 / 8, 1.0),  # size 2, demand 3; the audit of 3 does not count
        (7 / 12, 1.0),  # and now it does, with 2
        (2 / 8, 1 / 3),  # size 2, the audit open, the demand not applicable
        (2 / 8, 1 / 3),
        (6 / 12, 2 / 3),  # size 4, demand 2, the audit open
        (6 / 12, 2 / 3),
        (6 / 12, 2 / 3),
    ]
    for told, (lowest, coverage) in zip(story, by_hand, strict=True):
        assert told["score"]["lowest"] == pytest.approx(100 * lowest)
        assert told["score"]["coverage"] == pytest.approx(coverage)


def test_two_decisions_keep_the_figures_of_their_own_revisions(client, link, small):
    first = qualify(
        client,
        link,
        question_set=small,
        ratings={"budget": 5, "need": 5},
        decision={"decision": "nurture", "actor": "ana@example.com"},
    )
    told = answer(client, first["session_id"], timeline=5, goal=5)
    ok(decide(client, first["session_id"], "pursue", revision=told["revision"]))
    decisions = history(client, first["session_id"])["decisions"]
    assert [d["indication"] for d in decisions] == ["undetermined", "fit"]
    assert [d["lowest"] for d in decisions] == [50.0, 100.0]


def test_a_text_is_never_told_by_the_history(client, link, small):
    said = [{"question": "budget", "rating": 3, "text": "Their secret is a cellar.", "evidence": "fact"}]
    told = qualify(client, link, question_set=small, answers=said)
    assert "cellar" not in str(history(client, told["session_id"]))
