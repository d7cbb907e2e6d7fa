"""What a group of questions adds up to: integers only, and one division per figure.

The formulas are the README's: w a weight, r a rating on lo..hi, x = r − lo, D = hi − lo; W_A, W_U and
W_N the weights of rated, open and not applicable questions, W = W_A + W_U, a = Σ w·x over the rated.
"""

from collections.abc import Iterable
from typing import NamedTuple

# The fields of a tally from `rated_weight` on: of one question, or added up.
Counts = tuple[int, int, int, int, int, int, int]
NOTHING: Counts = (0, 0, 0, 0, 0, 0, 0)


class Tally(NamedTuple):
    """`span` is D; weights are sums of integers 0..100; `earned` is a, 0..D·W_A."""

    lo: int
    span: int
    rated_weight: int = 0
    open_weight: int = 0
    skipped_weight: int = 0
    earned: int = 0
    rated: int = 0
    open: int = 0
    not_applicable: int = 0

    @property
    def weight(self) -> int:
        """W: what counts, rated or open."""
        return self.rated_weight + self.open_weight

    @property
    def most(self) -> int:
        """What `earned` becomes once every open question is rated best."""
        return self.earned + self.span * self.open_weight

    @property
    def points(self) -> int:
        """Σ w·r over the rated."""
        return self.earned + self.lo * self.rated_weight

    @property
    def points_min(self) -> int:
        """What the points would be with the worst rating of all that counts."""
        return self.lo * self.weight

    @property
    def points_max(self) -> int:
        """What the points would be with the best rating of all that counts."""
        return (self.lo + self.span) * self.weight

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
        return _ratio(self.rated_weight, self.weight + self.skipped_weight)

    @property
    def reportable(self) -> bool:
        """Coverage is at least a half."""
        all_weight = self.weight + self.skipped_weight
        return 0 < all_weight <= 2 * self.rated_weight

    @property
    def can_be_reportable(self) -> bool:
        """Coverage is at least a half once every open question is rated."""
        return 2 * self.weight >= self.weight + self.skipped_weight

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
        return self._replace(open_weight=0, open=0)

    def close(self, weight: int, rating: int) -> "Tally":
        """With one of the open questions rated."""
        return self._replace(
            rated=self.rated + 1,
            open=self.open - 1,
            rated_weight=self.rated_weight + weight,
            open_weight=self.open_weight - weight,
            earned=self.earned + weight * (rating - self.lo),
        )

    def plus(self, other: "Tally") -> "Tally":
        """With the questions of another part of the set."""
        return self.add(mine + its for mine, its in zip(self[2:], other[2:], strict=True))

    def add(self, counts: Iterable[int]) -> "Tally":
        """These counts on the same scale."""
        return Tally(self.lo, self.span, *counts)

    def skip(self, weight: int) -> "Tally":
        """With one of the open questions called not applicable."""
        return self._replace(
            open=self.open - 1,
            not_applicable=self.not_applicable + 1,
            open_weight=self.open_weight - weight,
            skipped_weight=self.skipped_weight + weight,
        )


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
