"""Values that a system sends again: they are no news, and undo nothing.

Each story was worked out by hand. A and B are two systems that know the prospect, P is a person.
"""

from functools import partial

import pytest

from app.prospects.queries import find_link
from app.prospects.received import OF_PROSPECT, Part, load, remember_written
from app.prospects.schemas import Link
from tests.api.calls import (
    change,
    conclude,
    end_of_feed,
    events_after,
    history,
    merge,
    new_prospect,
    ok,
    open_session,
    patch,
    qualify,
    ratings_of,
    refusal,
    session,
    types_of,
    upsert,
    verdict_in,
)

EARLIER, LATER = "2026-01-05T09:00:00Z", "2026-01-10T09:00:00Z"
# What happens, and the answer to the question in the end. A value with a time was given then, the others now.
ANSWER_STORIES = {
    "a repeated value does not undo a person": ([("A", 3), ("P", 5), ("A", 3), ("A", 3)], 5),
    "nor another system": ([("A", 3), ("B", 5), ("A", 3)], 5),
    "two systems that disagree come to rest": ([("A", 3), ("B", 5)] + 3 * [("A", 3), ("B", 5)], 5),
    "a new value does": ([("A", 3), ("P", 5), ("A", 4)], 4),
    "and so does one that was changed back": ([("A", 3), ("A", 4), ("P", 5), ("A", 3)], 3),
    "the first value of a system is new": ([("A", 3), ("P", 5), ("B", 2)], 2),
    "even if somebody else gave it before": ([("A", 3), ("B", 3), ("P", 5), ("B", 3)], 5),
    "a word is a value": ([("A", "unknown"), ("P", 4), ("A", "unknown")], 4),
    "a withdrawn answer stays withdrawn": ([("A", 3), ("P", "open"), ("A", 3)], "open"),
    "until another value comes": ([("A", 3), ("P", "open"), ("A", 2)], 2),
    "a null clears": ([("A", 3), ("A", None)], "open"),
    "what follows a null is new": ([("A", 3), ("A", None), ("A", 3)], 3),
    "a null leaves the answer of a person": ([("A", 3), ("P", 5), ("A", None)], 5),
    "and that of another system": ([("A", 3), ("B", 5), ("A", None)], 5),
    "even if it is the same": ([("A", 3), ("P", 5), ("P", 3), ("A", None)], 3),
    "a null from elsewhere clears nothing": ([("A", 3), ("B", None)], 3),
    "what follows such a null is new too": ([("A", 3), ("P", 5), ("A", None), ("A", 3)], 3),
    "an empty text says nothing": ([("A", 3), ("A", " "), ("P", 5), ("A", 3)], 5),
    "aliases are translated before": ([("A", "Hot"), ("P", 2), ("A", 5), ("A", "Hot")], 2),
    "older news changes nothing": ([("A", (5, LATER)), ("A", (3, EARLIER))], 5),
    "and is not the last value": ([("A", (5, LATER)), ("A", (3, EARLIER)), ("P", 2), ("A", 5)], 2),
    "news of the same time counts": ([("A", (5, LATER)), ("A", (3, LATER))], 3),
    "an older answer of another system changes nothing": ([("A", (5, LATER)), ("B", (3, EARLIER))], 5),
    "nor one of a person": ([("A", (5, LATER)), ("P", (3, EARLIER))], 5),
    "nor an older null": ([("A", (5, LATER)), ("A", (None, EARLIER))], 5),
    "a repeated value with a later time undoes nothing": (
        [("A", (3, EARLIER)), ("P", (5, EARLIER)), ("A", (3, LATER))],
        5,
    ),
}
# The same for an attribute of the prospect.
ATTRIBUTE_STORIES = {
    "a repeated value does not undo a person": ([("A", "retail"), ("P", "bank"), ("A", "retail")], "bank"),
    "nor another system": ([("A", "retail"), ("B", "bank"), ("A", "retail")], "bank"),
    "a new value does": ([("A", "retail"), ("P", "bank"), ("A", "saas")], "saas"),
    "true is not 1": ([("A", 1), ("P", 2), ("A", True)], True),
    "a long text is compared whole": ([("A", 30 * "x"), ("P", "bank"), ("A", 30 * "x")], "bank"),
    "and differs by one character": ([("A", 30 * "x"), ("P", "bank"), ("A", 31 * "x")], 31 * "x"),
    "a null removes": ([("A", "retail"), ("A", None)], None),
    "a null leaves the value of a person": ([("A", "retail"), ("P", "bank"), ("A", None)], "bank"),
    "even if it is the same": ([("A", "retail"), ("P", "bank"), ("P", "retail"), ("A", None)], "retail"),
    "and that of another system": ([("A", "retail"), ("B", "bank"), ("A", None)], "bank"),
    "a null from elsewhere removes nothing": ([("A", "retail"), ("B", None)], "retail"),
    "who agrees has not set it": ([("A", "retail"), ("B", "retail"), ("B", None)], "retail"),
    "aliases are translated before": ([("A", "Banking"), ("P", "saas"), ("A", "bank")], "saas"),
}


