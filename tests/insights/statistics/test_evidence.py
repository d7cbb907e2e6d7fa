"""What a prospect counts, and when there is enough to say something."""

import numpy as np
import pytest

from app.insights.statistics import discrimination, logistic
from app.insights.statistics.evidence import evidence, prospect_weights


def test_the_sessions_of_a_prospect_share_its_weight():
    assert prospect_weights(np.array(["a", "b", "a", "c", "a"])).tolist() == [1 / 3, 1, 1 / 3, 1, 1 / 3]


@pytest.mark.parametrize(
    ("won", "lost", "sufficient", "preliminary"),
    [(9, 50, False, True), (10, 10, True, True), (99, 500, True, True), (100, 100, True, False)],
)
def test_the_smaller_group_decides(won, lost, sufficient, preliminary):
    found = evidence(np.repeat([True, False], [won, lost]))
    assert (found.won, found.lost) == (won, lost)
    assert (found.sufficient, found.preliminary) == (sufficient, preliminary)


def test_ten_prospects_with_three_won_sessions_each_are_ten():
    prospects = np.concatenate([np.repeat(np.arange(10), 3), np.arange(10, 20)])
    found = evidence(prospects < 10, prospect_weights(prospects))
    assert found.sufficient
    assert found.won == pytest.approx(10)


def test_a_prospect_with_500_sessions_changes_no_figure_more_than_one_session_would():
    scores = np.concatenate([np.linspace(10, 60, 20), np.linspace(40, 90, 20)])
    won = np.arange(40) >= 20
    many = np.concatenate([np.arange(40), np.full(500, 40)])
    all_scores, all_won = (
        np.concatenate([scores, np.full(500, 95.0)]),
        np.concatenate([won, np.zeros(500, bool)]),
    )
    weights = prospect_weights(many)
    once = np.append(scores, 95.0), np.append(won, False)
    fitted, expected = logistic.fit(all_scores, all_won, weights), logistic.fit(*once)
    assert fitted.slope.estimate == pytest.approx(expected.slope.estimate, rel=1e-6)
    assert fitted.slope.low == pytest.approx(expected.slope.low, rel=1e-6)
    area, expected_area = discrimination.auc(all_scores, all_won, weights), discrimination.auc(*once)
    assert (area.estimate, area.low) == pytest.approx((expected_area.estimate, expected_area.low))
