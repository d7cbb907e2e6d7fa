"""The tally of a group of questions: integers only, and one division per figure.

The README has the formulas ("How to read a score"): w is a weight, r a rating on lo..hi, x = r − lo and
D = hi − lo. W_A, W_U and W_N are the weights of the rated, open and not applicable questions,
W = W_A + W_U, and a = Σ w·x over the rated questions.
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple


class Counts(NamedTuple):
    """The weights of a group of questions by state, Σ w·x of the rated ones, and their numbers by state.

    Stored verdicts have these fields in this order: never remove or move one.
    """

    rated_weight: int = 0
    open_weight: int = 0
    skipped_weight: int = 0
    earned: int = 0
    rated: int = 0
    open: int = 0
    not_applicable: int = 0

    def packed(self) -> int:
        """All seven counts in one integer, so that one addition adds them all; each is below 2³²."""
        return int.from_bytes(SEVEN.pack(*self), "little")


SEVEN = Struct("<7I")


class Tally:
    """The figures of a group: `span` is D, `weight` is W, and `earned` is a, 0..D·W_A.

    `estimate` (100·a / (D·W_A)), `lowest` and `highest` are 0..100 and None if their divisor is 0. `lowest`
    and `highest` hold if every open question gets the worst or the best rating; `max_earned` is then a.
    `coverage` is the rated share of all weight, 0..1; from one half on, the group is `reportable`. `points`
    are Σ w·r.
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
        self.max_earned = self.earned + span * self.open_weight
        self.points = self.earned + lo * self.rated_weight
        self.estimate = _ratio(100 * self.earned, span * self.rated_weight)
        self.lowest = _ratio(100 * self.earned, span * self.weight)
        self.highest = _ratio(100 * self.max_earned, span * self.weight)
        self.coverage = _ratio(self.rated_weight, self.all_weight)
        self.reportable = 0 < self.all_weight <= 2 * self.rated_weight
        self.can_be_reportable = 2 * self.weight >= self.all_weight

    def lowest_reaches(self, cut: int) -> bool:
        """Whether lowest ≥ cut, compared exactly; W has to be above 0."""
        return 100 * self.earned >= cut * self.span * self.weight

    def highest_reaches(self, cut: int) -> bool:
        """Whether highest ≥ cut, compared exactly; true if W is 0."""
        return 100 * self.max_earned >= cut * self.span * self.weight

    def estimate_reaches(self, cut: int) -> bool:
        """Whether estimate ≥ cut, compared exactly; W_A has to be above 0."""
        return 100 * self.earned >= cut * self.span * self.rated_weight

    def needed_average(self, cut: int) -> float | None:
        """The weighted average that the open questions need for an estimate of `cut`, on lo..hi.

        That is lo + (cut·D·W/100 − a) / W_U. None if nothing is open, or if the best ratings are not enough.
        """
        if self.open_weight == 0 or not self.highest_reaches(cut):
            return None
        missing = cut * self.span * self.weight - 100 * self.earned
        floor = 100 * self.lo * self.open_weight
        return max(missing + floor, floor) / (100 * self.open_weight)

    def as_if_nothing_were_open(self) -> "Tally":
        """The tally without the open questions."""
        return self.plus(-Counts(open_weight=self.open_weight, open=self.open).packed())

    def plus(self, packed: int) -> "Tally":
        """The tally with these counts added; negative counts are subtracted."""
        return tally_of(self.lo, self.span, self.packed + packed)


# The same counts occur often, because weights and ratings are small integers.
tally_of = lru_cache(maxsize=5000)(Tally)


def sum_of(tallies: Sequence[Tally]) -> Tally:
    """The sum of at least one tally."""
    first = tallies[0]
    return tally_of(first.lo, first.span, sum(tally.packed for tally in tallies))


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
