"""Scores of probabilities, against figures of model-diagnostics 1.5.0 and hand calculations."""

import math

import numpy as np
import pytest

from app.insights.statistics.probability_scores import isotonic, probability_scores, time_ordered
from tests.insights.statistics.data import DAMAGED, TEMPERATURES

PROBABILITIES = np.round((90 - TEMPERATURES) / 50, 2)


@pytest.mark.parametrize(
    ("weights", "miscalibration", "discrimination", "uncertainty", "brier"),
    [
        (None, 0.0679503105590062, 0.10923575479341081, 0.21172022684310024, 0.17043478260869563),
        (
            np.arange(1, 24) / 10,
            0.06527260981912142,
            0.1290341095040616,
            0.21975425330812856,
            0.15599275362318837,
        ),
    ],
)
def test_the_corp_split(weights, miscalibration, discrimination, uncertainty, brier):
    found = probability_scores(PROBABILITIES, DAMAGED, weights)
    assert found.miscalibration == pytest.approx(miscalibration, abs=1e-12)
    assert found.discrimination == pytest.approx(discrimination, abs=1e-12)
    assert found.uncertainty == pytest.approx(uncertainty, abs=1e-12)
    assert found.brier == pytest.approx(brier, abs=1e-12)
    assert found.skill == pytest.approx(1 - brier / uncertainty, abs=1e-12)


def test_the_base_rate_has_no_skill():
    found = probability_scores(np.full(23, 7 / 23), DAMAGED)
    assert (found.skill, found.discrimination, found.miscalibration) == pytest.approx((0, 0, 0))


def test_all_won_has_no_skill_to_show():
    found = probability_scores(np.array([0.5, 0.8]), np.array([True, True]))
    assert found.skill is None
    assert found.uncertainty == 0
    assert found.log_loss == pytest.approx(-(math.log(0.5) + math.log(0.8)) / 2)


def test_a_certainty_that_turns_out_wrong_has_a_finite_log_loss():
    found = probability_scores(np.array([1.0, 0.0]), np.array([False, True]))
    assert found.brier == 1
    assert found.log_loss == pytest.approx(-math.log(1e-15))


def test_without_deals_there_is_nothing_to_score():
    assert probability_scores(np.array([]), np.array([], dtype=np.bool_)) is None
    assert time_ordered(np.array([]), np.array([], dtype=np.bool_), np.array([])) is None


def test_isotonic_pools_what_decreases():
    """At 1 the mean is 2, at 2 it is 1, at 3 it is 4 and 5: the first two are pooled, by weight."""
    x, y = np.array([3.0, 1, 2, 3]), np.array([5.0, 2, 1, 4])
    assert isotonic(x, y).tolist() == [4.5, 1.5, 1.5, 4.5]
    assert isotonic(x, y, np.array([1.0, 3, 1, 1])).tolist() == [4.5, 1.75, 1.75, 4.5]


def test_the_later_deals_judge_the_fit_of_the_earlier_ones():
    """The earlier 70 are 35 at 20, of which 7 were won, and 35 at 80, of which 28 were won."""
    generator = np.random.default_rng(1)
    scores = np.concatenate([np.repeat([20.0, 80.0], 35), np.repeat([20.0, 80.0], 15)])
    won = np.concatenate([np.arange(35) < 7, np.arange(35) < 28, np.arange(15) < 3, np.arange(15) < 12])
    order = generator.permutation(100)
    found = time_ordered(scores[order], won[order], np.arange(100.0)[order])
    assert (found.earlier, found.later) == (70, 30)
    # Firth adds half a deal to each of the four cells: 7.5 of 36 and 28.5 of 36.
    low, high = 7.5 / 36, 28.5 / 36
    brier = (0.2 * (1 - low) ** 2 + 0.8 * low**2) / 2 + (0.8 * (1 - high) ** 2 + 0.2 * high**2) / 2
    assert found.brier == pytest.approx(brier)
    assert found.skill == pytest.approx(1 - brier / 0.25)
    assert (found.predicted_rate, found.observed_rate) == pytest.approx((0.5, 0.5))
    assert found.auc.estimate == pytest.approx(0.8)


def test_deals_of_one_time_are_not_split():
    scores, won = np.arange(60.0), np.arange(60) % 2 == 0
    assert time_ordered(scores, won, np.full(60, 5.0)) is None
    found = time_ordered(scores, won, np.where(np.arange(60) < 50, 1.0, 2.0))
    assert (found.earlier, found.later) == (50, 10)


def test_too_few_earlier_deals_judge_nothing():
    assert time_ordered(np.arange(30.0), np.arange(30) % 3 == 0, np.arange(30.0)) is None
