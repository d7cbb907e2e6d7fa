"""How well scores separate won from lost deals: the area under the ROC curve (AUC)."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.insights.statistics.estimate import (
    LEVEL,
    Bools,
    Estimate,
    Floats,
    Integers,
    logit_interval,
    sums_of,
    weights_or_ones,
    within,
    z_of,
)
from app.insights.statistics.evidence import prospect_weights
from app.insights.statistics.resampling import resampled

# The standard error of a standard deviation of 200 replicates is 5 %.
REPLICATES = 200
BISECTIONS = 60
# Because of rounding errors, an AUC of 0 or 1 and a variance of 0 are not exact.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class _Ranked:
    """Sums of the weights of won and of lost deals at each distinct score, from the lowest to the highest."""

    won: Floats
    lost: Floats

    def chances_of_won(self) -> Floats:
        """For each score, the share of the lost deals below it; those with the same score count half."""
        chances: Floats = (np.cumsum(self.lost) - self.lost / 2) / self.lost.sum()
        return chances

    def chances_of_lost(self) -> Floats:
        """For each score, the share of the won deals above it; those with the same score count half."""
        chances: Floats = 1 - (np.cumsum(self.won) - self.won / 2) / self.won.sum()
        return chances

    def auc(self) -> float:
        area = float(_areas(self.won, self.lost))
        return round(area) if min(area, 1 - area) < ROUNDING else area


def auc(scores: Floats, won: Bools, weights: Floats | None = None, level: float = LEVEL) -> Estimate | None:
    """The AUC with the interval of DeLong, DeLong and Clarke-Pearson (1988) on the logit scale.

    The AUC is the probability that a won deal has a higher score than a lost one; ties count half. A weight
    counts like a number of deals. If DeLong's variance is 0, which is so for the AUC 0 and 1, the interval is
    the score interval of Newcombe (2006, method 5) instead of a single point.

    Args:
        scores: one finite score for each row.
        won: whether the deal was won.
        weights: the weight of each row, such as `evidence.prospect_weights`; 1 if None.
        level: the confidence level, between 0 and 1.

    Returns:
        None unless there are won and lost deals.
    """
    ranked = _ranked(scores, won, weights_or_ones(weights, len(scores)))
    if ranked is None:
        return None
    return _with_interval(ranked, _delong_variance(ranked), level)


def clustered_auc(
    scores: Floats, won: Bools, prospects: npt.NDArray[np.generic], level: float = LEVEL
) -> Estimate | None:
    """The AUC of sessions weighted by prospect, with an interval that resamples prospects.

    Each prospect is drawn with all its sessions. The standard deviation of the AUC over REPLICATES draws is
    its standard error; the interval is symmetric on the logit scale. For the AUC 0 and 1: see `auc`.

    Args:
        scores: one finite score for each session.
        won: whether the deal was won.
        prospects: what identifies the prospect of each session, such as a number.
        level: the confidence level, between 0 and 1.

    Returns:
        None unless there are won and lost deals.
    """
    weights = prospect_weights(prospects)
    ranked = _ranked(scores, won, weights)
    if ranked is None:
        return None
    _, prospect = np.unique(prospects, return_inverse=True)
    replicates = _resampled(scores, won, weights, prospect)
    variance = float(np.var(replicates)) if len(replicates) > 1 else 0.0
    return _with_interval(ranked, variance, level)


def _ranked(scores: Floats, won: Bools, weights: Floats) -> _Ranked | None:
    _, group = np.unique(scores, return_inverse=True)
    ranked = _Ranked(sums_of(group, weights * won), sums_of(group, weights * ~won))
    return ranked if ranked.won.sum() > 0 and ranked.lost.sum() > 0 else None


def _delong_variance(ranked: _Ranked) -> float:
    """Sample variance of the chances of won deals / their number, plus the same of lost deals."""
    area, variance = ranked.auc(), 0.0
    for counts, chances in (
        (ranked.won, ranked.chances_of_won()),
        (ranked.lost, ranked.chances_of_lost()),
    ):
        n = float(counts.sum())
        if n <= 1:
            return 0.0
        variance += float((counts * (chances - area) ** 2).sum()) / (n * (n - 1))
    return variance


def _resampled(scores: Floats, won: Bools, weights: Floats, prospect: Integers) -> Floats:
    """The AUC of each replicate that has won and lost deals."""
    order = np.argsort(scores, kind="stable")
    prospect, won, weights = prospect[order], won[order], weights[order]
    _, start = np.unique(scores[order], return_index=True)
    won_weights, lost_weights = weights * won, weights * ~won
    areas = []
    for draws in resampled(np.arange(prospect.max() + 1), REPLICATES):
        drawn = draws[:, prospect]
        won_at = np.add.reduceat(drawn * won_weights, start, axis=1)
        lost_at = np.add.reduceat(drawn * lost_weights, start, axis=1)
        has_both = (won_at.sum(axis=1) > 0) & (lost_at.sum(axis=1) > 0)
        areas.append(_areas(won_at[has_both], lost_at[has_both]))
    return np.concatenate(areas)


def _areas(won: Floats, lost: Floats) -> Floats:
    """The AUC of each row of weights by score."""
    below = np.cumsum(lost, axis=-1) - lost / 2
    areas: Floats = (won * below).sum(axis=-1) / (won.sum(axis=-1) * lost.sum(axis=-1))
    return areas


def _with_interval(ranked: _Ranked, variance: float, level: float) -> Estimate:
    area = ranked.auc()
    if variance < ROUNDING**2 or area in (0, 1):
        return _newcombe(area, float(ranked.won.sum()), float(ranked.lost.sum()), level)
    return logit_interval(area, math.sqrt(variance), level)


def _newcombe(area: float, won: float, lost: float, level: float) -> Estimate:
    """The values θ with |area − θ| <= z·√V(θ), where V is the variance of Hanley and McNeil (1982).

    V(θ) = θ(1−θ)/(won·lost) · (1 + N·(1−θ)/(2−θ) + N·θ/(1+θ)), N = (won + lost)/2 − 1.
    """
    z, pairs, half = z_of(level), max(won * lost, 1.0), max((won + lost) / 2 - 1, 0.0)

    def is_inside(value: float) -> bool:
        factor = 1 + half * (1 - value) / (2 - value) + half * value / (1 + value)
        return (area - value) ** 2 <= z * z * value * (1 - value) / pairs * factor

    ends = []
    for limit in (0.0, 1.0):
        inside, outside = area, limit
        for _ in range(BISECTIONS):
            middle = (inside + outside) / 2
            inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
        ends.append(inside)
    return within(area, ends[0], ends[1], 0, 1)
