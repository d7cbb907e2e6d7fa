"""What sixteen writers of one session were told is what is stored, no more and no less."""

from collections import Counter
from itertools import groupby

import pytest

from tests.api.calls import history, new_prospect, ok, open_session, pointers, refusal, session, verdict_in
from tests.api.conftest import published
from tests.api.writers import SHARED, VERSIONS, WRITERS, Room, all_write
from tests.scoring.building import question, step, weighted
from tests.scoring.strategies import EFFORT

# Of ten writes each: TEST_EFFORT=10 makes them 16 × 600.
ROUNDS = max(6, round(6 * EFFORT))
SIZE = {"attribute": "employees", "bands": [{"below": 10, "rating": 1}, {"below": 100, "rating": 3}]}
SIZE["bands"].append({"rating": 5})


def version_without(*gone):
    own = [question(f"own{number}") for number in range(WRITERS)]
    some = [question(key) for key in (*SHARED, "gone1", "gone2") if key not in gone]
    rated = question("size", rate_from=SIZE)
    return weighted(step("all", *own, *some, rated), attributes={"employees": "number"})


class Afterwards:
    """All that was told, and all that is stored."""

    def __init__(self, room, told):
        self.told = told
        self.done = [one for one in told if one.is_done]
        self.of_session = {one.revision: one for one in self.done if one.write != "attributes"}
        self.of_prospect = {one.revision: one for one in self.done if one.write == "attributes"}
        self.history = history(room.client, room.session_id)
        self.revisions = {line["revision"]: line for line in self.history["revisions"]}
        self.session = session(room.client, room.session_id)
        self.prospect = ok(room.client.get(f"/v1/prospects/{room.prospect_id}"))

    def answered(self, question):
        """The revisions that changed the answer to a question, in order."""
        return [n for n, line in self.revisions.items() if question in line["changed"].get("answers", {})]


@pytest.fixture(scope="module")
def room(client_of_all, publish):
    key = published(publish, version_without())
    publish(version_without("gone1") | {"key": key})
    publish(version_without("gone1", "gone2") | {"key": key})
    prospect = new_prospect(client_of_all)["id"]
    opened = open_session(client_of_all, prospect, question_set=f"{key}@1")
    return Room(client_of_all, key, opened["session_id"], prospect)


@pytest.fixture(scope="module")
def client_of_all(service):
    return service.client


@pytest.fixture(scope="module")
def afterwards(room):
    return Afterwards(room, all_write(room, ROUNDS))


def test_whoever_is_refused_is_told_why_and_nothing_fails(afterwards):
    refused = [one for one in afterwards.told if not one.response.is_success]
    kinds = {(one.write, *refusal(one.response)) for one in refused}
    stale = {(write, 412, "stale-revision") for write in ("answers", "decision", "attributes", "move")}
    assert kinds == stale | {("answers", 422, "invalid-request")}
    of_gone_questions = [one for one in refused if one.response.status_code == 422]
    for one in of_gone_questions:
        ((_, place, _),) = (pointer[1:].split("/") for pointer in pointers(one.response))
        assert one.sent["answers"][int(place)]["question"] in ("gone1", "gone2")


def test_every_revision_is_told_to_one_writer_and_is_in_the_history_without_a_gap(afterwards):
    of_session = [one.revision for one in afterwards.done if one.write != "attributes"]
    of_prospect = [one.revision for one in afterwards.done if one.write == "attributes"]
    measured = [n for n, line in afterwards.revisions.items() if line["change"] == "attributes"]
    assert sorted([1, *of_session, *measured]) == list(afterwards.revisions)
    assert list(afterwards.revisions) == list(range(1, len(afterwards.revisions) + 1))
    assert sorted(of_prospect) == list(range(2, len(of_prospect) + 2))
    assert (afterwards.session["revision"], afterwards.prospect["revision"]) == (
        len(afterwards.revisions),
        len(of_prospect) + 1,
    )


def test_every_write_is_in_the_history_as_it_was_told(afterwards):
    changes = {"answers": "answered", "decision": "decided", "move": "moved"}
    for number, one in afterwards.of_session.items():
        line = afterwards.revisions[number]
        assert (line["change"], line["verdict"]) == (
            changes[one.write],
            verdict_in(one.response.json()["score"]),
        )
        if one.write == "answers":
            rated = {key: answer["rating"] for key, answer in line["changed"]["answers"].items()}
            assert rated == {answer["question"]: answer["rating"] for answer in one.sent["answers"]}
        elif one.write == "decision":
            assert line["changed"] == {"decision": one.sent["decision"]}
        else:
            assert line["changed"]["question_set"] == one.sent["question_set"]


