"""Answers grow old: what is too old counts as open, and nobody is shown a score that does so no more."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from time import monotonic, sleep
from uuid import UUID

import pytest

from app.db import open_database
from app.sessions.queries import find_session
from tests.api.at_once import at_once
from tests.api.calls import (
    answer,
    as_read,
    asked_next,
    conclude,
    decide,
    history,
    ok,
    open_session,
    patch,
    pointers,
    qualify,
    ratings_of,
    refusal,
    session,
    verdict_in,
)
from tests.conftest import serving, settings_for
from tests.scoring.building import question, step, weighted

numbers = count(1)
START = datetime(2026, 3, 1, 9, tzinfo=UTC)
DAY = timedelta(days=1)
SET = weighted(
    step(
        "only",
        question("need"),
        question("timeline", stale_after_days=30),
        question("budget", stale_after_days=90),
        question("size", stale_after_days=30, rate_from={"attribute": "employees", "bands": [{"rating": 3}]}),
    ),
    thresholds={"fit_at": 60, "no_fit_below": 40},
    attributes={"employees": "number"},
)


class Clock:
    def __init__(self):
        self.now = START

    def __call__(self):
        return self.now

    def after(self, days):
        """Set the clock to so many days after the start of the test."""
        self.now = self.began + days * DAY

    def begin(self):
        self.began = self.now


@pytest.fixture(scope="module")
def running(new_database):
    """A service whose clock the tests turn on, with a set whose answers go stale."""
    clock = Clock()
    with serving(settings_for(new_database()), clock=clock) as service:
        address = "/v1/question-sets/ageing/draft"
        ok(service.client.put(address, json=SET | {"key": "ageing"}))
        ok(service.client.post(f"{address}/publish", headers={"If-Match": '"1"'}), 201)
        database = open_database(service.settings)
        yield service.client, clock, database
        database.close()


@pytest.fixture
def client(running):
    return running[0]


@pytest.fixture
def database(running):
    return running[2]


@pytest.fixture
def clock(running):
    """It only ever goes on: what other tests left open is stale by then."""
    running[1].now += 200 * DAY
    running[1].begin()
    return running[1]


@pytest.fixture
def link():
    return {"source": "test", "external_id": f"aged-{next(numbers)}"}


@pytest.fixture
def opened(client, clock, link):
    """All four answered, 5, on the first day: a fit, until the timeline and the size are too old."""
    del clock
    ratings = dict.fromkeys(("need", "timeline", "budget", "size"), 5)
    return qualify(client, link, question_set="ageing", ratings=ratings)


def at(clock, days):
    return (clock.began + days * DAY).isoformat().replace("+00:00", "Z")


def figures_of(told):
    figures = told["score"]
    return figures["indication"], figures["lowest"], figures["highest"], figures["stale"]


def test_a_score_says_as_of_when_it_is_and_until_when(clock, opened):
    assert figures_of(opened) == ("fit", 100, 100, [])
    assert (opened["score"]["as_of"], opened["score"]["valid_until"]) == (at(clock, 0), at(clock, 30))


def test_the_last_moment_before_and_the_first_after(client, clock, opened):
    clock.after(30)
    clock.now -= timedelta(microseconds=1)
    assert session(client, opened["session_id"]) == as_read_at(opened, 29)
    clock.after(30)
    told = session(client, opened["session_id"])
    # Two of four count as open now: 8 of 16 at the least.
    assert figures_of(told) == ("undetermined", 50, 100, ["timeline", "size"])
    assert (told["score"]["as_of"], told["score"]["valid_until"]) == (at(clock, 30), at(clock, 90))


def as_read_at(told, days):
    told = {
        name: value
        for name, value in as_read(told).items()
        if name not in ("prospect_created", "session_opened")
    }
    return told | {"answers": [line | {"age_days": days} for line in told["answers"]]}


def test_the_answer_itself_is_kept_with_its_age(client, clock, opened):
    clock.after(45)
    told = session(client, opened["session_id"])
    assert ratings_of(told) == dict.fromkeys(("budget", "need", "size", "timeline"), 5)
    assert {line["age_days"] for line in told["answers"]} == {45}


def test_what_is_stale_is_asked_again_in_its_place(client, clock, opened):
    clock.after(31)
    told = session(client, opened["session_id"])
    assert asked_next(told) == ["timeline", "size"]
    assert all(line["ask_again"] for line in told["score"]["next_questions"])


def test_a_rule_takes_the_place_of_a_stale_answer_as_of_none(client, clock, opened):
    ok(client.patch(f"/v1/prospects/{opened['prospect_id']}", json={"attributes": {"employees": 9}}))
    clock.after(31)
    told = session(client, opened["session_id"])
    # need 4, budget 4 and the rule's 2 of 16, the timeline open
    assert figures_of(told) == ("fit", 62.5, 87.5, ["timeline", "size"])


def test_time_alone_is_a_revision_of_its_own_that_nobody_made(client, clock, opened):
    clock.after(100)
    assert session(client, opened["session_id"])["revision"] == 2
    assert session(client, opened["session_id"])["revision"] == 2
    first, second = history(client, opened["session_id"])["revisions"]
    assert (second["change"], second["changed"]) == ("stale", {"stale": ["timeline", "budget", "size"]})
    assert (second["key_name"], second["actor"], second["at"]) == ("prospect-fit", None, at(clock, 100))
    assert first["verdict"] == verdict_in(opened["score"])


def test_answering_again_is_fresh_again_even_with_the_same_rating(client, clock, opened):
    clock.after(31)
    told = answer(client, opened["session_id"], timeline=5, size=5)
    assert figures_of(told) == ("fit", 100, 100, [])
    assert told["score"]["valid_until"] == at(clock, 61)
    assert [r["change"] for r in history(client, opened["session_id"])["revisions"]] == [
        "opened",
        "stale",
        "answered",
    ]


def test_the_same_rating_on_a_fresh_answer_changes_nothing(client, clock, opened):
    clock.after(10)
    assert answer(client, opened["session_id"], timeline=5)["revision"] == 1


def test_with_a_time_it_confirms_a_fresh_answer(client, clock, opened):
    clock.after(10)
    sent = {"question": "timeline", "rating": 5, "answered_at": at(clock, 8)}
    told = ok(patch(client, opened["session_id"], answers=[sent]))
    assert (told["revision"], told["score"]["valid_until"]) == (2, at(clock, 30))  # the size is next
    assert ok(patch(client, opened["session_id"], answers=[sent]))["revision"] == 2


def test_a_rating_that_a_link_repeats_confirms_a_stale_answer_only_with_a_later_time(
    client, clock, opened, link
):
    clock.after(31)
    told = qualify(client, link, question_set="ageing", ratings={"timeline": 5, "size": 5})
    assert told["score"]["stale"] == ["timeline", "size"]
    sent = {"question": "timeline", "rating": 5, "answered_at": opened["opened_at"]}
    told = qualify(client, link, question_set="ageing", answers=[sent])
    assert told["score"]["stale"] == ["timeline", "size"]
    told = qualify(client, link, question_set="ageing", answers=[sent | {"answered_at": at(clock, 29)}])
    assert told["score"]["stale"] == ["size"]
    # A fresh answer needs no confirmation.
    again = qualify(client, link, question_set="ageing", answers=[sent | {"answered_at": at(clock, 30)}])
    assert again["revision"] == told["revision"]


def test_an_old_answer_may_be_sent_with_its_time(client, clock, link):
    sent = [
        {"question": "timeline", "rating": 5, "answered_at": at(clock, -31)},
        {"question": "budget", "rating": 5, "answered_at": at(clock, -31)},
    ]
    told = qualify(client, link, question_set="ageing", answers=sent)
    assert told["score"]["stale"] == ["timeline"]
    assert told["score"]["valid_until"] == at(clock, 59)
    assert [line["age_days"] for line in told["answers"]] == [31, 31]


def test_an_answer_from_the_future_is_refused_but_for_clocks_that_differ(client, clock, link):
    ahead = (clock.now + timedelta(minutes=4)).isoformat()
    sent = {
        **link,
        "question_set": "ageing",
        "answers": [{"question": "need", "rating": 5, "answered_at": ahead}],
    }
    (line,) = ok(client.post("/v1/qualify", json=sent))["answers"]
    assert line["answered_at"] == at(clock, 0)
    sent["answers"][0]["answered_at"] = (clock.now + timedelta(minutes=6)).isoformat()
    refused = client.post("/v1/qualify", json=sent)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/answers/0/answered_at"])


def test_a_list_never_filters_on_what_is_no_longer_so(client, clock, opened):
    fits = partial(lines, client, indication="fit", prospect_id=opened["prospect_id"])
    assert len(fits()) == 1
    clock.after(30)
    assert fits() == []
    (line,) = lines(client, indication="undetermined", prospect_id=opened["prospect_id"])
    assert (line["lowest"], line["valid_until"]) == (50, at(clock, 90))


def lines(client, **query):
    return ok(client.get("/v1/sessions", params={"question_set": "ageing", **query}))["items"]


def test_a_list_refreshes_more_than_it_does_at_once(client, clock):
    for number in range(250):
        told = {"source": "many", "external_id": f"{clock.now:%j}-{number}"}
        qualify(client, told, question_set="ageing", ratings={"timeline": 5, "need": 5})
    clock.after(30)
    everybody = []
    page = ok(client.get("/v1/sessions", params={"question_set": "ageing", "status": "open", "limit": 200}))
    everybody += page["items"]
    while page["next"]:
        page = ok(client.get(page["next"]))
        everybody += page["items"]
    assert len(everybody) >= 250
    assert not [line for line in everybody if line["valid_until"] and line["valid_until"] <= at(clock, 30)]
    assert sum(line["updated_at"] == at(clock, 30) for line in everybody) >= 250


def test_the_fit_that_is_embedded_is_todays(client, clock, opened, link):
    clock.after(30)
    one = ok(client.get(f"/v1/prospects/{opened['prospect_id']}/fit", params={"question_set": "ageing"}))
    wanted = {"question_set": "ageing", "prospects": [link, {"prospect_id": opened["prospect_id"]}]}
    many = ok(client.post("/v1/fits", json=wanted))["items"]
    assert one["indication"] == "undetermined"
    assert [line["fit"] for line in many] == [one, one]


def test_many_who_look_at_once_make_one_revision_of_it(client, clock, opened):
    clock.after(30)
    told = at_once([partial(session, client, opened["session_id"])] * 8)
    assert {one["revision"] for one in told} == {2}


def test_who_looks_at_a_list_holds_no_aged_session_while_another_one_is_worked_on(
    client, clock, database, opened, link
):
    """The one that nobody works on is scored again and let go; the list comes when both are."""
    if database.engine.dialect.name == "sqlite":
        pytest.skip("on SQLite there is one writer at a time")
    other = link | {"external_id": link["external_id"] + "-2"}
    busy = qualify(client, other, question_set="ageing", ratings={"timeline": 5})["session_id"]
    free = opened["session_id"]
    clock.after(31)

    def work(tx):
        find_session(tx, UUID(busy), lock=True)
        listed = thread.submit(lines, client)
        deadline = monotonic() + 10
        while database.read_sync(lambda seen: find_session(seen, UUID(free)).revision) == 1:
            assert monotonic() < deadline
            sleep(0.01)
        return listed

    with ThreadPoolExecutor(1) as thread:
        listed = database.write_sync(work).result()
    revisions = {line["session_id"]: line["revision"] for line in listed}
    assert (revisions[free], revisions[busy]) == (2, 2)


def test_who_decides_on_figures_that_time_has_changed_is_told(client, clock, opened):
    clock.after(30)
    assert refusal(decide(client, opened["session_id"], "pursue", revision=1)) == (412, "stale-revision")
    told = session(client, opened["session_id"])
    decided = ok(decide(client, opened["session_id"], "pursue", revision=told["revision"]))
    assert decided["decision"]["indication"] == "undetermined"


def test_a_closed_session_keeps_its_score_for_ever(client, clock, opened):
    closed = ok(conclude(client, opened["session_id"], "won"))
    clock.after(300)
    told = session(client, opened["session_id"])
    assert (told["score"], told["revision"]) == (closed["score"], closed["revision"])
    corrected = ok(conclude(client, opened["session_id"], "lost"))
    assert (corrected["score"], corrected["revision"]) == (closed["score"], closed["revision"] + 1)
    assert session(client, opened["session_id"])["score"] == closed["score"]
    last = history(client, opened["session_id"])["revisions"][-1]
    assert last["verdict"] == verdict_in(closed["score"])
    assert lines(client, outcome="lost", prospect_id=opened["prospect_id"])[0]["indication"] == "fit"


def test_a_conclusion_sent_again_is_the_same_one_even_if_its_answers_are_too_old(client, clock, link):
    ratings = dict.fromkeys(("need", "timeline", "budget", "size"), 5)
    sent = {"question_set": "ageing", "ratings": ratings, "outcome": {"outcome": "won"}}
    first = qualify(client, link, **sent)
    for days in (29, 31):
        clock.after(days)
        again = qualify(client, link, **sent)
        assert (again["session_id"], again["session_opened"]) == (first["session_id"], False)


def test_what_is_carried_over_keeps_its_age(client, clock, opened):
    clock.after(20)
    ok(conclude(client, opened["session_id"], "lost"))
    clock.after(40)
    told = open_session(client, opened["prospect_id"], question_set="ageing", carry_over=True)
    assert told["score"]["stale"] == ["timeline", "size"]
    assert {line["age_days"] for line in told["answers"]} == {40}
    assert told["score"]["valid_until"] == at(clock, 90)


def test_unknown_and_taken_back_are_as_if_never_answered_and_do_not_age(client, clock, opened):
    clock.after(1)
    said = [{"question": "timeline", "state": "unknown"}, {"question": "size", "state": "open"}]
    told = ok(patch(client, opened["session_id"], answers=said))
    assert figures_of(told) == ("undetermined", 50, 100, [])
    assert told["score"]["valid_until"] == at(clock, 90)
    assert [(line["question"], line["ask_again"]) for line in told["score"]["next_questions"]] == [
        ("size", False), ("timeline", True),
    ]  # fmt: skip


def test_not_applicable_goes_stale_too(client, clock, opened):
    ok(patch(client, opened["session_id"], answers=[{"question": "timeline", "state": "not_applicable"}]))
    clock.after(30)
    assert session(client, opened["session_id"])["score"]["stale"] == ["timeline", "size"]


def test_a_stateless_score_takes_its_time_and_the_answers(client, clock):
    sent = {
        "question_set": "ageing",
        "answers": [{"question": "timeline", "rating": 5, "answered_at": at(clock, -40)}],
        "ratings": {"need": 5, "budget": 4},
    }
    today = ok(client.post("/v1/score", json=sent))
    assert (today["stale"], today["as_of"], today["valid_until"]) == (
        ["timeline"],
        at(clock, 0),
        at(clock, 90),
    )
    then = ok(client.post("/v1/score", json=sent | {"as_of": at(clock, -20)}))
    assert (then["stale"], then["as_of"], then["valid_until"]) == ([], at(clock, -20), at(clock, -10))
