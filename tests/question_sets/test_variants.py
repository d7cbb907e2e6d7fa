"""A variant is the set it extends, but for what it omits, adds and changes."""

import pytest

from app.question_sets.documents import read_document
from app.scoring import Flawed, read_question_set
from tests.scoring.building import question, reciprocal, step

ADVICE = {"high_high": "Invest.", "high_low": "Keep.", "low_high": "Milk.", "low_low": "Leave."}
PORTFOLIO = {"x": "match", "y": "benefit", "cut_at": 50, "advice": ADVICE}
BASE = read_question_set(
    reciprocal(
        step(
            "money",
            question("budget", "match", must_reach=2, guidance="Ask early."),
            question("price", "match"),
        ),
        step("gain", question("saving", "benefit"), question("joy", "benefit")),
        step("rapport", question("trust", "match"), gated=True),
        thresholds={"fit_at": 60, "no_fit_below": 50},
        portfolio=PORTFOLIO,
        attributes={"employees": "number"},
        description="The base.",
        **{"for": {"employees": {"at_least": 10}}, "priority": 5},
    )
)


def variant(**said):
    return {"key": "ours", "extends": "small-set@1", **said}


def resolved(**said):
    return read_document(variant(**said), {"small-set@1": BASE}.get)


def asked(question_set):
    return {one.key: [q.key for q in one.questions] for one in question_set.steps}


def questions(question_set):
    return {q.key: q for one in question_set.steps for q in one.questions}


def flaws(**said):
    with pytest.raises(Flawed) as refused:
        resolved(**said)
    return [flaw.pointer for flaw in refused.value.flaws]


def added(key, dimension="match", **where):
    more = where.pop("more", {})
    return {"question": question(key, dimension, **more), **where}


def test_a_variant_that_says_nothing_is_its_base_under_another_key():
    ours = resolved()
    assert (ours.key, ours.extends) == ("ours", "small-set@1")
    assert asked(ours) == asked(BASE)
    same = ("title", "description", "combine", "dimensions", "thresholds", "portfolio", "attributes", "steps")
    for field in same:
        assert getattr(ours, field) == getattr(BASE, field)


def test_for_whom_it_is_meant_it_says_itself():
    """What both were meant for, nobody could choose between."""
    assert (resolved().for_, resolved().priority) == (None, None)
    ours = resolved(**{"for": {"employees": {"below": 10}}}, priority=7)
    assert (ours.for_["employees"].below, ours.priority) == (10, 7)


def test_a_later_version_of_a_set_may_be_made_from_its_first():
    later = resolved(key="small-set", omit=["price"])
    assert (later.for_, later.priority) == (BASE.for_, 5)
    assert asked(later)["money"] == ["budget"]


def test_what_it_says_of_the_set_goes_before():
    ours = resolved(
        title="Ours", thresholds={"fit_at": 70, "no_fit_below": 40}, attributes={"industry": "text"}
    )
    assert (ours.title, ours.thresholds.fit_at) == ("Ours", 70)
    assert ours.attributes == {"employees": "number", "industry": "text"}


def test_null_thresholds_are_taken_away():
    """With what they are for: nothing bars a fit where there is none."""
    plain = resolved(thresholds=None, change={"budget": {"must_reach": None}})
    assert plain.thresholds is None
    with pytest.raises(Flawed, match="must_reach"):
        resolved(thresholds=None)


def test_a_portfolio_is_replaced_whole_or_taken_away():
    turned = PORTFOLIO | {"x": "benefit", "y": "match", "cut_at": 70}
    assert resolved(portfolio=turned).portfolio.model_dump() == turned
    assert resolved(portfolio=None).portfolio is None
    assert flaws(portfolio=PORTFOLIO | {"x": "price"}) == ["/portfolio/x"]
    assert flaws(portfolio={"cut_at": 70}) == ["/portfolio/x", "/portfolio/y", "/portfolio/advice"]


