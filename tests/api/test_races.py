"""Many callers at once: nothing is lost, nothing is doubled, nothing fails."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import cycle, takewhile
from time import monotonic

import pytest

from tests.api.at_once import at_once, statuses
from tests.api.calls import (
    SMALL,
    answer,
    every_page,
    history,
    ok,
    open_session,
    patch,
    qualify,
    ratings_of,
    refusal,
    session,
    upsert,
)
from tests.api.calls import new_prospect as new
from tests.api.conftest import published
from tests.scoring.building import question, step, weighted

THREADS = 16
ROUNDS = 6


@pytest.fixture
def wide(publish):
    """The key of a set with a question for every thread and round."""
    questions = [question(f"q{number}") for number in range(THREADS * ROUNDS)]
    return published(publish, weighted(step("all", *questions)))


def share(number):
    """The questions that one thread alone answers, with a rating for each."""
    return {f"q{number * ROUNDS + turn}": 1 + (number + turn) % 5 for turn in range(ROUNDS)}


def all_shares():
    return {key: rating for number in range(THREADS) for key, rating in share(number).items()}


def told_revisions(client, session_id):
    return [revision["revision"] for revision in history(client, session_id)["revisions"]]


def test_one_external_id_qualified_by_all_is_one_prospect_with_one_session(client, link, wide):
    def send(number):
        sent = {**link, "question_set": wide, "name": f"only {wide}"}
        return [
            client.post("/v1/qualify", json={**sent, "ratings": {key: rating}})
            for key, rating in share(number).items()
        ]

    responses = [r for sent in at_once(partial(send, n) for n in range(THREADS)) for r in sent]
    assert statuses(responses) == {200}
    told = [response.json() for response in responses]
    assert len({one["prospect_id"] for one in told}) == len({one["session_id"] for one in told}) == 1
    assert sum(one["prospect_created"] for one in told) == sum(one["session_opened"] for one in told) == 1
    assert len(ok(client.get("/v1/prospects", params={"q": f"only {wide}"}))["items"]) == 1
    assert sorted(one["revision"] for one in told) == list(range(1, THREADS * ROUNDS + 1))
    assert ratings_of(session(client, told[0]["session_id"])) == all_shares()


def test_every_acknowledged_revision_is_in_the_history_as_it_was_told(client, wide):
    opened = open_session(client, new(client)["id"], question_set=wide)["session_id"]

    def send(number):
        return [patch(client, opened, ratings={key: r}) for key, r in share(number).items()]

    responses = [r for sent in at_once(partial(send, n) for n in range(THREADS)) for r in sent]
    assert statuses(responses) == {200}
    told = {r.json()["revision"]: r.json()["score"] for r in responses}
    stored = {r["revision"]: r["score"] for r in history(client, opened)["revisions"]}
    assert list(stored) == list(range(1, THREADS * ROUNDS + 2))
    assert {number: stored[number] for number in told} == told
    assert ratings_of(session(client, opened)) == all_shares()


def test_of_many_who_change_one_answer_on_one_revision_one_gets_through(client, small):
    opened = open_session(client, new(client)["id"], question_set=small, ratings={"budget": 3})["session_id"]
    sent = [{"question": "budget", "rating": 1 + n % 5, "text": f"by {n}"} for n in range(THREADS)]
    responses = at_once(partial(patch, client, opened, revision=1, answers=[one]) for one in sent)
    assert Counter(r.status_code for r in responses) == {200: 1, 412: THREADS - 1}
    assert told_revisions(client, opened) == [1, 2]


def test_of_many_decisions_on_one_revision_one_gets_through(client, small):
    opened = open_session(client, new(client)["id"], question_set=small)["session_id"]
    words = cycle(["pursue", "nurture"])
    sent = [{"decision": next(words), "revision": 1, "reason": f"by {n}"} for n in range(THREADS)]
    responses = at_once(partial(client.post, f"/v1/sessions/{opened}/decision", json=one) for one in sent)
    assert Counter(r.status_code for r in responses) == {200: 1, 412: THREADS - 1}
    assert len(history(client, opened)["decisions"]) == 1


def test_of_many_who_open_a_session_one_does(client, small):
    prospect = new(client)["id"]
    sent = {"prospect_id": prospect, "question_set": small}
    responses = at_once(partial(client.post, "/v1/sessions", json=sent) for _ in range(THREADS))
    assert Counter(r.status_code for r in responses) == {201: 1, 409: THREADS - 1}


def test_200_external_ids_upserted_by_16_clients_are_200_prospects(client, link):
    source = f"race-{link['external_id']}"

    def send(number):
        ids = [f"{n}" for n in range(200) if n % 8 == number % 8]
        links = [{"source": source, "external_id": one} for one in ids]
        return [upsert(client, one, name=f"{source} {number}", attributes={f"a{number}": 1}) for one in links]

    responses = [r for sent in at_once(partial(send, n) for n in range(THREADS)) for r in sent]
    assert Counter(r.status_code for r in responses) == {201: 200, 200: 200}
    prospects = every_page(client, f"/v1/prospects?source={source}&limit=200")
    assert len(prospects) == 200
    assert every_page(client, f"/v1/prospects?q={source}&limit=200") == prospects
    for prospect in prospects:
        (known_as,) = prospect["links"]
        writers = [n for n in range(THREADS) if n % 8 == int(known_as["external_id"]) % 8]
        assert prospect["attributes"] == {f"a{n}": 1 for n in writers}
        assert prospect["revision"] == len(writers)


def test_a_link_that_all_want_has_one_owner(client, link):
    prospects = [new(client)["id"] for _ in range(THREADS)]
    responses = at_once(partial(client.post, f"/v1/prospects/{p}/links", json=link) for p in prospects)
    assert Counter(r.status_code for r in responses) == {200: 1, 409: THREADS - 1}
    (owner,) = [r.json()["id"] for r in responses if r.status_code == 200]
    assert ok(client.get(f"/v1/prospects/by-external-id/test/{link['external_id']}"))["id"] == owner


def test_two_merges_each_way_leave_one_prospect_with_everything(client, link, other_link, small):
    for turn in range(5):
        links = [one | {"external_id": f"{one['external_id']}-{turn}"} for one in (link, other_link)]
        told = [qualify(client, one, question_set=small, deal=one["external_id"]) for one in links]
        one, two = (t["prospect_id"] for t in told)
        responses = at_once(
            partial(client.post, f"/v1/prospects/{a}/merge", json={"prospect_id": b})
            for a, b in ((one, two), (two, one))
        )
        assert sorted(r.status_code for r in responses) == [200, 404]
        kept = next(r.json() for r in responses if r.status_code == 200)
        assert sorted(kept["links"], key=str) == sorted(links, key=str)
        sessions = [session(client, t["session_id"]) for t in told]
        assert {s["prospect_id"] for s in sessions} == {kept["id"]}


def test_erasing_while_others_answer_and_qualify_fails_nowhere(client, link, small):
    for turn in range(4):
        one = link | {"external_id": f"{link['external_id']}-{turn}"}
        told = qualify(client, one, question_set=small, ratings={"budget": 3})
        sent = {**one, "question_set": small}
        calls = [partial(client.delete, f"/v1/prospects/{told['prospect_id']}")]
        calls += [partial(patch, client, told["session_id"], ratings={"need": n}) for n in range(1, 6)]
        calls += [
            partial(client.post, "/v1/qualify", json={**sent, "ratings": {"goal": n}}) for n in range(1, 6)
        ]
        calls += [partial(upsert, client, one, attributes={"employees": n}) for n in range(5)]
        responses = at_once(calls)
        assert statuses(responses) <= {200, 201, 204, 404}
        assert responses[0].status_code == 204
        assert refusal(client.get(f"/v1/prospects/{told['prospect_id']}")) == (404, "not-found")


def test_merging_while_others_qualify_and_change_loses_no_answer(client, link, other_link, wide):
    """Both links are written to throughout; whoever has the link in the end has the answers."""
    told = [qualify(client, one, question_set=wide, deal=d) for one, d in ((link, "a"), (other_link, "b"))]
    kept, gone = (t["prospect_id"] for t in told)

    def send(number):
        one, deal = ((link, "a"), (other_link, "b"))[number % 2]
        sent = {**one, "question_set": wide, "deal": deal, "attributes": {f"a{number}": number}}
        return [
            client.post("/v1/qualify", json={**sent, "ratings": {k: r}}) for k, r in share(number).items()
        ]

    def merge():
        return [client.post(f"/v1/prospects/{kept}/merge", json={"prospect_id": gone})]

    responses = [r for sent in at_once([*(partial(send, n) for n in range(8)), merge]) for r in sent]
    assert statuses(responses) == {200}
    answered = [session(client, t["session_id"]) for t in told]
    assert {s["prospect_id"] for s in answered} == {kept}
    stored = {key: rating for s in answered for key, rating in ratings_of(s).items()}
    assert stored == {key: rating for n in range(8) for key, rating in share(n).items()}
    attributes = ok(client.get(f"/v1/prospects/{kept}"))["attributes"]
    assert attributes == {f"a{number}": number for number in range(8)}


def test_attributes_and_answers_at_once_end_in_the_score_of_both(client, link, ruled):
    told = qualify(client, link, question_set=ruled)
    address = f"/v1/prospects/{told['prospect_id']}"
    for turn in range(4):
        employees = [5, 50, 500][turn % 3]
        calls = [partial(client.patch, address, json={"attributes": {"employees": employees}})]
        calls += [partial(patch, client, told["session_id"], ratings={"demand": n}) for n in range(1, 6)]
        assert statuses(at_once(calls)) == {200}
        now = answer(client, told["session_id"], demand=5)
        assert now["attributes"] == {"employees": employees}
        assert now["score"]["lowest"] == {5: 50.0, 50: 75.0, 500: 100.0}[employees]
    assert told_revisions(client, told["session_id"]) == list(range(1, now["revision"] + 1))


def test_one_version_published_by_all_is_one_version(client, small, publish):
    publishing = at_once(partial(publish, SMALL | {"key": small, "title": "Second"}) for _ in range(8))
    assert set(publishing) == {2}
    assert len(ok(client.get(f"/v1/question-sets/{small}/versions"))["items"]) == 2


def test_answers_that_age_and_news_of_the_prospect_never_wait_for_each_other_in_a_circle(client, publish):
    """A session that has aged is written twice in one transaction, which looks at its prospect again."""
    ageing = published(
        publish, weighted(step("all", question("need", stale_after_days=1), question("price")))
    )
    prospect = new(client)["id"]
    opened = open_session(client, prospect, question_set=ageing, ratings={"price": 1})["session_id"]
    deadline = monotonic() + 3

    def answers():
        for turn in cycle(range(1, 6)):
            soon_stale = datetime.now(UTC) - timedelta(days=1) + timedelta(milliseconds=30)
            sent = {"question": "need", "rating": turn, "answered_at": soon_stale.isoformat()}
            yield patch(client, opened, answers=[sent])

    def news():
        for turn in cycle(range(100)):
            yield client.patch(f"/v1/prospects/{prospect}", json={"attributes": {"turn": turn}})

    def until_then(calls):
        return list(takewhile(lambda _: monotonic() < deadline, calls()))

    told = at_once([partial(until_then, calls) for calls in (answers, answers, news, news)])
    assert statuses(response for responses in told for response in responses) == {200}