def test_every_decision_is_kept_on_the_revision_that_was_seen(afterwards):
    made = [one for _, one in sorted(afterwards.of_session.items()) if one.write == "decision"]
    kept = [(line["revision"], line["decision"], line["reason"]) for line in afterwards.history["decisions"]]
    assert kept == [(one.revision - 1, one.sent["decision"], one.sent["reason"]) for one in made]
    assert kept == [(one.seen, one.sent["decision"], one.sent["reason"]) for one in made]
    assert made


def test_the_attributes_change_as_the_prospect_does(afterwards):
    changed = [one for _, one in sorted(afterwards.of_prospect.items())]
    assert all(one.revision == one.seen + 1 for one in changed)
    seen = [
        line["changed"]["attributes"]
        for line in afterwards.revisions.values()
        if line["change"] == "attributes"
    ]
    assert seen == [one.sent["attributes"] for one in changed]
    assert afterwards.session["attributes"] == afterwards.prospect["attributes"] == seen[-1]


def test_no_answer_is_overwritten_that_was_not_seen_and_none_refused_without_need(afterwards):
    based = [one for one in afterwards.told if one.write == "answers" and one.seen is not None]
    for one in based:
        (asked,) = (answer["question"] for answer in one.sent["answers"])
        since = [n for n in afterwards.answered(asked) if n > one.seen]
        if one.is_done:
            assert since[0] == one.revision
        else:
            assert since, "somebody answered it meanwhile"
    assert {one.is_done for one in based} == {True, False}


def test_of_those_who_all_wrote_on_one_revision_one_got_through(afterwards):
    for turn in range(ROUNDS):
        met = Counter(one.response.status_code for one in afterwards.told if one.turn == turn)
        assert met == {200: 1, 412: WRITERS - 1}


def test_sent_again_under_a_key_it_is_done_once_and_answered_with_the_same_bytes(afterwards):
    keyed = [one for one in afterwards.told if one.key and one.response.is_success]
    for _, ones in groupby(sorted(keyed, key=lambda one: one.key), key=lambda one: one.key):
        both = list(ones)
        assert sorted(one.is_done for one in both) == [False, True]
        assert both[0].response.content == both[1].response.content
    assert len(keyed) == 2 * WRITERS * ROUNDS + WRITERS * ROUNDS


def test_the_last_answer_that_was_told_is_the_one_that_is_stored(afterwards):
    last = {}
    for number, one in sorted(afterwards.of_session.items()):
        for answer in one.sent.get("answers", []):
            last[answer["question"]] = answer | {"revision": number}
    stored = {answer["question"]: answer for answer in afterwards.session["answers"]}
    assert stored.keys() == last.keys() - {"gone1", "gone2"}
    for key, answer in stored.items():
        assert {name: answer[name] for name in last[key]} == last[key]


def test_every_score_is_the_sum_of_the_answers_as_they_stood(afterwards):
    ratings, employees = {}, None
    for line in afterwards.revisions.values():
        changed = line["changed"]
        ratings |= {key: answer["rating"] for key, answer in changed.get("answers", {}).items()}
        ratings = {key: rating for key, rating in ratings.items() if key not in changed.get("dropped", [])}
        employees = changed.get("attributes", {}).get("employees", employees)
        assert line["verdict"]["dimensions"][0]["points"] == sum(ratings.values()) + rated_by_rule(employees)


def rated_by_rule(employees):
    if employees is None:
        return 0
    return 1 if employees < 10 else 3 if employees < 100 else 5


def test_the_stored_score_is_the_one_that_scoring_what_is_stored_gives(afterwards, room):
    stored = afterwards.session
    answers = [{name: one[name] for name in ("question", "rating", "evidence")} for one in stored["answers"]]
    sent = {"question_set": stored["question_set"], "answers": answers, "attributes": stored["attributes"]}
    anew = ok(room.client.post("/v1/score", json=sent))
    assert stored["score"] | {"as_of": None} == anew | {"as_of": None}
    assert stored["question_set"] == f"{room.question_set}@{VERSIONS}"
