"""`ask_when` and `rate_from`: for whom a question is asked, and when a rule rates it."""

import pytest

from app.scoring import Flawed, read_question_set
from tests.scoring.building import NOT_APPLICABLE, UNKNOWN, question, scored, step, weighted

ATTRIBUTES = {"employees": "number", "industry": "text", "partner": "boolean"}


def asking(**rules):
    """A set whose first question has these rules; the second always applies."""
    asked = step("all", question("first", **rules), question("second"))
    return weighted(asked, attributes=ATTRIBUTES)


def is_asked(condition, **attributes):
    score = scored(asking(ask_when=condition), attributes=attributes)
    return "first" in score.open_questions


def rating_by(rule, **attributes):
    """On 0..9 no rating is in the middle, so one that is there is a strength or a gap."""
    score = scored(asking(rate_from=rule) | {"scale": {"min": 0, "max": 9}}, attributes=attributes)
    ratings = [one.rating for one in score.strengths + score.gaps]
    return ratings[0] if ratings else None


@pytest.mark.parametrize(
    ("condition", "holds_for", "fails_for"),
    [
        ({"employees": {"equals": 50}}, [50, 50.0], [49, 50.5]),
        ({"employees": {"in": [1, 50]}}, [1, 50], [2]),
        ({"employees": {"not_in": [1, 50]}}, [2], [1, 50]),
        ({"employees": {"at_least": 50}}, [50, 51, 1e12], [49, 49.999, -50]),
        ({"employees": {"below": 50}}, [49.999, 0, -1], [50, 51]),
        ({"employees": {"at_least": 10, "below": 50}}, [10, 49], [9, 50]),
        ({"employees": {"exists": True}}, [0], []),
        ({"employees": {"exists": False}}, [], [0, 50]),
    ],
    ids=str,
)
def test_a_condition_on_a_number_holds_up_to_its_bound(condition, holds_for, fails_for):
    assert all(is_asked(condition, employees=number) for number in holds_for)
    assert not any(is_asked(condition, employees=number) for number in fails_for)


@pytest.mark.parametrize(
    "condition",
    [
        {"equals": 50},
        {"in": [50]},
        {"not_in": [50]},
        {"at_least": -1},
        {"below": 1e9},
        {"exists": True},
        {"exists": False, "not_in": [50]},
    ],
    ids=str,
)
def test_a_missing_attribute_makes_a_condition_false(condition):
    assert not is_asked({"employees": condition}, industry="retail")


def test_a_missing_attribute_makes_only_exists_false_true():
    assert is_asked({"employees": {"exists": False}}, industry="retail")


def test_null_operators_say_nothing_as_in_the_canonical_form():
    """Typed clients send every field; the score has to be that of the stored definition."""
    assert is_asked({"employees": {"exists": False, "equals": None, "in": None}})


SAME = ["retail", "Retail", "RETAIL", " retail", "retail\t", "\r\nretail\u00a0 ", "\u00a0ReTaIl"]


@pytest.mark.parametrize("text", SAME, ids=repr)
@pytest.mark.parametrize("said", ["retail", " Retail\n"], ids=repr)
def test_texts_are_compared_without_ascii_case_and_without_blanks_at_their_ends(said, text):
    assert is_asked({"industry": {"equals": said}}, industry=text)
    assert is_asked({"industry": {"in": ["ore", said]}}, industry=text)
    assert not is_asked({"industry": {"not_in": [said]}}, industry=text)
    rule = {"attribute": "industry", "values": [{"equals": said, "rating": 7}]}
    assert rating_by(rule, industry=text) == 7


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("café", "CAFÉ"),
        ("k", "\u212a"),
        ("i", "İ"),
        ("retail", "re tail"),
        ("retail", "\u2003retail"),
        ("ss", "ß"),
    ],
)
def test_no_other_letters_or_blanks_are_the_same(said, text):
    assert not is_asked({"industry": {"equals": said}}, industry=text)


@pytest.mark.parametrize("nothing", ["", " ", "\t\n\u00a0"], ids=repr)
def test_a_text_of_nothing_but_blanks_is_an_absent_attribute(nothing):
    for name in ATTRIBUTES:
        score = scored(asking(ask_when={name: {"exists": False}}), attributes={name: nothing})
        assert score.open_questions == ["first", "second"]
        assert score.unread_attributes == []


def test_conditions_on_truths_are_exact():
    assert is_asked({"partner": {"equals": False}}, partner=False)
    assert not is_asked({"partner": {"equals": False}}, partner=True)


def test_of_several_attributes_all_must_hold():
    both = {"employees": {"at_least": 50}, "industry": {"in": ["retail"]}}
    assert is_asked(both, employees=50, industry="retail")
    assert not is_asked(both, employees=50, industry="ore")
    assert not is_asked(both, employees=50)


BANDS = {
    "attribute": "employees",
    "bands": [{"below": 10, "rating": 1}, {"below": 50, "rating": 3}, {"rating": 5}],
}
VALUES = {
    "attribute": "industry",
    "values": [{"equals": "saas", "rating": 5}, {"equals": "ore", "rating": 2}],
}


@pytest.mark.parametrize(("employees", "rating"), [(-1, 1), (9.9, 1), (10, 3), (49, 3), (50, 5), (1e9, 5)])
def test_a_band_takes_the_numbers_under_its_bound(employees, rating):
    assert rating_by(BANDS, employees=employees) == rating


def test_a_value_has_its_own_rating_and_any_other_is_open_or_rated_otherwise():
    assert rating_by(VALUES, industry="ore") == 2
    assert rating_by(VALUES, industry="retail") is None
    assert rating_by(VALUES | {"otherwise": 4}, industry="retail") == 4
    truths = [{"equals": True, "rating": 5}, {"equals": False, "rating": 1}]
    assert rating_by({"attribute": "partner", "values": truths}, partner=False) == 1


