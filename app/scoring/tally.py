"""What a group of questions adds up to: integers only, and one division per figure.

The formulas are the README's: w a weight, r a rating on lo..hi, x = r − lo, D = hi − lo; W_A, W_U and
W_N the weights of rated, open and not applicable questions, W = W_A + W_U, a = Σ w·x over the rated.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple


class Counts(NamedTuple):
    """Of some questions, by state: their weights, Σ w·x of the rated, and how many they are.

    Verdicts are stored with these fields in this order: never remove or move one.
    """

    rated_weight: int = 0
    open_weight: int = 0
    skipped_weight: int = 0
    earned: int = 0
    rated: int = 0
    open: int = 0
    not_applicable: int = 0

    def packed(self) -> int:
        """All seven in one integer, so that one addition adds them all; each is below 2³²."""
        return int.from_bytes(SEVEN.pack(*self), "little")


SEVEN = Struct("<7I")


class Tally:
    """`span` is D; weights are sums of integers 0..100, `weight` is W; `earned` is a, 0..D·W_A.

    `estimate`, `lowest` and `highest`, 0..100, are what is earned so far, and once every open question is
    rated worst or best; None when nothing is rated or counts. `coverage`, 0..1, is the rated share of all
    weight, since saying "not applicable" is not evidence; from a half on it is `reportable`. `points` are
    Σ w·r. `most` is what `earned` becomes once every open question is rated best.
    """

    def __init__(self, lo: int, span: int, packed: int) -> None:
        self.lo = lo
        self.span = span
        self.packed = packed
        self.counts = counts = Counts._make(SEVEN.unpack(packed.to_bytes(SEVEN.size, "little")))
        self.rated_weight, self.open_weight, self.skipped_weight, self.earned = counts[:4]
        self.rated, self.open, self.not_applicable = counts[4:]
        self.weight = self.rated_weight + self.open_weight
        self.all_weight = self.weight + self.skipped_weight
        self.most = self.earned + span * self.open_weight
        self.points = self.earned + lo * self.rated_weight
        self.estimate = _ratio(100 * self.earned, span * self.rated_weight)
        self.lowest = _ratio(100 * self.earned, span * self.weight)
        self.highest = _ratio(100 * self.most, span * self.weight)
        self.coverage = _ratio(self.rated_weight, self.all_weight)
        self.reportable = 0 < self.all_weight <= 2 * self.rated_weight
        self.can_be_reportable = 2 * self.weight >= self.all_weight

    def lowest_reaches(self, cut: int) -> bool:
        """Lowest ≥ cut, exactly; needs W > 0."""
        return 100 * self.earned >= cut * self.span * self.weight

    def highest_reaches(self, cut: int) -> bool:
        """Highest ≥ cut, exactly; true when nothing counts."""
        return 100 * self.most >= cut * self.span * self.weight

    def estimate_reaches(self, cut: int) -> bool:
        """Estimate ≥ cut, exactly; needs something rated."""
        return 100 * self.earned >= cut * self.span * self.rated_weight

    def needed_average(self, cut: int) -> float | None:
        """What the open ratings must average, by weight, for an estimate of `cut`: lo..hi.

        None when nothing is open or even the best ratings are not enough.
        """
        if self.open_weight == 0 or not self.highest_reaches(cut):
            return None
        missing = cut * self.span * self.weight - 100 * self.earned
        floor = 100 * self.lo * self.open_weight
        return max(missing + floor, floor) / (100 * self.open_weight)

    def as_if_nothing_were_open(self) -> "Tally":
        """The same ratings in a set without the open questions."""
        return self.plus(-Counts(open_weight=self.open_weight, open=self.open).packed())

    def close(self, weight: int, rating: int) -> "Tally":
        """With one of the open questions rated."""
        rated = Counts(rated_weight=weight, earned=weight * (rating - self.lo), rated=1)
        return self.plus(rated.packed() - Counts(open_weight=weight, open=1).packed())

    def skip(self, weight: int) -> "Tally":
        """With one of the open questions called not applicable."""
        skipped = Counts(skipped_weight=weight, not_applicable=1)
        return self.plus(skipped.packed() - Counts(open_weight=weight, open=1).packed())

    def plus(self, packed: int) -> "Tally":
        """With these counts besides, or without them if they are negative."""
        return tally_of(self.lo, self.span, self.packed + packed)


# The same counts come up again and again, since weights and ratings are small integers.
tally_of = lru_cache(maxsize=5000)(Tally)


def together(tallies: Sequence[Tally]) -> Tally:
    """The sum of at least one."""
    first = tallies[0]
    return tally_of(first.lo, first.span, sum(tally.packed for tally in tallies))


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
