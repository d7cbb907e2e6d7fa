"""The range, `settled` and the grades, against every way of closing the open questions of small sets."""

from hypothesis import given

from tests.scoring.closing import Closings
from tests.scoring.group import as_double
from tests.scoring.strategies import cases_to_close, effort


def attained(ends):
    """The lowest and highest of the final figures; a closing that leaves nothing rated has none."""
    known = [end for end in ends if end is not None]
    return (min(known), max(known)) if known else (None, None)


@effort(100)
@given(cases_to_close())
def test_every_final_estimate_lies_in_the_range_and_both_its_ends_are_attained(case):
    score, closings = case.score(), Closings(case).all.values()
    for index, step in enumerate(score.steps):
        if not step.gated:
            ends = [as_double(closed.steps[index].estimate) for closed in closings]
            assert attained(ends) == (step.lowest, step.highest)
    for index, dimension in enumerate(score.dimensions):
        ends = [as_double(closed.dimensions[index].estimate) for closed in closings]
        assert attained(ends) == (dimension.lowest, dimension.highest)


@effort(100)
@given(cases_to_close())
def test_every_final_score_lies_in_the_range_and_both_its_ends_are_attained(case):
    score, closings = case.score(), Closings(case).all.values()
    finals = [closed.combined([unit.estimate for unit in closed.units]) for closed in closings]
    assert attained(finals) == (score.lowest, score.highest)


@effort(250)
@given(cases_to_close())
def test_an_indication_is_settled_exactly_when_every_closing_gives_it(case):
    score, reachable = case.score(), Closings(case).indications
    if score.settled:
        assert reachable == {score.indication}
    elif score.indication == "undetermined":
        assert len(reachable) >= 2
    else:
        assert score.indication == "unscorable"
        assert reachable <= {"unscorable", "no_fit"}
        assert "unscorable" in reachable


@effort(250)
@given(cases_to_close())
def test_the_best_and_the_worst_possible_grade_come_out_of_some_closing_and_none_beyond_does(case):
    score, closings = case.score(), Closings(case)
    finals = {closed.grade(closings.finals[way]) for way, closed in closings.all.items()} - {None}
    if not finals:
        assert score.grades_possible == []
        return
    names = [grade.grade for grade in case.question_set.grades]
    best, worst = min(map(names.index, finals)), max(map(names.index, finals))
    assert score.grades_possible == names[best : worst + 1]


@effort(150)
@given(cases_to_close())
def test_the_fewest_answers_to_a_fit_are_those_after_which_no_closing_gives_anything_else(case):
    assert case.score().answers_to_fit == Closings(case).fewest_answers_to("fit")


@effort(150)
@given(cases_to_close())
def test_the_fewest_answers_to_no_fit_are_those_after_which_no_closing_gives_anything_else(case):
    assert case.score().answers_to_no_fit == Closings(case).fewest_answers_to("no_fit")
