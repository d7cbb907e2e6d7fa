"""How far people who rate the same things agree.

The functions take the sums of the tables of all units in a group, such as the ratings of all questions about
one prospect, because the ratings of one prospect are alike. Where units have nothing in common, each can be a
group of its own. The sums may be weighted.

The interval is the expanded percentile interval of REPLICATES draws of groups with replacement. With perfect
agreement, all draws are equal. Then `low` is 1 − the upper end of Wilson's interval of 0 of n groups: if a
share q of the groups were rated by chance, the agreement would be about 1 − q.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np

from app.insights.statistics.estimate import LEVEL, Estimate, Floats, within
from app.insights.statistics.evidence import MINIMUM_OF_UNITS
from app.insights.statistics.proportions import wilson
from app.insights.statistics.resampling import expanded_percentiles, resampled

Metric = Literal["nominal", "ordinal"]
REPLICATES = 1000


def alpha_of_groups(
    coincidences: Floats, metric: Metric = "ordinal", level: float = LEVEL
) -> Estimate | None:
    """Krippendorff's alpha: 1 is perfect agreement, 0 that of chance, below 0 systematic disagreement.

    1 − observed / expected disagreement, from the coincidences of all pairs of ratings of a unit
    (Krippendorff 2011). The ordinal distance of two ratings is the squared difference of their midranks among
    all ratings.

    Args:
        coincidences: groups × values × values, with the values in their order. Each ordered pair of ratings
            of a unit with m ratings counts 1 / (m − 1).
        metric: the distance of two ratings.
        level: the confidence level, between 0 and 1.

    Returns:
        None with fewer than `evidence.MINIMUM_OF_UNITS` groups, or if all ratings are equal, so that chance
        is not defined.
    """
    return _estimate(coincidences, lambda tables: _alphas(tables, metric), level)


def kappa_of_groups(tables: Floats, values: Floats, level: float = LEVEL) -> Estimate | None:
    """Cohen's kappa of two raters with quadratic weights (Cohen 1968).

    1 − Σ O·(a−b)² / Σ E·(a−b)², where O is observed and E is expected from the ratings that each rater gives.

    Args:
        tables: groups × values × values: how often the first rater gave the one value and the second rater
            the other one.
        values: the ratings that the rows and columns stand for.
        level: the confidence level, between 0 and 1.

    Returns:
        None with fewer than `evidence.MINIMUM_OF_UNITS` groups, or if all ratings are equal.
    """
    distance = (values[:, None] - values) ** 2
    return _estimate(tables, lambda drawn: _kappas(drawn, distance), level)


def _estimate(tables: Floats, statistic: Callable[[Floats], Floats], level: float) -> Estimate | None:
    """The statistic of the sum of the tables of all groups, with the interval over draws of groups."""
    n, values = tables.shape[:2]
    if n < MINIMUM_OF_UNITS:
        return None
    point = statistic(tables.sum(axis=0)[None])
    if not len(point):
        return None
    if point[0] == 1:
        by_chance = wilson(0, n, level)
        return within(1.0, 1 - by_chance.high if by_chance else -1.0, 1.0, -1, 1)
    # Groups with the same table are interchangeable.
    distinct, kind = np.unique(tables.reshape(n, -1), axis=0, return_inverse=True)
    sums = np.concatenate([drawn @ distinct for drawn in resampled(kind, REPLICATES)])
    replicates = statistic(sums.reshape(-1, values, values))
    low, high = expanded_percentiles(replicates, n, level)
    return within(float(point[0]), low, high, -1, 1)


def _alphas(coincidences: Floats, metric: Metric) -> Floats:
    """Alpha for each matrix of coincidences in which the ratings are not all equal."""
    totals = coincidences.sum(axis=2)
    if metric == "nominal":
        distance = np.broadcast_to(1 - np.eye(totals.shape[1]), coincidences.shape)
    else:
        midranks = np.cumsum(totals, axis=1) - totals / 2
        distance = (midranks[:, :, None] - midranks[:, None, :]) ** 2
    observed = (coincidences * distance).sum(axis=(1, 2))
    expected = np.einsum("rc,rd,rcd->r", totals, totals, distance) / (totals.sum(axis=1) - 1)
    defined = expected > 0
    alphas: Floats = 1 - observed[defined] / expected[defined]
    return alphas


def _kappas(tables: Floats, distance: Floats) -> Floats:
    """Kappa for each table of counts in which the ratings are not all equal."""
    observed = (tables * distance).sum(axis=(1, 2))
    expected = np.einsum("rc,rd,cd->r", tables.sum(axis=2), tables.sum(axis=1), distance)
    defined = expected > 0
    kappas: Floats = 1 - observed[defined] * tables.sum(axis=(1, 2))[defined] / expected[defined]
    return kappas
