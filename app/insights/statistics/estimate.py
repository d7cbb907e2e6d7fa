"""An estimate with its interval, and the types of the arrays."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate and the ends of its confidence interval: `low` <= `estimate` <= `high`, all finite."""

    estimate: float
    low: float
    high: float


def z_of(level: float) -> float:
    """The standard normal quantile of a two-sided interval of the level, which is between 0 and 1."""
    return NormalDist().inv_cdf((1 + level) / 2)


def within(estimate: float, low: float, high: float, least: float, greatest: float) -> Estimate:
    """The estimate with its interval cut to the range `least`..`greatest`."""
    return Estimate(
        estimate=float(estimate),
        low=float(max(least, min(low, estimate))),
        high=float(min(greatest, max(high, estimate))),
    )


def logit_interval(share: float, standard_error: float, level: float) -> Estimate:
    """The interval of a share between 0 and 1, exclusive, that is symmetric on the logit scale.

    logit(share) ± z · standard_error / (share · (1 − share)), by the delta method.
    """
    reach = z_of(level) * standard_error / (share * (1 - share))
    centre = math.log(share / (1 - share))
    return within(share, expit(centre - reach), expit(centre + reach), 0, 1)


def expit(log_odds: float) -> float:
    """The share with the log odds."""
    if log_odds >= 0:
        return 1 / (1 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1 + odds)


def sums_of(group: Integers, values: Floats) -> Floats:
    """The sum of the values in each group; the groups are numbered from 0."""
    return np.bincount(group, weights=values).astype(np.float64)


def weights_or_ones(weights: Floats | None, size: int) -> Floats:
    """The weights, or the weight 1 for each row."""
    return np.ones(size) if weights is None else np.asarray(weights, dtype=np.float64)
