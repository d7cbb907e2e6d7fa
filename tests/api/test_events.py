"""GET /v1/events: what each call tells, and what an event holds."""

from uuid import UUID

import pytest

from app.question_sets.builtin_sets import BUILTIN
from tests.api.calls import (
    SMALL,
    THRESHOLDS,
    answer,
    change,
    conclude,
    cursor_after,
    decide,
    end_of_feed,
    events_after,
    merge,
    new_prospect,
    ok,
    open_session,
    patch,
    position_of,
    qualify,
    refusal,
    types_of,
    upsert,
)
from tests.conftest import serving
from tests.scoring.building import question, reciprocal, step

OPENED = ["session.opened", "session.answered", "score.changed"]
ALL_FIVE = {"budget": 5, "need": 5, "timeline": 5, "goal": 5}
ALL_TYPES = {
    *("prospect.created", "prospect.updated", "prospect.linked", "prospect.unlinked", "prospect.merged"),
    *("prospect.erased", "session.opened", "session.answered", "session.moved", "score.changed"),
    *("indication.settled", "indication.reopened", "decision.recorded", "outcome.recorded"),
    *("question_set.published", "question_set.retired", "revisit.due", "answer.stale_soon"),
}


class Told:
    """What each call of a test tells, and no other does: tests of one process run one after another."""

    def __init__(self, client):
        self.client = client
        self.start = self.cursor = end_of_feed(client)
        self.all = []

    def __call__(self):
        """The types told since the last look, in order."""
        fresh = events_after(self.client, self.cursor)
        self.all += fresh
        self.cursor = cursor_after(fresh[-1]) if fresh else self.cursor
        return types_of(fresh)


@pytest.fixture
def told(client, small):
    del small  # published before
    return Told(client)


def test_prospects(client, told, link, other_link):
    prospect = new_prospect(client, name="A", links=[link])["id"]
    assert told() == ["prospect.created"]
    change(client, prospect, name="A")
    ok(upsert(client, link, name="A"))
    assert told() == []
    change(client, prospect, name="B")
    ok(upsert(client, link, attributes={"employees": 5}))
    assert told() == ["prospect.updated", "prospect.updated"]
    address = f"/v1/prospects/{prospect}/links"
    ok(client.post(address, json=other_link))
    ok(client.post(address, json=other_link))
    assert told() == ["prospect.linked"]
    ok(client.delete(f"{address}/{other_link['source']}/{other_link['external_id']}"))
    assert told() == ["prospect.unlinked"]
    ok(upsert(client, other_link), 201)
    assert told() == ["prospect.created"]
    assert [event["revision"] for event in told.all] == [1, 2, 3, 4, 5, 1]
    assert {event["prospect_id"] for event in told.all[:-1]} == {prospect}


def test_a_session_from_its_opening_to_its_outcome(client, told, link, small):
    sent = {"question_set": small, "ratings": {"budget": 5, "need": 5}}
    session = qualify(client, link, **sent)["session_id"]
    assert told() == ["prospect.created", *OPENED]
    qualify(client, link, **sent)
    assert told() == []
    answer(client, session, timeline=5, goal=5)
    assert told() == ["session.answered", "score.changed", "indication.settled"]
    ok(patch(client, session, answers=[{"question": "goal", "rating": 5, "text": "Said so."}]))
    assert told() == ["session.answered"]
    ok(patch(client, session, answers=[{"question": "goal", "state": "open"}]))
    assert told() == ["session.answered", "score.changed", "indication.reopened"]
    ok(decide(client, session, "pursue", revision=4))
    ok(decide(client, session, "pursue", revision=4))
    assert told() == ["decision.recorded"]
    ok(conclude(client, session, "won"))
    ok(conclude(client, session, "won"))
    assert told() == ["outcome.recorded"]
    ok(conclude(client, session, "lost"))
    assert told() == ["outcome.recorded"]


