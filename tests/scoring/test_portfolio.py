"""The cell of an account, and the cells that it can still reach."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.scoring import Plan, Portfolio, judge, placement, read_question_set, verdict_record
from tests.scoring.building import NOW, question, reciprocal, step
from tests.scoring.closing import Closings
from tests.scoring.strategies import cases_to_close, effort

ADVICE = dict.fromkeys(("high_high", "high_low", "low_high", "low_low"), "Think.")
SET = read_question_set(
    reciprocal(
        step("all", question("a", "match", weight=2), question("b", "match"), question("c", "benefit"))
    )
)
PLAN = Plan(SET, "small-set@1")


def portfolio(x="match", y="benefit", cut_at=50):
    return Portfolio(x=x, y=y, cut_at=cut_at, advice=ADVICE)


def counts(rated_weight, open_weight, earned):
    """Of one dimension; the numbers of questions do not matter."""
    return [rated_weight, open_weight, 0, earned, 0, 0, 0]


# On 1..5, D is 4. The dimension `match` has the weight 3, and `benefit` the weight 1.
WORKED = {
    # match 100·6/(4·3) = 50 is high; benefit 100·1/4 = 25 is low.
    "at the cut": (counts(3, 0, 6), counts(1, 0, 1), 50, ("high_low",), "high_low"),
    "under the cut": (counts(3, 0, 6), counts(1, 0, 1), 51, ("low_low",), "low_low"),
    "at the end": (counts(3, 0, 12), counts(1, 0, 4), 100, ("high_high",), "high_high"),
    # The question with weight 2 is rated 4: a = 6, so 50 to 100·10/12 = 83, and the estimate is 75.
    "open, but sure": (counts(2, 1, 6), counts(1, 0, 4), 50, ("high_high",), "high_high"),
    # It is rated 3: a = 4, so 33 to 67, and the estimate is 50.
    "straddles on x": (counts(2, 1, 4), counts(1, 0, 0), 50, ("high_low", "low_low"), "high_low"),
    "leans to the other side": (counts(2, 1, 4), counts(1, 0, 0), 51, ("high_low", "low_low"), "low_low"),
    "y is not rated": (counts(3, 0, 0), counts(0, 1, 0), 50, ("low_high", "low_low"), None),
    "y is not applicable": (counts(3, 0, 0), counts(0, 0, 0), 50, (), None),
    "nothing is rated": (
        counts(0, 3, 0),
        counts(0, 1, 0),
        1,
        ("high_high", "high_low", "low_high", "low_low"),
        None,
    ),
}


@pytest.mark.parametrize("state", WORKED)
def test_cells_that_a_reader_can_check(state):
    match, benefit, cut_at, cells, leaning = WORKED[state]
    placed = placement(PLAN, portfolio(cut_at=cut_at), [match, benefit])
    assert (placed.cells, placed.leaning) == (cells, leaning)
    assert placed.settled == (leaning if len(cells) == 1 else None)


def test_the_first_word_is_for_x_whatever_the_order_of_the_dimensions():
    low_match, high_benefit = counts(3, 0, 0), counts(1, 0, 4)
    assert placement(PLAN, portfolio("match", "benefit"), [low_match, high_benefit]).settled == "low_high"
    assert placement(PLAN, portfolio("benefit", "match"), [low_match, high_benefit]).settled == "high_low"


def test_a_set_without_an_axis_places_nothing():
    assert placement(PLAN, portfolio(y="money"), [counts(3, 0, 0), counts(1, 0, 4)]) is None


@effort(150)
@given(cases_to_close(), st.integers(1, 100))
def test_the_cells_are_those_that_some_closing_gives(case, cut_at):
    """A closing has estimates only, which are compared as fractions."""
    keys = [dimension.key for dimension in case.question_set.dimensions]
    if len(keys) < 2:
        return
    axes = portfolio(keys[-1], keys[0], cut_at)
    plan = Plan(case.question_set, "small-set@1")
    judged = judge(plan, case.answers, case.attributes, as_of=NOW)
    placed = placement(plan, axes, verdict_record(judged)["dimensions"])

    def cell(reference):
        x, y = reference.dimensions[-1].estimate, reference.dimensions[0].estimate
        if x is None or y is None:
            return None
        return f"{'high' if x >= cut_at else 'low'}_{'high' if y >= cut_at else 'low'}"

    reached = {cell(closed) for closed in Closings(case).all.values()} - {None}
    assert set(placed.cells) == reached
    assert placed.leaning == cell(case.expected)
