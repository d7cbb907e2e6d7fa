"""Means."""

import math

import numpy as np

from app.insights.statistics.estimate import LEVEL, Estimate, Floats, Integers, sums_of, weights_or_ones, z_of


def mean(
    values: Floats, prospect: Integers, weights: Floats | None = None, level: float = LEVEL
) -> Estimate | None:
    """The weighted mean of values of sessions, with an interval that treats each prospect as one case.

    mean ± z·√(G/(G−1) · Σ (Σ w·(value − mean))²) / Σ w, where the inner sum is over the sessions of one of
    the G prospects: the variance of a ratio of totals of clusters (Cochran 1977, section 11.8).

    Args:
        values: one finite value for each session.
        prospect: the number of the prospect of each session, from 0.
        weights: the weight of each session, such as `evidence.prospect_weights`; 1 if None.
        level: the confidence level, between 0 and 1.

    Returns:
        None with fewer than two prospects.
    """
    shares = weights_or_ones(weights, len(values))
    _, group = np.unique(prospect, return_inverse=True)
    clusters = int(group.max()) + 1 if len(group) else 0
    if clusters < 2:
        return None
    centre = float(np.average(values, weights=shares))
    deviations = sums_of(group, shares * (values - centre))
    variance = clusters / (clusters - 1) * float((deviations**2).sum()) / float(shares.sum()) ** 2
    reach = z_of(level) * math.sqrt(variance)
    return Estimate(centre, centre - reach, centre + reach)