def test_a_person_and_the_own_company_are_left_out_unless_they_are_asked_for(client, told, link, other_link):
    """The record is created, with its event, before a question set is chosen for it."""
    qualify(client, link, question_set="purpose-before-self", name="Ana", ratings={"transparency": 4})
    ours = qualify(client, other_link, question_set="market-entry", ratings={"pilot_team": 4})
    ok(change(client, ours["prospect_id"], name="We ourselves"))
    of_us = [*OPENED, "prospect.updated"]
    assert told() == []
    assert types_of(events_after(client, told.start, subject="person")) == ["prospect.created", *OPENED]
    assert types_of(events_after(client, told.start, subject="own_company")) == ["prospect.created", *of_us]
    assert types_of(events_after(client, told.start, subject="own_company", types="score.*,prospect.*")) == [
        *("prospect.created", "score.changed", "prospect.updated")
    ]
    newest = ok(client.get("/v1/events/latest?limit=1&subject=person"))
    assert [event["question_set"] for event in newest] == ["purpose-before-self@1"]
    assert refusal(client.get("/v1/events?subject=nobody")) == (422, "invalid-request")


def test_a_session_on_the_own_company_is_left_out_although_its_prospect_is_one(client, told, link, small):
    qualify(client, link, question_set=small, ratings={"budget": 5})
    assert told() == ["prospect.created", *OPENED]
    qualify(client, link, question_set="market-entry", ratings={"pilot_team": 4})
    assert told() == []
    assert types_of(events_after(client, told.start, subject="own_company")) == OPENED


def test_the_deal_is_null_in_the_events_of_a_session_without_one(client, told, link, small):
    qualify(client, link, question_set=small, ratings={"budget": 5})
    told()
    assert {(event["type"], event["deal"]) for event in told.all} == {
        (kind, None) for kind in ("prospect.created", *OPENED)
    }


def test_the_figures_are_those_after_the_step(client, told, link, small):
    """Each side has two questions, each with x = r − 1 of 4: half of it known and best is 50 to 100."""
    first = {"question_set": small, "deal": "north", "ratings": {"budget": 5, "need": 5}}
    session = qualify(client, link, **first)
    answer(client, session["session_id"], timeline=5, goal=5)
    ok(decide(client, session["session_id"], "nurture", revision=2))
    told()
    fit = {"leaning": "fit", "score": 100, "highest": 100}
    half = {"indication": "undetermined", "settled": False, "lowest": 50, **fit}
    whole = {"indication": "fit", "settled": True, "lowest": 100, **fit}
    nothing = dict.fromkeys((*half, "coverage", "grade", "change", "decision", "outcome"))
    ids = {"prospect_id": session["prospect_id"], "links": [link], "merged_prospect_id": None}
    ids |= dict.fromkeys(("assessor", "question", "stale_at", "revisit_on")) | {"silent": False}
    of_session = ids | {"session_id": session["session_id"], "question_set": f"{small}@1", "deal": "north"}
    of_prospect = ids | {"session_id": None, "question_set": None, "deal": None, "revision": 1} | nothing
    steps = [
        {"revision": 1, "change": "opened", **half, "coverage": 0.5, "decision": None},
        {"revision": 2, "change": "answered", **whole, "coverage": 1, "decision": None},
        {"revision": 3, "change": "decided", **whole, "coverage": 1, "decision": "nurture"},
    ]
    rest = {"grade": None, "outcome": None, **of_session}
    by_change = {one["change"]: one | rest for one in steps}
    for event in told.all:
        known = {name: event.pop(name) for name in ("id", "position", "type", "at")}
        assert UUID(known["id"]).version == 7
        assert known["at"].endswith("Z")
        assert event == (of_prospect if known["type"] == "prospect.created" else by_change[event["change"]])


def test_settled_otherwise_is_settled_again_and_not_reopened(client, told, link, small):
    """Benefit 0 is no fit; at 50 it is neither below 50 nor 60: mixed."""
    bad = {"budget": 5, "timeline": 5, "need": 1, "goal": 1}
    session = qualify(client, link, question_set=small, ratings=bad)["session_id"]
    assert told() == ["prospect.created", *OPENED, "indication.settled"]
    answer(client, session, need=3, goal=3)
    assert told() == ["session.answered", "score.changed", "indication.settled"]
    assert [e["indication"] for e in told.all if e["type"] == "indication.settled"] == ["no_fit", "mixed"]


