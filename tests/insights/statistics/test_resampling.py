"""Draws with replacement."""

import numpy as np

from app.insights.statistics.resampling import DRAWS_AT_ONCE, resampled


def test_each_replicate_draws_as_many_units_as_there_are():
    """There are four units of the kind 0 and one of the kind 1."""
    counts = np.concatenate(list(resampled(np.array([0, 0, 1, 0, 0]), 4000)))
    assert counts.shape == (4000, 2)
    assert set(counts.sum(axis=1).tolist()) == {5}
    # 4000 · 5 draws: the standard error of the share is 0.3 %.
    assert abs(counts[:, 1].mean() / 5 - 0.2) < 0.015


def test_many_units_are_drawn_in_several_parts():
    counts = list(resampled(np.arange(DRAWS_AT_ONCE // 2), 5))
    assert [len(part) for part in counts] == [2, 2, 1]
    assert [part.sum() for part in counts] == [DRAWS_AT_ONCE, DRAWS_AT_ONCE, DRAWS_AT_ONCE // 2]
    assert not np.array_equal(counts[0][0], counts[1][0])
