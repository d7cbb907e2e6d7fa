"""Whether a question measures what the other questions of its set measure."""

import math

import numpy as np

from app.insights.statistics.estimate import LEVEL, Estimate, Floats, weights_or_ones, within, z_of
from app.insights.statistics.evidence import MINIMUM_OF_UNITS, TOLERANCE


def item_rest_correlations(
    ratings: Floats, weights: Floats | None = None, level: float = LEVEL
) -> list[Estimate | None]:
    """For each question, the correlation of its ratings with the mean of the other ratings of the session.

    Pearson's correlation over the sessions that rated the question and at least one other question. The
    interval is that of Fisher (1921): tanh(artanh(r) ± z/√(n−3)). For a perfect correlation, whose artanh is
    infinite, it is computed as if one more session contradicted it: with r·(n−1)/(n+1).

    Args:
        ratings: sessions × questions; NaN where there is no rating.
        weights: the weight of each session, such as `evidence.prospect_weights`; 1 if None. n is their sum.
        level: the confidence level, between 0 and 1.

    Returns:
        One entry for each question, None if n is below `evidence.MINIMUM_OF_UNITS` or one of the two does not
        vary.
    """
    shares = weights_or_ones(weights, len(ratings))
    rated = ~np.isnan(ratings)
    known = np.where(rated, ratings, 0.0)
    others = rated.sum(axis=1)[:, None] - rated
    rest = (known.sum(axis=1)[:, None] - known) / np.maximum(others, 1)
    usable = rated & (others > 0)
    return [
        _correlation(known[rows, column], rest[rows, column], shares[rows], level)
        for column, rows in enumerate(usable.T)
    ]


def _correlation(x: Floats, y: Floats, weights: Floats, level: float) -> Estimate | None:
    n = float(weights.sum())
    if n < MINIMUM_OF_UNITS - TOLERANCE or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    x, y = x - np.average(x, weights=weights), y - np.average(y, weights=weights)
    spread = math.sqrt(float((weights * x * x).sum()) * float((weights * y * y).sum()))
    correlation = max(-1.0, min(1.0, float((weights * x * y).sum()) / spread))
    is_perfect = abs(correlation) > 1 - TOLERANCE
    centre = math.atanh(correlation * (n - 1) / (n + 1) if is_perfect else correlation)
    reach = z_of(level) / math.sqrt(n - 3)
    return within(correlation, math.tanh(centre - reach), math.tanh(centre + reach), -1, 1)