@pytest.fixture
def two(client, link, other_link):
    """A prospect that two systems know; the first has aliases of its own."""
    first, second = link, other_link | {"source": f"b-{link['external_id']}"[:60]}
    aliases = [
        {"field": "budget", "sent": "Hot", "means": 5},
        {"field": "industry", "sent": "Banking", "means": "bank"},
    ]
    first = first | {"source": f"a-{link['external_id']}"[:60]}
    ok(client.put(f"/v1/value-aliases/{first['source']}", json={"aliases": aliases}))
    prospect = new_prospect(client, links=[first, second])["id"]
    return {"A": first, "B": second}, prospect


def form(client, key, link, **fields):
    return ok(client.post(f"/v1/qualify/{key}", json={**link, **fields}))


@pytest.mark.parametrize(("story", "expected"), ANSWER_STORIES.values(), ids=ANSWER_STORIES)
def test_an_answer(client, two, small, story, expected):
    links, _ = two
    told = None
    for who, said in story:
        value, at = said if isinstance(said, tuple) else (said, None)
        if who == "P":
            given = {"state": value} if isinstance(value, str) else {"rating": value}
            sent = {"question": "budget", **given, **({"answered_at": at} if at else {})}
            ok(patch(client, told["session_id"], answers=[sent]))
        else:
            timed = {"answered_at": at} if at else {}
            now = form(client, small, links[who], budget=value, **timed)
            assert told is None or now["session_id"] == told["session_id"]
            told = now
    assert ratings_of(session(client, told["session_id"])) == {"budget": expected}


def is_about_a_name(story):
    """A name is a text, and has no aliases."""
    return all(value != "Banking" and isinstance(value, str | None) for _, value in story)


PROSPECT_STORIES = [
    pytest.param(field, story, expected, id=f"{field}: {title}")
    for title, (story, expected) in ATTRIBUTE_STORIES.items()
    for field in ("attribute", "name")
    if field == "attribute" or is_about_a_name(story)
]


@pytest.mark.parametrize(("field", "story", "expected"), PROSPECT_STORIES)
def test_an_attribute_or_the_name(client, two, small, field, story, expected):
    """A sends the prospect alone, and B qualifies it."""
    links, prospect = two
    for who, value in story:
        sent = {"name": value} if field == "name" else {"attributes": {"industry": value}}
        if who == "P":
            ok(change(client, prospect, **sent))
        elif who == "A":
            ok(upsert(client, links["A"], **sent))
        else:
            qualify(client, links["B"], question_set=small, **sent)
    now = ok(client.get(f"/v1/prospects/{prospect}"))
    assert (now["name"] if field == "name" else now["attributes"].get("industry")) == expected


def test_every_retry_is_silent(client, link, small):
    """A caller that did not get the response sends everything again, twice."""
    sent = {
        "name": "Acme",
        "industry": "retail",
        "budget": 4,
        "need": None,
        "decision": "pursue",
        "actor": "ana",
    }
    first = form(client, small, link, **sent)
    cursor = end_of_feed(client)
    for _ in range(2):
        again = form(client, small, link, **sent)
        assert again == first | {"prospect_created": False, "session_opened": False}
    assert events_after(client, cursor) == []


CLOSING = {"outcome": "won", "outcome_amount": 1200, "outcome_currency": "EUR"}


def test_repeated_values_open_nothing_over_a_closed_session(client, two, small):
    """B has the old rating; a person has closed the session with another one."""
    links, prospect = two
    opened = form(client, small, links["B"], budget=3, name="Acme")
    ok(patch(client, opened["session_id"], ratings={"budget": 5}))
    ok(conclude(client, opened["session_id"], "won"))
    told = form(client, small, links["B"], budget=3, name="Acme", carry_over=True, industry="bank")
    assert (told["session_id"], told["session_opened"]) == (opened["session_id"], False)
    # A sends what the closed session has already.
    told = form(client, small, links["A"], budget=5)
    assert (told["session_id"], told["session_opened"]) == (opened["session_id"], False)
    assert ratings_of(session(client, opened["session_id"])) == {"budget": 5}
    # One new rating begins another session, with all that is sent. The closed one stays as it is.
    another = form(client, small, links["B"], budget=3, need=2)
    assert another["session_opened"] is True
    assert ratings_of(session(client, another["session_id"])) == {"budget": 3, "need": 2}
    assert ratings_of(session(client, opened["session_id"])) == {"budget": 5}
    assert ok(client.get(f"/v1/prospects/{prospect}"))["name"] == "Acme"


