"""Drafts: kept as they are sent, told what they lack, and published once."""

from functools import partial
from itertools import count

import pytest

from tests.api.at_once import at_once
from tests.api.calls import SMALL, ok, pointers, qualify, refusal
from tests.scoring.building import question, step, weighted

numbers = count(1)
WHOLE = weighted(
    step("only", question("need"), question("price")), thresholds={"fit_at": 60, "no_fit_below": 40}
)


@pytest.fixture
def key():
    """The key of a set that nobody else knows."""
    return f"drafted-{next(numbers)}"


def saved(client, key, document, seen=None):
    headers = {"If-Match": f'"{seen}"'} if seen else {}
    return client.put(f"/v1/question-sets/{key}/draft", json=document, headers=headers)


def draft(client, key, **query):
    return client.get(f"/v1/question-sets/{key}/draft", params=query)


def discard(client, key, seen=None):
    headers = {"If-Match": f'"{seen}"'} if seen else {}
    return client.delete(f"/v1/question-sets/{key}/draft", headers=headers)


def publish(client, key, seen=None):
    headers = {"If-Match": f'"{seen}"'} if seen else {}
    return client.post(f"/v1/question-sets/{key}/draft/publish", headers=headers)


def versions(client, key):
    return [line["version"] for line in ok(client.get(f"/v1/question-sets/{key}/versions"))["items"]]


def but(**changed):
    """WHOLE with some fields changed."""
    return without(WHOLE, "key") | changed


def without(document, *names):
    return {name: value for name, value in document.items() if name not in names}


def test_an_empty_draft_is_kept_and_says_all_that_is_missing(client, key):
    told = ok(saved(client, key, {}))
    assert (told["document"], told["publishable"], told["definition"]) == ({"key": key}, False, None)
    assert [(flaw["pointer"], flaw["code"]) for flaw in told["flaws"]] == [
        ("/title", "missing"), ("/combine", "missing"), ("/dimensions", "missing"), ("/steps", "missing"),
    ]  # fmt: skip
    assert {flaw["detail"] for flaw in told["flaws"]} == {"it is missing: add it"}
    assert ok(draft(client, key)) == told


def test_what_is_wrong_is_kept_too_and_told_with_its_place(client, key):
    sent = but(
        steps=[step("only", question("need", weight="much"), question("price", wieght=2))],
        combine="added",
    )
    told = ok(saved(client, key, sent))
    assert told["document"] == {"key": key, **sent}
    assert {flaw["pointer"]: flaw["code"] for flaw in told["flaws"]} == {
        "/combine": "not_allowed",
        "/steps/0/questions/0/weight": "wrong_type",
        "/steps/0/questions/1/wieght": "unknown_field",
    }


def test_a_whole_draft_is_published_as_the_first_version_and_is_gone(client, key):
    told = saved(client, key, but())
    assert told.headers["etag"] == '"1"'
    assert (ok(told)["publishable"], ok(told)["flaws"]) == (True, [])
    version = ok(publish(client, key, 1), 201)
    assert (version["key"], version["version"], version["status"]) == (key, 1, "published")
    assert version["definition"] == ok(told)["definition"]
    assert refusal(draft(client, key)) == (404, "not-found")
    assert refusal(publish(client, key, 1)) == (404, "not-found")
    assert ok(client.get(f"/v1/question-sets/{key}")) == version


def test_what_is_published_is_used_at_once(client, key, link):
    ok(saved(client, key, but()))
    ok(publish(client, key, 1), 201)
    assert qualify(client, link, question_set=key)["question_set"] == f"{key}@1"
    ok(saved(client, key, but(title="Second")))
    ok(publish(client, key, 3), 201)
    told = qualify(client, link | {"external_id": f"{key}-other"}, question_set=key)
    assert told["question_set"] == f"{key}@2"
    assert qualify(client, link, question_set=key)["question_set"] == f"{key}@1"


def test_a_draft_that_is_there_is_replaced_only_by_who_saw_it(client, key):
    ok(saved(client, key, {"title": "Ana's"}))
    assert refusal(saved(client, key, {"title": "Bob's"})) == (428, "revision-required")
    assert ok(saved(client, key, {"title": "Ana's again"}, seen=1))["revision"] == 2
    assert refusal(saved(client, key, {"title": "Bob's"}, seen=1)) == (412, "stale-revision")
    assert ok(draft(client, key))["document"]["title"] == "Ana's again"