def test_labels_and_weak_clauses_can_be_said_anew():
    sides = [
        {"key": "match", "title": "Match", "if_weak": "it does not suit them"},
        {"key": "benefit", "title": "Benefit"},
    ]
    ours = resolved(change={"budget": {"label": "money"}}, dimensions=sides)
    assert questions(ours)["budget"].label == "money"
    assert questions(ours)["price"].label == "price"
    assert [side.if_weak for side in ours.dimensions] == ["it does not suit them", "Benefit: weak"]


def test_omitted_questions_are_gone_and_with_the_last_of_them_their_step():
    assert asked(resolved(omit=["price", "trust"])) == {"money": ["budget"], "gain": ["saving", "joy"]}


def test_questions_are_added_at_their_place():
    ours = resolved(
        add=[
            added("last", step="money"),
            added("first", before="budget"),
            added("second", after="first"),
            added("warm", "benefit", step="rapport"),
        ]
    )
    assert asked(ours) == {
        "money": ["first", "second", "budget", "price", "last"],
        "gain": ["saving", "joy"],
        "rapport": ["trust", "warm"],
    }


def test_a_question_takes_the_place_of_an_omitted_one():
    assert asked(resolved(omit=["budget"], add=[added("funds", after="budget")]))["money"] == [
        "funds",
        "price",
    ]


def test_only_what_is_changed_of_a_question_changes():
    budget = questions(resolved(change={"budget": {"weight": 3, "text": "What is set aside?"}}))["budget"]
    assert budget == questions(BASE)["budget"].model_copy(update={"weight": 3, "text": "What is set aside?"})


def test_null_takes_an_optional_field_away():
    budget = questions(resolved(change={"budget": {"must_reach": None, "guidance": None}}))["budget"]
    assert (budget.must_reach, budget.guidance) == (None, None)


def test_a_set_told_whole_may_say_what_it_was_made_from():
    whole = BASE.canonical() | {"key": "ours", "extends": "small-set@1"}
    assert read_document(whole, {"small-set@1": BASE}.get).extends == "small-set@1"


def test_what_a_variant_resolves_to_reads_as_itself():
    ours = resolved(omit=["price"], add=[added("first", before="budget")], change={"joy": {"weight": 2}})
    assert read_document(ours.canonical(), {"small-set@1": BASE}.get) == ours


FLAWS = {
    "an unknown base": ({"extends": "small-set@2"}, "/extends"),
    "a base without a number": ({"extends": "small-set"}, "/extends"),
    "a base that is no name": ({"extends": 5}, "/extends"),
    "an unknown field": ({"remove": ["budget"]}, "/remove"),
    "a key that is no key": ({"key": "Ours"}, "/key"),
    "an unknown question to omit": ({"omit": ["price", "charm"]}, "/omit/1"),
    "a question to omit twice": ({"omit": ["price", "price"]}, "/omit/1"),
    "an unknown question to change": ({"change": {"charm": {"weight": 2}}}, "/change/charm"),
    "an unknown field of a question": ({"change": {"budget": {"colour": 2}}}, "/change/budget/colour"),
    "another dimension": ({"change": {"budget": {"dimension": "benefit"}}}, "/change/budget/dimension"),
    "another key": ({"change": {"budget": {"key": "funds"}}}, "/change/budget/key"),
    "a weight over 100": ({"change": {"budget": {"weight": 101}}}, "/change/budget/weight"),
    "a must-reach over the scale": ({"change": {"budget": {"must_reach": 6}}}, "/change/budget/must_reach"),
    "a text of null": ({"change": {"budget": {"text": None}}}, "/change/budget/text"),
    "a rule on an unknown attribute": (
        {"change": {"budget": {"rate_from": {"attribute": "revenue", "bands": [{"rating": 1}]}}}},
        "/change/budget/rate_from/attribute",
    ),
    "a question omitted and changed": (
        {"omit": ["price"], "change": {"price": {"weight": 2}}},
        "/change/price",
    ),
    "no place": ({"add": [added("charm")]}, "/add/0"),
    "two places": ({"add": [added("charm", step="money", after="budget")]}, "/add/0"),
    "an unknown step": ({"add": [added("charm", step="fun")]}, "/add/0/step"),
    "a place beside an unknown question": ({"add": [added("charm", before="fun")]}, "/add/0/before"),
    "a key that is taken": ({"add": [added("joy", step="money")]}, "/add/0/question/key"),
    "a key that is taken by an omitted one": (
        {"omit": ["joy"], "add": [added("joy", "match", step="money")]},
        "/add/0/question/key",
    ),
    "a key added twice": (
        {"add": [added("charm", step="money"), added("charm", step="gain")]},
        "/add/0/question/key",
    ),
    "an added question with a flaw": (
        {"add": [added("charm", step="money", more={"weight": -1})]},
        "/add/0/question/weight",
    ),
    "an added question that breaks a rule": (
        {"add": [added("charm", "fun", step="money")]},
        "/add/0/question/dimension",
    ),
    "thresholds upside down": (
        {"thresholds": {"fit_at": 40, "no_fit_below": 50}},
        "/thresholds/no_fit_below",
    ),
    "a side without questions": ({"omit": ["saving", "joy"]}, "/extends"),
    "an inherited rule that is broken": ({"dimensions": [{"key": "match", "title": "M"}]}, "/dimensions"),
    "a condition on an unknown attribute": ({"for": {"fun": {"exists": True}}}, "/for/fun"),
    "a priority for nobody": ({"priority": 3}, "/priority"),
}


