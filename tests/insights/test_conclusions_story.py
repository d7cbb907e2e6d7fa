"""Outcomes, decisions and assessors as callers of the API record and read them, on both databases."""

import csv
from itertools import count

import httpx
import pytest

from tests.api.calls import answer, conclude, decide, ok, pointers, qualify, refusal, session, upsert
from tests.scoring.building import question, step, weighted
from tests.waiting import PATIENCE

ANA, BEN = "ana@example.com", "ben@example.com"
SIZES = {"attribute": "employees", "bands": [{"below": 100, "rating": 1}, {"rating": 5}]}
# Five questions that people rate and one by rule.
ASKED = weighted(
    step(
        "all",
        *(question(key) for key in ("budget", "need", "timeline", "goal", "trust")),
        question("size", rate_from=SIZES),
    ),
    attributes={"employees": "number"},
    thresholds={"fit_at": 60, "no_fit_below": 40},
)
QUESTIONS = ("budget", "need", "timeline", "goal", "trust")
ALL_5, ALL_1 = dict.fromkeys(QUESTIONS, 5), dict.fromkeys(QUESTIONS, 1)
numbers = count(1)


class Story:
    """A question set that no other test uses, and its prospects."""

    def __init__(self, client):
        self.client = client
        self.key = f"conclusions-{next(numbers)}"
        draft = client.put(f"/v1/question-sets/{self.key}/draft", json={**ASKED, "key": self.key})
        headers = {"If-Match": draft.headers["etag"]}
        ok(client.post(f"/v1/question-sets/{self.key}/draft/publish", headers=headers), 201)

    def link(self, name):
        return {"source": "story", "external_id": f"{self.key}-{name}"}

    def send(self, name, **sent):
        return qualify(self.client, self.link(name), question_set=self.key, **sent)

    def read(self, name, client=None, **query):
        return ok(
            (client or self.client).get(f"/v1/insights/{name}", params={"question_set": self.key, **query})
        )

    def rows(self, name, **query):
        found = self.client.get(f"/v1/insights/{name}.csv", params={"question_set": self.key, **query})
        assert found.headers["content-type"].startswith("text/csv"), found.text
        return list(csv.DictReader(found.text.removeprefix("\ufeff").splitlines()))


@pytest.fixture
def story(client):
    return Story(client)


@pytest.fixture(scope="module")
def callers(service):
    """Clients by what their key is: with `admin`, with `read`, and with `read` for one person."""
    wanted = {"admin": {"scopes": ["admin"]}, "read": {"scopes": ["read"]}}
    wanted |= {person: {"scopes": ["read"], "person": person} for person in (ANA, BEN)}
    clients = {}
    for name, sent in wanted.items():
        key = ok(service.client.post("/v1/keys", json={"name": name, **sent}), 201)["key"]
        clients[name] = httpx.Client(
            base_url=service.url, headers={"X-API-Key": key}, timeout=PATIENCE, verify=False
        )
    yield clients
    for one in clients.values():
        one.close()


def groups(report, place=0):
    found = report["breakdowns"][place]["groups"]
    return [(one["group"], one["won"], one["lost"], one["no_decision"]) for one in found]


def ended(story, name, outcome, *, ratings=ALL_5, **sent):
    """A deal that was rated before it ended."""
    attributes = sent.pop("attributes", {})
    opened = story.send(name, ratings=ratings, attributes=attributes)
    ok(conclude(story.client, opened["session_id"], outcome, **sent))
    return opened["session_id"]


