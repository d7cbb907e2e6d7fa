"""P-values, and their adjustment when many questions are tested."""

import math

import numpy as np

from app.insights.statistics.estimate import Bools, Floats, sums_of, weights_or_ones


def benjamini_hochberg(p_values: list[float | None]) -> list[float | None]:
    """The p-values adjusted for the false discovery rate (Benjamini and Hochberg 1995), in the same order.

    The adjusted value of the i-th smallest of m p-values is the minimum of p_j · m / j over j >= i, at most
    1. None is not a test: it stays None and does not count.
    """
    tested = [(p, index) for index, p in enumerate(p_values) if p is not None]
    adjusted: list[float | None] = [None] * len(p_values)
    least = 1.0
    for rank, (p, index) in reversed(list(enumerate(sorted(tested), start=1))):
        least = min(least, p * len(tested) / rank)
        adjusted[index] = least
    return adjusted


def mann_whitney_p_value(scores: Floats, won: Bools, weights: Floats | None = None) -> float | None:
    """The two-sided p-value of the AUC against ½: the test of Mann and Whitney (1947).

    By the normal approximation, with the correction for ties and a continuity correction of ½. A weight
    counts like a number of deals.

    Args:
        scores: one finite score or rating for each row.
        won: whether the deal was won.
        weights: the weight of each row, such as `evidence.prospect_weights`; 1 if None.

    Returns:
        None unless there are won and lost deals and at least two distinct scores.
    """
    shares = weights_or_ones(weights, len(scores))
    distinct, group = np.unique(scores, return_inverse=True)
    tied, won_at = sums_of(group, shares), sums_of(group, shares * won)
    n, n_won = float(tied.sum()), float(won_at.sum())
    n_lost = n - n_won
    if len(distinct) < 2 or n_won <= 0 or n_lost <= 0 or n <= 1:
        return None
    lost_at = tied - won_at
    u = float((won_at * (np.cumsum(lost_at) - lost_at / 2)).sum())
    variance = n_won * n_lost / 12 * (n + 1 - float((tied**3 - tied).sum()) / (n * (n - 1)))
    if variance <= 0:
        return None
    distance = max(0.0, abs(u - n_won * n_lost / 2) - 0.5)
    return math.erfc(distance / math.sqrt(2 * variance))