def test_the_same_document_again_changes_nothing_whoever_sends_it(client, key):
    ok(saved(client, key, {"title": "One"}))
    second = ok(saved(client, key, {"title": "Two"}, seen=1))
    for seen in (None, 1, 2):
        assert ok(saved(client, key, {"title": "Two"}, seen)) == second


def test_true_is_another_document_than_1(client, key):
    ok(saved(client, key, {"steps": 1}))
    assert ok(saved(client, key, {"steps": True}, seen=1))["revision"] == 2


def test_discarding_a_draft_needs_its_revision(client, key):
    ok(saved(client, key, {}))
    assert refusal(discard(client, key)) == (428, "revision-required")
    assert refusal(discard(client, key, 2)) == (412, "stale-revision")
    assert discard(client, key, 1).status_code == 204
    for gone in (draft(client, key), discard(client, key, 1), publish(client, key, 1)):
        assert refusal(gone) == (404, "not-found")


def test_no_revision_ever_comes_twice(client, key):
    """Who still has an old draft on the screen must not overwrite or publish the new one by chance."""
    ok(saved(client, key, but()))
    discard(client, key, 1)
    assert ok(saved(client, key, but(title="Another")))["revision"] == 3
    for seen in (1, 2):
        assert refusal(publish(client, key, seen)) == (412, "stale-revision")
        assert refusal(saved(client, key, but(), seen)) == (412, "stale-revision")


def test_publishing_needs_the_revision_and_a_draft_without_flaws(client, key):
    ok(saved(client, key, but(thresholds={"fit_at": 40, "no_fit_below": 60})))
    assert refusal(publish(client, key)) == (428, "revision-required")
    refused = publish(client, key, 1)
    assert refusal(refused) == (422, "draft-has-flaws")
    (error,) = refused.json()["errors"]
    assert (error["where"], error["pointer"]) == ("draft", "/thresholds/no_fit_below")
    assert ok(draft(client, key))["revision"] == 1
    assert refusal(client.get(f"/v1/question-sets/{key}")) == (404, "not-found")


def test_what_the_newest_version_says_already_is_no_new_version(client, key):
    ok(saved(client, key, but()))
    first = ok(publish(client, key, 1), 201)
    ok(saved(client, key, but(description="")))
    assert ok(publish(client, key, 3), 200) == first
    assert versions(client, key) == [1]
    assert refusal(draft(client, key)) == (404, "not-found")


def test_a_draft_for_another_key_than_the_address_names_is_refused(client, key):
    refused = saved(client, key, but(key="other"))
    assert refusal(refused) == (422, "invalid-request")
    assert pointers(refused) == ["/key"]
    assert refusal(draft(client, key)) == (404, "not-found")


def test_of_many_who_publish_one_draft_one_does(client, key):
    ok(saved(client, key, but()))
    told = at_once([partial(publish, client, key, 1)] * 8)
    assert sorted(response.status_code for response in told) == [201] + [404] * 7
    assert versions(client, key) == [1]


def test_of_many_who_save_a_first_draft_one_does_and_the_others_are_told(client, key):
    told = at_once([partial(saved, client, key, {"title": f"Number {n}"}) for n in range(8)])
    assert sorted(response.status_code for response in told) == [200] + [428] * 7
    (won,) = (response.json() for response in told if response.is_success)
    assert ok(draft(client, key)) == won


