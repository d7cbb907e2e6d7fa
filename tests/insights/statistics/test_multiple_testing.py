"""P-values: the edges. `test_other_libraries.py` compares their values."""

import numpy as np
import pytest

from app.insights.statistics.multiple_testing import benjamini_hochberg, mann_whitney_p_value


def test_the_example_of_benjamini_and_hochberg():
    """Their fifteen p-values (1995, section 3.2): at 5 %, the method rejects the four smallest."""
    p_values = [
        *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
        *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000),
    ]
    adjusted = benjamini_hochberg(p_values)
    assert [p <= 0.05 for p in adjusted] == [True] * 4 + [False] * 11
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)


def test_the_order_is_kept_and_what_was_not_tested_does_not_count():
    assert benjamini_hochberg([0.04, None, 0.01]) == [0.04, None, 0.02]
    assert benjamini_hochberg([None]) == [None]
    assert benjamini_hochberg([]) == []


@pytest.mark.parametrize(
    ("scores", "won"),
    [([], []), ([3.0], [True]), ([3.0, 4.0], [True, True]), ([3.0, 3.0], [True, False])],
)
def test_what_cannot_be_tested_has_no_p_value(scores, won):
    assert mann_whitney_p_value(np.array(scores), np.array(won, dtype=np.bool_)) is None


def test_ratings_that_are_alike_when_won_and_when_lost_have_the_p_value_1():
    ratings = np.array([1.0, 2, 3, 4, 5] * 4)
    assert mann_whitney_p_value(ratings, np.repeat([True, False], 10)) == 1
