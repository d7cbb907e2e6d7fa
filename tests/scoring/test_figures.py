"""Every figure of a score is the second implementation's; doubles are equal bit for bit."""

from hypothesis import given

from tests.scoring import verdicts
from tests.scoring.group import as_double
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
        (step.key, step.gated, as_double(group.estimate), group.figures())
        for step, group in zip(case.question_set.steps, case.expected.steps, strict=True)
    ]


@effort(120)
@given(cases())
def test_a_dimension_tells_the_figures_of_its_questions_in_steps_that_are_not_gated(case):
    dimensions = [(one.key, one.estimate, range_of(one)) for one in case.score().dimensions]
    assert dimensions == [
        (dimension.key, as_double(group.estimate), group.figures())
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
def test_the_needed_average_is_told_for_each_unit_while_a_fit_is_in_reach_and_nowhere_else(case):
    score, expected = case.score(), case.expected
    needed = [as_double(verdicts.needed_average(expected, unit)) for unit in expected.units]
    assert score.needed_average == (None if expected.reciprocal else needed[0])
    of_sides = needed if expected.reciprocal else [None] * len(expected.dimensions)
    assert [side.needed_average for side in score.dimensions] == of_sides


@effort(250)
@given(cases())
def test_the_indication_follows_the_five_rules_in_their_order(case):
    score, expected = case.score(), case.expected
    assert score.indication == verdicts.indication(expected)
    assert score.settled == verdicts.settled(expected)
    assert score.leaning == verdicts.leaning(expected)
    blockers = [(one.question, one.state, one.rating, one.effect) for one in score.blockers]
    assert blockers == expected.blockers


@effort(200)
@given(cases())
def test_the_grade_is_the_weakest_units_where_nothing_contradicts_it(case):
    score, expected = case.score(), case.expected
    assert score.grade == expected.grade(verdicts.indication(expected))


@effort(120)
@given(cases())
def test_strengths_and_gaps_tell_each_rated_question_with_its_points_and_who_rated_it(case):
    score, expected = case.score(), case.expected
    assert lines(score.strengths) == reasons(expected.strengths, "strength")
    assert lines(score.gaps) == reasons(expected.gaps, "gap")


def lines(told_reasons):
    return [
        (
            line.question,
            line.label,
            line.text,
            line.step,
            line.dimension,
            line.rating,
            line.rated_by,
            line.points,
        )
        for line in told_reasons
    ]


def reasons(expected, points):
    return [
        (
            one.question.key,
            one.question.key,
            f"How about {one.question.key}?",
            one.step.key,
            one.question.dimension,
            one.rating,
            one.rated_by,
            getattr(one, points),
        )
        for one in expected
    ]


@effort(120)
@given(cases())
def test_the_support_counts_what_the_answers_of_people_rest_on(case):
    by_person = [one for one in case.expected.rated if one.rated_by == "person"]
    rest_on = [one.evidence or "unstated" for one in by_person]
    kinds = ("fact", "judgement", "assumption", "unstated")
    score = case.score()
    assert score.support == {kind: rest_on.count(kind) for kind in kinds}
    assumed = [one.question.key for one in by_person if one.evidence == "assumption"]
    assert score.assumptions == assumed


@effort(100)
@given(cases())
def test_answers_to_questions_that_do_not_apply_are_listed_and_not_counted(case):
    assert case.score().not_counted == not_counted(case.question_set, case.answers, case.attributes)
