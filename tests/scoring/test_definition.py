"""A definition whose parts contradict each other is refused, with the place of each flaw."""

from copy import deepcopy

import pytest

from app.scoring import Flawed, read_question_set
from tests.scoring.building import POOL, SIDES, question, reciprocal, step, weighted

FIRST = "/steps/0/questions/0"
ADVICE = {
    "high_high": "Invest.",
    "high_low": "Maintain.",
    "low_high": "Manage for cash.",
    "low_low": "Withdraw.",
}
VALID = reciprocal(
    step("money", question("budget", "match", must_reach=2), question("price", "match")),
    step("gain", question("saving", "benefit")),
    step("rapport", question("trust", "match"), gated=True),
    thresholds={"fit_at": 60, "no_fit_below": 50},
    grades=[{"at": 60, "grade": "A"}, {"at": 50, "grade": "B"}, {"at": 0, "grade": "C"}],
    portfolio={"x": "match", "y": "benefit", "cut_at": 50, "advice": ADVICE},
    attributes={"employees": "number", "industry": "text", "partner": "boolean"},
)


def flaws_of(definition):
    with pytest.raises(Flawed) as refused:
        read_question_set(definition)
    return [flaw.pointer for flaw in refused.value.flaws]


def with_changed(path, value):
    """VALID with one value put at a JSON pointer."""
    definition = deepcopy(VALID)
    *parents, last = [int(part) if part.isdigit() else part for part in path.strip("/").split("/")]
    part = definition
    for parent in parents:
        part = part[parent]
    part[last] = value
    return definition


def label(rating):
    return {"rating": rating, "text": "as good as it gets"}


def test_a_definition_without_contradictions_is_read():
    assert read_question_set(VALID).key == "small-set"


