"""Scores that a person can check on paper; the arithmetic is in each docstring."""

from math import sqrt

import pytest

from tests.scoring.building import NOT_APPLICABLE, question, reciprocal, scored, step, weighted

THRESHOLDS = {"fit_at": 60, "no_fit_below": 50}
GRADES = [
    {"at": 80, "grade": "A"},
    {"at": 60, "grade": "B"},
    {"at": 50, "grade": "C"},
    {"at": 0, "grade": "D"},
]
TWO_SIDES = reciprocal(
    step(
        "all",
        question("budget", "match"),
        question("need", "match", weight=2),
        question("timing", "match"),
        question("saving", "benefit"),
        question("speed", "benefit"),
    ),
    thresholds=THRESHOLDS,
    grades=GRADES,
)


def equal(count, **more):
    """A pool of `count` questions q1, q2, … of weight 1, thresholds 60 and 50."""
    questions = [question(f"q{number}") for number in range(1, count + 1)]
    return weighted(step("all", *questions), **{"thresholds": THRESHOLDS, **more})


def test_two_sides_with_one_question_open():
    """The match: budget 4, need 5 at weight 2, timing open, on 1..5, so D = 4.

    a = 1·3 + 2·4 = 11, W_A = 3, W = 4. Estimate 1100/12, lowest 1100/16 = 68.75, highest
    100·(11 + 4)/16 = 93.75, coverage 3/4, points 4 + 10 = 14 of 4..20. Timing has to add
    0.6·16 − 11 < 0 for a fit, so the worst rating will do. The benefit: saving 3, speed 4:
    a = 5, all ends 500/8 = 62.5. Score √(1100/12 · 62.5) ≈ 75.7. Grade of 62.5: B.
    """
    score = scored(TWO_SIDES, {"budget": 4, "need": 5, "saving": 3, "speed": 4})
    match, benefit = score.dimensions
    assert (match.estimate, match.lowest, match.highest) == (1100 / 12, 68.75, 93.75)
    assert (match.points, match.points_min, match.points_max, match.coverage) == (14, 4, 20, 0.75)
    assert (match.needed_average, benefit.needed_average) == (1.0, None)
    assert (benefit.estimate, benefit.lowest, benefit.highest) == (62.5, 62.5, 62.5)
    assert score.score == sqrt(1100 / 12 * 62.5) == pytest.approx(75.69, abs=0.005)
    assert (score.lowest, score.highest) == (sqrt(68.75 * 62.5), sqrt(93.75 * 62.5))
    assert (score.indication, score.settled, score.weaker_side) == ("fit", True, "benefit")
    assert (score.grade, score.grades_possible, score.coverage) == ("B", ["B"], 0.75)
    assert (score.points, score.points_min, score.points_max) == (21, 6, 30)
    assert (score.rated, score.open, score.not_applicable) == (4, 1, 0)


def test_one_weak_side_cannot_hide_behind_the_other():
    """A match of 100 and a benefit of 0 make √(100·0) = 0, not 50, and no fit."""
    score = scored(TWO_SIDES, {"budget": 5, "need": 5, "timing": 5, "saving": 1, "speed": 1})
    assert (score.score, score.indication, score.weaker_side) == (0.0, "no_fit", "benefit")


def test_equal_sides_have_no_weaker_one():
    """Both estimates are 75: 100·12/16 and 100·6/8."""
    score = scored(TWO_SIDES, {"budget": 4, "need": 4, "timing": 4, "saving": 4, "speed": 4})
    assert (score.score, score.weaker_side) == (75.0, None)


def test_the_open_ratings_must_average_what_is_missing_for_a_fit():
    """Ratings 3 and 3 of four give a = 4 of 16. A fit needs 0.6·16 = 9.6, so the two open ones
    have to add 5.6, that is 2.8 each over 1: 3.8. At 90 it would take (14.4 − 4)/2 + 1 = 6.2 > 5.
    """
    assert scored(equal(4), {"q1": 3, "q2": 3}).needed_average == 3.8
    steep = equal(4, thresholds={"fit_at": 90, "no_fit_below": 10})
    assert scored(steep, {"q1": 3, "q2": 3}).needed_average is None


