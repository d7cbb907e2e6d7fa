"""Wilson's interval against figures of statsmodels 0.15.0, and the bounds against a hand calculation."""

import pytest

from app.insights.statistics.estimate import Estimate
from app.insights.statistics.proportions import Bounds, bounds, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        (7, 23, 0.1560402445321402, 0.5086575626875921),
        (0, 12, 0.0, 0.24249400665524096),
        (12, 12, 0.7575059933447589, 1.0),
        (1, 400, 0.0004414477868016353, 0.014023285075823394),
        (3.5, 10.25, 0.13334871155530298, 0.6360151249818209),
    ],
)
def test_wilson(successes, n, low, high):
    found = wilson(successes, n)
    assert found == Estimate(successes / n, pytest.approx(low, abs=1e-12), pytest.approx(high, abs=1e-12))


def test_wilson_at_another_level():
    found = wilson(7, 23, level=0.9)
    assert found == Estimate(7 / 23, pytest.approx(0.17424907814592938), pytest.approx(0.475631889511025))


def test_no_cases_have_no_rate():
    assert wilson(0, 0) is None
    assert bounds(0, 0, 0) is None


def test_the_bounds_count_all_undecided_cases_as_lost_and_as_won():
    assert bounds(12, 30, 20) == Bounds(low=12 / 50, high=32 / 50)
    assert bounds(3, 3, 0) == Bounds(low=1, high=1)
    assert bounds(0, 0, 5) == Bounds(low=0, high=1)