def test_all_in_one_call(client, told, link, small):
    conclusion = {
        "decision": {"decision": "pursue", "actor": "ana@example.com"},
        "outcome": {"outcome": "won"},
    }
    sent = {"question_set": small, "ratings": ALL_FIVE, **conclusion}
    qualify(client, link, **sent)
    assert told() == [
        *("prospect.created", *OPENED, "indication.settled"),
        *("decision.recorded", "outcome.recorded"),
    ]
    qualify(client, link, **sent)
    assert told() == []


def test_a_session_opened_with_nothing_and_with_what_was_carried_over(client, told, link, small):
    prospect = new_prospect(client, links=[link])["id"]
    session = open_session(client, prospect, question_set=small)["session_id"]
    assert told() == ["prospect.created", "session.opened", "score.changed"]
    answer(client, session, budget=4)
    ok(decide(client, session, "disqualify", revision=2))
    assert told() == ["session.answered", "score.changed", "decision.recorded"]
    open_session(client, prospect, question_set=small, carry_over=True)
    assert told() == OPENED


def test_an_attribute_that_the_score_hangs_on_and_one_that_it_does_not(client, link, ruled):
    qualify(client, link, question_set=ruled, attributes={"employees": 5})
    told = Told(client)
    ok(upsert(client, link, attributes={"employees": 50}))
    assert told() == ["prospect.updated", "score.changed"]
    assert told.all[-1]["change"] == "attributes"
    ok(upsert(client, link, attributes={"colour": "blue"}))
    ok(upsert(client, link, attributes={"employees": 51}))
    assert told() == ["prospect.updated", "prospect.updated"]


def test_question_sets_and_sessions_that_move(client, told, link, small, publish):
    session = qualify(client, link, question_set=small, ratings={"budget": 5, "need": 5})["session_id"]
    told()
    publish(SMALL | {"key": small, "title": "Another"})
    publish(SMALL | {"key": small, "title": "Another"})
    assert told() == ["question_set.published"]
    moved = {"question_set": f"{small}@2"}
    ok(client.post(f"/v1/sessions/{session}/move", json=moved))
    ok(client.post(f"/v1/sessions/{session}/move", json=moved))
    assert told() == ["session.moved"]
    sides = question("budget", "match", weight=2), question("need", "benefit")
    publish(reciprocal(step("discovery", *sides), thresholds=THRESHOLDS) | {"key": small})
    ok(client.post(f"/v1/sessions/{session}/move", json={"question_set": f"{small}@3"}))
    assert told() == ["question_set.published", "session.moved", "score.changed", "indication.settled"]
    for _ in range(2):
        ok(client.post(f"/v1/question-sets/{small}/versions/1/retire"))
    assert told() == ["question_set.retired"]
    of_sets = [event for event in told.all if event["type"].startswith("question_set.")]
    assert [event["question_set"] for event in of_sets] == [f"{small}@{n}" for n in (2, 3, 1)]
    assert {event["prospect_id"] for event in of_sets} == {None}


def test_what_is_refused_tells_nothing(client, told, link, small):
    session = qualify(client, link, question_set=small)
    told()
    prospect = session["prospect_id"]
    taken = client.post("/v1/prospects", json={"name": "After the insert", "links": [link]})
    assert refusal(taken) == (409, "link-taken")
    again = client.post("/v1/sessions", json={"prospect_id": prospect, "question_set": small})
    assert refusal(again) == (409, "session-is-open")
    nobody = {"source": "test", "external_id": f"{link['external_id']}-late"}
    # The prospect and the session are there by the time that the answer is found wrong.
    wrong = client.post("/v1/qualify", json={**nobody, "question_set": small, "ratings": {"mood": 3}})
    assert refusal(wrong) == (422, "invalid-request")
    stale = decide(client, session["session_id"], "pursue", revision=9)
    assert refusal(stale) == (412, "stale-revision")
    assert told() == []


def test_a_replay_tells_nothing(client, told, link, small):
    sent = {**link, "question_set": small, "ratings": {"budget": 5}, "idempotency_key": link["external_id"]}
    for _ in range(3):
        ok(client.post("/v1/qualify", json=sent))
    assert told() == ["prospect.created", *OPENED]


