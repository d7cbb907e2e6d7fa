"""Every figure of a score is the second implementation's; doubles are equal bit for bit."""

from hypothesis import given

from tests.scoring import verdicts
from tests.scoring.group import told
from tests.scoring.reference import not_counted
from tests.scoring.strategies import cases, effort


def range_of(part):
    return {name: getattr(part, name) for name in RANGE}


RANGE = [
    "lowest",
    "highest",
    "coverage",
    "reportable",
    "points",
    "points_min",
    "points_max",
    "rated",
    "open",
    "not_applicable",
]


@effort(120)
@given(cases())
def test_a_step_gated_or_not_tells_the_figures_of_its_own_questions(case):
    steps = [(step.key, step.gated, step.estimate, range_of(step)) for step in case.score().steps]
    assert steps == [
        (step.key, step.gated, told(group.estimate), group.figures())
        for step, group in zip(case.question_set.steps, case.expected.steps, strict=True)
    ]


@effort(120)
@given(cases())
def test_a_dimension_tells_the_figures_of_its_questions_in_steps_that_are_not_gated(case):
    dimensions = [(one.key, one.estimate, range_of(one)) for one in case.score().dimensions]
    assert dimensions == [
        (dimension.key, told(group.estimate), group.figures())
        for dimension, group in zip(case.question_set.dimensions, case.expected.dimensions, strict=True)
    ]


@effort(120)
@given(cases())
def test_the_whole_counts_the_points_of_all_units_and_combines_their_percentages(case):
    expected = case.expected
    combined = {name: getattr(expected, name) for name in ("lowest", "highest", "coverage", "reportable")}
    score = case.score()
    assert range_of(score) == expected.whole.figures() | combined
    assert (score.score, score.weaker_side) == (expected.score, expected.weaker_side)


@effort(120)
@given(cases())
def test_the_needed_average_is_told_for_each_unit_and_nowhere_else(case):
    thresholds = case.question_set.thresholds

    def needed(group):
        return told(group.needed_average(thresholds.fit_at)) if thresholds else None

    score, expected = case.score(), case.expected
    assert score.needed_average == (None if expected.reciprocal else needed(expected.whole))
    assert [side.needed_average for side in score.dimensions] == [
        needed(side) if expected.reciprocal else None for side in expected.dimensions
    ]


@effort(250)
@given(cases())
def test_the_indication_follows_the_five_rules_in_their_order(case):
    score, expected = case.score(), case.expected
    assert score.indication == verdicts.indication(expected)
    assert score.settled == verdicts.settled(expected)
    assert score.so_far == verdicts.so_far(expected)
    assert (score.knocked_out_by, score.held_back_by) == (expected.knocked_out_by, expected.held_back_by)


@effort(120)
@given(cases())
def test_the_grade_is_the_weakest_units_and_its_range_gives_the_possible_ones(case):
    score, expected = case.score(), case.expected
    assert (score.grade, score.grades_possible) == (expected.grade, expected.grades_possible)


@effort(120)
@given(cases())
def test_strengths_and_gaps_tell_each_rated_question_with_its_points_and_who_rated_it(case):
    score, expected = case.score(), case.expected
    assert lines(score.strengths) == reasons(expected.strengths)
    assert lines(score.gaps) == reasons(expected.gaps)


def lines(told_reasons):
    return [
        (line.question, line.text, line.step, line.dimension, line.rating, line.rated_by, line.points)
        for line in told_reasons
    ]


def reasons(expected):
    return [
        (key, f"How about {key}?", one.step.key, one.question.dimension, one.rating, one.rated_by, points)
        for key, points, one in expected
    ]


@effort(100)
@given(cases())
def test_answers_to_questions_that_do_not_apply_are_listed_and_not_counted(case):
    assert case.score().not_counted == not_counted(case.question_set, case.answers, case.attributes)