def test_nine_questions_from_0_to_3_total_0_to_27():
    """As in the PHQ-9: the points are the plain sum. 3·2 + 4·1 + 2·0 = 10 of 27, and 1000/27 %."""
    nine = equal(9, scale={"min": 0, "max": 3})
    ratings = dict(zip([f"q{number}" for number in range(1, 10)], [2, 2, 2, 1, 1, 1, 1, 0, 0], strict=True))
    score = scored(nine, ratings)
    assert (score.points, score.points_min, score.points_max) == (10, 0, 27)
    assert score.score == score.lowest == score.highest == 1000 / 27
    all_worst, all_best = (scored(nine, dict.fromkeys(ratings, rating)) for rating in (0, 3))
    assert (all_worst.points, all_worst.score, all_best.points, all_best.score) == (0, 0.0, 27, 100.0)


def test_nine_questions_from_0_to_3_with_two_left_open():
    """The same without the two zeros: 10 so far, 10..16 of 27 in the end, 1000/21 % of the rated."""
    nine = equal(9, scale={"min": 0, "max": 3})
    ratings = dict(zip([f"q{number}" for number in range(1, 8)], [2, 2, 2, 1, 1, 1, 1], strict=True))
    score = scored(nine, ratings)
    assert (score.points, score.score) == (10, 1000 / 21)
    assert (score.lowest, score.highest, score.coverage) == (1000 / 27, 1600 / 27, 7 / 9)


def test_a_scale_around_zero_has_points_under_zero():
    """−2 and 1 on −2..2: points −1 of −4..4, and a = 0 + 3 of 8."""
    score = scored(equal(2, scale={"min": -2, "max": 2}), {"q1": -2, "q2": 1})
    assert (score.points, score.points_min, score.points_max, score.score) == (-1, -4, 4, 37.5)


def test_a_figure_is_one_division_of_exact_integers():
    """1 of 0..3 is 100/3 as a double, which 100·(1/3) is not; √(u·v) is not √u·√v."""
    thirds = equal(1, scale={"min": 0, "max": 3})
    assert scored(thirds, {"q1": 1}).score == 33.333333333333336 != 100 * (1 / 3)
    sides = reciprocal(step("all", question("a", "match"), question("b", "benefit")))
    score = scored(sides | {"scale": {"min": 0, "max": 3}}, {"a": 1, "b": 2})
    assert score.score == sqrt(33.333333333333336 * 66.66666666666667)


@pytest.mark.parametrize(
    ("rating", "indication"), [(4, "no_fit"), (5, "mixed"), (6, "fit")], ids=["40", "50", "60"]
)
def test_a_threshold_belongs_to_the_better_side_of_it(rating, indication):
    """On 0..10 a rating of 4, 5 or 6 is 40, 50 or 60 %: 50 is not under 50, and 60 is at 60."""
    assert scored(equal(1, scale={"min": 0, "max": 10}), {"q1": rating}).indication == indication


def test_an_estimate_just_under_a_threshold_is_not_rounded_up_to_it():
    """119 of 200 is 59.5 and no fit yet, 99 of 200 is 49.5 and under 50; on 0..1 a rating is 0 or w."""
    weights = {"w100": 100, "w81": 81, "w18": 18, "w1": 1}
    asked = [question(key, weight=weight) for key, weight in weights.items()]
    pool = weighted(step("all", *asked), scale={"min": 0, "max": 1}, thresholds=THRESHOLDS)
    under_fit, a_fit, under_mixed = (
        scored(pool, {key: int(key in rated) for key in weights})
        for rated in (["w100", "w18", "w1"], ["w100", "w81"], ["w81", "w18"])
    )
    assert (under_fit.score, under_fit.indication) == (59.5, "mixed")
    assert (a_fit.score, a_fit.indication) == (90.5, "fit")
    assert (under_mixed.score, under_mixed.indication) == (49.5, "no_fit")


def test_half_of_the_weight_is_enough_to_report_and_less_is_not():
    """Weights 1, 1 and 2: the 2 alone covers 2/4, one of the others 1/4."""
    asked = [question("light"), question("lighter"), question("heavy", weight=2)]
    pool = weighted(step("all", *asked), thresholds=THRESHOLDS)
    half, quarter = scored(pool, {"heavy": 4}), scored(pool, {"light": 4})
    assert (half.coverage, half.reportable, half.score, half.leaning) == (0.5, True, 75.0, "fit")
    assert (quarter.coverage, quarter.reportable, quarter.score, quarter.leaning) == (0.25, False, None, None)
    assert (quarter.lowest, quarter.highest) == (18.75, 93.75)
    assert (half.indication, quarter.indication) == ("undetermined", "undetermined")


