"""How far people who rate the same things agree."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

from app.insights.statistics.estimate import LEVEL, Estimate, Floats, within
from app.insights.statistics.evidence import MINIMUM_OF_UNITS
from app.insights.statistics.proportions import wilson
from app.insights.statistics.resampling import expanded_percentiles, resampled

Metric = Literal["nominal", "ordinal"]
Groups = npt.NDArray[np.generic]
REPLICATES = 1000


def krippendorff_alpha(
    ratings: Floats, metric: Metric = "ordinal", groups: Groups | None = None, level: float = LEVEL
) -> Estimate | None:
    """Krippendorff's alpha: 1 is perfect agreement, 0 that of chance, below 0 systematic disagreement.

    1 − observed / expected disagreement, from the coincidences of all pairs of ratings of a unit
    (Krippendorff 2011). The ordinal distance of two ratings is the squared difference of their midranks among
    all pairable ratings.

    The interval is the expanded percentile interval of REPLICATES draws of groups of units with replacement.
    With perfect agreement, all draws are equal. Then `low` is 1 − the upper end of Wilson's interval of 0 of
    n groups: if a share q of the groups were rated by chance, alpha would be about 1 − q.

    Args:
        ratings: raters × units; NaN where there is no rating. Units with fewer than two ratings do not count.
        metric: the distance of two ratings.
        groups: what identifies the group of each unit, such as its prospect, because the ratings of one
            prospect are alike. If None, each unit is a group.
        level: the confidence level, between 0 and 1.

    Returns:
        None with fewer than `evidence.MINIMUM_OF_UNITS` groups of units that have two ratings, or if all
        ratings are equal, so that chance is not defined.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    given = np.zeros((ratings.shape[1], len(values)))
    for column, value in enumerate(values):
        given[:, column] = (ratings == value).sum(axis=0)
    pairable = given.sum(axis=1) >= 2
    given = given[pairable]
    pairs = given[:, :, None] * (given[:, None, :] - np.eye(len(values)))
    coincidences = pairs / (given.sum(axis=1) - 1)[:, None, None]
    return _estimate(
        coincidences,
        groups[pairable] if groups is not None else None,
        lambda tables: _alphas(tables, metric),
        level,
    )


def weighted_kappa(
    first: Floats, second: Floats, groups: Groups | None = None, level: float = LEVEL
) -> Estimate | None:
    """Cohen's kappa of two raters with quadratic weights (Cohen 1968).

    1 − Σ O·(a−b)² / Σ E·(a−b)², where E is expected from the ratings that each of them gives. The interval is
    made like that of `krippendorff_alpha`.

    Args:
        first: the ratings of one person; NaN where there is none.
        second: the ratings of the other person for the same units.
        groups: see `krippendorff_alpha`.
        level: the confidence level, between 0 and 1.

    Returns:
        None with fewer than `evidence.MINIMUM_OF_UNITS` groups of units that both rated, or if all these
        ratings are equal.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    values = np.unique(np.concatenate([first[both], second[both]]))
    tables = (first[both, None, None] == values[:, None]) & (second[both, None, None] == values)
    distance = (values[:, None] - values) ** 2
    return _estimate(
        tables.astype(np.float64),
        groups[both] if groups is not None else None,
        lambda drawn: _kappas(drawn, distance),
        level,
    )


def alpha_of_groups(coincidences: Floats, level: float = LEVEL) -> Estimate | None:
    """Krippendorff's ordinal alpha, from the sums of the coincidences of the units in each group.

    Args:
        coincidences: groups × values × values, with the values in their order. A pair of ratings of a unit
            with m ratings counts 1 / (m − 1), in both directions. The sums may be weighted.
        level: the confidence level, between 0 and 1.

    Returns:
        As `krippendorff_alpha`.
    """
    return _estimate_of_groups(coincidences, lambda tables: _alphas(tables, "ordinal"), level)


def kappa_of_groups(tables: Floats, values: Floats, level: float = LEVEL) -> Estimate | None:
    """Cohen's kappa with quadratic weights, from the sums of the tables of the units in each group.

    Args:
        tables: groups × values × values: how often the first rater gave the one value and the second rater
            the other one. The sums may be weighted.
        values: the ratings that the rows and columns stand for.
        level: the confidence level, between 0 and 1.

    Returns:
        As `weighted_kappa`.
    """
    distance = (values[:, None] - values) ** 2
    return _estimate_of_groups(tables, lambda drawn: _kappas(drawn, distance), level)


def _estimate(
    tables: Floats, groups: Groups | None, statistic: Callable[[Floats], Floats], level: float
) -> Estimate | None:
    """The statistic of the sum of the tables of all units, with the interval over draws of groups."""
    units, values = tables.shape[:2]
    _, group = np.unique(np.arange(units) if groups is None else groups, return_inverse=True)
    of_groups = np.zeros((int(group.max(initial=-1)) + 1, values, values))
    np.add.at(of_groups, group, tables)
    return _estimate_of_groups(of_groups, statistic, level)


def _estimate_of_groups(
    tables: Floats, statistic: Callable[[Floats], Floats], level: float
) -> Estimate | None:
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
    # Groups with the same table need not be told apart.
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
