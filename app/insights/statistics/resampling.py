"""The bootstrap: draws with replacement, always the same ones for the same input."""

from collections.abc import Iterator

import numpy as np

from app.insights.statistics.estimate import Integers

SEED = 20


def resampled(kinds: Integers, replicates: int) -> Iterator[Integers]:
    """How often each kind is drawn, for each replicate: as many units are drawn as there are.

    Only `integers` of the generator is used: other methods, such as `multinomial`, give other numbers in
    other versions of numpy.

    Args:
        kinds: the kind of each unit, numbered from 0. Units of one kind need not be told apart.
        replicates: the number of replicates.
    """
    generator = np.random.default_rng(SEED)
    n, number_of_kinds = len(kinds), int(kinds.max()) + 1
    for _ in range(replicates):
        yield np.bincount(kinds[generator.integers(0, n, n)], minlength=number_of_kinds)
