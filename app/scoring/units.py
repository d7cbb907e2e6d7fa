"""What the units of a score say together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import sqrt

from app.scoring.tally import Counts, Limits, Tally, sum_of, tally_of


class Units(tuple[Tally, ...]):  # noqa: SLOT001  # a tuple cannot have slots for further attributes
    """The tallies of both sides of a reciprocal set, or of the one pool of a weighted set.

    A flag is true if it is true of every unit. `estimate`, `lowest` and `highest` are 0..100. `coverage` is
    0..1: the lowest of a unit. All four are None if a unit has none. `weaker` is the index of the side with
    the lower estimate. `grade` and `highest_grade` are the indexes of the weakest unit's grades. Units with
    the same tallies are shared.
    """

    def __init__(self, tallies: Iterable[Tally]) -> None:
        del tallies
        self.have_weight = all(unit.weight for unit in self)
        self.reportable = all(unit.reportable for unit in self)
        self.can_be_reportable = all(unit.can_be_reportable for unit in self)
        self.can_avoid_no_fit = all(unit.can_avoid_no_fit for unit in self)
        self.avoid_no_fit = all(unit.avoids_no_fit for unit in self)
        self.are_fit = all(unit.is_fit for unit in self)
        self.can_be_fit = all(unit.can_be_fit for unit in self)
        self.lean_to_fit = all(unit.leans_to_fit for unit in self)
        self.avoid_leaning_to_no_fit = not any(unit.leans_to_no_fit for unit in self)
        self.estimate = combine([unit.estimate for unit in self])
        self.lowest = combine([unit.lowest for unit in self])
        self.highest = combine([unit.highest for unit in self])
        shares = [unit.coverage for unit in self if unit.coverage is not None]
        self.coverage = min(shares) if len(shares) == len(self) else None
        self.weaker = _weaker(self)
        self.grade = max([unit.grade for unit in self])
        self.highest_grade = max([unit.highest_grade for unit in self])


# The same tallies often occur together.
_shared = lru_cache(maxsize=5000)(Units)


def units_of(tallies: Sequence[Tally]) -> Units:
    """The units with these tallies, at least one."""
    return _shared(tuple(tallies))


@dataclass(frozen=True, slots=True, eq=False)
class Sums:
    """The tallies of the dimensions, of all of them together, and of the units."""

    dimensions: list[Tally]
    total: Tally
    units: Units


@dataclass(frozen=True, eq=False)
class Layout:
    """Where one integer holds the counts of all groups: those of each dimension, then those of each step.

    With it, one addition for each question adds to all its groups. `dimensions` are their keys and titles.
    """

    limits: Limits
    dimensions: Sequence[tuple[str, str]]
    steps: int
    reciprocal: bool

    @cached_property
    def group_bits(self) -> int:
        """How many bits the counts of one group take."""
        return self.limits.bits * len(Counts._fields)

    @cached_property
    def group_mask(self) -> int:
        """The mask of the counts of one group."""
        return (1 << self.group_bits) - 1

    @cached_property
    def sums_mask(self) -> int:
        """The mask of the counts of all dimensions."""
        return (1 << self.group_bits * len(self.dimensions)) - 1

    @cached_property
    def step_places(self) -> list[int]:
        """The index of the first bit of each step."""
        return [self.group_bits * (len(self.dimensions) + step) for step in range(self.steps)]

    def spread(self, packed: int, groups: Iterable[int]) -> int:
        """The packed counts of one question, in the places of the groups with these indexes."""
        return sum(packed << self.group_bits * group for group in groups)

    def sums(self, spread: int) -> Sums:
        """The tallies of the dimensions, of all of them, and of the units, from the sum of spread counts."""
        return _sums(self, spread & self.sums_mask)

    def steps_of(self, spread: int) -> list[int]:
        """The packed counts of each step, from the sum of spread counts."""
        mask = self.group_mask
        return [spread >> place & mask for place in self.step_places]


# The same counts often occur together.
@lru_cache(maxsize=5000)
def _sums(layout: Layout, spread: int) -> Sums:
    places = [layout.group_bits * dimension for dimension in range(len(layout.dimensions))]
    dimensions = [tally_of(layout.limits, spread >> place & layout.group_mask) for place in places]
    total = sum_of(dimensions)
    return Sums(dimensions, total, units_of(dimensions if layout.reciprocal else [total]))


def _weaker(units: Sequence[Tally]) -> int | None:
    """The index of the side with the lower estimate, compared exactly; None on a tie, and of one pool."""
    if len(units) == 1:
        return None
    one, other = units
    left, right = one.earned * other.rated_weight, other.earned * one.rated_weight
    if left == right or not (one.rated_weight and other.rated_weight):
        return None
    return 0 if left < right else 1


def combine(figures: list[float | None]) -> float | None:
    """The figure of the pool, or √(u·v) of two sides; None if a unit has none.

    The geometric mean is low if one side is low: a strong side does not make up for a weak one.
    """
    first, *others = figures
    if first is None or None in others:
        return None
    return sqrt(first * others[0]) if others and others[0] is not None else first
