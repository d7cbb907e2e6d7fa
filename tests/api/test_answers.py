"""PATCH …/answers: what merges, what conflicts, what is kept."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.calls import (
    answer,
    asked_next,
    history,
    new_prospect,
    ok,
    open_session,
    patch,
    pointers,
    ratings_of,
    refusal,
    session,
)


@pytest.fixture
def opened(client, small):
    """The id of a session at revision 1: the budget is rated 3, with what was said about it."""
    first = {"question": "budget", "rating": 3, "text": "half of it is approved", "evidence": "fact"}
    return open_session(client, new_prospect(client)["id"], question_set=small, answers=[first])["session_id"]


def budget(told):
    found = next(a for a in told["answers"] if a["question"] == "budget")
    return found["rating"], found["text"], found["evidence"]


def test_the_age_of_an_answer_is_in_whole_days_and_of_a_new_one_0(client, opened):
    now = datetime.now(UTC)
    earlier = {"need": timedelta(hours=23), "timeline": timedelta(hours=25), "goal": timedelta(hours=71)}
    said = [
        {"question": key, "rating": 3, "answered_at": (now - ago).isoformat()} for key, ago in earlier.items()
    ]
    told = ok(patch(client, opened, answers=said))
    ages = {line["question"]: line["age_days"] for line in told["answers"]}
    assert ages == {"budget": 0, "need": 0, "timeline": 1, "goal": 2}


def test_answers_to_different_questions_merge_whatever_revision_they_are_based_on(client, opened):
    answer(client, opened, need=4)
    told = ok(patch(client, opened, revision=1, ratings={"goal": 2}))
    assert ratings_of(told) == {"budget": 3, "need": 4, "goal": 2}
    assert told["revision"] == 3


def test_an_answer_that_changed_since_is_not_overwritten(client, opened):
    answer(client, opened, budget=4)
    refused = patch(client, opened, revision=1, ratings={"goal": 2, "budget": 2})
    assert refusal(refused) == (412, "stale-revision")
    assert "revision 2" in refused.json()["detail"]
    told = session(client, opened)
    assert (told["revision"], ratings_of(told)) == (2, {"budget": 4})


def test_an_answer_can_be_changed_while_only_others_were_changed_since(client, opened):
    answer(client, opened, need=4)
    answer(client, opened, goal=4)
    told = ok(patch(client, opened, revision=1, ratings={"budget": 5}))
    assert (told["revision"], ratings_of(told)["budget"]) == (4, 5)


def test_a_conflict_points_at_the_answer_in_the_request(client, opened):
    answer(client, opened, budget=4, need=4)
    assert pointers(patch(client, opened, revision=1, ratings={"goal": 1, "budget": 1})) == [
        "/ratings/budget"
    ]
    listed = [{"question": "goal", "rating": 1}, {"question": "need", "rating": 1}]
    assert pointers(patch(client, opened, revision=1, answers=listed)) == ["/answers/1"]


def test_an_answer_given_meanwhile_to_a_question_that_was_open_is_a_conflict(client, opened):
    answer(client, opened, need=4)
    assert refusal(patch(client, opened, revision=1, ratings={"need": 5})) == (412, "stale-revision")


def test_the_same_answer_as_was_given_meanwhile_is_no_conflict(client, opened):
    answer(client, opened, need=4)
    told = ok(patch(client, opened, revision=1, ratings={"need": 4, "goal": 1}))
    assert ratings_of(told) == {"budget": 3, "need": 4, "goal": 1}


def test_without_a_revision_the_last_word_counts(client, opened):
    answer(client, opened, budget=4)
    assert ratings_of(answer(client, opened, budget=2)) == {"budget": 2}


def test_a_revision_that_was_never_reached_is_refused(client, opened):
    assert refusal(patch(client, opened, revision=2, ratings={"need": 5})) == (412, "stale-revision")


def test_text_and_evidence_stay_with_the_same_rating(client, opened):
    told = ok(patch(client, opened, answers=[{"question": "budget", "rating": 3}]))
    assert budget(told) == (3, "half of it is approved", "fact")
    assert told["revision"] == 1


def test_one_of_them_can_be_changed_alone(client, opened):
    told = ok(patch(client, opened, answers=[{"question": "budget", "rating": 3, "evidence": "judgement"}]))
    assert budget(told) == (3, "half of it is approved", "judgement")
    assert told["revision"] == 2


@pytest.mark.parametrize("other", [{"rating": 4}, {"state": "unknown"}, {"state": "not_applicable"}])
def test_text_and_evidence_go_with_another_rating(client, opened, other):
    told = ok(patch(client, opened, answers=[{"question": "budget", **other}]))
    assert budget(told) == (other.get("rating"), None, None)


def test_unknown_is_scored_as_absent_and_asked_again_last(client, opened):
    before = session(client, opened)["score"]
    told = ok(patch(client, opened, answers=[{"question": "budget", "state": "unknown"}]))
    assert ratings_of(told) == {"budget": "unknown"}
    assert (told["score"]["rated"], told["score"]["open"]) == (before["rated"] - 1, before["open"] + 1)
    assert asked_next(told) == ["need", "timeline", "goal"]
    assert [line["ask_again"] for line in told["score"]["next_questions"]] == [False, False, False]
    assert told["score"]["open_questions"][-1] == "budget"


def test_not_applicable_leaves_the_question_out_but_is_no_evidence(client, opened):
    """match: budget alone is left, so 2 of 4 it is; coverage is still 1 of 2."""
    told = ok(patch(client, opened, answers=[{"question": "timeline", "state": "not_applicable"}]))
    match = told["score"]["dimensions"][0]
    assert (match["lowest"], match["estimate"], match["highest"]) == (50.0, 50.0, 50.0)
    assert (match["coverage"], match["not_applicable"]) == (0.5, 1)


def test_an_answer_to_a_question_that_does_not_apply_is_kept_and_not_counted(client, ruled):
    """Only banks are asked about the audit; of two other questions one is rated 3, 2 of 8."""
    prospect = new_prospect(client, attributes={"industry": "retail"})
    opened = open_session(client, prospect["id"], question_set=ruled, ratings={"demand": 3})
    told = answer(client, opened["session_id"], audit=5)
    assert ratings_of(told) == {"demand": 3, "audit": 5}
    assert told["score"]["not_counted"] == ["audit"]
    assert told["score"]["lowest"] == opened["score"]["lowest"] == 25.0


def test_an_empty_patch_changes_nothing(client, opened):
    before = session(client, opened)
    assert ok(client.patch(f"/v1/sessions/{opened}/answers", json={})) == before


def test_what_is_wrong_is_told_answer_by_answer_and_nothing_is_written(client, opened):
    wrong = [
        {"question": "goal", "rating": 0},
        {"question": "goal", "rating": 9},
        {"question": "charm", "rating": 3},
    ]
    refused = patch(client, opened, ratings={"need": 5}, answers=wrong)
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == ["/answers/0/rating", "/answers/1/rating", "/answers/2/question"]
    assert ratings_of(session(client, opened)) == {"budget": 3}
    assert len(history(client, opened)["revisions"]) == 1


def test_answers_come_in_one_order_however_they_were_given(client, opened):
    answer(client, opened, timeline=1)
    answer(client, opened, goal=2, need=2)
    told = answer(client, opened, budget=1)
    order = [a["question"] for a in told["answers"]]
    assert order == ["budget", "goal", "need", "timeline"]
    assert [a["question"] for a in session(client, opened)["answers"]] == order


def test_a_question_is_left_out_of_one_session_with_a_reason_and_comes_back(client, opened):
    """timeline and budget are the one side: with the timeline out, the budget is all that it hangs on."""
    before = session(client, opened)
    reason = {"question": "timeline", "state": "not_applicable", "text": "They buy whenever it breaks."}
    out = ok(patch(client, opened, answers=[reason]))
    (line,) = (one for one in out["answers"] if one["question"] == "timeline")
    assert (line["state"], line["text"]) == ("not_applicable", "They buy whenever it breaks.")
    sides = [
        (told["score"]["dimensions"][0]["lowest"], told["score"]["dimensions"][0]["highest"])
        for told in (before, out)
    ]
    assert sides == [(25, 75), (50, 50)]
    back = ok(patch(client, opened, answers=[{"question": "timeline", "state": "open"}]))
    (line,) = (one for one in back["answers"] if one["question"] == "timeline")
    assert (line["state"], line["rating"], line["text"]) == ("open", None, None)
    same = {
        "summary",
        "indication",
        "lowest",
        "highest",
        "coverage",
        "next_questions",
        "dimensions",
        "not_counted",
    }
    assert {name: back["score"][name] for name in same} == {name: before["score"][name] for name in same}


def test_an_answer_that_was_never_given_cannot_be_taken_back_and_that_changes_nothing(client, opened):
    told = ok(patch(client, opened, answers=[{"question": "goal", "state": "open"}]))
    assert (told["revision"], ratings_of(told)) == (1, {"budget": 3})


def test_taking_back_is_a_change_like_any_other_to_who_saw_the_answer_before(client, opened):
    ok(patch(client, opened, answers=[{"question": "budget", "state": "open"}]))
    assert refusal(patch(client, opened, ratings={"budget": 4}, revision=1)) == (412, "stale-revision")