def test_not_applicable_leaves_the_range_but_is_no_evidence():
    """Two of four rated 5: with two not applicable 100 and coverage 2/4, a fit. With a third not
    applicable only 1/4 is covered, and nothing can change that: mixed."""
    skipped = {"q3": NOT_APPLICABLE, "q4": NOT_APPLICABLE}
    covered = scored(equal(4), {"q1": 5, "q2": 5}, skipped)
    assert (covered.score, covered.coverage, covered.indication) == (100.0, 0.5, "fit")
    thin = scored(equal(4), {"q1": 5}, skipped | {"q2": NOT_APPLICABLE})
    assert (thin.score, thin.lowest, thin.coverage, thin.indication) == (None, 100.0, 0.25, "mixed")


def test_a_fit_is_out_of_reach_when_more_than_half_of_the_weight_is_not_applicable():
    """One rated 5 and one open: 50..100. With two not applicable, both rated would cover 2/4 and make
    a fit, so it is undetermined. With three it is 2/5 at best: mixed, whatever the open answer."""
    two = {"q3": NOT_APPLICABLE, "q4": NOT_APPLICABLE}
    assert scored(equal(4), {"q1": 5}, two).indication == "undetermined"
    three = scored(equal(5), {"q1": 5}, two | {"q5": NOT_APPLICABLE})
    assert (three.lowest, three.highest, three.indication) == (50.0, 100.0, "mixed")
    assert (three.answers_to_fit, three.answers_to_no_fit) == (None, None)


def test_the_grade_is_null_until_reportable_and_possible_grades_narrow():
    """One 5 of four: 25..100, so every grade is possible. Three: 75..100, so A or B; so far 100."""
    one, three = (
        scored(equal(4, grades=GRADES), dict.fromkeys(keys, 5)) for keys in (["q1"], ["q1", "q2", "q3"])
    )
    assert (one.grade, one.grades_possible) == (None, ["A", "B", "C", "D"])
    assert (three.grade, three.grades_possible) == ("A", ["A", "B"])


def test_strengths_are_above_the_middle_and_gaps_below_it_in_the_order_of_their_points():
    """On 1..5 the middle is 3. 5 of need (weight 2) gained 2·4 = 8, budget 4 gained 3; speed 2 cost 3,
    timing 1 cost 4. Saving is in the middle, and neither."""
    score = scored(TWO_SIDES, {"budget": 4, "need": 5, "timing": 1, "saving": 3, "speed": 2})
    assert [(one.question, one.points) for one in score.strengths] == [("need", 8), ("budget", 3)]
    assert [(one.question, one.points) for one in score.gaps] == [("timing", 4), ("speed", 3)]


def test_a_missed_must_reach_is_the_first_gap_and_never_a_strength():
    """The price is rated 4 and has to reach 5: it cost 1, less than the terms, which cost 4."""
    price = question("price", must_reach=5, if_missed="mixed")
    asked = weighted(step("all", question("terms"), price, question("need")), thresholds=THRESHOLDS)
    score = scored(asked, {"terms": 1, "price": 4, "need": 4})
    assert [(one.question, one.points) for one in score.gaps] == [("price", 1), ("terms", 4)]
    assert [one.question for one in score.strengths] == ["need"]


ANCHORED = [{"rating": 1, "text": "None."}, {"rating": 3, "text": "Some."}, {"rating": 5, "text": "All."}]


@pytest.mark.parametrize(
    ("anchors", "rating", "shown"),
    [
        (ANCHORED, 5, [5]),
        (ANCHORED, 4, [3, 5]),
        (ANCHORED, 2, [1, 3]),
        (ANCHORED[1:], 2, [3]),
        (ANCHORED[:1], 4, [1]),
        (ANCHORED[::-1], 4, [3, 5]),
        ([], 4, []),
    ],
)
def test_a_reason_shows_the_anchor_of_its_rating_or_those_around_it(anchors, rating, shown):
    score = scored(weighted(step("all", question("need", anchors=anchors))), {"need": rating})
    (line,) = score.strengths + score.gaps
    assert [anchor.rating for anchor in line.anchors] == shown
