"""The AUC and its intervals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.insights.statistics.discrimination import auc, clustered_auc
from tests.insights.statistics.data import DAMAGED, TEMPERATURES


def placements(scores, won):
    """For each pair of a won and a lost deal: 1 if the won one has the higher score, ½ if they are equal."""
    difference = scores[won][:, None] - scores[~won][None, :]
    return (difference > 0) + (difference == 0) / 2


def delong(scores, won):
    """The AUC and its standard error, by the definition."""
    pairs = placements(scores, won)
    variance = pairs.mean(axis=1).var(ddof=1) / len(pairs) + pairs.mean(axis=0).var(ddof=1) / len(pairs.T)
    return pairs.mean(), math.sqrt(variance)


def test_delong_by_the_definition():
    area, error = delong(-TEMPERATURES, DAMAGED)
    reach = 1.959963984540054 * error / (area * (1 - area))
    found = auc(-TEMPERATURES, DAMAGED)
    assert found.estimate == pytest.approx(area)
    assert math.log(found.low / (1 - found.low)) == pytest.approx(math.log(area / (1 - area)) - reach)
    assert math.log(found.high / (1 - found.high)) == pytest.approx(math.log(area / (1 - area)) + reach)


def test_a_perfect_separation_of_few_deals_is_not_certain():
    """With ten of each, an AUC of 0.8 is still possible. Newcombe (2006), solved by hand for θ = 0.8002:

    z²·V = 3.8415 · 0.8002·0.1998/100 · (1 + 9·0.1998/1.1998 + 9·0.8002/1.8002) = 0.0399 = (1 − 0.8002)².
    """
    won = np.arange(20) >= 10
    found = auc(np.arange(20.0), won)
    assert (found.estimate, found.high) == (1, 1)
    assert found.low == pytest.approx(0.8002, abs=5e-5)
    reverse = auc(-np.arange(20.0), won)
    assert (reverse.low, reverse.estimate) == (0, 0)
    assert reverse.high == pytest.approx(1 - found.low)


def test_identical_scores_say_nothing():
    found = auc(np.full(20, 50.0), np.arange(20) >= 10)
    assert found.estimate == 0.5
    assert found.low < 0.3
    assert found.high > 0.7


@pytest.mark.parametrize("won", [[], [True], [False, False]])
def test_without_both_outcomes_there_is_no_auc(won):
    arguments = np.arange(len(won), dtype=np.float64), np.array(won, dtype=np.bool_)
    assert auc(*arguments) is None
    assert clustered_auc(*arguments, np.arange(len(won))) is None


def test_with_one_session_for_each_prospect_both_intervals_are_alike():
    generator = np.random.default_rng(3)
    won = generator.random(300) < 0.4
    scores = np.round(generator.normal(50 + 12 * won, 15))
    found, resampled = auc(scores, won), clustered_auc(scores, won, np.arange(300))
    assert resampled.estimate == found.estimate
    # The standard deviation of 200 replicates has a relative standard error of 5 %.
    assert resampled.high - resampled.low == pytest.approx(found.high - found.low, rel=0.15)


def test_sessions_that_repeat_others_of_their_prospect_add_nothing():
    generator = np.random.default_rng(4)
    won = generator.random(80) < 0.5
    scores = np.round(generator.normal(50 + 12 * won, 15))
    once = clustered_auc(scores, won, np.arange(80))
    five_times = clustered_auc(np.tile(scores, 5), np.tile(won, 5), np.tile(np.arange(80), 5))
    assert five_times.estimate == pytest.approx(once.estimate)
    assert five_times.low == pytest.approx(once.low)


def test_the_result_does_not_change():
    arguments = -TEMPERATURES, DAMAGED, np.arange(23) // 2
    assert clustered_auc(*arguments) == clustered_auc(*arguments)


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans(), st.integers(0, 3)), min_size=2, max_size=12))
@settings(max_examples=20)
def test_every_interval_is_between_0_and_1_and_includes_the_estimate(rows):
    scores, won, prospects = (np.array(column) for column in zip(*rows, strict=True))
    for found in (
        auc(scores.astype(np.float64), won),
        clustered_auc(scores.astype(np.float64), won, prospects),
    ):
        assert (found is None) == (len(set(won.tolist())) == 1)
        if found is not None:
            assert 0 <= found.low <= found.estimate <= found.high <= 1
            assert found.low < found.high
