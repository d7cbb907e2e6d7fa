"""What a group of questions adds up to: integers only, and one division per figure.

The formulas are the README's: w a weight, r a rating on lo..hi, x = r − lo, D = hi − lo; W_A, W_U and
W_N the weights of rated, open and not applicable questions, W = W_A + W_U, a = Σ w·x over the rated.
"""

from collections.abc import Iterable, Sequence
from operator import add
from typing import cast

# Of one question, or added up: the weights of what is rated, open and not applicable, Σ w·x, and how many
# questions are rated, open and not applicable.
Counts = tuple[int, int, int, int, int, int, int]
NOTHING: Counts = (0, 0, 0, 0, 0, 0, 0)


class Tally:
    """`span` is D; weights are sums of integers 0..100, `weight` is W; `earned` is a, 0..D·W_A."""

    __slots__ = (
        "all_weight",
        "counts",
        "earned",
        "lo",
        "not_applicable",
        "open",
        "open_weight",
        "rated",
        "rated_weight",
        "skipped_weight",
        "span",
        "weight",
    )

    def __init__(self, lo: int, span: int, counts: Counts = NOTHING) -> None:
        self.lo = lo
        self.span = span
        self.counts = counts
        self.rated_weight, self.open_weight, self.skipped_weight, self.earned = counts[:4]
        self.rated, self.open, self.not_applicable = counts[4:]
        self.weight = self.rated_weight + self.open_weight
        self.all_weight = self.weight + self.skipped_weight

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
        return _ratio(100 * self.earned, self.span * self.rated_weight)

    @property
    def lowest(self) -> float | None:
        """0..100: the estimate once every open question is rated worst; None when nothing counts."""
        return _ratio(100 * self.earned, self.span * self.weight)

    @property
    def highest(self) -> float | None:
        """0..100: the estimate once every open question is rated best; None when nothing counts."""
        return _ratio(100 * self.most, self.span * self.weight)

    @property
    def coverage(self) -> float | None:
        """0..1: the rated share of all weight; saying "not applicable" is not evidence."""
        return _ratio(self.rated_weight, self.all_weight)

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
        return self.plus((0, -self.open_weight, 0, 0, 0, -self.open, 0))

    def close(self, weight: int, rating: int) -> "Tally":
        """With one of the open questions rated."""
        return self.plus((weight, -weight, 0, weight * (rating - self.lo), 1, -1, 0))

    def skip(self, weight: int) -> "Tally":
        """With one of the open questions called not applicable."""
        return self.plus((0, -weight, weight, 0, 0, -1, 1))

    def minus(self, several: Iterable[Counts]) -> "Tally":
        """Without these questions."""
        left: Tally = self
        for counts in several:
            left = left.plus(-count for count in counts)
        return left

    def plus(self, counts: Iterable[int]) -> "Tally":
        """With these counts besides."""
        return Tally(self.lo, self.span, cast("Counts", tuple(map(add, self.counts, counts))))


def together(tallies: Sequence[Tally]) -> Tally:
    """The sum of at least one."""
    first, *others = tallies
    for other in others:
        first = first.plus(other.counts)
    return first


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