FLAWS = {
    "a question key twice in one step": ("/steps/0/questions/1/key", "budget"),
    "a question key twice in the set": ("/steps/1/questions/0/key", "budget"),
    "a question key of a gated step twice": ("/steps/2/questions/0/key", "budget"),
    "a question that is called as an attribute": ("/steps/0/questions/1/key", "industry"),
    "a question that is called as a column of a link": ("/steps/0/questions/1/key", "external_id"),
    "a question that is called as a decision": ("/steps/0/questions/1/key", "decision"),
    "a key that is no name": ("/steps/0/questions/1/key", "Price"),
    "a key that ends in a new line": ("/steps/0/questions/1/key", "price\n"),
    "a key of 49 letters": ("/steps/0/questions/1/key", "k" * 49),
    "a step key twice": ("/steps/1/key", "money"),
    "a dimension key twice": ("/dimensions/1/key", "match"),
    "a dimension that is not in the set": (f"{FIRST}/dimension", "price"),
    "a must_reach that every rating reaches": (f"{FIRST}/must_reach", 1),
    "a must_reach over the scale": (f"{FIRST}/must_reach", 6),
    "a must_reach in a gated step": ("/steps/2/questions/0/must_reach", 2),
    "a weight over 100": (f"{FIRST}/weight", 101),
    "a weight under 0": (f"{FIRST}/weight", -1),
    "a weight that is not whole": (f"{FIRST}/weight", 1.5),
    "a weight that is a truth": (f"{FIRST}/weight", True),
    "a weight as text": (f"{FIRST}/weight", "1"),
    "a field that nobody knows": (f"{FIRST}/wieght", 2),
    "an unknown way to miss": (f"{FIRST}/if_missed", "fit"),
    "an anchor off the scale": (f"{FIRST}/anchors", [label(1), label(6)], "/1/rating"),
    "two anchors of one rating": (f"{FIRST}/anchors", [label(3), label(3)], "/1/rating"),
    "a label off the scale": ("/scale", {"min": 0, "max": 3, "labels": [label(4)]}, "/labels/0/rating"),
    "two labels of one rating": ("/scale", {"labels": [label(5), label(5)]}, "/labels/1/rating"),
    "a scale of one rating": ("/scale", {"min": 5, "max": 5}, "/max"),
    "a scale upside down": ("/scale", {"min": 5, "max": 4}, "/max"),
    "a fit that begins under no fit": ("/thresholds", {"fit_at": 49, "no_fit_below": 50}, "/no_fit_below"),
    "a threshold of 0": ("/thresholds/no_fit_below", 0),
    "a threshold over 100": ("/thresholds/fit_at", 101),
    "grades from the worst": ("/grades", [{"at": 0, "grade": "B"}, {"at": 60, "grade": "A"}]),
    "two grades at one cut": ("/grades", [{"at": 0, "grade": "A"}, {"at": 0, "grade": "B"}]),
    "a last grade over 0": ("/grades", [{"at": 60, "grade": "A"}, {"at": 50, "grade": "B"}]),
    "no grade that starts at fit_at": ("/grades", [{"at": 50, "grade": "A"}, {"at": 0, "grade": "B"}]),
    "no grade that starts at no_fit_below": ("/grades", [{"at": 60, "grade": "A"}, {"at": 0, "grade": "B"}]),
    "an axis that is no dimension": ("/portfolio/x", "price"),
    "an axis twice": ("/portfolio/y", "match"),
    "a cut of 0": ("/portfolio/cut_at", 0),
    "a cut over 100": ("/portfolio/cut_at", 101),
    "a cut that is a truth": ("/portfolio/cut_at", True),
    "a cut that is not whole": ("/portfolio/cut_at", 50.5),
    "blank advice": ("/portfolio/advice/high_low", " "),
    "advice for no cell": ("/portfolio/advice/high", "Invest."),
    "an empty label": (f"{FIRST}/label", ""),
    "an if_weak that is no text": ("/dimensions/0/if_weak", 3),
    "one name for two grades": ("/grades/1/grade", "A"),
    "no steps": ("/steps", []),
    "a step without questions": ("/steps/0/questions", []),
}


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_is_told_with_its_place(flaw):
    path, value, *below = FLAWS[flaw]
    first, *_ = flaws_of(with_changed(path, value))
    assert first == path + "".join(below)


def test_a_reciprocal_set_has_exactly_two_sides():
    three = [*VALID["dimensions"], {"key": "third", "title": "Third"}]
    assert "/dimensions" in flaws_of(VALID | {"dimensions": three})
    one_sided = reciprocal(step("all", question("a", "match")), dimensions=VALID["dimensions"][:1])
    assert flaws_of(one_sided) == ["/dimensions"]


def test_a_set_without_thresholds_has_no_must_reach():
    without = {name: value for name, value in VALID.items() if name != "thresholds"}
    assert flaws_of(without) == [f"{FIRST}/must_reach"]


def test_a_set_has_at_most_fifty_knock_outs():
    """Every way to leave some of the open ones out is looked at."""
    fifty = [question(f"q{number}", must_reach=2) for number in range(50)]
    thresholds = VALID["thresholds"]
    assert read_question_set(weighted(step("all", *fifty), thresholds=thresholds)).thresholds
    more = [*fifty, question("one_more", must_reach=2)]
    assert flaws_of(weighted(step("all", *more), thresholds=thresholds)) == ["/steps"]


def test_labels_and_weak_clauses_have_defaults_of_the_design():
    whole = read_question_set(VALID).canonical()
    assert whole["steps"][0]["questions"][0]["label"] == "budget"
    assert whole["dimensions"][0]["if_weak"] == "Match: weak"
    plain = weighted(step("all", question("decision_makers")))
    assert read_question_set(plain).canonical()["steps"][0]["questions"][0]["label"] == "decision makers"


def test_a_key_that_is_no_name_is_the_only_flaw_beside_its_default_label():
    assert flaws_of(with_changed("/steps/0/questions/1/key", "Price")) == ["/steps/0/questions/1/key"]


