"""How far people who rate the same things agree."""

from typing import Literal

import numpy as np

from app.insights.statistics.estimate import LEVEL, Estimate, Floats, Integers, within
from app.insights.statistics.resampling import resampled

Metric = Literal["nominal", "ordinal"]
REPLICATES = 1000


def krippendorff_alpha(ratings: Floats, metric: Metric = "ordinal", level: float = LEVEL) -> Estimate | None:
    """Krippendorff's alpha: 1 is perfect agreement, 0 that of chance, below 0 systematic disagreement.

    1 − observed / expected disagreement, from the coincidences of all pairs of ratings of a unit
    (Krippendorff 2011). The ordinal distance of two ratings is the squared difference of their midranks among
    all pairable ratings. The interval consists of percentiles over REPLICATES draws of units with
    replacement.

    Args:
        ratings: raters × units; NaN where there is no rating. Units with fewer than two ratings do not count.
        metric: the distance of two ratings.
        level: the confidence level, between 0 and 1.

    Returns:
        None without two ratings of a unit, or if all ratings are equal, so that chance is not defined.
    """
    coincidences, pattern = _coincidences(ratings)
    if not len(pattern):
        return None
    point = _alphas(coincidences[pattern].sum(axis=0)[None], metric)
    if not len(point):
        return None
    draws = np.array(list(resampled(pattern, REPLICATES)), dtype=np.float64)
    replicates = _alphas(np.tensordot(draws, coincidences, axes=1), metric)
    return _with_percentiles(float(point[0]), replicates, level)


def weighted_kappa(first: Floats, second: Floats, level: float = LEVEL) -> Estimate | None:
    """Cohen's kappa of two raters with quadratic weights (Cohen 1968).

    1 − Σ O·(a−b)² / Σ E·(a−b)², where E is expected from the ratings that each of them gives. The interval
    consists of percentiles over REPLICATES draws of units with replacement.

    Args:
        first: the ratings of one person; NaN where there is none.
        second: the ratings of the other person for the same units.
        level: the confidence level, between 0 and 1.

    Returns:
        None without units that both rated, or if both gave the same rating to all of them.
    """
    both = ~(np.isnan(first) | np.isnan(second))
    if not both.any():
        return None
    values, index = np.unique(np.concatenate([first[both], second[both]]), return_inverse=True)
    n, k = int(both.sum()), len(values)
    cells, cell = np.unique(index[:n] * k + index[n:], return_inverse=True)
    distance = (values[:, None] - values[None, :]) ** 2

    def kappas(counts: Integers) -> Floats:
        tables = np.zeros((len(counts), k * k))
        tables[:, cells] = counts
        return _kappas(tables.reshape(-1, k, k), distance)

    point = kappas(np.bincount(cell)[None])
    if not len(point):
        return None
    replicates = kappas(np.array(list(resampled(cell, REPLICATES))))
    return _with_percentiles(float(point[0]), replicates, level)


def _coincidences(ratings: Floats) -> tuple[Floats, Integers]:
    """The coincidences of each distinct pattern of ratings, and the pattern of each unit."""
    values = np.unique(ratings[~np.isnan(ratings)])
    given = np.array([(ratings == value).sum(axis=0) for value in values], dtype=np.int64).T
    pairable = given[given.sum(axis=1) >= 2] if len(values) else np.zeros((0, 0), dtype=np.int64)
    patterns, pattern = np.unique(pairable, axis=0, return_inverse=True)
    pairs = patterns[:, :, None] * (patterns[:, None, :] - np.eye(len(values), dtype=np.int64))
    return pairs / (patterns.sum(axis=1) - 1)[:, None, None], pattern


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
    """Kappa for each table of counts in which it is defined."""
    observed = (tables * distance).sum(axis=(1, 2))
    expected = np.einsum("rc,rd,cd->r", tables.sum(axis=2), tables.sum(axis=1), distance)
    defined = expected > 0
    kappas: Floats = 1 - observed[defined] * tables.sum(axis=(1, 2))[defined] / expected[defined]
    return kappas


def _with_percentiles(estimate: float, replicates: Floats, level: float) -> Estimate:
    if not len(replicates):
        return Estimate(estimate, -1.0, 1.0)
    low, high = np.quantile(replicates, [(1 - level) / 2, (1 + level) / 2])
    return within(estimate, float(low), float(high), -1, 1)
