"""A new session may start from the answers of the prospect's last one."""

from itertools import permutations

import pytest

from tests.api.calls import (
    SMALL,
    answer,
    conclude,
    history,
    new_prospect,
    ok,
    open_session,
    patch,
    pointers,
    qualify,
    ratings_of,
    refusal,
    verdict_in,
)
from tests.api.conftest import published
from tests.scoring.building import question, step


def answers(told):
    return {line["question"]: line for line in told["answers"]}


@pytest.fixture
def first(client, link, small):
    """A closed session with a rating, one with a text, and every other state."""
    told = qualify(client, link, question_set=small, ratings={"budget": 4}, actor="ana@example.com")
    said = [
        {"question": "need", "rating": 5, "text": "Urgent.", "evidence": "fact"},
        {"question": "timeline", "state": "not_applicable", "text": "No date in this trade."},
        {"question": "goal", "state": "unknown"},
        {"question": "trust", "rating": 3},
    ]
    ok(patch(client, told["session_id"], answers=said))
    ok(patch(client, told["session_id"], answers=[{"question": "trust", "state": "open"}]))
    return ok(conclude(client, told["session_id"], "lost"))


def begin_again(client, first, small):
    """A session that starts with the answers of the closed one."""
    return open_session(client, first["prospect_id"], question_set=small, carry_over=True)


def test_answers_come_along_with_their_age_text_and_who_gave_them(client, small, first):
    told = begin_again(client, first, small)
    assert told["revision"] == 1
    before, after = answers(first), answers(told)
    assert set(after) == {"budget", "need", "timeline", "goal"}
    for key, line in after.items():
        assert line == before[key] | {"carried_from": first["session_id"], "revision": 1}
    assert told["score"]["coverage"] == first["score"]["coverage"]


@pytest.mark.usefixtures("first")
def test_nothing_comes_along_unasked(client, link, small):
    told = qualify(client, link, question_set=small, ratings={"need": 1})
    assert ratings_of(told) == {"need": 1}
    opened = open_session(client, told["prospect_id"], question_set=small, deal="new")
    assert opened["answers"] == []


@pytest.mark.parametrize("word", ["true", "yes", 1, None])
def test_whether_answers_come_along_is_true_or_false(client, link, small, word):
    sent = {"question_set": small, "carry_over": word}
    prospect = new_prospect(client)["id"]
    for refused in (
        client.post("/v1/qualify", json=link | sent),
        client.post("/v1/sessions", json={"prospect_id": prospect} | sent),
    ):
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/carry_over"])


def test_what_is_sent_goes_before_what_is_carried_over(client, link, small, first):
    told = qualify(client, link, question_set=small, carry_over=True, ratings={"budget": 1})
    assert (answers(told)["budget"]["rating"], answers(told)["budget"]["carried_from"]) == (1, None)
    assert answers(told)["need"]["carried_from"] == first["session_id"]


def test_carrying_over_is_no_reason_to_begin_another_session(client, link, small, first):
    told = qualify(client, link, question_set=small, carry_over=True, ratings={"budget": 4})
    assert (told["session_opened"], told["session_id"]) == (False, first["session_id"])


def test_the_same_rating_again_makes_it_this_sessions_own(client, small, first):
    told = begin_again(client, first, small)
    own = answer(client, told["session_id"], budget=4)
    assert own["revision"] == 2
    assert (answers(own)["budget"]["carried_from"], answers(own)["budget"]["revision"]) == (None, 2)
    assert answer(client, told["session_id"], budget=4)["revision"] == 2


def test_the_history_says_where_the_answers_come_from(client, small, first):
    told = begin_again(client, first, small)
    (opened,) = history(client, told["session_id"])["revisions"]
    assert opened["changed"]["carried_from"] == first["session_id"]
    assert opened["changed"]["answers"]["need"] == {
        "state": "rated", "rating": 5, "answered_at": answers(first)["need"]["answered_at"],
        "evidence": "fact",
    }  # fmt: skip
    assert opened["verdict"] == verdict_in(told["score"])


def test_the_first_session_of_a_prospect_carries_nothing_over(client, link, small):
    told = qualify(client, link, question_set=small, carry_over=True, ratings={"need": 2})
    assert ratings_of(told) == {"need": 2}


@pytest.mark.usefixtures("first")
def test_an_open_session_goes_on_as_it_is(client, link, small):
    opened = qualify(client, link, question_set=small, ratings={"goal": 2})
    told = qualify(client, link, question_set=small, carry_over=True)
    assert (told["session_id"], ratings_of(told)) == (opened["session_id"], {"goal": 2})


def test_the_last_session_is_the_one_opened_last_of_any_deal(client, small):
    prospect = new_prospect(client)["id"]
    for deal, rating in (("one", 1), ("two", 2)):
        open_session(client, prospect, question_set=small, deal=deal, ratings={"need": rating})
    told = open_session(client, prospect, question_set=small, deal="three", carry_over=True)
    assert ratings_of(told) == {"need": 2}


def test_a_variant_starts_from_the_answers_on_what_it_extends(client, small):
    """Only questions that mean the same come along: those that both have."""
    draft = {
        "extends": f"{small}@1",
        "omit": ["goal"],
        "add": [{"question": question("reach", "match"), "after": "budget"}],
    }
    key = f"variant-of-{small}"
    ok(client.put(f"/v1/question-sets/{key}/draft", json=draft))
    ok(client.post(f"/v1/question-sets/{key}/draft/publish", headers={"If-Match": '"1"'}), 201)
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=small, ratings={"need": 2, "goal": 3, "budget": 4})
    told = open_session(client, prospect, question_set=key, carry_over=True)
    assert ratings_of(told) == {"need": 2, "budget": 4}


