"""The win probability at a score: a logistic regression for small and separated samples."""

import math
from dataclasses import dataclass

import numpy as np

from app.insights.statistics.estimate import (
    LEVEL,
    Bools,
    Estimate,
    Floats,
    expit,
    sums_of,
    weights_or_ones,
    within,
    z_of,
)
from app.insights.statistics.proportions import wilson

MAX_ITERATIONS = 200
MAX_STEP = 5.0
MAX_HALVINGS = 40
# In units of the scaled coefficients, which are of the order 1.
CONVERGED = 1e-9
# Sums of many terms differ by their rounding errors.
ROUNDING = 1e-12
# Scores that differ by less, in relation to their size, are identical.
IDENTICAL = 1e-9


@dataclass(frozen=True, slots=True)
class LogisticFit:
    """log(p / (1 − p)) = `intercept` + `slope` · score.

    `slope` is the change of the log odds for one point of the score, or None if all scores are identical.
    `intercept` makes the mean prediction equal to `base_rate`.
    The standard error of the log odds at a score x is
    √(`variance_at_centre` + `variance_of_slope` · (x − `centre`)²).
    """

    intercept: float
    slope: Estimate | None
    base_rate: Estimate
    centre: float
    variance_at_centre: float
    variance_of_slope: float
    level: float

    @property
    def shows_a_slope(self) -> bool:
        """Whether the interval of the slope excludes 0. If not, the base rate is all there is to say."""
        return self.slope is not None and (self.slope.low > 0 or self.slope.high < 0)


@dataclass(frozen=True, slots=True)
class _Point:
    """The penalised likelihood at one pair of coefficients, with its gradient."""

    likelihood: float
    gradient: tuple[float, float]
    information: float
    centre: float
    spread: float

    def step(self, *, slope_is_free: bool) -> tuple[float, float]:
        """The step of Fisher scoring: the inverse of the information times the gradient."""
        up, along = self.gradient
        if not slope_is_free:
            return up / self.information, 0.0
        slope = (along - self.centre * up) / self.spread
        return up / self.information - self.centre * slope, slope


@dataclass(frozen=True, slots=True)
class _Sample:
    """Won deals and all deals (sums of weights) at each distinct scaled score."""

    x: Floats
    won: Floats
    total: Floats

    def at(self, intercept: float, slope: float) -> _Point | None:
        """None where the information is too small for a number."""
        log_odds = intercept + slope * self.x
        p = np.exp(-np.logaddexp(0, -log_odds))
        variance = self.total * p * np.exp(-np.logaddexp(0, log_odds))
        information = float(variance.sum())
        if information <= 0:
            return None
        centre = float((variance * self.x).sum()) / information
        from_centre = (self.x - centre) ** 2
        spread = float((variance * from_centre).sum())
        if spread <= 0 or not math.isfinite(information * spread) or information * spread <= 0:
            return None
        leverage = variance * (1 / information + from_centre / spread)
        residual = self.won - self.total * p + leverage * (0.5 - p)
        likelihood = float((self.won * log_odds - self.total * np.logaddexp(0, log_odds)).sum())
        return _Point(
            likelihood=likelihood + 0.5 * math.log(information * spread),
            gradient=(float(residual.sum()), float((residual * self.x).sum())),
            information=information,
            centre=centre,
            spread=spread,
        )


def fit(
    scores: Floats, won: Bools, weights: Floats | None = None, level: float = LEVEL
) -> LogisticFit | None:
    """Fit the logistic regression of `won` on `scores`.

    The coefficients maximise the likelihood with the penalty ½·log|I| (Firth 1993; Heinze and Schemper 2002),
    which is finite for separated data too. The interval of the slope is the set of slopes at which twice the
    penalised likelihood, maximised over the intercept, is at most the χ² quantile below the maximum. The
    intercept is then estimated again, with the slope as offset, so that the mean prediction is the observed
    rate (FLIC: Puhr et al. 2017).

    Args:
        scores: one finite score for each row.
        won: whether the deal was won.
        weights: the weight of each row, such as `evidence.prospect_weights`; 1 if None. A row may also stand
            for several deals.
        level: the confidence level, between 0 and 1.

    Returns:
        None unless there are won and lost deals.
    """
    shares = weights_or_ones(weights, len(scores))
    base_rate = wilson(float(shares[won].sum()), float(shares.sum()), level)
    if base_rate is None or base_rate.estimate in (0, 1):
        return None
    centre = float(np.average(scores, weights=shares))
    scale = float(np.sqrt(np.average((scores - centre) ** 2, weights=shares)))
    if scale <= IDENTICAL * max(1.0, abs(centre)):
        return _without_slope(base_rate, centre, float(shares.sum()), level)
    sample = _grouped((scores - centre) / scale, won, shares)
    start = math.log(base_rate.estimate / (1 - base_rate.estimate))
    intercept, slope, point = _maximise(sample, (start, 0.0), slope_is_free=True)
    ends = [_profile_end(sample, (intercept, slope), point, sign * z_of(level)) for sign in (-1, 1)]
    corrected = _matching_intercept(sample, slope)
    return LogisticFit(
        intercept=corrected - slope / scale * centre,
        slope=Estimate(slope / scale, min(ends[0], slope) / scale, max(ends[1], slope) / scale),
        base_rate=base_rate,
        centre=centre + point.centre * scale,
        variance_at_centre=1 / point.information,
        variance_of_slope=1 / (point.spread * scale**2),
        level=level,
    )


