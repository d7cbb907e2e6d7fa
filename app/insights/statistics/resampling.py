"""The bootstrap: draws with replacement, always the same ones for the same input."""

import math
from collections.abc import Iterator
from statistics import NormalDist

import numpy as np

from app.insights.statistics.estimate import Floats, Integers, z_of

SEED = 20
# Draws that are made at once: few calls for few units, and little memory for many.
DRAWS_AT_ONCE = 100_000


def resampled(kinds: Integers, replicates: int) -> Iterator[Integers]:
    """For each replicate, how often each kind is drawn. As many units are drawn as there are.

    Only `integers` of the generator is used: other methods, such as `multinomial`, give other numbers in
    other versions of numpy.

    Args:
        kinds: the kind of each unit, numbered from 0. Units of one kind are interchangeable.
        replicates: the number of replicates.

    Yields:
        Arrays of some replicates × all kinds.
    """
    generator = np.random.default_rng(SEED)
    n, of_each = len(kinds), int(kinds.max()) + 1
    at_once = max(1, DRAWS_AT_ONCE // n)
    for done in range(0, replicates, at_once):
        rows = min(at_once, replicates - done)
        drawn = kinds[generator.integers(0, n, (rows, n))] + np.arange(rows)[:, None] * of_each
        yield np.bincount(drawn.ravel(), minlength=rows * of_each).reshape(rows, of_each)


def expanded_percentiles(replicates: Floats, n: int, level: float) -> tuple[float, float]:
    """The ends of the expanded percentile interval of Hesterberg (2015).

    Plain percentiles are too close to each other for small n, because they estimate a variance with n instead
    of n − 1 and use the normal instead of Student's distribution. The percentiles of Φ(∓√(n/(n−1))·t) correct
    this, where t is Student's quantile with n − 1 degrees of freedom, by its expansion in z (Abramowitz and
    Stegun 1964, 26.7.5).

    Args:
        replicates: the statistic of each replicate.
        n: the number of units that were drawn, at least 2.
        level: the confidence level, between 0 and 1.
    """
    z, freedom = z_of(level), n - 1
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    t = z + first / freedom + second / freedom**2
    tail = NormalDist().cdf(-math.sqrt(n / (n - 1)) * t)
    low, high = np.quantile(replicates, [tail, 1 - tail]).tolist()
    return low, high
