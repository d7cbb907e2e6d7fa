"""POST …/draft/impact: what a draft would change, held against really publishing it and moving to it."""

import json
from collections import Counter
from datetime import timedelta
from itertools import count
from uuid import uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import SQLModel

from app.db import open_database
from app.sessions.impact.queries import SESSIONS_PER_BATCH
from tests.api.calls import (
    THRESHOLDS,
    answer,
    conclude,
    decide,
    new_prospect,
    ok,
    open_session,
    pointers,
    refusal,
    session,
)
from tests.catalogue import connected, contents
from tests.conftest import serving, settings_for
from tests.scoring.building import NOW, question, step, weighted
from tests.scoring.strategies import effort
from tests.waiting import PATIENCE

keys = count(1)
SESSION = SQLModel.metadata.tables["session"]

BUDGET, NEED = question("budget"), question("need")
BY_SIZE = {"attribute": "employees", "bands": [{"below": 10, "rating": 1}, {"rating": 5}]}
EMPLOYEES = {"attributes": {"employees": "number"}}


def pool(*questions, thresholds=THRESHOLDS, **more):
    return weighted(step("only", *questions), thresholds=thresholds, **more)


@pytest.fixture
def key():
    return new_key()


def new_key():
    return f"impact-{next(keys)}"


def draft(client, key, document):
    """Save a document as the draft of that key; its revision."""
    saved = client.put(f"/v1/question-sets/{key}/draft", json=document | {"key": key})
    return ok(saved)["revision"]


def publish(client, key, document):
    """Publish a document as the next version; its name."""
    revision = draft(client, key, document)
    address = f"/v1/question-sets/{key}/draft/publish"
    published = ok(client.post(address, headers={"If-Match": f'"{revision}"'}), 201)
    return f"{key}@{published['version']}"


def begin(client, name, attributes=None, **ratings):
    """A session of a new prospect."""
    prospect = new_prospect(client, attributes=attributes or {})["id"]
    return open_session(client, prospect, question_set=name, ratings=ratings)


def impact_of(client, key, **query):
    """The sessions that change, by id, and the summary."""
    *lines, summary = impact_lines(client, key, **query)
    changed = {line["session_id"]: line for line in lines if line["kind"] == "changed"}
    assert len(changed) == sum(line["kind"] == "changed" for line in lines)
    return changed, summary


def impact_lines(client, key, **query):
    response = client.post(f"/v1/question-sets/{key}/draft/impact", params=query)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].split(";")[0] == "application/x-ndjson"
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert [line["kind"] == "summary" for line in lines] == [False] * (len(lines) - 1) + [True]
    return lines


def move(client, session_id, key):
    return client.post(f"/v1/sessions/{session_id}/move", json={"question_set": key})


def figures(name, told):
    score = told["score"]
    return {
        "question_set": name,
        **{figure: score[figure] for figure in ("indication", "score", "lowest", "highest")},
    }


def reason(what, before, after):
    return {"question": what, "before": before, "after": after}


