"""A small part of `bench/intervals.py`: intervals include the truth as often as they should."""

import pytest

from bench.intervals import (
    auc_row,
    noise_questions_row,
    noise_slope_row,
    prediction_row,
    share,
    slope_row,
    wilson_row,
)

REPLICATIONS = 200


@pytest.mark.parametrize(
    "row",
    [
        wilson_row(0.25),
        slope_row(0.05, 0.5, shown=False),
        prediction_row(80, 0.05, 0.5, shown=False),
        auc_row(1.2),
    ],
    ids=lambda row: row.name,
)
def test_a_95_percent_interval_includes_the_truth_in_about_95_percent_of_the_cohorts(row):
    """The share of 200 cohorts has a standard error of 1.5 points."""
    found, counted = share(row, 60, REPLICATIONS)
    assert counted == REPLICATIONS
    assert 0.90 <= found <= 0.995


@pytest.mark.parametrize("row", [noise_slope_row(), noise_questions_row()], ids=lambda row: row.name)
def test_pure_noise_shows_something_in_about_5_percent_of_the_cohorts_at_most(row):
    found, _ = share(row, 60, REPLICATIONS)
    assert found <= 0.10
