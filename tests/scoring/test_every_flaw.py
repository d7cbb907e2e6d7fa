"""All flaws of a definition are reported at once, and none that comes from another one."""

from copy import deepcopy

import pytest

from app.scoring import Flawed, read_question_set
from tests.scoring.building import question, reciprocal, step
from tests.scoring.test_definition import ADVICE, FLAWS, VALID, flaws_of, with_changed

# Errors of shape that no rule depends on.
SHAPES = {
    "an unknown field": ("/steps/1/questions/0/colour", "red"),
    "an unknown field of the set": ("/owner", "us"),
    "a title that is no text": ("/dimensions/1/title", 5),
    "a wrong attribute": ("/attributes/partner", "truth"),
    "an attribute that is no name": ("/attributes/Partner", "boolean"),
    "guidance that is no text": ("/steps/1/questions/0/guidance", ["Ask."]),
    "an anchor without a rating": ("/steps/1/questions/0/anchors", [{"text": "Yes."}]),
    "an unfinished rule": ("/steps/1/questions/0/rate_from", {"values": [{"equals": "x", "rating": "x"}]}),
}
BELOW = {
    "an anchor without a rating": ["/0/rating"],
    "an unfinished rule": ["/attribute", "/values/0/rating"],
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("flaw", FLAWS)
def test_an_error_of_shape_hides_no_other_flaw(flaw, shape):
    path, value, *_ = FLAWS[flaw]
    broken = with_changed(path, value)
    alone = flaws_of(broken)
    place, wrong = SHAPES[shape]
    *parents, last = [int(part) if part.isdigit() else part for part in place.strip("/").split("/")]
    part = broken
    try:
        for parent in parents:
            part = part[parent]
    except (IndexError, KeyError):
        pytest.skip("one is inside the other")
    part[last] = wrong
    assert sorted(flaws_of(broken)) == sorted([*alone, *(place + below for below in BELOW.get(shape, [""]))])


def details_of(definition):
    with pytest.raises(Flawed) as refused:
        read_question_set(definition)
    return {flaw.pointer: flaw.detail for flaw in refused.value.flaws}


def test_a_name_that_is_almost_right_is_named():
    definition = deepcopy(VALID)
    definition["titel"] = definition.pop("title")
    first, second = definition["steps"][0]["questions"]
    first |= {"wieght": 2, "ask_when": {"employes": {"at_least": 5}, "industry": {"equal": "bank"}}}
    second |= {"dimension": "macth", "rate_from": {"attribute": "partnr", "values": []}, "zzz": 1}
    told = details_of(definition)
    assert {pointer: detail.partition("did you mean ")[2] for pointer, detail in told.items()} == {
        "/title": "",
        "/titel": "`title`?",
        "/steps/0/questions/0/wieght": "`weight`?",
        "/steps/0/questions/0/ask_when/employes": "`employees`?",
        "/steps/0/questions/0/ask_when/industry/equal": "`equals`?",
        "/steps/0/questions/1/dimension": "`match`?",
        "/steps/0/questions/1/rate_from/attribute": "`partner`?",
        "/steps/0/questions/1/rate_from/values": "",
        "/steps/0/questions/1/zzz": "",
    }


RATED = {"attribute": "employees", "bands": [{"below": 10, "rating": 0}, {"rating": 9}]}
# Every part of it is needed by a rule about another one.
CONSISTENT = reciprocal(
    step(
        "money",
        question(
            "budget",
            "match",
            must_reach=8,
            ask_when={"employees": {"at_least": 5}},
            anchors=[{"rating": 10, "text": "Yes."}],
        ),
    ),
    step("gain", question("saving", "benefit", rate_from=RATED)),
    step("rapport", question("trust", "match"), gated=True),
    thresholds={"fit_at": 60, "no_fit_below": 50},
    grades=[{"at": 60, "grade": "A"}, {"at": 50, "grade": "B"}, {"at": 0, "grade": "C"}],
    portfolio={"x": "match", "y": "benefit", "cut_at": 50, "advice": ADVICE},
    attributes={"employees": "number"},
    scale={"min": 0, "max": 10},
    priority=3,
    **{"for": {"employees": {"at_least": 5}}, "subject": "prospect"},
)

# What a broken part would contradict if it were taken for absent.
CONSEQUENCES = {
    "a dimension that is no object": ("/dimensions/0", 5),
    "a dimension without a key": ("/dimensions/0", {"title": "Match"}),
    "a misspelt key of a dimension": ("/dimensions/0", {"kye": "match", "title": "Match"}),
    "dimensions that are no list": ("/dimensions", {"match": "Match"}),
    "a question that is no object": ("/steps/1/questions/0", "saving"),
    "a weight that is no number": ("/steps/1/questions/0/weight", "heavy"),
    "a step that is no object": ("/steps/1", None),
    "questions that are no list": ("/steps/1/questions", 5),
    "attributes that are no object": ("/attributes", ["employees"]),
    "an attribute of an unknown type": ("/attributes/employees", "integer"),
    "a combine that is none": ("/combine", "both"),
    "a scale that is no object": ("/scale", [0, 10]),
    "a scale that begins with a text": ("/scale/min", "0"),
    "thresholds that are no object": ("/thresholds", 60),
    "a threshold that is no number": ("/thresholds/fit_at", "60"),
    "a grade that starts nowhere": ("/grades/0/at", "top"),
    "a portfolio that is no object": ("/portfolio", "match"),
    "an axis that is no text": ("/portfolio/x", 5),
    "a misspelt axis": ("/portfolio", {"X": "match", "y": "benefit", "cut_at": 50, "advice": ADVICE}),
    "advice that is no object": ("/portfolio/advice", "Invest."),
    "a cut that is no number": ("/portfolio/cut_at", "half"),
    "a subject that is none": ("/subject", "prospects"),
    "a choice that is none": ("/for", "banks"),
    "a condition that is none": ("/for/employees", 5),
    "a misspelt operator": ("/for/employees", {"atleast": 5}),
    "a gate that is none": ("/steps/2/gated", "yes"),
}


@pytest.mark.parametrize("place", CONSEQUENCES.values(), ids=CONSEQUENCES)
def test_what_is_not_known_contradicts_nothing(place):
    definition = deepcopy(CONSISTENT)
    path, wrong = place
    read_question_set(definition)
    *parents, last = [int(part) if part.isdigit() else part for part in path.strip("/").split("/")]
    part = definition
    for parent in parents:
        part = part[parent]
    part[last] = wrong
    found = flaws_of(definition)
    assert found != []
    assert [pointer for pointer in found if not pointer.startswith(path)] == []


def test_very_many_errors_are_all_reported_and_the_first_hundred_have_hints():
    wrong = [question(f"q{number}", "match", wieght=2) for number in range(500)]
    with pytest.raises(Flawed) as refused:
        read_question_set(reciprocal(step("all", *wrong), step("more", *wrong)))
    assert len(refused.value.flaws) == 1000
    assert [flaw.detail.endswith("did you mean `weight`?") for flaw in refused.value.flaws].count(True) == 100