@pytest.mark.parametrize(("said", "place"), FLAWS.values(), ids=FLAWS)
def test_a_flaw_is_told_at_its_place_in_the_variant(said, place):
    assert place in flaws(**said)


EVERYTHING_WRONG = {
    "title": 5,
    "colour": "red",
    "omit": ["price", "fun", 7],
    "change": {"budgt": {"weight": 2}, "budget": {"wieght": 2, "must_reach": 9}, "price": {"weight": 2}},
    "add": [
        added("charm", "fun", before="fun"),
        added("grace", "benefti", step="money", more={"weight": -1}),
        {"question": question("ease", "match", colour="red")},
        5,
    ],
    "thresholds": {"fit_at": 40, "no_fit_below": 50},
    "for": {"employes": {"exists": True}},
}


def test_every_flaw_of_a_variant_is_reported_at_once():
    assert sorted(flaws(**EVERYTHING_WRONG)) == sorted(
        [
            *("/title", "/colour", "/omit/1", "/omit/2", "/change/budgt", "/change/budget/wieght"),
            *(
                "/change/budget/must_reach",
                "/change/price",
                "/add/0/before",
                "/add/1/question/dimension",
                "/add/0/question/dimension",
            ),
            *("/add/1/question/weight", "/add/2/question/colour", "/add/2", "/add/3"),
            *("/thresholds/no_fit_below", "/for/employes"),
        ]
    )


def test_without_its_base_a_variant_is_checked_as_far_as_possible():
    found = flaws(**EVERYTHING_WRONG, extends="small-set@2")
    assert sorted(found) == sorted(
        [
            *("/extends", "/title", "/colour", "/omit/2", "/change/budget/wieght", "/change/price"),
            *("/add/1/question/weight", "/add/2/question/colour", "/add/2", "/add/3"),
        ]
    )


def test_a_name_that_is_almost_right_is_named():
    with pytest.raises(Flawed) as refused:
        resolved(omit=["prize"], change={"savings": {"lable": "saved"}}, add=[added("ease", step="moneys")])
    assert {flaw.pointer: flaw.detail.partition("did you mean ")[2] for flaw in refused.value.flaws} == {
        "/omit/0": "`price`?",
        "/change/savings": "`saving`?",
        "/change/savings/lable": "`label`?",
        "/add/0/step": "`money`?",
    }


def test_an_attribute_of_another_type_breaks_what_is_inherited_and_says_so():
    based = BASE.canonical()
    based["steps"][0]["questions"][1]["ask_when"] = {"employees": {"at_least": 50}}
    with pytest.raises(Flawed) as refused:
        read_document(
            variant(attributes={"employees": "text"}), {"small-set@1": read_question_set(based)}.get
        )
    (flaw,) = refused.value.flaws
    assert flaw.pointer == "/extends"
    assert "price" in flaw.detail
