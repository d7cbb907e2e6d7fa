"""Proportions."""

import math
from dataclasses import dataclass

from app.insights.statistics.estimate import LEVEL, Estimate, within, z_of


@dataclass(frozen=True, slots=True)
class Bounds:
    """The range of a proportion over all possible results of the undecided cases. Each end is 0..1."""

    low: float
    high: float


def wilson(successes: float, n: float, level: float = LEVEL) -> Estimate | None:
    """The proportion `successes` / `n` with the score interval of Wilson (1927).

    (p + z²/2n ± z·√(p(1−p)/n + z²/4n²)) / (1 + z²/n)

    Args:
        successes: 0..n; sums of weights need not be integers.
        n: the number of cases, or the sum of their weights.
        level: the confidence level, between 0 and 1.

    Returns:
        None if `n` is 0.
    """
    if n <= 0:
        return None
    share, z = min(1.0, successes / n), z_of(level)
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if share == 0 else (centre - reach) / scale
    high = 1.0 if share == 1 else (centre + reach) / scale
    return within(share, low, high, 0, 1)


def bounds(won: float, decided: float, undecided: float) -> Bounds | None:
    """[w/(n+m), (w+m)/(n+m)]: the win rate if all undecided cases were lost, and if all were won.

    These are the worst-case bounds of Manski (1989).

    Args:
        won: w, at most `decided`.
        decided: n, the won and the lost cases.
        undecided: m, the cases without a decision about winning or losing.

    Returns:
        None if there are no cases.
    """
    cases = decided + undecided
    if cases <= 0:
        return None
    return Bounds(low=won / cases, high=(won + undecided) / cases)
