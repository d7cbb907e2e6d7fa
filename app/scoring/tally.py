"""What a group of questions adds up to: integers only, and one division per figure.

The formulas are the README's: w a weight, r a rating on lo..hi, x = r − lo, D = hi − lo; W_A, W_U and
W_N the weights of rated, open and not applicable questions, W = W_A + W_U, a = Σ w·x over the rated.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple


class Counts(NamedTuple):
    """Of some questions, by state: their weights, Σ w·x of the rated, and how many they are."""

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
    """`span` is D; weights are sums of integers 0..100, `weight` is W; `earned` is a, 0..D·W_A."""

    __slots__ = (
        "all_weight",
        "earned",
        "lo",
        "not_applicable",
        "open",
        "open_weight",
        "packed",
        "rated",
        "rated_weight",
        "skipped_weight",
        "span",
        "weight",
    )
    rated_weight: int
    open_weight: int
    skipped_weight: int
    earned: int
    rated: int
    open: int
    not_applicable: int

    def __init__(self, lo: int, span: int, packed: int) -> None:
        self.lo = lo
        self.span = span
        self.packed = packed
        (
            self.rated_weight,
            self.open_weight,
            self.skipped_weight,
            self.earned,
            self.rated,
            self.open,
            self.not_applicable,
        ) = SEVEN.unpack(packed.to_bytes(SEVEN.size, "little"))
        self.weight = self.rated_weight + self.open_weight
        self.all_weight = self.weight + self.skipped_weight

    @property
    def counts(self) -> Counts:
        """What the figures are made of."""
        return Counts._make(SEVEN.unpack(self.packed.to_bytes(SEVEN.size, "little")))

    @property
    def most(self) -> int:
        """What `earned` becomes once every open question is rated best."""
        return self.earned + self.span * self.open_weight

    @property
    def points(self) -> int:
        """Σ w·r over the rated."""
        return self.earned + self.lo * self.rated_weight

    @property
    def estimate(self) -> float | None:
        """0..100 from what is rated; None when nothing is."""
        return 100 * self.earned / (self.span * self.rated_weight) if self.rated_weight else None

    @property
    def lowest(self) -> float | None:
        """0..100: the estimate once every open question is rated worst; None when nothing counts."""
        return 100 * self.earned / (self.span * self.weight) if self.weight else None

    @property
    def highest(self) -> float | None:
        """0..100: the estimate once every open question is rated best; None when nothing counts."""
        return 100 * self.most / (self.span * self.weight) if self.weight else None

    @property
    def coverage(self) -> float | None:
        """0..1: the rated share of all weight; saying "not applicable" is not evidence."""
        return self.rated_weight / self.all_weight if self.all_weight else None

    @property
    def reportable(self) -> bool:
        """Coverage is at least a half."""
        return 0 < self.all_weight <= 2 * self.rated_weight

    @property
    def can_be_reportable(self) -> bool:
        """Coverage is at least a half once every open question is rated."""
        return 2 * self.weight >= self.all_weight

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
        return Tally(self.lo, self.span, self.packed + packed)


def together(tallies: Sequence[Tally]) -> Tally:
    """The sum of at least one."""
    first = tallies[0]
    return Tally(first.lo, first.span, sum(tally.packed for tally in tallies))
