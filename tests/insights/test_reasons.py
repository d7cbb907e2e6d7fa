"""The questions on which deals that were lost for one reason differ from the other lost deals."""

from random import Random

import pytest

from app.insights.reasons import compare_reasons
from tests.insights.ended import ended

LABELS = {1: [("budget", "the budget"), ("need", "the need")]}


def lost(reason, *ratings, **more):
    return ended("lost", reason=reason, ratings=",".join(map(str, ratings)), **more)


def test_a_question_that_differs_is_named_with_its_direction():
    sessions = [lost("price", rating, 3) for rating in (1, 2) * 6]
    sessions += [lost("timing", rating, 3) for rating in (4, 5) * 6]
    price, timing = compare_reasons(sessions, LABELS)
    assert (price.reason, price.lost, price.others) == ("price", 12, 12)
    budget, need = price.questions
    assert (budget.question, budget.mean, budget.mean_of_others, budget.differs) == ("budget", 1.5, 4.5, True)
    # Every deal that was lost for its price has a lower rating than every other one.
    assert budget.auc.estimate == 0
    assert (need.auc.estimate, need.p_adjusted, need.differs) == (0.5, None, False)
    assert price.summary == (
        "Deals that were lost for price were rated lower on the budget than the other lost deals."
    )
    assert timing.summary == (
        "Deals that were lost for timing were rated higher on the budget than the other lost deals."
    )


def test_the_p_value_is_adjusted_for_all_questions_and_reasons():
    # The first question by scipy's mannwhitneyu([1, 2, 3] * 4, [2, 3, 4] * 4, method="asymptotic"):
    # 0.0173187. The second one is rated alike. There are four tests, of which two have the smallest p-value.
    sessions = [lost("price", rating, rating) for rating in (1, 2, 3) * 4]
    sessions += [lost("timing", rating + 1, rating) for rating in (1, 2, 3) * 4]
    comparisons = compare_reasons(sessions, LABELS)
    found = [question.p_adjusted for one in comparisons for question in one.questions]
    assert found == pytest.approx([0.0173187 * 4 / 2, 1] * 2, abs=1e-6)


def test_questions_and_reasons_with_few_deals_are_suppressed():
    sessions = [lost("price", 1, rating) for rating in [3] * 9 + ["-"]]
    sessions += [lost(None, 5, 3) for _ in range(10)]
    sessions += [lost("timing", 5, 3) for _ in range(9)]
    (price,) = compare_reasons(sessions, LABELS)
    assert ([one.question for one in price.questions], price.suppressed) == (["budget"], ["need"])


def test_a_prospect_with_500_lost_deals_counts_as_one():
    many = [lost("price", 1, 1, prospect="P", deal=f"D{number}") for number in range(500)]
    assert compare_reasons([*many, *(lost("timing", 5, 5) for _ in range(20))], LABELS) == []


def test_codes_of_questions_that_are_not_rated_are_no_ratings():
    sessions = [lost("price", code, 1) for code in ["u", "-", "n", ""] * 3]
    sessions += [lost("timing", 3, 1) for _ in range(12)]
    price, _ = compare_reasons(sessions, LABELS)
    assert price.suppressed == ["budget"]
    assert (
        price.summary
        == "Deals that were lost for price do not differ clearly from the other lost deals on any question."
    )


def test_versions_are_pooled_by_question():
    labels = {1: [("budget", "money"), ("need", "need")], 2: [("need", "the need")]}
    sessions = [lost("price", 3, 1) for _ in range(6)] + [lost("price", 1, version=2) for _ in range(6)]
    sessions += [lost("timing", 5, version=2) for _ in range(12)]
    price, _ = compare_reasons(sessions, labels)
    (need,) = price.questions
    assert (need.label, need.reason_rated, need.others_rated, need.differs) == ("the need", 12, 12, True)


def test_negative_ratings_are_ratings():
    sessions = [lost("price", -2, 0) for _ in range(10)] + [lost("timing", 2, 0) for _ in range(10)]
    budget = compare_reasons(sessions, LABELS)[0].questions[0]
    assert (budget.mean, budget.mean_of_others) == (-2, 2)


def test_no_deals_and_no_labels():
    assert compare_reasons([], {}) == []
    assert compare_reasons([lost("price", 1)], None) is None
    assert compare_reasons(None, LABELS) is None


def test_noise_seldom_looks_like_a_difference():
    """Of 100 sets of noise, about 5 may show one; 15 or more have a probability of 1 in 10,000."""
    chance = Random(20)
    names = {1: [(f"q{number}", f"q{number}") for number in range(5)]}
    shown = 0
    for _ in range(100):
        sessions = [
            lost(chance.choice(("price", "timing")), *(chance.randint(1, 5) for _ in range(5)))
            for _ in range(60)
        ]
        shown += any(
            question.differs for one in compare_reasons(sessions, names) for question in one.questions
        )
    assert shown < 15
