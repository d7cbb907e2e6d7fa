"""Means of sessions, whose prospects are the cases."""

import math

import numpy as np
import pytest

from app.insights.statistics.estimate import Estimate
from app.insights.statistics.means import mean


def test_one_session_for_each_prospect():
    """1, 2, 3, 4, 5: the standard deviation is √2.5."""
    reach = 1.959963984540054 * math.sqrt(2.5 / 5)
    found = mean(np.arange(1.0, 6), np.arange(5))
    assert found == Estimate(3, pytest.approx(3 - reach), pytest.approx(3 + reach))


def test_sessions_that_repeat_others_of_their_prospect_add_nothing():
    once = mean(np.arange(1.0, 6), np.arange(5))
    many = mean(np.repeat(np.arange(1.0, 6), 7), np.repeat(np.arange(5), 7), np.full(35, 1 / 7))
    assert (many.estimate, many.low, many.high) == pytest.approx((once.estimate, once.low, once.high))


def test_one_prospect_has_no_interval():
    assert mean(np.array([1.0, 5.0]), np.array([0, 0])) is None
    assert mean(np.array([]), np.array([], dtype=np.int64)) is None