def test_win_and_loss(story):
    euro, dollar = {"currency": "EUR"}, {"currency": "USD"}
    retail, saas = {"attributes": {"industry": "retail"}}, {"attributes": {"industry": "saas"}}
    ended(story, "a", "won", amount=100.0, competitor="Acme", closed_on="2026-01-15", **euro, **retail)
    price = {"reason": "price"}
    ended(
        story, "b", "lost", amount=50.5, competitor="ACME", closed_on="2026-02-10", **euro, **price,
        attributes={"industry": " Retail"},
    )  # fmt: skip
    # It closed long before its session was opened.
    ended(story, "c", "lost", amount=0.0, closed_on="1999-04-01", **euro, **price, **saas)
    ended(story, "d", "lost", amount=1e15, reason="timing", closed_on="2026-05-01", **dollar, **saas)
    ended(story, "e", "no_decision", closed_on="2026-05-02")
    # Two assessors rate one deal, and the outcome comes with the ratings of one of them.
    shared = {"amount": 200.0, "closed_on": "2026-05-03", **euro}
    for assessor in (ANA, BEN):
        outcome = {"outcome": "won", **shared}
        story.send("f", deal="D", assessor=assessor, ratings=ALL_5, outcome=outcome)
    corrected = ended(story, "g", "lost", reason="mistake", closed_on="2026-05-04")
    ok(conclude(story.client, corrected, "won", amount=10.0, closed_on="2026-05-04"))
    # What a prospect becomes later changes nothing.
    assert upsert(story.client, story.link("a"), attributes={"industry": "other"}).status_code == 200

    by = ["reason", "competitor", "attribute:industry", "quarter"]
    report = story.read("outcomes", by=by)
    total = report["total"]
    assert (total["won"], total["lost"], total["no_decision"], total["prospects"]) == (3, 3, 1, 6)
    assert total["win_rate"]["estimate"] == 0.5
    assert total["win_rate_bounds"] == {"low": pytest.approx(3 / 7), "high": pytest.approx(4 / 7)}
    assert [tuple(one.values()) for one in total["amounts"]] == [
        ("won", None, 1, 10.0, 10.0),
        ("won", "EUR", 2, 300.0, 150.0),
        ("lost", "EUR", 2, 50.5, 25.25),
        ("lost", "USD", 1, 1e15, 1e15),
    ]
    assert groups(report) == [("price", 0, 2, 0), ("timing", 0, 1, 0), (None, 3, 0, 1)]
    assert groups(report, 1) == [("Acme", 1, 1, 0), (None, 2, 2, 1)]
    assert groups(report, 2) == [("retail", 1, 1, 0), ("saas", 0, 2, 0), (None, 2, 0, 1)]
    assert groups(report, 3) == [("1999-Q2", 0, 1, 0), ("2026-Q1", 1, 1, 0), ("2026-Q2", 2, 1, 1)]
    assert (report["preliminary"], report["reasons"], report["hindsight"]) == (True, [], None)
    assert report["excluded"]["hindsight"] == 2

    narrowed = story.read("outcomes", segment="industry:RETAIL", since="2026-02-01", before="2026-03-01")
    assert (narrowed["total"]["won"], narrowed["total"]["lost"]) == (0, 1)
    rows = story.rows("outcomes", by="reason")
    assert [(one["by"], one["group"], one["won"], one["lost_total"]) for one in rows] == [
        ("all", "", "3", ""),
        ("all", "", "", "50.5"),
        ("all", "", "", "1000000000000000.0"),
        ("reason", "price", "0", "50.5"),
        ("reason", "timing", "0", "1000000000000000.0"),
        ("reason", "", "3", ""),
        ("reason", "", "", ""),
    ]


def test_the_questions_on_which_deals_lost_for_one_reason_differ(story):
    for number in range(10):
        ended(story, f"p{number}", "lost", ratings={**ALL_5, "budget": 1 + number % 2}, reason="price")
        ended(story, f"t{number}", "lost", reason="timing")
        late = {"outcome": "lost", "reason": "timing"}
        story.send(f"h{number}", ratings={**ALL_5, "need": 1}, outcome=late)
    report = story.read("outcomes")
    price, timing = report["reasons"]
    assert (price["reason"], price["lost"], price["others"]) == ("price", 10, 10)
    assert [one["question"] for one in price["questions"] if one["differs"]] == ["budget"]
    assert price["summary"].startswith("Deals that were lost for price were rated lower on budget than")
    assert timing["lost"] == 10
    # Nobody rates the size, and no rule does without the number of employees.
    assert price["suppressed"] == ["size"]
    assert (report["total"]["lost"], report["excluded"]["hindsight"]) == (30, 10)
    # In hindsight, all deals were lost for the same reason.
    assert story.read("outcomes", hindsight="include")["hindsight"] == []


