"""Fits and exports have the win probability, once the outcomes of other deals show one."""

import csv
from io import StringIO

import pytest

from app.insights import win_probability
from tests.api.calls import conclude, ok, qualify
from tests.scoring.building import question, step, weighted
from tests.waiting import until

ONE_QUESTION = weighted(step("all", question("demand")))
# How many of 10 deals with each rating are won. The score of a rating is 25·(rating − 1).
WON_OF_10 = {1: 1, 2: 3, 3: 5, 4: 7, 5: 9}


@pytest.fixture(scope="module")
def key(office):
    return office.publish(ONE_QUESTION)


def begin(office, key, name, rating):
    link = {"source": "win", "external_id": f"{key}-{name}"}
    return qualify(office.client, link, question_set=key, ratings={"demand": rating})


def fit(office, told):
    return ok(office.client.get(f"/v1/prospects/{told['prospect_id']}/fit"))


def exported(office, key):
    text = office.client.get("/v1/sessions/export", params={"question_set": key}).content.decode("utf-8-sig")
    return {row["session_id"]: row for row in csv.DictReader(StringIO(text))}


def test_fits_and_exports_have_the_probability_of_the_curve(office, key):
    told = {rating: begin(office, key, f"open-{rating}", rating) for rating in WON_OF_10}
    for rating, won in WON_OF_10.items():
        for number in range(10):
            deal = begin(office, key, f"{rating}-{number}", rating)
            if number == 0 and rating < 4:
                # There are not ten won deals yet.
                assert fit(office, told[3])["win_probability"] is None
            ok(conclude(office.client, deal["session_id"], "won" if number < won else "lost"))
    report = office.report("calibration", question_set=f"{key}@1")
    assert (report["n"], report["won"], report["base_rate"]["estimate"]) == (50, 25, 0.5)
    middle = fit(office, told[3])["win_probability"]
    assert (middle["estimate"], middle["n"], middle["preliminary"]) == (pytest.approx(0.5), 50, True)
    assert middle["low"] < 0.5 < middle["high"]
    ends = {report["curve"][place]["score"]: report["curve"][place]["probability"] for place in (0, -1)}
    for rating, score in ((1, 0), (5, 100)):
        found = fit(office, told[rating])["win_probability"]
        assert {name: found[name] for name in ends[score]} == ends[score]
    asked = [{"prospect_id": one["prospect_id"]} for one in (told[3], deal)]
    many = ok(office.client.post("/v1/fits", json={"prospects": asked}))
    open_one, closed_one = (item["fit"] for item in many["items"])
    assert (open_one["win_probability"], closed_one["win_probability"]) == (middle, None)
    rows = exported(office, key)
    row = rows[told[3]["session_id"]]
    shown = [float(row[f"win_probability{end}"]) for end in ("", "_low", "_high")]
    assert shown == [middle[name] for name in ("estimate", "low", "high")]
    assert row["win_probability_n"] == "50"
    assert rows[deal["session_id"]]["win_probability"] == ""


def test_a_correction_changes_the_curve(office):
    """Without any won deal left, there is no curve."""
    key = office.publish(ONE_QUESTION)
    told = begin(office, key, "open", 5)
    closed = []
    for number in range(20):
        deal = begin(office, key, number, 5 if number % 2 else 1)
        ok(conclude(office.client, deal["session_id"], "won" if number % 2 else "lost"))
        closed.append(deal["session_id"])
    assert fit(office, told)["win_probability"]["estimate"] > 0.5
    ok(conclude(office.client, closed[1], "no_decision"))
    assert fit(office, told)["win_probability"] is None


def test_with_many_deals_a_new_curve_comes_later(office, monkeypatch):
    """A fit that does not wait for it has the last one, which is none."""
    monkeypatch.setattr(win_probability, "MAX_DEALS_TO_WAIT_FOR", -1)
    key = office.publish(ONE_QUESTION)
    told = begin(office, key, "open", 5)
    assert fit(office, told)["win_probability"] is None
    for number in range(20):
        deal = begin(office, key, number, 5 if number % 2 else 1)
        ok(conclude(office.client, deal["session_id"], "won" if number % 2 else "lost"))
    until(lambda: fit(office, told)["win_probability"])
    assert fit(office, told)["win_probability"]["n"] == 20


def test_the_score_of_answers_that_are_not_stored_has_no_probability(office, key):
    scored = ok(office.client.post("/v1/score", json={"question_set": key, "ratings": {"demand": 3}}))
    assert "win_probability" not in scored