def test_a_question_that_the_closed_session_does_not_have_is_new(client, publish, link, small):
    closed = form(client, small, link, budget=3, outcome="lost")
    definition = ok(client.get(f"/v1/question-sets/{small}"))["definition"]
    definition["steps"][0]["questions"].append({"key": "fresh", "text": "fresh?", "dimension": "match"})
    publish(definition)
    told = form(client, small, link, budget=3, fresh=4)
    assert (told["session_opened"], told["question_set"]) == (True, f"{small}@2")
    assert ratings_of(session(client, told["session_id"])) == {"budget": 3, "fresh": 4}
    assert ratings_of(session(client, closed["session_id"])) == {"budget": 3}


def test_an_outcome_that_comes_again_concludes_nothing(client, two, small):
    """The deal is lost in the end, as a person says; the CRM still has won in its record."""
    links, _ = two
    won = form(client, small, links["A"], budget=4, **CLOSING)
    ok(conclude(client, won["session_id"], "lost"))
    cursor = end_of_feed(client)
    told = form(client, small, links["A"], budget=4, **CLOSING)
    assert (told["session_id"], told["outcome"]) == (won["session_id"], "lost")
    assert events_after(client, cursor) == []
    # A corrected amount is new, and the closed session has it.
    told = form(client, small, links["A"], budget=4, **CLOSING | {"outcome_amount": 900})
    assert (told["session_id"], told["outcome"]) == (won["session_id"], "won")
    outcomes = history(client, won["session_id"])["outcomes"]
    assert [(one["outcome"], one["amount"]) for one in outcomes] == [
        ("won", 1200), ("lost", None), ("won", 900),
    ]  # fmt: skip


def test_what_a_link_said_of_an_earlier_session_is_no_repeat_in_a_new_one(client, link, small):
    lost = form(client, small, link, budget=2, outcome="lost")
    again = form(client, small, link, budget=4)
    assert (again["session_opened"], again["status"]) == (True, "open")
    told = form(client, small, link, budget=4, outcome="lost")
    assert (told["session_id"], told["status"]) == (again["session_id"], "closed")
    assert told["session_id"] != lost["session_id"]


def test_a_null_says_nothing_of_an_outcome_but_what_follows_is_new(client, link, small):
    won = form(client, small, link, budget=4, outcome="won")
    assert form(client, small, link, budget=4, outcome=None)["outcome"] == "won"
    ok(conclude(client, won["session_id"], "lost"))
    assert form(client, small, link, budget=4, outcome="won")["outcome"] == "won"


def test_a_decision_that_comes_again_undoes_no_other(client, two, small):
    links, _ = two
    said = {"decision": "nurture", "decision_reason": "They have no budget yet.", "actor": "ana"}
    told = form(client, small, links["A"], **said)
    form(client, small, links["B"], decision="pursue", actor="ben")
    assert form(client, small, links["A"], **said)["decision"] == "pursue"
    assert (
        form(client, small, links["A"], **said | {"decision_reason": "Next year."})["decision"] == "nurture"
    )
    decisions = history(client, told["session_id"])["decisions"]
    assert [one["decision"] for one in decisions] == ["nurture", "pursue", "nurture"]


def test_a_new_decision_begins_another_session_with_the_answers_that_come_with_it(client, link, small):
    """The deal was disqualified, and is taken up again. The decision alone would be refused."""
    closed = form(client, small, link, budget=2, decision="disqualify", actor="ana")
    alone = client.post(f"/v1/qualify/{small}", json=link | {"decision": "pursue", "actor": "ana"})
    assert refusal(alone) == (409, "session-is-closed")
    again = form(client, small, link, budget=2, decision="pursue", actor="ana")
    assert (again["session_opened"], again["decision"]) == (True, "pursue")
    assert ratings_of(session(client, again["session_id"])) == {"budget": 2}
    assert session(client, closed["session_id"])["decision"]["decision"] == "disqualify"