def test_sixteen_who_save_one_draft_replace_only_what_they_saw(client, key):
    ok(saved(client, key, {"title": "First"}))

    def save(number):
        """Refused, it reads what is there and tries again with something else."""
        told, seen = [], 1
        for turn in range(12):
            title = f"{number} in turn {turn}"
            response = saved(client, key, {"title": title}, seen)
            told.append((title, seen, response))
            seen = ok(response if response.is_success else draft(client, key))["revision"]
        return told

    told = [one for told in at_once(partial(save, number) for number in range(16)) for one in told]
    done = {r.json()["revision"]: (title, seen) for title, seen, r in told if r.is_success}
    refused = [refusal(response) for _, _, response in told if not response.is_success]
    assert refused == [(412, "stale-revision")] * (16 * 12 - len(done))
    assert sorted(done) == list(range(2, len(done) + 2))
    assert all(revision == seen + 1 for revision, (_, seen) in done.items())
    left = ok(draft(client, key))
    assert (left["revision"], left["document"]["title"]) == (max(done), done[max(done)][0])


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        (
            {"steps": [step("only", question("need", "other"), question("more"))]},
            "/steps/0/questions/0/dimension",
        ),
        ({"scale": {"min": 0, "max": 5}}, "/scale"),
        ({"scale": {"min": 1, "max": 10}}, "/scale"),
    ],
)
def test_a_question_keeps_its_meaning_for_ever(client, key, changed, place):
    ok(saved(client, key, but()))
    ok(publish(client, key, 1), 201)
    two = [*WHOLE["dimensions"], {"key": "other", "title": "Other"}]
    ok(saved(client, key, but(dimensions=two, steps=[step("only", question("price"))])))
    ok(publish(client, key, 3), 201)
    told = ok(saved(client, key, but(dimensions=two) | changed))
    assert [(flaw["pointer"], flaw["code"]) for flaw in told["flaws"]][:1] == [(place, "changed_meaning")]
    assert refusal(publish(client, key, 5)) == (422, "draft-has-flaws")


def test_new_keys_may_have_any_dimension_and_scale(client, key):
    ok(saved(client, key, but()))
    ok(publish(client, key, 1), 201)
    anew = but(scale={"min": 0, "max": 3}, steps=[step("only", question("severity"))])
    assert ok(saved(client, key, anew))["publishable"] is True
    assert ok(publish(client, key, 3), 201)["version"] == 2


def test_retired_versions_are_not_chosen_and_score_their_old_sessions(client, key, link):
    ok(saved(client, key, but()))
    ok(publish(client, key, 1), 201)
    opened = qualify(client, link, question_set=key, ratings={"need": 5})
    retired = ok(client.post(f"/v1/question-sets/{key}/versions/1/retire"))
    assert retired["status"] == "retired"
    assert ok(client.post(f"/v1/question-sets/{key}/versions/1/retire")) == retired
    for name in (key, f"{key}@1"):
        anew = {**link, "external_id": f"{key}-anew", "question_set": name}
        refused = client.post("/v1/qualify", json=anew)
        assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/question_set"])
    told = qualify(client, link, question_set=key, ratings={"price": 4})
    assert (told["session_id"], told["score"]["score"]) == (opened["session_id"], 87.5)
    stateless = client.post("/v1/score", json={"question_set": f"{key}@1", "ratings": {"need": 3}})
    assert ok(stateless)["score"] == 50


def test_a_version_that_is_not_there_cannot_be_retired(client, key):
    assert refusal(client.post(f"/v1/question-sets/{key}/versions/1/retire")) == (404, "not-found")


def test_the_difference_from_any_version_is_told_beside_a_draft(client, key, small):
    ok(saved(client, key, without(SMALL, "key") | {"title": "Ours"}))
    told = ok(draft(client, key, diff=f"{small}@1"))["difference"]
    assert told == {
        "before": f"{small}@1",
        "after": f"{key}@draft",
        "fields": [{"field": "title", "before": "A small set", "after": "Ours"}],
        "questions": [],
    }
    assert refusal(draft(client, key, diff="nobodys-set")) == (422, "invalid-request")


@pytest.mark.parametrize("name", ["Need", "need-it", "1st", "n" * 49, ""])
def test_the_form_of_a_name_is_told_in_words(client, key, name):
    told = ok(saved(client, key, but(steps=[step("only", question(name), question("price"))])))
    (flaw,) = told["flaws"]
    assert (flaw["pointer"], flaw["code"]) == ("/steps/0/questions/0/key", "bad_format")
    assert "lower-case letter" in flaw["detail"]


def test_the_form_of_a_revision_is_told_in_words(client, key):
    refused = client.put(f"/v1/question-sets/{key}/draft", json={}, headers={"If-Match": "1"})
    assert refusal(refused) == (422, "invalid-request")
    (error,) = refused.json()["errors"]
    assert (error["where"], error["detail"]) == ("header", 'send the revision in quotes: "3"')