def probabilities(fitted: LogisticFit, scores: Floats) -> Floats:
    """The win probability at each of the scores, without intervals; the base rate if there is no slope."""
    slope = fitted.slope.estimate if fitted.slope else 0.0
    found: Floats = np.exp(-np.logaddexp(0, -(fitted.intercept + slope * scores)))
    return found


def predict(fitted: LogisticFit, scores: Floats) -> list[Estimate]:
    """The win probability at each of the scores; the base rate if the fit has no slope.

    The interval is symmetric on the logit scale: intercept + slope · score ± z · standard error, with the
    inverse of the Fisher information at the penalised estimate as covariance.
    """
    if fitted.slope is None:
        return [fitted.base_rate] * len(scores)
    z = z_of(fitted.level)
    log_odds = fitted.intercept + fitted.slope.estimate * scores
    errors = np.sqrt(fitted.variance_at_centre + fitted.variance_of_slope * (scores - fitted.centre) ** 2)
    return [
        within(expit(odds), expit(odds - z * error), expit(odds + z * error), 0, 1)
        for odds, error in zip(log_odds.tolist(), errors.tolist(), strict=True)
    ]


def _without_slope(base_rate: Estimate, score: float, total: float, level: float) -> LogisticFit:
    rate = base_rate.estimate
    return LogisticFit(
        intercept=math.log(rate / (1 - rate)),
        slope=None,
        base_rate=base_rate,
        centre=score,
        variance_at_centre=1 / (total * rate * (1 - rate)),
        variance_of_slope=0.0,
        level=level,
    )


def _grouped(x: Floats, won: Bools, weights: Floats) -> _Sample:
    distinct, group = np.unique(x, return_inverse=True)
    return _Sample(distinct, won=sums_of(group, weights * won), total=sums_of(group, weights))


def _maximise(
    sample: _Sample, start: tuple[float, float], *, slope_is_free: bool
) -> tuple[float, float, _Point]:
    """Maximise the penalised likelihood by Fisher scoring; steps that do not increase it are halved."""
    intercept, slope = start
    point = sample.at(intercept, slope)
    if point is None:
        raise ArithmeticError("the information vanishes at the start")
    for _ in range(MAX_ITERATIONS):
        up, along = point.step(slope_is_free=slope_is_free)
        longest = max(abs(up), abs(along))
        if longest < CONVERGED:
            break
        shrink = min(1.0, MAX_STEP / longest)
        for _ in range(MAX_HALVINGS):
            tried = sample.at(intercept + shrink * up, slope + shrink * along)
            if tried is not None and tried.likelihood >= point.likelihood - ROUNDING * (
                1 + abs(point.likelihood)
            ):
                break
            shrink /= 2
        else:
            break
        intercept, slope, point = intercept + shrink * up, slope + shrink * along, tried
    return intercept, slope, point


def _profile_end(sample: _Sample, best: tuple[float, float], top: _Point, z: float) -> float:
    """The slope on the side of the sign of `z` at which the root of twice the loss of likelihood is |z|.

    Newton's method on this root, which is almost linear in the slope, inside a bracket.
    """
    intercept, slope = best
    inner, outer = slope, math.copysign(math.inf, z)
    tried = slope + z / math.sqrt(top.spread)
    for _ in range(MAX_ITERATIONS):
        if sample.at(intercept, tried) is None:
            outer, tried = tried, (inner + tried) / 2
            continue
        intercept, _, point = _maximise(sample, (intercept, tried), slope_is_free=False)
        root = math.copysign(math.sqrt(max(0.0, 2 * (top.likelihood - point.likelihood))), z)
        if abs(root - z) < CONVERGED:
            break
        inner, outer = (tried, outer) if abs(root) < abs(z) else (inner, tried)
        gradient = point.gradient[1]
        tried += (root - z) * root / gradient if gradient else math.nan
        if not min(inner, outer) < tried < max(inner, outer):
            tried = (inner + outer) / 2 if math.isfinite(outer) else slope + 2 * (inner - slope)
    return tried


def _matching_intercept(sample: _Sample, slope: float) -> float:
    """The intercept at which the mean prediction is the observed rate, by bisection."""
    offset = slope * sample.x
    rate = float(sample.won.sum() / sample.total.sum())
    odds = math.log(rate / (1 - rate))
    low, high = odds - float(offset.max()), odds - float(offset.min())
    while True:
        middle = (low + high) / 2
        if not low < middle < high:
            return middle
        predicted = float((sample.total * np.exp(-np.logaddexp(0, -middle - offset))).sum())
        low, high = (middle, high) if predicted < float(sample.won.sum()) else (low, middle)