def test_every_deal_assessor_and_set_has_its_own_last_values(client, two, small, ruled):
    links, _ = two
    first = form(client, small, links["A"], budget=3)
    for other in ({"deal": "north"}, {"assessor": "ana"}):
        told = form(client, small, links["A"], budget=3, **other)
        assert (told["session_opened"], told["rated"]) == (True, 1)
    assert form(client, ruled, links["A"], demand=3)["session_opened"] is True
    assert form(client, small, links["A"], budget=3)["session_id"] == first["session_id"]


def test_older_news_is_in_the_history_once_and_changes_no_figure(client, link, small):
    """A retried event of a 3, twice, after the 5."""
    form(client, small, link, budget=5, need=4, answered_at=LATER)
    before = form(client, small, link)
    cursor = end_of_feed(client)
    for _ in range(2):
        told = form(client, small, link, budget=3, answered_at=EARLIER)
    assert told["revision"] == before["revision"] + 1
    assert {name: value for name, value in told.items() if name not in ("revision", "updated_at")} == {
        name: value for name, value in before.items() if name not in ("revision", "updated_at")
    }
    last = history(client, told["session_id"])["revisions"][-1]
    late = {"state": "rated", "rating": 3, "answered_at": EARLIER, "evidence": None}
    assert (last["change"], last["changed"]) == ("late", {"late": {"budget": late}})
    assert events_after(client, cursor) == []
    assert last["verdict"] == verdict_in(session(client, told["session_id"])["score"])


def test_an_answer_from_before_a_null_is_late_too(client, link, small):
    """Two events in the wrong order: a 3, and then the field was emptied. There was no answer to remove."""
    form(client, small, link, need=2)
    form(client, small, link, budget=None, answered_at=LATER)
    for _ in range(2):
        told = form(client, small, link, budget=3, answered_at=EARLIER)
    assert ratings_of(session(client, told["session_id"])) == {"need": 2}
    (late,) = [one for one in history(client, told["session_id"])["revisions"] if one["change"] == "late"]
    assert late["changed"]["late"]["budget"]["rating"] == 3
    form(client, small, link, budget=3)
    assert ratings_of(session(client, told["session_id"])) == {"need": 2, "budget": 3}


def test_older_news_opens_nothing_over_a_closed_session(client, link, small):
    closed = form(client, small, link, budget=5, answered_at=LATER, outcome="won")
    told = form(client, small, link, budget=3, answered_at=EARLIER)
    assert (told["session_id"], told["status"]) == (closed["session_id"], "closed")
    assert ratings_of(session(client, closed["session_id"])) == {"budget": 5}
    assert history(client, closed["session_id"])["revisions"][-1]["change"] == "late"


def test_a_text_can_be_added_to_a_repeated_rating(client, link, small):
    def told(**answer):
        return qualify(client, link, question_set=small, answers=[{"question": "budget", **answer}])

    told(rating=4, text="They said so.")
    (now,) = told(rating=4, text="They have signed.")["answers"]
    assert (now["rating"], now["text"]) == (4, "They have signed.")
    ok(patch(client, told(rating=4)["session_id"], ratings={"budget": 2}))
    assert ratings_of(told(rating=4)) == {"budget": 2}
    assert ratings_of(told(rating=4, text="They have signed.")) == {"budget": 2}


def test_carried_answers_are_only_confirmed_with_a_later_time(client, two, small):
    links, prospect = two
    first = form(client, small, links["A"], budget=4, need=2, answered_at=EARLIER)
    ok(conclude(client, first["session_id"], "lost"))
    opened = open_session(client, prospect, question_set=small, carry_over=True)["session_id"]

    def carried():
        return {a["question"] for a in session(client, opened)["answers"] if a["carried_from"]}

    form(client, small, links["A"], budget=4, need=2)
    form(client, small, links["A"], budget=4, need=2, answered_at=EARLIER)
    assert carried() == {"budget", "need"}
    form(client, small, links["A"], budget=4, answered_at=LATER)
    assert carried() == {"need"}


def test_a_new_session_takes_repeated_values_but_keeps_what_is_carried_over(client, two, small):
    links, _ = two
    first = form(client, small, links["A"], budget=4, need=2)
    ok(patch(client, first["session_id"], ratings={"budget": 5}))
    ok(conclude(client, first["session_id"], "lost"))
    told = form(client, small, links["A"], budget=4, need=2, goal=3, carry_over=True)
    assert ratings_of(session(client, told["session_id"])) == {"budget": 5, "need": 2, "goal": 3}


