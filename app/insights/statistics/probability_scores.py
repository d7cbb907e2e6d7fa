"""How good probabilities were, once the outcomes are known."""

from dataclasses import dataclass

import numpy as np

from app.insights.statistics import discrimination, logistic
from app.insights.statistics.estimate import Bools, Estimate, Floats, sums_of, weights_or_ones
from app.insights.statistics.evidence import evidence

# A probability of exactly 0 or 1 that turns out wrong would make the log loss infinite.
LEAST_PROBABILITY = 1e-15
SHARE_OF_EARLIER = 0.7


@dataclass(frozen=True, slots=True)
class ProbabilityScores:
    """Scores of probabilities; a Brier score and a log loss of 0 are perfect.

    `brier` is the mean of (p − won)², and `skill` 1 − `brier` / the Brier score of the base rate: 1 is
    perfect, 0 is no better than the base rate, below 0 is worse. `skill` is None if all deals were won or all
    lost. `log_loss` is the mean of −ln(the probability of what happened). `brier` = `miscalibration` −
    `discrimination` + `uncertainty` (CORP: Dimitriadis, Gneiting and Jordan 2021).
    """

    brier: float
    skill: float | None
    log_loss: float
    miscalibration: float
    discrimination: float
    uncertainty: float


@dataclass(frozen=True, slots=True)
class TimeOrdered:
    """A fit of the earlier deals, judged on the later ones.

    `skill` compares with the base rate of the earlier deals.
    """

    earlier: int
    later: int
    brier: float
    skill: float | None
    log_loss: float
    auc: Estimate | None
    predicted_rate: float
    observed_rate: float


def probability_scores(
    probabilities: Floats, won: Bools, weights: Floats | None = None
) -> ProbabilityScores | None:
    """Score the probabilities.

    For the CORP split, the probabilities are replaced by the isotonic regression of `won` on them, by
    pool-adjacent-violators. Miscalibration is what this improves; discrimination is how much better the
    result is than the base rate; uncertainty is the Brier score of the base rate.

    Args:
        probabilities: 0..1.
        won: whether the deal was won.
        weights: the weight of each row, such as `evidence.prospect_weights`; 1 if None.

    Returns:
        None without rows.
    """
    if not len(won):
        return None
    shares = weights_or_ones(weights, len(won))
    outcome = won.astype(np.float64)
    brier = _brier(probabilities, outcome, shares)
    recalibrated = _brier(isotonic(probabilities, outcome, shares), outcome, shares)
    uncertainty = _brier(np.full(len(won), np.average(outcome, weights=shares)), outcome, shares)
    return ProbabilityScores(
        brier=brier,
        skill=1 - brier / uncertainty if uncertainty > 0 else None,
        log_loss=_log_loss(probabilities, won, shares),
        miscalibration=max(0.0, brier - recalibrated),
        discrimination=max(0.0, uncertainty - recalibrated),
        uncertainty=uncertainty,
    )


def isotonic(x: Floats, y: Floats, weights: Floats | None = None) -> Floats:
    """The non-decreasing function of `x` with the least weighted squared distance to `y`, at each `x`.

    By pool-adjacent-violators (Ayer et al. 1955). Rows with the same `x` get the same value.
    """
    shares = weights_or_ones(weights, len(x))
    _, group = np.unique(x, return_inverse=True)
    totals, sums = sums_of(group, shares), sums_of(group, shares * y)
    blocks: list[tuple[float, float, int]] = []  # the sum, the weight and the number of distinct x
    for added, total in zip(sums.tolist(), totals.tolist(), strict=True):
        block = (added, total, 1)
        while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
            last = blocks.pop()
            block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
        blocks.append(block)
    levels = np.repeat([block[0] / block[1] for block in blocks], [block[2] for block in blocks])
    fitted: Floats = levels[group]
    return fitted


def time_ordered(
    scores: Floats, won: Bools, times: Floats, weights: Floats | None = None
) -> TimeOrdered | None:
    """Fit the logistic regression on the earlier deals and judge its predictions on the later ones.

    The earlier part is at least SHARE_OF_EARLIER of the rows. Deals with the same time are in the same part.

    Args:
        scores: one finite score for each row.
        won: whether the deal was won.
        times: when the outcome happened, as a number in any unit.
        weights: the weight of each row, such as `evidence.prospect_weights`; 1 if None.

    Returns:
        None unless the earlier part has enough won and lost deals for a fit (`evidence.MINIMUM_OF_EACH`), and
        the later part has any deals.
    """
    if not len(times):
        return None
    shares = weights_or_ones(weights, len(won))
    earlier = times <= np.sort(times)[int(np.ceil(SHARE_OF_EARLIER * len(times))) - 1]
    fitted = logistic.fit(scores[earlier], won[earlier], shares[earlier])
    later = ~earlier
    if fitted is None or not later.any() or not evidence(won[earlier], shares[earlier]).sufficient:
        return None
    predicted = logistic.probabilities(fitted, scores[later])
    outcome, weight = won[later].astype(np.float64), shares[later]
    brier = _brier(predicted, outcome, weight)
    reference = _brier(np.full(len(outcome), fitted.base_rate.estimate), outcome, weight)
    return TimeOrdered(
        earlier=int(earlier.sum()),
        later=int(later.sum()),
        brier=brier,
        skill=1 - brier / reference if reference > 0 else None,
        log_loss=_log_loss(predicted, won[later], weight),
        auc=discrimination.auc(scores[later], won[later], weight),
        predicted_rate=float(np.average(predicted, weights=weight)),
        observed_rate=float(np.average(outcome, weights=weight)),
    )


def _brier(probabilities: Floats, outcome: Floats, weights: Floats) -> float:
    return float(np.average((probabilities - outcome) ** 2, weights=weights))


def _log_loss(probabilities: Floats, won: Bools, weights: Floats) -> float:
    of_what_happened = np.where(won, probabilities, 1 - probabilities)
    return float(np.average(-np.log(np.clip(of_what_happened, LEAST_PROBABILITY, 1)), weights=weights))
