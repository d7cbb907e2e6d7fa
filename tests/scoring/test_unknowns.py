"""What is not known of a prospect: which fields to find out, and whether they can change the indication."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given

from tests.scoring import verdicts
from tests.scoring.building import question, reciprocal, scored, step, weighted
from tests.scoring.case import ATTRIBUTES, GATED
from tests.scoring.question_state import readable
from tests.scoring.strategies import CUTS, EFFORT, RULED, cases, effort

THRESHOLDS = {"fit_at": 60, "no_fit_below": 40}
# Around every number and text that the drawn sets know, and what none of them knows.
EVERY_VALUE = {
    "employees": [-5, 9, 10, 11, 30, 49, 49.5, 50, 51, 1e6],
    "industry": ["retail", "saas", "ore", "fishing"],
    "partner": [True, False],
}
SEEN = Counter()


def indications_learned(case):
    """The indications with every combination of values of the unknown attributes, or without some of them."""
    unknown = [name for name in ATTRIBUTES if name not in readable(case.question_set, case.attributes)]
    for values in product(*([None, *EVERY_VALUE[name]] for name in unknown)):
        learned = {name: value for name, value in zip(unknown, values, strict=True) if value is not None}
        yield verdicts.indication(case.knowing({**case.attributes, **learned}).expected)


@effort(300)
@given(cases(most=5, thresholds=CUTS, sketch=RULED))
def test_what_is_settled_whatever_is_learned_is_so_with_every_value_and_only_then(case):
    result = case.score()
    stays = result.settled and set(indications_learned(case)) == {result.indication}
    assert result.settled_whatever_is_learned == stays
    SEEN[result.settled, result.settled_whatever_is_learned] += 1


def test_both_answers_were_seen():
    """Whether a settled score stays so must not be the same in all cases that were drawn."""
    if SEEN and EFFORT >= 1:
        assert SEEN[True, True] > 0
        assert SEEN[True, False] > 0


@effort(150)
@given(cases(sketch=RULED))
def test_the_missing_attributes_are_those_that_rules_use_and_nobody_knows(case):
    asked = [question for step in case.question_set.steps for question in step.questions]
    used = {name for one in asked for name in one.ask_when}
    used |= {one.rate_from.attribute for one in asked if one.rate_from}
    known = readable(case.question_set, case.attributes)
    missing = [one.attribute for one in case.score().missing_attributes]
    assert missing == [name for name in ATTRIBUTES if name in used and name not in known]


def asking(*questions, **more):
    attributes = {"employees": "number", "industry": "text", "partner": "boolean"}
    return weighted(step("all", *questions), thresholds=THRESHOLDS, attributes=attributes, **more)


LARGE = {"employees": {"at_least": 50}}
SIZE = {"attribute": "employees", "bands": [{"below": 50, "rating": 1}, {"rating": 5}]}


@pytest.mark.parametrize(
    ("questions", "decides", "concerned"),
    [
        ([question("a", ask_when=LARGE)], "whether 1 more question applies", ["a"]),
        (
            [question(key, ask_when=LARGE) for key in "abc"],
            "whether 3 more questions apply",
            ["a", "b", "c"],
        ),
        (
            [question("a", ask_when={"employees": {"exists": False}})],
            "whether 1 question still applies",
            ["a"],
        ),
        ([question("size", rate_from=SIZE)], "how size is rated", ["size"]),
        (
            [question("a", rate_from=SIZE), question("b", rate_from=SIZE)],
            "how a and b are rated",
            ["a", "b"],
        ),
        ([question(key, rate_from=SIZE) for key in "abcd"], "how 4 questions are rated", list("abcd")),
        (
            [question("a", ask_when=LARGE), question("b", rate_from=SIZE)],
            "whether 1 more question applies and how b is rated",
            ["a", "b"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_missing_attribute_tells_what_it_would_decide(questions, decides, concerned):
    (missing,) = scored(asking(question("need"), *questions)).missing_attributes
    assert missing == {"attribute": "employees", "decides": decides, "questions": concerned}


def test_what_a_person_rated_or_another_attribute_rules_out_is_decided():
    by_rule = asking(question("need"), question("size", rate_from=SIZE))
    (rated,) = scored(by_rule, {"size": 2}).missing_attributes
    assert (rated.decides, rated.questions) == ("nothing right now", [])
    both = {**LARGE, "industry": {"equals": "ore"}}
    two = asking(question("need"), question("mine", ask_when=both))
    (out,) = scored(two, attributes={"industry": "retail"}).missing_attributes
    assert (out.attribute, out.decides) == ("employees", "nothing right now")
    (left,) = scored(two, attributes={"industry": "ore"}).missing_attributes
    assert left.decides == "whether 1 more question applies"


def test_a_fit_that_three_more_questions_could_undo_is_settled_for_now_only():
    """The 5 is 100 of 100; of large prospects three more questions are asked, and all 1 they leave 25."""
    more = [question(key, ask_when=LARGE) for key in "abc"]
    asked = asking(question("need"), *more)
    unknown, small = (scored(asked, {"need": 5}, attributes=known) for known in ({}, {"employees": 3}))
    assert (unknown.settled, unknown.settled_whatever_is_learned) == (True, False)
    assert (small.settled, small.settled_whatever_is_learned) == (True, True)
    large = scored(asked, {"need": 5}, attributes={"employees": 50})
    assert (large.settled, large.settled_whatever_is_learned) == (False, False)


def test_a_missed_knock_out_stays_one_however_many_attributes_are_unknown():
    attributes = {f"a{number}": "boolean" for number in range(9)}
    conditional = [question(f"q{name}", ask_when={name: {"equals": True}}) for name in attributes]
    out = question("out", must_reach=2)
    asked = weighted(step("all", out, *conditional), thresholds=THRESHOLDS, attributes=attributes)
    score = scored(asked, {"out": 1})
    assert (score.indication, score.settled_whatever_is_learned) == ("no_fit", True)
    assert len(score.missing_attributes) == 9


def test_one_heavy_question_outweighs_any_number_of_others():
    """The 100 is more than half of it and more than 60 of 100, whichever of nine more questions apply."""
    attributes = {f"a{number}": "boolean" for number in range(9)}
    conditional = [question(f"q{name}", ask_when={name: {"equals": True}}) for name in attributes]
    asked = weighted(
        step("all", question("need", weight=100), *conditional), thresholds=THRESHOLDS, attributes=attributes
    )
    score = scored(asked, {"need": 5})
    assert (score.settled, score.settled_whatever_is_learned) == (True, True)


def test_where_there_is_too_much_to_try_nothing_is_said_to_stay():
    """One question of three attributes with some 60 effects each."""
    attributes = dict.fromkeys(("x", "y", "z"), "number")
    asked = weighted(
        step(
            "all",
            question("need", weight=100),
            question("all", ask_when={name: {"exists": True} for name in attributes}),
            *(
                question(f"{name}{number}", weight=0, ask_when={name: {"at_least": number}})
                for name in attributes
                for number in range(60)
            ),
        ),
        thresholds=THRESHOLDS,
        attributes=attributes,
    )
    score = scored(asked, {"need": 5})
    assert (score.settled, score.settled_whatever_is_learned) == (True, False)


def test_a_gated_question_that_may_apply_settles_nothing_less():
    gated = step(GATED, question("trust", ask_when=LARGE), gated=True)
    asked = weighted(
        step("all", question("need")), gated, thresholds=THRESHOLDS, attributes={"employees": "number"}
    )
    score = scored(asked, {"need": 5})
    assert (score.indication, score.settled_whatever_is_learned) == ("fit", True)
    assert [one.attribute for one in score.missing_attributes] == ["employees"]


def test_a_side_may_still_get_its_questions():
    """The benefit asks one question of partners only; without it nothing counts on that side."""
    benefit = question("b", "benefit", ask_when={"partner": {"equals": True}})
    sides = reciprocal(
        step("all", question("a", "match"), benefit), thresholds=THRESHOLDS, attributes={"partner": "boolean"}
    )
    unscorable = scored(sides, {"a": 5})
    assert (unscorable.indication, unscorable.settled_whatever_is_learned) == ("unscorable", False)
    no_fit = scored(sides, {"a": 1})
    assert (no_fit.indication, no_fit.settled_whatever_is_learned) == ("no_fit", True)