def test_a_rule_without_its_attribute_leaves_the_question_open():
    """`otherwise` is for values without a rating of their own, not for a value nobody sent."""
    assert rating_by(BANDS) is None
    assert rating_by(VALUES | {"otherwise": 4}) is None


@pytest.mark.parametrize(
    ("ratings", "other", "expected"),
    [
        ({"first": 2}, {}, (2, "person")),
        ({}, {"first": UNKNOWN}, (5, "rule")),
        ({}, {}, (5, "rule")),
        ({}, {"first": NOT_APPLICABLE}, None),
    ],
    ids=["rated", "unknown", "silent", "not applicable"],
)
def test_a_persons_rating_goes_before_a_rules(ratings, other, expected):
    score = scored(asking(rate_from=BANDS), ratings, other, {"employees": 50})
    reasons = score.strengths + score.gaps
    assert [(one.rating, one.rated_by) for one in reasons] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("name", "stored", "reason"),
    [
        ("employees", "many", "not a number"),
        ("industry", 7, "not a text"),
        ("partner", "yes", "not true or false"),
    ],
)
def test_a_stored_value_that_cannot_be_read_is_missing_and_listed(name, stored, reason):
    score = scored(asking(ask_when={name: {"exists": False}}), {"second": 4}, attributes={name: stored})
    assert [(one.attribute, one.reason) for one in score.unread_attributes] == [(name, reason)]
    assert score.open_questions == ["first"]
    assert name in [one.attribute for one in score.missing_attributes]


def test_an_answer_to_a_question_that_does_not_apply_is_listed_and_not_counted():
    definition = asking(ask_when={"employees": {"at_least": 50}})
    score = scored(definition, {"first": 1, "second": 5}, attributes={"employees": 49})
    assert (score.not_counted, score.score, score.rated) == (["first"], 100.0, 1)


def first_band(below):
    return {
        "attribute": "employees",
        "bands": [{"below": below, "rating": 1}, {"below": 5, "rating": 2}, {"rating": 3}],
    }


@pytest.mark.parametrize(
    ("rules", "place"),
    [
        ({"ask_when": {"revenue": {"exists": True}}}, "/ask_when/revenue"),
        ({"ask_when": {"employees": {}}}, "/ask_when/employees"),
        ({"ask_when": {"employees": {"equals": None}}}, "/ask_when/employees"),
        ({"ask_when": {"employees": {"equals": "50"}}}, "/ask_when/employees/equals"),
        ({"ask_when": {"employees": {"equals": True}}}, "/ask_when/employees/equals"),
        ({"ask_when": {"employees": {"in": [50, "51"]}}}, "/ask_when/employees/in"),
        ({"ask_when": {"industry": {"not_in": [1]}}}, "/ask_when/industry/not_in"),
        ({"ask_when": {"partner": {"equals": 1}}}, "/ask_when/partner/equals"),
        ({"ask_when": {"industry": {"at_least": 1}}}, "/ask_when/industry"),
        ({"ask_when": {"partner": {"below": 1}}}, "/ask_when/partner"),
        ({"ask_when": {"employees": {"more_than": 1}}}, "/ask_when/employees/more_than"),
        ({"rate_from": BANDS | {"attribute": "revenue"}}, "/rate_from/attribute"),
        ({"rate_from": BANDS | {"attribute": "industry"}}, "/rate_from/bands"),
        ({"rate_from": BANDS | {"otherwise": 1}}, "/rate_from/otherwise"),
        ({"rate_from": first_band(5)}, "/rate_from/bands"),
        ({"rate_from": first_band(6)}, "/rate_from/bands"),
        ({"rate_from": first_band(None)}, "/rate_from/bands"),
        ({"rate_from": BANDS | {"bands": [{"below": 1, "rating": 1}]}}, "/rate_from/bands/0"),
        ({"rate_from": BANDS | {"bands": [{"rating": 6}]}}, "/rate_from/bands/0/rating"),
        ({"rate_from": VALUES | {"attribute": "partner"}}, "/rate_from/values/0/equals"),
        ({"rate_from": VALUES | {"values": [{"equals": "ore", "rating": 0}]}}, "/rate_from/values/0/rating"),
        ({"rate_from": VALUES | {"values": VALUES["values"] * 2}}, "/rate_from/values/2/equals"),
        ({"rate_from": VALUES | {"otherwise": 6}}, "/rate_from/otherwise"),
        ({"ask_when": {"industry": {"in": ["ore", "Ore "]}}}, "/ask_when/industry/in"),
        ({"ask_when": {"industry": {"not_in": ["ore", "ore"]}}}, "/ask_when/industry/not_in"),
        ({"ask_when": {"industry": {"equals": " "}}}, "/ask_when/industry/equals"),
        ({"rate_from": VALUES | {"values": [{"equals": "", "rating": 1}]}}, "/rate_from/values/0/equals"),
        (
            {"rate_from": VALUES | {"values": [*VALUES["values"], {"equals": " ORE", "rating": 1}]}},
            "/rate_from/values/2/equals",
        ),
        ({"rate_from": {"attribute": "employees"}}, "/rate_from"),
        ({"rate_from": BANDS | VALUES}, "/rate_from"),
    ],
    ids=str,
)
def test_a_rule_that_cannot_work_is_refused_with_its_place(rules, place):
    with pytest.raises(Flawed) as refused:
        read_question_set(asking(**rules))
    at = f"/steps/0/questions/0{place}"
    assert any(flaw.pointer == at or flaw.pointer.startswith(f"{at}/") for flaw in refused.value.flaws)
