"""Firth's logistic regression on samples with a known answer."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.insights.statistics import logistic
from app.insights.statistics.estimate import Estimate
from tests.insights.statistics.data import DAMAGED, TEMPERATURES


def test_the_slope_between_two_scores_is_that_of_half_a_deal_more_in_each_cell():
    """Three lost at 0 and three won at 1: the odds are 3.5 to 0.5 at 1, and the reverse at 0."""
    fitted = logistic.fit(np.array([0.0, 0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1, 1], dtype=np.bool_))
    assert fitted.slope.estimate == pytest.approx(2 * math.log(7), abs=1e-8)
    assert fitted.intercept == pytest.approx(-math.log(7), abs=1e-8)
    assert logistic.predict(fitted, np.array([0.5]))[0].estimate == pytest.approx(0.5)


def test_with_many_deals_the_penalty_vanishes():
    """Published figures by maximum likelihood: 15.0429 and −0.23216, with the standard error 0.10824."""
    repeated = 1e6
    fitted = logistic.fit(TEMPERATURES, DAMAGED, np.full(23, repeated))
    assert fitted.intercept == pytest.approx(15.0429, abs=1e-4)
    assert fitted.slope.estimate == pytest.approx(-0.23216, abs=1e-5)
    assert math.sqrt(fitted.variance_of_slope * repeated) == pytest.approx(0.10824, abs=1e-5)
    half_width = (fitted.slope.high - fitted.slope.low) / 2
    assert half_width == pytest.approx(1.959964 * 0.10824 / math.sqrt(repeated), rel=1e-3)


def test_the_mean_prediction_is_the_observed_rate():
    fitted = logistic.fit(TEMPERATURES, DAMAGED)
    predicted = [each.estimate for each in logistic.predict(fitted, TEMPERATURES)]
    assert np.mean(predicted) == pytest.approx(7 / 23, abs=1e-12)
    assert fitted.base_rate.estimate == 7 / 23
    assert fitted.shows_a_slope


def test_identical_scores_have_no_slope_but_a_rate():
    won = np.arange(10_000) < 3000
    fitted = logistic.fit(np.full(10_000, 61.7), won)
    assert fitted.slope is None
    assert not fitted.shows_a_slope
    assert logistic.predict(fitted, np.array([61.7, 80])) == [fitted.base_rate] * 2
    assert fitted.base_rate.estimate == 0.3


@pytest.mark.parametrize("won", [[], [True], [False], [True] * 30, [False] * 30])
def test_without_both_outcomes_there_is_no_fit(won):
    assert logistic.fit(np.arange(len(won), dtype=np.float64), np.array(won, dtype=np.bool_)) is None


def test_a_weight_counts_like_a_number_of_deals():
    scores, won = np.array([20.0, 40, 40, 70, 90]), np.array([False, True, False, False, True])
    times = np.array([3, 1, 2, 4, 2])
    weighted = logistic.fit(scores, won, times.astype(np.float64))
    repeated = logistic.fit(np.repeat(scores, times), np.repeat(won, times))
    assert weighted.slope.low == pytest.approx(repeated.slope.low, abs=1e-7)
    assert weighted.slope.high == pytest.approx(repeated.slope.high, abs=1e-7)
    assert weighted.intercept == pytest.approx(repeated.intercept, abs=1e-7)


def test_the_unit_of_the_score_does_not_matter():
    """An offset of a million made Newton's method fail where the scores were not centred."""
    plain = logistic.fit(TEMPERATURES, DAMAGED)
    moved = logistic.fit(TEMPERATURES / 1000 + 1e6, DAMAGED)
    assert moved.slope.low / 1000 == pytest.approx(plain.slope.low, rel=1e-6)
    assert moved.slope.high / 1000 == pytest.approx(plain.slope.high, rel=1e-6)
    expected = logistic.predict(plain, TEMPERATURES)
    found = logistic.predict(moved, TEMPERATURES / 1000 + 1e6)
    assert [each.low for each in found] == pytest.approx([each.low for each in expected], abs=1e-5)


def test_a_hundred_thousand_separated_deals_have_finite_figures():
    scores = np.arange(100_000) % 101.0
    fitted = logistic.fit(scores, scores > 50)
    assert all(math.isfinite(end) for end in (fitted.slope.low, fitted.slope.estimate, fitted.slope.high))
    low, high = logistic.predict(fitted, np.array([0.0, 100.0]))
    assert low.estimate < 1e-6
    assert high.estimate > 1 - 1e-6


def is_sound(estimate: Estimate, least: float, greatest: float) -> bool:
    ends = (least, estimate.low, estimate.estimate, estimate.high, greatest)
    return all(math.isfinite(end) for end in ends[1:4]) and list(ends) == sorted(ends)


@given(
    st.lists(
        st.tuples(st.floats(0, 100), st.booleans(), st.floats(1e-3, 50)),
        min_size=2,
        max_size=25,
    )
)
def test_every_figure_is_finite_and_in_its_range(rows):
    scores, won, weights = (np.array(column) for column in zip(*rows, strict=True))
    fitted = logistic.fit(scores, won, weights)
    if fitted is None:
        assert len(set(won.tolist())) == 1
        return
    assert fitted.slope is None or is_sound(fitted.slope, -math.inf, math.inf)
    assert all(is_sound(each, 0, 1) for each in logistic.predict(fitted, np.array([0.0, 50, 100])))