def made_from(client, base, key, **what):
    """A published variant."""
    ok(client.put(f"/v1/question-sets/{key}/draft", json={"extends": f"{base}@1", **what}))
    ok(client.post(f"/v1/question-sets/{key}/draft/publish", headers={"If-Match": '"1"'}), 201)
    return key


def test_a_set_starts_from_the_answers_on_a_variant_of_it(client, small):
    key = made_from(client, small, f"short-{small}", omit=["goal"])
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=key, ratings={"need": 2, "budget": 4})
    told = open_session(client, prospect, question_set=small, carry_over=True)
    assert ratings_of(told) == {"need": 2, "budget": 4}


def test_of_two_variants_only_the_questions_of_their_common_set_come_along(client, small):
    """Both have added a question of one key, and nobody says that it is the same question."""
    own = {"question": question("reach", "match"), "after": "budget"}
    first, second = (made_from(client, small, f"{which}-{small}", add=[own]) for which in ("one", "two"))
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=first, ratings={"need": 2, "reach": 5})
    told = open_session(client, prospect, question_set=second, carry_over=True)
    assert ratings_of(told) == {"need": 2}


def test_a_question_that_a_variant_and_a_later_version_both_added_is_not_the_same(client, publish, small):
    own = {"question": question("reach", "match"), "after": "budget"}
    variant = made_from(client, small, f"own-{small}", add=[own])
    more = question("reach", "match"), question("need", "benefit"), question("budget", "match")
    assert publish(SMALL | {"key": small, "steps": [step("only", *more)]}) == 2
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=variant, ratings={"reach": 5, "need": 2})
    told = open_session(client, prospect, question_set=f"{small}@2", carry_over=True)
    assert ratings_of(told) == {"need": 2}


def test_the_answers_of_a_first_call_go_along_to_the_whole_set_and_back(client, link):
    short = qualify(client, link, question_set="qualifying-a-sale-short", ratings={"budget": 4, "goal": 3})
    whole = qualify(client, link, question_set="qualifying-a-sale", carry_over=True, ratings={"vision": 2})
    assert ratings_of(whole) == {"budget": 4, "goal": 3, "vision": 2}
    assert {line["carried_from"] for line in whole["answers"]} == {short["session_id"], None}
    ok(conclude(client, short["session_id"], "no_decision"))
    again = qualify(
        client, link, question_set="qualifying-a-sale-short", carry_over=True, ratings={"concerns": 5}
    )
    assert ratings_of(again) == {"budget": 4, "goal": 3, "concerns": 5}


@pytest.fixture
def family(client, publish, small):
    """Five versions of one family, by name: all have need and budget, and no other question of all."""
    child = made_from(client, small, f"child-of-{small}", omit=["goal"])
    grandchild = made_from(client, child, f"grandchild-of-{small}", change={"need": {"weight": 2}})
    sibling = made_from(client, small, f"sibling-of-{small}", omit=["timeline"])
    questions = question("need", "benefit"), question("budget", "match"), question("reach", "match")
    assert publish(SMALL | {"key": small, "steps": [step("only", *questions)]}) == 2
    return {
        "base": f"{small}@1",
        "newer": f"{small}@2",
        "child": f"{child}@1",
        "grandchild": f"{grandchild}@1",
        "sibling": f"{sibling}@1",
    }


@pytest.mark.parametrize(
    ("first", "second"), list(permutations(["base", "newer", "child", "grandchild", "sibling"], 2))
)
def test_answers_go_from_every_set_of_a_family_to_every_other(client, family, first, second):
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=family[first], ratings={"need": 2, "budget": 4})
    told = open_session(client, prospect, question_set=family[second], deal="new", carry_over=True)
    assert ratings_of(told) == {"need": 2, "budget": 4}


def test_a_set_of_another_family_carries_nothing_over(client, publish, small):
    other = published(publish, SMALL)
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=small, ratings={"need": 2})
    assert open_session(client, prospect, question_set=other, carry_over=True)["answers"] == []


def test_a_later_session_on_a_set_of_another_family_is_passed_over(client, publish, small):
    other = published(publish, SMALL)
    prospect = new_prospect(client)["id"]
    first = open_session(client, prospect, question_set=small, ratings={"need": 2})
    open_session(client, prospect, question_set=other, ratings={"need": 5, "budget": 4})
    told = open_session(client, prospect, question_set=small, deal="new", carry_over=True)
    assert ratings_of(told) == {"need": 2}
    assert answers(told)["need"]["carried_from"] == first["session_id"]


def test_questions_that_a_newer_version_has_not_stay_behind(client, publish, small):
    prospect = new_prospect(client)["id"]
    open_session(client, prospect, question_set=small, ratings={"need": 2, "goal": 3})
    less = SMALL | {
        "key": small,
        "steps": [step("only", question("need", "benefit"), question("budget", "match"))],
    }
    assert publish(less) == 2
    told = open_session(client, prospect, question_set=f"{small}@2", deal="new", carry_over=True)
    assert ratings_of(told) == {"need": 2}


@pytest.mark.usefixtures("first")
def test_erasing_the_first_sessions_prospect_erases_all_of_it(client, link, small):
    told = qualify(client, link, question_set=small, carry_over=True)
    assert client.delete(f"/v1/prospects/{told['prospect_id']}").status_code == 204
    assert client.get(f"/v1/sessions/{told['session_id']}").status_code == 404