def test_a_merge_is_told_of_the_one_that_is_kept(client, told, link, other_link, small):
    kept = new_prospect(client, links=[link])["id"]
    gone = qualify(client, other_link, question_set=small, ratings={"budget": 5})
    told()
    ok(merge(client, kept, gone["prospect_id"]))
    assert told() == ["prospect.merged"]
    merged = told.all[-1]
    assert (merged["prospect_id"], merged["merged_prospect_id"]) == (kept, gone["prospect_id"])
    assert (merged["links"], merged["revision"]) == ([link, other_link], 2)
    again = events_after(client, told.start)
    assert types_of(again) == types_of(told.all)
    # What was told of the other one stays, and what leads to its session now is the one that was kept.
    assert [e["prospect_id"] for e in again[1:-1]] == [gone["prospect_id"]] * 4
    assert [e["links"] for e in again[1:-1]] == [[], *[[link, other_link]] * 3]
    assert client.delete(f"/v1/prospects/{kept}").status_code == 204
    assert types_of(events_after(client, told.start)) == ["prospect.erased"]


def test_erasing_leaves_that_it_was_erased_and_gives_no_position_twice(client, told, link, small):
    session = qualify(client, link, question_set=small, ratings=ALL_FIVE, deal="north")
    assert len(told()) == 5
    assert client.delete(f"/v1/prospects/{session['prospect_id']}").status_code == 204
    (left,) = events_after(client, told.start)
    assert (left["type"], left["prospect_id"]) == ("prospect.erased", session["prospect_id"])
    assert (left["links"], left["deal"], left["revision"]) == ([], None, 1)
    assert left["position"] > told.all[-1]["position"]
    assert told() == ["prospect.erased"]


def test_no_position_is_given_twice_where_the_newest_events_are_gone(client, told, database):
    new_prospect(client)
    told()
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"DELETE FROM event WHERE position = {position_of(told.cursor)}")
    new_prospect(client)
    (left,) = events_after(client, told.start)
    assert left["position"] == told.all[0]["position"] + 1


def test_nothing_that_people_write_is_stored_in_an_event(client, told, link, small, database):
    words = ["Unmistakable", "industrious", "fascinating", "reasonable", "dealing", "acting@test"]
    name, attribute, text, reason, deal, actor = words
    said = {"question": "budget", "rating": 4, "text": text, "evidence": "fact"}
    sent = {"name": name, "attributes": {"industry": attribute}, "deal": deal, "actor": actor}
    session = qualify(client, link, question_set=small, answers=[said], **sent)
    ok(decide(client, session["session_id"], "pursue", revision=1, reason=reason))
    ok(conclude(client, session["session_id"], "won", amount=424242424242))
    assert len(told()) == 6
    with database.engine.connect() as connection:
        stored = "\n".join(str(tuple(row)) for row in connection.exec_driver_sql("SELECT * FROM event"))
    assert session["session_id"].replace("-", "") in stored.replace("-", "")
    assert [word for word in (*words, link["external_id"], "424242424242", '"fact"') if word in stored] == []


def test_the_types_are_described(client):
    described = client.get("/openapi.json").json()["components"]["schemas"]["EventOut"]["properties"]
    assert set(described["type"]["enum"]) == ALL_TYPES


def test_a_filter_by_type_and_by_group(client, told, link, small):
    start = told.cursor
    qualify(client, link, question_set=small, ratings=ALL_FIVE)
    every = ["prospect.created", *OPENED, "indication.settled"]
    for types, expected in (
        ("session.*", OPENED[:2]),
        ("indication.settled,prospect.created", [every[0], every[-1]]),
        ("score.changed,session.*,session.opened", OPENED),
        ("outcome.recorded", []),
    ):
        assert types_of(events_after(client, start, types=types)) == expected
        latest = ok(client.get("/v1/events/latest", params={"types": types, "limit": len(expected) or 1}))
        if expected:
            assert types_of(latest) == expected[::-1]


