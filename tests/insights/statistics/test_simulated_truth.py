"""A small part of `bench/intervals.py`: intervals include the truth as often as they should."""

import pytest

from bench.intervals import auc_row, logistic_rows, noise_questions_row, noise_slope_row, shares, wilson_row

REPLICATIONS = 200


@pytest.mark.parametrize("rows", [wilson_row(0.25), logistic_rows(0.05, 0.5, shown=False), auc_row(1.2)])
def test_a_95_percent_interval_includes_the_truth_in_about_95_percent_of_the_cohorts(rows):
    """The share of 200 cohorts has a standard error of 1.5 points."""
    found, counted = shares(rows, 60, REPLICATIONS)
    assert counted == REPLICATIONS
    assert [share for share in found if not 0.90 <= share <= 0.995] == []


@pytest.mark.parametrize("rows", [noise_slope_row(), noise_questions_row()])
def test_pure_noise_shows_something_in_about_5_percent_of_the_cohorts_at_most(rows):
    found, _ = shares(rows, 60, REPLICATIONS)
    assert found[0] <= 0.10