def test_what_a_record_update_wrote_counts_as_received(client, database, two, small):
    """A person says 5, which is written to A. Its echo is no news; 3 is, as A's user changed it back."""
    links, prospect = two
    told = form(client, small, links["A"], budget=3, name="Acme")
    ok(patch(client, told["session_id"], ratings={"budget": 5}))
    ok(change(client, prospect, name="Acme Ltd"))
    write = partial(remember_written, link=Link(**links["A"]))
    database.write_sync(partial(write, part=Part(question_set=small), values={"budget": 5}))
    database.write_sync(partial(write, part=OF_PROSPECT, values={"name": "Acme Ltd"}))
    revision = session(client, told["session_id"])["revision"]
    assert form(client, small, links["A"], budget=5, name="Acme Ltd")["revision"] == revision
    now = form(client, small, links["A"], budget=3, name="Acme")
    assert ratings_of(session(client, now["session_id"])) == {"budget": 3}
    assert ok(client.get(f"/v1/prospects/{prospect}"))["name"] == "Acme"


def test_a_link_that_is_gone_remembers_nothing(client, database, two):
    links, prospect = two
    ok(upsert(client, links["A"], name="Acme"))
    ok(client.delete(f"/v1/prospects/{prospect}/links/{links['A']['source']}/{links['A']['external_id']}"))
    gone = Link(**links["A"])
    database.write_sync(partial(remember_written, link=gone, part=OF_PROSPECT, values={"name": "Acme"}))
    assert database.read_sync(lambda tx: load(tx, links["A"].values()).parts) == {}


def test_last_values_follow_their_link_into_another_prospect(client, two, link, small):
    """After the merge, what A repeats is still no news."""
    _, kept = two
    other = link | {"source": "merged-away"}
    told = form(client, small, other, budget=3, name="Beta")
    ok(merge(client, kept, told["prospect_id"]))
    ok(patch(client, told["session_id"], ratings={"budget": 5}))
    ok(change(client, kept, name="Acme"))
    again = form(client, small, other, budget=3, name="Beta")
    assert (again["session_id"], again["prospect_id"]) == (told["session_id"], kept)
    assert ratings_of(session(client, told["session_id"])) == {"budget": 5}
    assert ok(client.get(f"/v1/prospects/{kept}"))["name"] == "Acme"


def test_a_null_does_not_remove_what_the_other_prospect_of_a_merge_had(client, link, small):
    """Both had the same values, and those of the prospect that stays are a person's."""
    own = {"name": "Acme", "attributes": {"industry": "bank"}}
    kept = new_prospect(client, **own)["id"]
    told = qualify(client, link, question_set=small, **own)
    ok(merge(client, kept, told["prospect_id"]))
    ok(upsert(client, link, name=None, attributes={"industry": None}))
    now = ok(client.get(f"/v1/prospects/{kept}"))
    assert (now["name"], now["attributes"]) == ("Acme", {"industry": "bank"})


def test_last_values_stay_when_the_ids_of_a_source_are_compared_in_another_way(client, link, small):
    """`ABC` and `abc` are one record from then on."""
    upper = link | {"source": f"case-{link['external_id']}"[:60], "external_id": "ABC"}
    told = form(client, small, upper, budget=3)
    ok(patch(client, told["session_id"], ratings={"budget": 5}))
    ok(client.put(f"/v1/sources/{upper['source']}", json={"id_rule": "ignore_case"}))
    again = form(client, small, upper | {"external_id": "abc"}, budget=3)
    assert again["session_id"] == told["session_id"]
    assert ratings_of(session(client, told["session_id"])) == {"budget": 5}


def test_erasing_a_prospect_erases_what_its_links_sent(client, database, link, small):
    told = form(client, small, link, budget=3, name="Acme")
    its_link = Link(**link)
    key = database.read_sync(lambda tx: (its_link.source, find_link(tx, its_link).match_key))
    assert len(database.read_sync(lambda tx: load(tx, key).parts)) == 2
    assert client.delete(f"/v1/prospects/{told['prospect_id']}").status_code == 204
    assert database.read_sync(lambda tx: load(tx, key).parts) == {}


def test_a_person_who_says_the_same_changes_nothing_and_a_repeat_is_not_recorded(client, two, small):
    links, _ = two
    told = form(client, small, links["A"], budget=3)
    cursor = end_of_feed(client)
    ok(patch(client, told["session_id"], ratings={"budget": 4}))
    form(client, small, links["A"], budget=3)
    assert types_of(events_after(client, cursor)) == ["session.answered", "score.changed"]
