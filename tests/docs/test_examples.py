"""The question sets in docs/examples: three variants for three businesses, and one that is no sale's."""

import json
from itertools import combinations_with_replacement
from math import sqrt

import pytest

from app.question_sets.files import open_file, read_file
from app.scoring import Plan, ratings_sent, read_answers, score
from tests.api.calls import ok, qualify
from tests.conftest import ROOT, serving, settings_for
from tests.scoring.building import NOW

EXAMPLES = ROOT / "docs" / "examples"
QUALIFIED = {path.stem: json.loads(path.read_text("utf-8")) for path in (EXAMPLES / "calls").glob("*.json")}

# By hand, from the file and the call: what each side earned, Σ w·(r − 1), of 4·Σ w.
BY_HAND = {
    "staffing": ("fit", (45, 72), (22, 28), 92, (25, 125), "B", "match"),
    "saas-vendor": ("mixed", (42, 64), (14, 32), 80, (24, 120), "C", "benefit"),
    "engineering-consultancy": ("mixed", (47, 76), (19, 24), 91, (25, 125), "C", "match"),
}

# One thing is different, and so is what is indicated.
OTHERWISE = {
    "an unsafe workplace": ("staffing", {"workplace": 1}, {}, "no_fit", ["workplace"]),
    "a client who pays late": ("staffing", {}, {"payment_days": 120}, "mixed", ["payment"]),
    "money that is released": ("engineering-consultancy", {"budget": 3}, {}, "fit", []),
    "liability without end": (
        "engineering-consultancy",
        {"contract_terms": 1},
        {},
        "no_fit",
        ["contract_terms", "budget"],
    ),
}


@pytest.fixture(scope="module")
def client(new_database):
    """A service of its own, with all three variants published as drafts are."""
    with serving(settings_for(new_database())) as running:
        for key in BY_HAND:
            address = f"/v1/question-sets/{key}/draft"
            assert (
                ok(running.client.put(address, json=open_file(EXAMPLES / f"{key}.yaml").document))["flaws"]
                == []
            )
            ok(running.client.post(f"{address}/publish", headers={"If-Match": '"1"'}), 201)
        yield running.client


def sent(key, name, ratings=None, attributes=None):
    """The call of an example for a prospect of that name, with some things different."""
    call = QUALIFIED[key]
    return {
        "source": "examples",
        "external_id": name,
        "attributes": call["attributes"] | (attributes or {}),
        "ratings": call["ratings"] | (ratings or {}),
    }


@pytest.mark.parametrize("key", BY_HAND)
def test_a_prospect_is_asked_the_variant_of_its_business_and_scores_as_calculated_by_hand(client, key):
    indication, match, benefit, points, ends, grade, weaker = BY_HAND[key]
    told = ok(client.post("/v1/qualify", json=sent(key, key)))
    assert (told["question_set"], told["chosen_by"]) == (f"{key}@1", "for")
    result = told["score"]
    sides = {side["key"]: side["estimate"] for side in result["dimensions"]}
    assert sides == {"match": 100 * match[0] / match[1], "benefit": 100 * benefit[0] / benefit[1]}
    assert result["score"] == result["lowest"] == result["highest"] == sqrt(sides["match"] * sides["benefit"])
    assert (result["indication"], result["grade"], result["weaker_side"]) == (indication, grade, weaker)
    assert (result["points"], result["points_min"], result["points_max"]) == (points, *ends)


@pytest.mark.parametrize("case", OTHERWISE.values(), ids=OTHERWISE)
def test_one_thing_that_is_different(client, case):
    key, ratings, attributes, *expected = case
    told = ok(
        client.post("/v1/qualify", json=sent(key, f"{key} {ratings} {attributes}", ratings, attributes))
    )
    result = told["score"]
    assert [result["indication"], [one["question"] for one in result["blockers"]]] == expected


def test_a_second_version_leaves_the_sessions_of_the_first_where_they_are(client):
    opened = qualify(client, {"source": "examples", "external_id": "early"}, **only_ratings("staffing"))
    address = "/v1/question-sets/staffing/draft"
    cuts = {"fit_at": 90, "no_fit_below": 40}
    grades = [{"at": 90, "grade": "A"}, {"at": 40, "grade": "C"}, {"at": 0, "grade": "D"}]
    document = open_file(EXAMPLES / "staffing.yaml").document
    ok(client.put(address, json=document | {"thresholds": cuts, "grades": grades}))
    ok(client.post(f"{address}/publish", headers={"If-Match": '"3"'}), 201)
    again = qualify(client, {"source": "examples", "external_id": "early"}, ratings={"concerns": 4})
    assert (again["session_id"], again["question_set"]) == (opened["session_id"], "staffing@1")
    assert again["score"]["indication"] == "fit"
    late = qualify(client, {"source": "examples", "external_id": "late"}, **only_ratings("staffing"))
    assert (late["question_set"], late["score"]["indication"]) == ("staffing@2", "mixed")


def only_ratings(key):
    return {name: value for name, value in QUALIFIED[key].items() if name in ("attributes", "ratings")}


SEVERITY = [(20, "severe"), (15, "moderately severe"), (10, "moderate"), (5, "mild"), (0, "minimal")]


def test_phq_9_gives_its_published_totals_and_severities():
    """Kroenke, Spitzer and Williams 2001: nine ratings 0..3, cut at 5, 10, 15 and 20."""
    question_set = read_file(EXAMPLES / "phq-9.yaml")
    plan = Plan(question_set, "phq-9@1")
    assert len(plan.questions) == 9
    totals = set()
    for ratings in combinations_with_replacement(range(4), 9):
        answers = read_answers(question_set, ratings_sent(dict(zip(plan.questions, ratings, strict=True))))
        result = score(plan, answers, {}, as_of=NOW)
        total = sum(ratings)
        assert (result["points"], result["points_min"], result["points_max"]) == (total, 0, 27)
        assert result["grade"] == next(severity for cut, severity in SEVERITY if total >= cut)
        totals.add(total)
    assert totals == set(range(28))