def test_person_and_machine(story):
    client = story.client
    pursue = {"decision": "pursue", "actor": ANA}
    for name, outcome in (("a", "won"), ("b", "lost")):
        story.send(name, ratings=ALL_5, decision=pursue)
        story.send(name, outcome={"outcome": outcome})
    story.send("c", ratings=ALL_5, decision={"decision": "disqualify", "actor": BEN})
    # The indication is that of the revision that the person saw: it was no fit, and is a fit afterwards.
    bold = story.send("d", ratings=ALL_1, decision={"decision": "pursue", "actor": BEN})
    assert answer(client, bold["session_id"], **ALL_5)["score"]["indication"] == "fit"
    ok(conclude(client, bold["session_id"], "lost"))
    story.send("e", ratings=ALL_1, decision={"decision": "disqualify", "actor": ANA})
    story.send("f", ratings={"budget": 3}, decision=pursue, attributes={"industry": "saas"})
    changed = story.send("g", ratings=ALL_5, decision={"decision": "nurture", "actor": ANA})
    revision = session(client, changed["session_id"])["revision"]
    ok(decide(client, changed["session_id"], "pursue", actor=ANA, revision=revision))
    story.send("h", ratings=ALL_5, decision=pursue, outcome={"outcome": "won"})

    report = story.read("decisions")
    assert report["excluded"] == {"superseded": 1, "hindsight": 1, "no_suggestion": 1}
    assert report["compared"] == 6
    # 2 of 6 by scipy's binomtest(2, 6).proportion_ci(method="wilson").
    assert report["differs"] == pytest.approx({"estimate": 1 / 3, "low": 0.0968, "high": 0.7}, abs=1e-4)
    found = ("indication", "decision", "direction", "sessions", "won", "lost", "without_outcome")
    assert [tuple(cell[name] for name in found) for cell in report["table"]] == [
        ("fit", "pursue", "agrees", 3, 1, 1, 1),
        ("fit", "disqualify", "more_cautious", 1, 0, 0, 1),
        ("no_fit", "pursue", "bolder", 1, 0, 1, 0),
        ("no_fit", "disqualify", "agrees", 1, 0, 0, 1),
        ("undetermined", "pursue", None, 1, 0, 0, 1),
    ]
    assert [
        (one["person"], one["agrees"], one["bolder"], one["more_cautious"]) for one in report["persons"]
    ] == [
        (ANA, 4, 0, 0),
        (BEN, 0, 1, 1),
    ]
    assert story.read("decisions", hindsight="include")["hindsight"]["directions"][0]["won"] == 1
    assert story.read("decisions", segment="industry:saas")["excluded"]["no_suggestion"] == 1
    assert story.read("decisions", before="2020-01-01")["summary"] == "There are no decisions to compare."
    assert [one["sessions"] for one in story.rows("decisions")] == ["3", "1", "1", "1", "1"]


def rate(story, name, assessor, **ratings):
    return story.send(name, assessor=assessor, ratings=ratings)["session_id"]


