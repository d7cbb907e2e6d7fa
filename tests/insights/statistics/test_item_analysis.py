"""The correlation of a question with the rest of its set, against numpy's on the rows that count."""

import math

import numpy as np
import pytest

from app.insights.statistics.item_analysis import item_rest_correlations
from tests.insights.statistics.data import NAN


def test_the_rest_is_the_mean_of_the_other_ratings():
    generator = np.random.default_rng(6)
    ratings = np.clip(generator.integers(1, 6, (40, 1)) + generator.integers(-1, 2, (40, 4)), 1, 5).astype(
        float
    )
    ratings[generator.random(ratings.shape) < 0.2] = NAN
    found = item_rest_correlations(ratings)
    for column in range(4):
        rest = [
            np.nanmean(np.delete(row, column)) if np.isfinite(np.delete(row, column)).any() else NAN
            for row in ratings
        ]
        rows = np.isfinite(ratings[:, column]) & np.isfinite(rest)
        expected = np.corrcoef(ratings[rows, column], np.array(rest)[rows])[0, 1]
        assert found[column].estimate == pytest.approx(expected)
        reach = 1.959963984540054 / math.sqrt(rows.sum() - 3)
        assert math.atanh(found[column].low) == pytest.approx(math.atanh(expected) - reach)


def test_a_weight_counts_like_a_number_of_sessions():
    ratings = np.random.default_rng(7).integers(1, 6, (12, 3)).astype(float)
    times = np.arange(1, 13)
    weighted = item_rest_correlations(ratings, times.astype(np.float64))
    repeated = item_rest_correlations(np.repeat(ratings, times, axis=0))
    assert [each.low for each in weighted] == pytest.approx([each.low for each in repeated])


def test_a_perfect_correlation_of_few_sessions_is_not_certain():
    """With twelve sessions: tanh(artanh(11/13) − 1.96/√9) = 0.5306."""
    ratings = np.array([[1.0, 1.0], [2, 2], [3, 3], [5, 5]] * 3)
    found = item_rest_correlations(ratings)[0]
    assert (found.estimate, found.high) == pytest.approx((1, 1))
    assert found.low == pytest.approx(math.tanh(math.atanh(11 / 13) - 1.959964 / 3), abs=1e-6)


@pytest.mark.parametrize(
    "ratings",
    [np.full((20, 1), 3.0), np.full((20, 3), 3.0), np.full((20, 2), NAN), np.array([[1.0, 5], [2, 4]] * 4)],
    ids=["one question", "all equal", "no rating", "eight sessions"],
)
def test_what_has_no_correlation(ratings):
    assert set(item_rest_correlations(ratings)) == {None}
