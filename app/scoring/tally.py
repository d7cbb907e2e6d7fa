"""The tally of a group of questions: integers only, and one division per figure.

The README has the formulas ("How to read a score"): w is a weight, r a rating on lo..hi, x = r − lo and
D = hi − lo. W_A, W_U and W_N are the weights of the rated, open and not applicable questions,
W = W_A + W_U, and a = Σ w·x over the rated questions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
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

    def packed(self, bits: int) -> int:
        """All seven counts in one integer, `bits` for each, so that one addition adds them all."""
        return sum(count << bits * place for place, count in enumerate(self))

    @classmethod
    def unpacked(cls, packed: int, bits: int) -> "Counts":
        """The counts in an integer that `packed` returned for the same `bits`."""
        return cls(*(packed >> bits * place & (1 << bits) - 1 for place in range(len(cls._fields))))


@dataclass(frozen=True, slots=True, eq=False)
class Limits:
    """The scale, thresholds and grades of a question set, with which its tallies are compared.

    `lo` is the lowest rating, and `span` is D. The thresholds are 0 in a set without them. `grades` are where
    the grades start, the best one first. `bits` is how many bits hold any count of any group.
    """

    lo: int
    span: int
    fit_at: int
    no_fit_below: int
    grades: tuple[int, ...]
    bits: int


class Tally:
    """The figures of a group: `span` is D, `weight` is W, and `earned` is a, 0..D·W_A.

    `estimate` (100·a / (D·W_A)), `lowest` and `highest` are 0..100 and None if their divisor is 0. `lowest`
    and `highest` hold if every open question gets the worst or the best rating; `max_earned` is then a.
    `coverage` is the rated share of all weight, 0..1; from one half on, the group is `reportable`. `points`
    are Σ w·r. Tallies with the same counts are shared: what is said of a unit is computed on its first use.
    """

    def __init__(self, limits: Limits, packed: int) -> None:
        self.limits = limits
        self.lo = lo = limits.lo
        self.span = span = limits.span
        self.packed = packed
        self.counts = counts = Counts.unpacked(packed, limits.bits)
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

    @cached_property
    def avoids_no_fit(self) -> bool:
        """Whether the worst ratings for the open questions reach `no_fit_below`; W has to be above 0."""
        return self.lowest_reaches(self.limits.no_fit_below)

    @cached_property
    def can_avoid_no_fit(self) -> bool:
        """Whether the best ratings for the open questions reach `no_fit_below`; true if W is 0."""
        return self.highest_reaches(self.limits.no_fit_below)

    @cached_property
    def is_fit(self) -> bool:
        """Whether a reportable group reaches `fit_at` with any ratings for the open questions."""
        return self.reportable and self.lowest_reaches(self.limits.fit_at)

    @cached_property
    def can_be_fit(self) -> bool:
        """Whether the best ratings for the open questions would be enough for a fit."""
        return self.weight > 0 and self.highest_reaches(self.limits.fit_at) and self.can_be_reportable

    @cached_property
    def leans_to_fit(self) -> bool:
        """Whether the estimate reaches `fit_at`; W_A has to be above 0."""
        return self.estimate_reaches(self.limits.fit_at)

    @cached_property
    def leans_to_no_fit(self) -> bool:
        """Whether the estimate is below `no_fit_below`; W_A has to be above 0."""
        return not self.estimate_reaches(self.limits.no_fit_below)

    @cached_property
    def needed_average(self) -> float | None:
        """The weighted average that the open questions need for a fit, on lo..hi.

        That is lo + (fit_at·D·W/100 − a) / W_U. None if nothing is open, or if the best ratings are not
        enough.
        """
        cut = self.limits.fit_at
        if self.open_weight == 0 or not self.highest_reaches(cut):
            return None
        missing = cut * self.span * self.weight - 100 * self.earned
        floor = 100 * self.lo * self.open_weight
        return max(missing + floor, floor) / (100 * self.open_weight)

    @cached_property
    def grade(self) -> int:
        """The index of the best grade that the estimate reaches."""
        return best_grade(self.limits, self.earned, self.span * self.rated_weight)

    @cached_property
    def highest_grade(self) -> int:
        """The index of the best grade that the best ratings for the open questions reach."""
        return best_grade(self.limits, self.max_earned, self.span * self.weight)

    @cached_property
    def as_if_nothing_were_open(self) -> "Tally":
        """The tally without the open questions."""
        return self.plus(-Counts(open_weight=self.open_weight, open=self.open).packed(self.limits.bits))

    def plus(self, packed: int) -> "Tally":
        """The tally with these counts added; negative counts are subtracted."""
        return tally_of(self.limits, self.packed + packed)


# The same counts occur often, because weights and ratings are small integers.
tally_of = lru_cache(maxsize=5000)(Tally)


def sum_of(tallies: Sequence[Tally]) -> Tally:
    """The sum of at least one tally."""
    first = tallies[0]
    return tally_of(first.limits, sum([tally.packed for tally in tallies]))


def best_grade(limits: Limits, earned: int, most: int) -> int:
    """The index of the best grade that earned / most reaches, compared exactly; the last one starts at 0."""
    return next((index for index, at in enumerate(limits.grades) if 100 * earned >= at * most), 0)


def _ratio(numerator: int, denominator: int) -> float | None:
    return numerator / denominator if denominator else None