def test_assessors(story):
    """Ana and Ben rate twelve prospects alike, but for the need of one. Ana never asks for the goal."""
    for number in range(12):
        ratings = {"budget": 1 + number % 5, "need": 3, "timeline": 5 - number % 5, "trust": 4}
        rate(story, number, ANA, **ratings)
        rate(story, number, BEN, **ratings | {"need": 3 if number else 4, "goal": 2})
    story.send("nobody", ratings=ALL_5)
    # The size is rated by rule, a withdrawn answer is none, and an unknown one is no rating.
    states = [{"question": "budget", "state": "open"}, {"question": "need", "state": "unknown"}]
    only = rate(story, "x", BEN, budget=1, timeline=2, goal=2, trust=2)
    upsert(story.client, story.link("x"), attributes={"employees": 500})
    ok(story.client.patch(f"/v1/sessions/{only}/answers", json={"answers": states}))

    report = story.read("assessors")
    assert (report["sessions"], report["assessors"]) == (25, 2)
    assert (report["compared"], report["prospects"], report["excluded"]["without_assessor"]) == (12, 12, 1)
    by_question = {one["question"]: one for one in report["questions"]}
    assert [one["alpha"] and one["alpha"]["estimate"] for one in by_question.values()] == [
        1.0,
        # One of 24 ratings is a 4: 2 of 24 ordered pairs differ, and 2 · 23 · 1 / (24 − 1) would by chance.
        pytest.approx(0.0, abs=1e-9),
        1.0,
        None,
        None,
        None,
    ]
    assert (by_question["goal"]["asked"], by_question["goal"]["skipped"]) == (25, 12)
    assert (by_question["goal"]["usually_skipped_by"], by_question["size"]["skipped"]) == (1, None)
    of_ana, of_ben = report["persons"]
    assert [one["question"] for one in of_ana["usually_skips"]] == ["goal"]
    assert (of_ben["usually_skips"], of_ben["ratings"]) == ([], 12 * 5 + 3)
    (pair,) = report["pairs"]
    assert (pair["assessors"], pair["deals"], pair["ratings"]) == ([ANA, BEN], 12, 48)
    assert [one["compared"] for one in story.rows("assessors")] == ["12", "12", "12", "12", "0", "12", "0"]
    assert story.read("assessors", before="2020-01-01")["sessions"] == 0
    assert story.read("assessors", segment="employees:500")["sessions"] == 1


def test_figures_of_persons_need_admin_or_the_key_of_the_person(story, callers):
    for assessor in (ANA, BEN):
        told = story.send(
            "a", assessor=assessor, ratings=ALL_5, decision={"decision": "pursue", "actor": assessor}
        )
        ok(conclude(story.client, told["session_id"], "won"))
    seen = {}
    for name in ("assessors", "decisions", "outcomes"):
        for caller, client in callers.items():
            text = client.get(f"/v1/insights/{name}", params={"question_set": story.key}).text
            seen[name, caller] = {person for person in (ANA, BEN) if person in text}
            of_ana = client.get(f"/v1/insights/{name}", params={"question_set": story.key, "assessor": ANA})
            if caller in ("admin", ANA):
                ok(of_ana)
            else:
                assert refusal(of_ana) == (403, "forbidden")
    for name in ("assessors", "decisions"):
        assert {caller: seen[name, caller] for caller in callers} == {
            "admin": {ANA, BEN},
            "read": set(),
            ANA: {ANA},
            BEN: {BEN},
        }
    assert set().union(*(seen["outcomes", caller] for caller in callers)) == set()
    assert story.read("assessors", callers["read"])["persons"] is None
    assert story.read("decisions", callers["read"])["persons"] is None


def test_a_retired_version_still_has_its_reports(story):
    ended(story, "a", "won")
    ok(story.client.post(f"/v1/question-sets/{story.key}/versions/1/retire"))
    report = ok(story.client.get(f"/v1/insights/outcomes?question_set={story.key}@1&by=question_set"))
    assert groups(report) == [(f"{story.key}@1", 1, 0, 0)]


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("address", "where"),
    [
        ("outcomes?by=colour", "/by"),
        ("outcomes?by=attribute:Industry", "/by"),
        ("outcomes?question_set=unheard-of", "/question_set"),
        ("outcomes?since=yesterday", "/since"),
        ("outcomes?currency=EUR", "/currency"),
        ("decisions?question_set=bant@99", "/question_set"),
        ("decisions?segment=retail", "/segment"),
        ("assessors", "/question_set"),
        ("assessors?question_set=bant&hindsight=yes", "/hindsight"),
    ],
)
def test_bad_input_is_refused(client, address, where):
    refused = client.get(f"/v1/insights/{address}")
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), [where])


@pytest.mark.one_database
def test_a_negative_amount_is_refused(story):
    sent = {**story.link("a"), "question_set": story.key, "outcome": {"outcome": "won", "amount": -1.0}}
    refused = story.client.post("/v1/qualify", json=sent)
    assert (refusal(refused), pointers(refused)) == ((422, "invalid-request"), ["/outcome/amount"])