def test_a_cursor_goes_past_what_the_filter_leaves_out(client, told):
    start = told.cursor
    for _ in range(3):
        new_prospect(client)
    end = cursor_after(events_after(client, start)[2])
    assert position_of(end) == position_of(start) + 3
    page = ok(client.get(f"/v1/events?after={start}&types=question_set.*"))
    assert (page["items"], page["cursor"], page["next"]) == ([], end, None)
    assert ok(client.get(f"/v1/events?after={end}"))["cursor"] == end


def test_pages_of_one_are_the_whole(client, told, link, small):
    start = told.cursor
    qualify(client, link, question_set=small, ratings=ALL_FIVE)
    ok(upsert(client, link, name="B"))
    whole = ok(client.get(f"/v1/events?after={start}"))
    one_by_one = events_after(client, start, limit=1)
    assert one_by_one == whole["items"]
    assert [event["position"] for event in one_by_one] == [position_of(start) + n for n in range(1, 7)]
    assert (whole["cursor"], whole["next"]) == (cursor_after(one_by_one[-1]), None)
    filtered = events_after(client, start, limit=1, types="prospect.*")
    assert types_of(filtered) == ["prospect.created", "prospect.updated"]
    assert ok(client.get("/v1/events/latest?limit=6")) == whole["items"][::-1]


def test_the_address_of_the_next_page_is_whole(client, told, service):
    start = told.cursor
    for _ in range(3):
        new_prospect(client)
    page = ok(client.get(f"/v1/events?after={start}&limit=2&types=prospect.*"))
    assert page["next"].startswith(f"{service.url}/v1/events?")
    assert ok(client.get(page["next"]))["items"][0]["position"] == position_of(start) + 3


@pytest.mark.parametrize(
    ("query", "pointer", "words"),
    [
        ("after=-1", "/after", "send the `cursor` of an earlier response"),
        ("after=x", "/after", "or 0, or latest"),
        ("after=1.5", "/after", "cursor"),
        (f"after={2**63}", "/after", "cursor"),
        (f"after=1.{UUID(int=1)}.", "/after", "cursor"),
        (f"after=01.{UUID(int=1)}", "/after", "cursor"),
        (f"after=.{UUID(int=1)}", "/after", "cursor"),
        (f"after=1.{UUID(int=1).hex}", "/after", "cursor"),
        (f"after=1.{UUID(int=1)}%0A", "/after", "cursor"),
        ("after=LATEST", "/after", "cursor"),
        ("after=", "/after", "cursor"),
        ("wait=31", "/wait", "less than or equal to 30"),
        ("wait=-1", "/wait", "greater than or equal to 0"),
        ("limit=201", "/limit", "less than or equal to 200"),
        ("limit=0", "/limit", "greater than or equal to 1"),
        ("types=nonsense", "/types", "prospect.*, session.*, score.*"),
        ("types=session.opened,", "/types", "indication.reopened"),
        ("types=", "/types", "question_set.retired"),
        ("types=session", "/types", "session.moved"),
        ("types=*", "/types", "prospect.erased"),
        ("since=3", "/since", "no such parameter"),
    ],
)
def test_what_cannot_be_used_is_named(client, query, pointer, words):
    refused = client.get(f"/v1/events?{query}")
    assert refusal(refused) == (422, "invalid-request")
    (error,) = refused.json()["errors"]
    assert (error["where"], error["pointer"]) == ("query", pointer)
    assert words in error["detail"]
    assert "nonsense" not in refused.text


def test_two_services_tell_the_same(client, told, service, link, small):
    with serving(service.settings) as other:
        start = told.cursor
        qualify(client, link, question_set=small, ratings={"budget": 4})
        qualify(other.client, link, question_set=small, ratings={"need": 4})
        assert events_after(other.client, start) == events_after(client, start)
        assert types_of(events_after(client, start)) == ["prospect.created", *OPENED, *OPENED[1:]]


def test_the_built_in_sets_are_told_from_the_start(client):
    first = ok(client.get("/v1/events?types=question_set.*&limit=12"))["items"]
    assert {event["question_set"] for event in first} == {f"{path.stem}@1" for path in BUILTIN.iterdir()}