def test_an_attribute_has_no_reserved_name_either():
    assert flaws_of(VALID | {"attributes": {"external_id": "text"}}) == ["/attributes/external_id"]


def test_an_attribute_has_a_known_type():
    assert flaws_of(VALID | {"attributes": {"employees": "integer"}}) == ["/attributes/employees"]


def test_each_side_needs_a_weight_outside_the_gated_steps():
    weightless = with_changed("/steps/1/questions/0/weight", 0)
    assert flaws_of(weightless) == ["/dimensions/1"]
    moved = with_changed("/steps/1/gated", True)
    assert flaws_of(moved) == ["/dimensions/1"]


def test_a_weighted_set_needs_one_weight_anywhere_outside_the_gated_steps():
    assert flaws_of(weighted(step("all", question("note", weight=0)))) == ["/steps"]
    some = weighted(step("all", question("note", weight=0), question("need")))
    assert read_question_set(some).combine == "weighted"


def test_an_axis_of_a_weighted_set_needs_a_weight():
    portfolio = VALID["portfolio"] | {"x": "need", "y": "match"}
    dimensions = [*POOL, *SIDES]
    asked = step("all", question("need"), question("match", "match", weight=0), question("gain", "benefit"))
    assert flaws_of(weighted(asked, dimensions=dimensions, portfolio=portfolio)) == ["/dimensions/1"]
    portfolio["y"] = "benefit"
    assert (
        read_question_set(weighted(asked, dimensions=dimensions, portfolio=portfolio)).portfolio.x == "need"
    )


def test_a_set_of_one_dimension_has_no_two_axes():
    portfolio = VALID["portfolio"] | {"x": "need", "y": "need"}
    assert flaws_of(weighted(step("all", question("need")), portfolio=portfolio)) == ["/portfolio/y"]


def test_a_set_without_a_portfolio_says_nothing_of_it():
    """Its content hash is the one that it had before there were portfolios."""
    assert "portfolio" not in read_question_set(weighted(step("all", question("need")))).canonical()


def test_all_flaws_are_told_at_once():
    definition = with_changed(f"{FIRST}/must_reach", 9)
    definition["thresholds"]["fit_at"] = 10
    assert sorted(flaws_of(definition)) == ["/grades", f"{FIRST}/must_reach", "/thresholds/no_fit_below"]


def test_thresholds_may_meet_and_a_must_reach_may_ask_for_the_best():
    definition = with_changed("/thresholds", {"fit_at": 50, "no_fit_below": 50})
    definition["steps"][0]["questions"][0]["must_reach"] = 5
    assert read_question_set(definition).thresholds.fit_at == 50


def test_the_largest_integer_of_the_plan_stays_under_two_to_the_31():
    """On −100..100, 100·200·Σw < 2³¹ = 2,147,483,648 allows Σw up to 107,374."""

    def heavy(last):
        weights = [100] * 1073 + [last]
        questions = [question(f"q{number}", weight=weight) for number, weight in enumerate(weights)]
        parts = [step(f"s{start}", *questions[start : start + 500]) for start in range(0, 1074, 500)]
        return weighted(*parts, scale={"min": -100, "max": 100})

    assert read_question_set(heavy(74)).scale.max == 100
    assert flaws_of(heavy(75)) == ["/steps"]


def test_defaults_are_those_of_the_design():
    plain = read_question_set(weighted(step("all", question("need")))).canonical()
    assert plain["scale"] == {"min": 1, "max": 5, "labels": []}
    assert plain["subject"] == "prospect"
    (asked,) = plain["steps"][0]["questions"]
    assert (asked["weight"], asked["if_missed"], asked["ask_when"]) == (1, "no_fit", {})


@pytest.mark.parametrize("data", [None, [], "key: small-set", 1])
def test_what_is_no_definition_at_all_is_refused(data):
    assert flaws_of(data) == [""]
