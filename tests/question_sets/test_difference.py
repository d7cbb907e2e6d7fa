"""The difference between two sets, question by question."""

from copy import deepcopy

from app.question_sets.presenters import difference
from app.scoring import read_question_set
from tests.scoring.building import question, step, weighted

BASE = weighted(
    step("first", question("a"), question("b"), question("c")),
    step("second", question("d", weight=2), question("e")),
    thresholds={"fit_at": 60, "no_fit_below": 50},
)


def told(change):
    """What is different after `change` was done to a copy of BASE's definition."""
    after = deepcopy(BASE)
    change(after)
    found = difference(("x@1", read_question_set(BASE)), ("x@2", read_question_set(after)))
    assert (found.before, found.after) == ("x@1", "x@2")
    fields = {field.field: (field.before, field.after) for field in found.fields}
    questions = {
        one.question: (one.change, {field.field: (field.before, field.after) for field in one.fields})
        for one in found.questions
    }
    return fields, questions


def nothing(_):
    pass


def test_a_set_is_not_different_from_itself():
    assert told(nothing) == ({}, {})


def test_fields_of_the_set_and_of_its_steps():
    def change(definition):
        definition["title"] = "New"
        definition["thresholds"]["fit_at"] = 70
        definition["steps"][1]["title"] = "Drill down"

    fields, questions = told(change)
    assert fields == {
        "title": ("A small set", "New"),
        "thresholds": ({"fit_at": 60, "no_fit_below": 50}, {"fit_at": 70, "no_fit_below": 50}),
        "steps.second.title": ("Second", "Drill down"),
    }
    assert questions == {}


def test_a_portfolio_that_only_one_of_them_has_is_told_whole():
    advice = dict.fromkeys(("high_high", "high_low", "low_high", "low_low"), "Think.")
    portfolio = {"x": "need", "y": "other", "cut_at": 50, "advice": advice}

    def change(definition):
        definition["dimensions"] = [*definition["dimensions"], {"key": "other", "title": "Other"}]
        definition["steps"][1]["questions"].append(question("f", "other"))
        definition["portfolio"] = portfolio

    assert told(change)[0]["portfolio"] == (None, portfolio)


def test_fields_of_a_question_those_that_only_one_has_too():
    def change(definition):
        definition["steps"][1]["questions"][0] |= {"weight": 3, "must_reach": 2}

    assert told(change)[1] == {"d": ("changed", {"weight": (2, 3), "must_reach": (None, 2)})}


def test_an_omitted_question_is_told_whole_and_moves_nobody():
    def change(definition):
        del definition["steps"][0]["questions"][1]

    ((key, (what, fields)),) = told(change)[1].items()
    assert (key, what, fields["text"], fields["step"]) == (
        "b",
        "omitted",
        ("How is the b?", None),
        ("first", None),
    )


def test_an_added_question_is_told_whole_with_its_place_and_moves_nobody():
    def change(definition):
        definition["steps"][0]["questions"].insert(1, question("new"))

    ((key, (what, fields)),) = told(change)[1].items()
    assert (key, what) == ("new", "added")
    assert (fields["step"], fields["follows"]) == ((None, "first"), (None, "a"))


def test_a_question_that_is_asked_elsewhere_alone_is_moved():
    def change(definition):
        definition["steps"][1]["questions"].append(definition["steps"][0]["questions"].pop(0))

    assert told(change)[1] == {"a": ("changed", {"step": ("first", "second"), "follows": (None, "e")})}


def test_a_new_order_within_a_step():
    def change(definition):
        definition["steps"][0]["questions"].reverse()

    questions = told(change)[1]
    assert all(set(fields) == {"follows"} for _, fields in questions.values())
    assert len(questions) == 2