# What is published, what is known and said, the draft; the indications, and the one thing that differs.
# A rating r counts r − 1, of 4 times the weights: 5 and 2 of two questions are 5 of 8, or 62.5.
CHANGES = {
    "a weight": (
        pool(BUDGET, NEED), {}, {"budget": 2, "need": 5},
        pool(question("budget", weight=3), NEED),
        ("fit", "no_fit"), reason("budget", "rated 2, weight 1", "rated 2, weight 3"),
    ),
    "a question omitted": (
        pool(BUDGET, NEED), {}, {"budget": 2, "need": 5},
        pool(BUDGET),
        ("fit", "no_fit"), reason("need", "rated 5, weight 1", None),
    ),
    "a question added, and open": (
        pool(BUDGET, NEED), {}, {"budget": 5, "need": 2},
        pool(BUDGET, NEED, question("timeline")),
        ("fit", "undetermined"), reason("timeline", None, "open, weight 1"),
    ),
    "a must-reach raised": (
        pool(BUDGET, question("need", must_reach=2)), {}, {"budget": 5, "need": 2},
        pool(BUDGET, question("need", must_reach=3)),
        ("fit", "no_fit"),
        reason(
            "need",
            "rated 2, weight 1, must reach 2 or it is no_fit",
            "rated 2, weight 1, must reach 3 or it is no_fit",
        ),
    ),
    "a knock-out made mild": (
        pool(BUDGET, question("need", weight=0, must_reach=3)), {}, {"budget": 5, "need": 2},
        pool(BUDGET, question("need", weight=0, must_reach=3, if_missed="mixed")),
        ("no_fit", "mixed"),
        reason(
            "need",
            "rated 2, weight 0, must reach 3 or it is no_fit",
            "rated 2, weight 0, must reach 3 or it is mixed",
        ),
    ),
    "thresholds": (
        pool(BUDGET, NEED), {}, {"budget": 5, "need": 2},
        pool(BUDGET, NEED, thresholds={"fit_at": 70, "no_fit_below": 50}),
        ("fit", "mixed"),
        reason(None, "fit at 60, no fit below 50", "fit at 70, no fit below 50"),
    ),
    "no thresholds any more": (
        pool(BUDGET, NEED), {}, {"budget": 5, "need": 2},
        pool(BUDGET, NEED, thresholds=None),
        ("fit", None), reason(None, "fit at 60, no fit below 50", "no threshold"),
    ),
    "a rule for what is open": (
        pool(BUDGET, NEED), {"employees": 5}, {"budget": 5},
        pool(BUDGET, question("need", rate_from=BY_SIZE), **EMPLOYEES),
        ("undetermined", "mixed"), reason("need", "open, weight 1", "rated 1 by rule, weight 1"),
    ),
    "another rule": (
        pool(BUDGET, question("need", rate_from=BY_SIZE), **EMPLOYEES), {"employees": 9}, {"budget": 3},
        pool(BUDGET, question("need", rate_from=BY_SIZE | {"bands": [{"rating": 5}]}), **EMPLOYEES),
        ("no_fit", "fit"),
        reason("need", "rated 1 by rule, weight 1", "rated 5 by rule, weight 1"),
    ),
    "a question that does not apply": (
        pool(BUDGET, NEED), {"employees": 5}, {"budget": 2, "need": 5},
        pool(BUDGET, question("need", ask_when={"employees": {"at_least": 50}}), **EMPLOYEES),
        ("fit", "no_fit"), reason("need", "rated 5, weight 1", None),
    ),
    "a gated step": (
        pool(BUDGET, NEED), {}, {"budget": 2, "need": 5},
        weighted(step("only", BUDGET), step("later", NEED, gated=True), thresholds=THRESHOLDS),
        ("fit", "no_fit"), reason("need", "rated 5, weight 1", None),
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_why_an_indication_changes(client, key, change):
    before, attributes, ratings, after, indications, why = CHANGES[change]
    first = publish(client, key, before)
    told = begin(client, first, attributes, **ratings)
    draft(client, key, after)
    changed, summary = impact_of(client, key)
    line = changed[told["session_id"]]
    assert line["why"] == [why]
    assert (line["before"]["indication"], line["after"]["indication"]) == indications
    assert line["before"] == figures(first, told)
    second = publish(client, key, after)
    assert line["after"] == figures(f"{key}@draft", ok(move(client, told["session_id"], second)))
    assert (line["prospect_id"], line["status"]) == (told["prospect_id"], "open")
    assert summary == {
        "kind": "summary", "sessions": 1, "changed": 1,
        "turns": [{"before": indications[0], "after": indications[1], "sessions": 1}],
    }  # fmt: skip


def test_everything_that_differs_is_named_and_nothing_that_does_not(client, key):
    first = publish(client, key, pool(BUDGET, NEED, question("timeline"), question("trust", weight=0)))
    told = begin(client, first, budget=5, need=4, timeline=5)
    cuts = {"fit_at": 90, "no_fit_below": 80}
    changed_texts = question("budget", guidance="Ask late.", anchors=[{"rating": 1, "text": "None."}])
    after = pool(changed_texts, question("need", weight=5), question("goal"), thresholds=cuts)
    draft(client, key, after)
    changed, _ = impact_of(client, key)
    why = changed[told["session_id"]]["why"]
    assert sorted(why, key=lambda one: str(one["question"])) == [
        reason(None, "fit at 60, no fit below 50", "fit at 90, no fit below 80"),
        reason("goal", None, "open, weight 1"),
        reason("need", "rated 4, weight 1", "rated 4, weight 5"),
        reason("timeline", "rated 5, weight 1", None),
    ]


def test_a_session_that_says_the_same_has_no_line(client, key):
    first = publish(client, key, pool(BUDGET, NEED))
    begin(client, first, budget=5, need=5)
    draft(client, key, pool(question("budget", weight=3), NEED))
    assert impact_of(client, key) == (
        {},
        {"kind": "summary", "sessions": 1, "changed": 0, "turns": []},
    )


ASKED = st.fixed_dictionaries(
    {"weight": st.integers(0, 3)},
    optional={
        "must_reach": st.integers(2, 5),
        "if_missed": st.just("mixed"),
        "rate_from": st.sampled_from([BY_SIZE, BY_SIZE | {"bands": [{"rating": 3}]}]),
        "ask_when": st.sampled_from([{"employees": {"at_least": 10}}, {"industry": {"equals": "ore"}}]),
    },
)


def barring(asked, thresholds):
    """The questions; where there is no fit nothing bars one."""
    for key, more in asked.items():
        yield key, {name: value for name, value in more.items() if thresholds or name != "must_reach"}


CUTS = st.sampled_from([THRESHOLDS, {"fit_at": 75, "no_fit_below": 25}, {"fit_at": 50, "no_fit_below": 50}])
TYPES = st.fixed_dictionaries({"employees": st.just("number"), "industry": st.just("text")})
SETS = st.builds(
    lambda asked, thresholds, attributes: pool(
        question("budget"),
        *(question(key, **more) for key, more in barring(asked, thresholds)),
        thresholds=thresholds,
        attributes=attributes,
    ),
    st.dictionaries(st.sampled_from(["need", "timeline", "goal"]), ASKED, min_size=1),
    CUTS | st.none(),
    TYPES,
)
SAID = st.sampled_from([1, 2, 3, 4, 5, 5, 4, "not_applicable", "unknown"])
KNOWN = st.fixed_dictionaries(
    {}, optional={"employees": st.sampled_from([5, 50, "5", "50"]), "industry": st.just("ore")}
)
SESSIONS = st.lists(
    st.tuples(
        st.integers(0, 1),
        KNOWN,
        st.dictionaries(st.sampled_from(["budget", "need", "timeline", "goal"]), SAID),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@effort(25)
@given(versions=st.tuples(SETS, SETS, SETS), sessions=SESSIONS)
def test_what_is_said_is_what_comes(service, versions, sessions):
    """Open sessions are really moved; closed ones stay, and what they held is scored with the version."""
    client, key = service.client, new_key()
    versions = [one | {"title": f"Version {number}"} for number, one in enumerate(versions, 1)]
    names = [publish(client, key, one) for one in versions[:2]]
    opened = [begun(client, names[which], versions[which], *rest) for which, *rest in sessions]
    draft(client, key, versions[2])
    lines, summary = impact_of(client, key)
    newest = publish(client, key, versions[2])
    expected, turns = {}, Counter()
    for before, attributes in opened:
        after = really(client, newest, before, attributes)
        if before["score"]["indication"] != after["indication"]:
            expected[before["session_id"]] = (
                figures(before["question_set"], before),
                figures(f"{key}@draft", {"score": after}),
            )
            turns[before["score"]["indication"], after["indication"]] += 1
    assert {i: (line["before"], line["after"]) for i, line in lines.items()} == expected
    assert all(one["before"] != one["after"] for line in lines.values() for one in line["why"])
    assert all(line["why"] for line in lines.values())
    assert (summary["sessions"], summary["changed"]) == (len(opened), len(expected))
    told = [((turn["before"], turn["after"]), turn["sessions"]) for turn in summary["turns"]]
    assert sorted(told, key=str) == sorted(turns.items(), key=str)
    assert [sessions for _, sessions in told] == sorted(turns.values(), reverse=True)


def begun(client, name, definition, attributes, answers, is_closed):
    """A session with the answers that its version has questions for, and what is known of the prospect."""
    asked = {one["key"] for one in definition["steps"][0]["questions"]}
    sent = [listed(key, said) for key, said in answers.items() if key in asked]
    prospect = new_prospect(client, attributes=attributes)["id"]
    told = open_session(client, prospect, question_set=name, answers=sent)
    if is_closed:
        told = ok(conclude(client, told["session_id"], "lost"))
    return told, attributes


def listed(question, said):
    return {"question": question, "state" if isinstance(said, str) else "rating": said}


def really(client, newest, before, attributes):
    """The score of a session with the newest version."""
    if before["status"] == "open":
        return ok(move(client, before["session_id"], newest))["score"]
    definition = ok(client.get(f"/v1/question-sets/{newest.replace('@', '/versions/')}"))["definition"]
    asked = {one["key"] for one in definition["steps"][0]["questions"]}
    answers = [
        listed(one["question"], one["rating"] or one["state"])
        for one in before["answers"]
        if one["question"] in asked
    ]
    sent = {"question_set": newest, "answers": answers, "attributes": attributes}
    return ok(client.post("/v1/score", json=sent))


def test_the_turns_are_counted_the_most_first(client, key):
    first = publish(client, key, pool(BUDGET, NEED))
    for ratings in [{"budget": 2, "need": 5}] * 3 + [{"budget": 5}] * 2 + [{"budget": 5, "need": 5}]:
        begin(client, first, **ratings)
    draft(client, key, pool(BUDGET))
    changed, summary = impact_of(client, key)
    assert (summary["sessions"], summary["changed"], len(changed)) == (6, 5, 5)
    assert summary["turns"] == [
        {"before": "fit", "after": "no_fit", "sessions": 3},
        {"before": "undetermined", "after": "fit", "sessions": 2},
    ]


def test_it_can_be_asked_of_open_or_of_closed_sessions_alone(client, key):
    first = publish(client, key, pool(BUDGET, NEED))
    opened, won, out = (begin(client, first, budget=2, need=5)["session_id"] for _ in range(3))
    ok(conclude(client, won, "won"))
    ok(decide(client, out, "disqualify", revision=1))
    draft(client, key, pool(BUDGET))
    for query, expected in (
        ({}, {opened, won, out}),
        ({"status": "open"}, {opened}),
        ({"status": "closed"}, {won, out}),
    ):
        changed, summary = impact_of(client, key, **query)
        assert (set(changed), summary["sessions"]) == (expected, len(expected))
    address = f"/v1/question-sets/{key}/draft/impact?status=asleep"
    assert refusal(client.post(address)) == (422, "invalid-request")


def test_a_closed_session_is_judged_on_what_it_closed_with(client, key):
    """What became known of the prospect later is nothing that it was asked."""
    sized = pool(BUDGET, question("need", rate_from=BY_SIZE), **EMPLOYEES)
    told = begin(client, publish(client, key, sized), {"employees": 50}, budget=5)
    ok(conclude(client, told["session_id"], "won"))
    ok(client.patch(f"/v1/prospects/{told['prospect_id']}", json={"attributes": {"employees": 5}}))
    draft(client, key, sized | {"title": "The same"})
    assert impact_of(client, key)[0] == {}


class Calendar:
    """A clock that is put forward by hand."""

    def __init__(self):
        self.at = NOW

    def __call__(self):
        return self.at

    def days_pass(self, days):
        self.at += timedelta(days=days)


@pytest.fixture(scope="module")
def calendar():
    return Calendar()


@pytest.fixture(scope="module")
def dated(new_database, calendar):
    """A client of a service that goes by the calendar."""
    with serving(settings_for(new_database()), clock=calendar) as running:
        yield running.client


FOR_A_MONTH = question("need", stale_after_days=30)
STALE, LASTING = pool(BUDGET, FOR_A_MONTH), pool(BUDGET, NEED)


@pytest.mark.parametrize(
    ("before", "after", "indications"),
    [(LASTING, STALE, ("fit", "undetermined")), (STALE, LASTING, ("undetermined", "fit"))],
    ids=["begins to go stale", "stops to go stale"],
)
def test_an_open_session_is_judged_as_of_now(dated, calendar, key, before, after, indications):
    """Its row still shows the score of the day on which it was answered."""
    first = publish(dated, key, before)
    told = begin(dated, first, budget=5, need=5)
    calendar.days_pass(31)
    draft(dated, key, after)
    changed, _ = impact_of(dated, key)
    line = changed[told["session_id"]]
    assert (line["before"]["indication"], line["after"]["indication"]) == indications
    assert line["before"] == figures(first, session(dated, told["session_id"]))
    second = publish(dated, key, after)
    assert line["after"] == figures(f"{key}@draft", ok(move(dated, told["session_id"], second)))


def test_a_closed_session_is_judged_as_of_its_closing_also_when_its_outcome_is_corrected(
    dated, calendar, key
):
    told = begin(dated, publish(dated, key, STALE), budget=5, need=5)
    ok(conclude(dated, told["session_id"], "won"))
    calendar.days_pass(31)
    ok(conclude(dated, told["session_id"], "lost"))
    draft(dated, key, STALE | {"title": "The same"})
    assert impact_of(dated, key)[0] == {}


def test_a_draft_with_answers_that_age_judges_a_closed_session_as_of_its_closing(dated, calendar, key):
    told = begin(dated, publish(dated, key, LASTING), budget=5, need=5)
    ok(conclude(dated, told["session_id"], "won"))
    calendar.days_pass(31)
    draft(dated, key, STALE)
    assert impact_of(dated, key)[0] == {}


def test_sessions_of_every_version_are_judged_retired_ones_too(client, key):
    first = publish(client, key, pool(BUDGET, NEED))
    told = [begin(client, first, budget=2, need=5)]
    second = publish(client, key, pool(BUDGET, NEED, title="Second"))
    told.append(begin(client, second, budget=2, need=5))
    ok(client.post(f"/v1/question-sets/{key}/versions/1/retire"))
    draft(client, key, pool(BUDGET))
    changed, _ = impact_of(client, key)
    names = {line["session_id"]: line["before"]["question_set"] for line in changed.values()}
    assert names == {told[0]["session_id"]: first, told[1]["session_id"]: second}


def test_an_attribute_of_another_type_is_judged_as_missing(client, key):
    first = publish(client, key, pool(BUDGET, NEED))
    many, few = (begin(client, first, {"employees": size}, budget=5) for size in ("many", 5))
    draft(client, key, pool(BUDGET, question("need", rate_from=BY_SIZE), **EMPLOYEES))
    changed, summary = impact_of(client, key)
    assert changed.keys() == {few["session_id"]}
    assert (summary["sessions"], summary["changed"]) == (2, 1)
    newest = publish(client, key, pool(BUDGET, question("need", rate_from=BY_SIZE), **EMPLOYEES))
    moved = ok(move(client, many["session_id"], newest))
    assert moved["score"]["indication"] == many["score"]["indication"]
    assert [one["attribute"] for one in moved["score"]["unread_attributes"]] == ["employees"]


def test_a_variant_that_is_not_published_is_judged_on_the_sessions_of_its_base(client, key):
    base = publish(client, key, pool(BUDGET, NEED))
    told = begin(client, base, budget=2, need=5)
    variant = new_key()
    document = {"title": "A variant", "extends": base, "omit": ["need"]}
    draft(client, variant, document)
    changed, summary = impact_of(client, variant)
    line = changed[told["session_id"]]
    assert (line["before"]["question_set"], line["after"]["question_set"]) == (base, f"{variant}@draft")
    assert line["why"] == [reason("need", "rated 5, weight 1", None)]
    assert summary["sessions"] == 1
    publish(client, variant, document)
    draft(client, variant, document | {"title": "Once more"})
    assert impact_of(client, variant)[1]["sessions"] == 0


def test_a_set_that_nobody_was_asked_yet_has_no_impact(client, key):
    draft(client, key, pool(BUDGET))
    assert impact_of(client, key)[1]["sessions"] == 0


def test_a_draft_with_flaws_and_no_draft_are_problems_and_no_stream(client, key):
    address = f"/v1/question-sets/{key}/draft/impact"
    assert refusal(client.post(address)) == (404, "not-found")
    draft(client, key, {"title": "Not much yet"})
    refused = client.post(address)
    assert refusal(refused) == (422, "draft-has-flaws")
    assert sorted(pointers(refused)) == ["/combine", "/dimensions", "/steps"]


def test_nothing_is_written_by_it(new_database, key):
    """In a service of its own, which has published every event: it does nothing beside the request."""
    settings = settings_for(new_database())
    with serving(settings) as own, connected(settings.database_url.get_secret_value()) as connection:
        client = own.client
        first = publish(client, key, pool(BUDGET, NEED))
        begin(client, first, budget=2, need=5)
        begin(client, first, {"employees": "many"}, budget=2)
        draft(client, key, pool(BUDGET, question("need", rate_from=BY_SIZE), **EMPLOYEES))
        ok(client.get("/v1/events"))
        before = contents(connection)
        connection.rollback()
        assert impact_of(client, key)[1]["sessions"] == 2
        assert contents(connection) == before


@pytest.fixture
def crowd(client, key, service):
    """A set with so many open sessions that they are not read at once; its draft changes them all."""
    first = publish(client, key, pool(BUDGET, NEED))
    told = begin(client, first, budget=2, need=5)
    sessions = 2 * SESSIONS_PER_BATCH + 1
    database = open_database(service.settings)
    with database.engine.begin() as connection:
        wanted = SESSION.select().where(SESSION.c.question_set == key)
        row = connection.execute(wanted).one()._asdict()
        rows = [row | {"id": uuid4(), "deal": f"{n}"} for n in range(sessions - 1)]
        connection.execute(SESSION.insert(), rows)
    database.close()
    draft(client, key, pool(BUDGET))
    return {told["session_id"], *(str(one["id"]) for one in rows)}


def test_many_sessions_are_all_judged_once(client, key, crowd):
    """The copies have no answers: with the draft they are open, and the one that has them is none."""
    changed, summary = impact_of(client, key)
    assert changed.keys() == crowd
    assert summary["sessions"] == summary["changed"] == len(crowd)
    assert [(turn["after"], turn["sessions"]) for turn in summary["turns"]] == [
        ("undetermined", len(crowd) - 1),
        ("no_fit", 1),
    ]


def test_a_long_stream_says_now_and_then_how_far_it_is(client, key, crowd, monkeypatch):
    """Of 1001 sessions 500 are read at a time: it is said after the first 500 and the second."""
    monkeypatch.setattr("app.sessions.impact.queries.SESSIONS_PER_PROGRESS_LINE", SESSIONS_PER_BATCH)
    lines = impact_lines(client, key)
    progress = {at: line for at, line in enumerate(lines) if line["kind"] == "progress"}
    # After 500 lines of sessions comes the first, and after 500 more the second.
    assert progress == {
        500: {"kind": "progress", "sessions": 500},
        1001: {"kind": "progress", "sessions": 1000},
    }
    assert lines[-1]["sessions"] == len(crowd) == 1001


def test_who_hangs_up_in_the_middle_does_no_harm(client, key, crowd, service):
    address = f"{service.url}/v1/question-sets/{key}/draft/impact"
    for _ in range(service.settings.pool_size + 1):
        with httpx.stream("POST", address, headers=dict(client.headers), timeout=PATIENCE) as response:
            assert json.loads(next(response.iter_lines()))["kind"] == "changed"
    assert impact_of(client, key)[1]["sessions"] == len(crowd)
    told = begin(client, f"{key}@1", budget=1)
    assert answer(client, told["session_id"], need=5) == session(client, told["session_id"])
