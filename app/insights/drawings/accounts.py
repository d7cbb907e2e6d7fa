"""Where the accounts of a portfolio are in its matrix, and which of them share a mark."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from app.insights.drawings.chart import Scale
from app.insights.drawings.figures import Words, counted_accounts
from app.insights.drawings.placing import Box
from app.insights.drawings.svg import Point

# Accounts in the same square of this many pixels share one mark, whose area grows with their number. With
# many accounts, the squares are larger, so that the marks do not cover each other.
MAX_SINGLE = 80
SINGLE_DISTANCE, CROWDED_DISTANCE = 9.0, 26.0
RADIUS, MIN_RADIUS, MAX_RADIUS = 4.5, 2.5, 22.0
RING = 2.5
MAX_HEADING = 30


class Position(NamedTuple):
    """An account in one dimension, 0 to 100: the estimate, if there is one, and the limits of its range."""

    estimate: float | None
    low: float
    high: float

    @property
    def middle(self) -> float:
        """The estimate or, without one, the middle of the range."""
        return (self.low + self.high) / 2 if self.estimate is None else self.estimate

    def straddles(self, cut: float) -> bool:
        """Whether the range has values on both sides of a cut. A value at the cut is on its high side."""
        return self.low < cut <= self.high


class Account(NamedTuple):
    """One account and where it is."""

    name: str
    x: Position
    y: Position


class Axis(NamedTuple):
    """The title of a dimension, and where it is cut."""

    title: str
    cut: int

    @property
    def cuts(self) -> tuple[int]:
        """The cut, as `rounded` expects it: no figure is rounded up to it."""
        return (self.cut,)


class Cell(NamedTuple):
    """The advice for one cell, the accounts that are in it for certain, and those that may be in it."""

    advice: str
    accounts: int
    possible: int

    def counted(self) -> str:
        """Return the numbers in words: "12 accounts, perhaps 3 more"."""
        certain = counted_accounts(self.accounts)
        return f"{certain}, perhaps {self.possible:,} more" if self.possible else certain

    def heading(self) -> str:
        """Return the advice or, if it begins with a word or two and a colon, only those."""
        heading, colon, _ = self.advice.partition(": ")
        return heading if colon and len(heading) <= MAX_HEADING else self.advice


class Cells(NamedTuple):
    """The four cells, with the side of the horizontal axis first."""

    low_low: Cell
    low_high: Cell
    high_low: Cell
    high_high: Cell


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What the picture shows. Accounts of which nothing is known are not among `accounts`."""

    words: Words
    x: Axis
    y: Axis
    cells: Cells
    accounts: Sequence[Account]


class Mark(NamedTuple):
    """Accounts that share a mark. The cell of `uncertain` of them is open."""

    accounts: list[Account]
    uncertain: int
    x: float
    y: float
    radius: float

    @property
    def box(self) -> Box:
        """The square around the mark."""
        return Box(self.x - self.radius, self.y - self.radius, self.x + self.radius, self.y + self.radius)

    @property
    def certain_radius(self) -> float:
        """The radius of a disc that is as large a part of the mark as the certain accounts are of all."""
        share = 1 - self.uncertain / len(self.accounts)
        return min(self.radius * sqrt(share), self.radius - RING) if self.uncertain else self.radius


def is_uncertain(account: Account, figures: Portfolio) -> bool:
    """Whether the range of an account straddles a cut, so that its cell is open."""
    return account.x.straddles(figures.x.cut) or account.y.straddles(figures.y.cut)


def marks_of(figures: Portfolio, x: Scale, y: Scale) -> list[Mark]:
    """Return the marks, the largest first. Accounts of different cells never share a mark."""
    is_crowded = len(figures.accounts) > MAX_SINGLE
    distance = CROWDED_DISTANCE if is_crowded else SINGLE_DISTANCE
    cut_x, cut_y = x.at(figures.x.cut), y.at(figures.y.cut)
    shared: dict[Point, list[Account]] = defaultdict(list)
    for account in figures.accounts:
        # The squares begin at the cuts, so that a square is in one cell.
        column = (x.at(account.x.middle) - cut_x) // distance
        row = (cut_y - y.at(account.y.middle)) // distance
        shared[column, row].append(account)
    most = max(map(len, shared.values()))
    largest = distance / 2 if is_crowded else min(MAX_RADIUS, RADIUS * sqrt(most))
    smallest = max(largest / sqrt(most), MIN_RADIUS) if is_crowded else RADIUS
    growth = (largest**2 - smallest**2) / max(most - 1, 1)
    marks = [
        Mark(
            accounts,
            sum(is_uncertain(account, figures) for account in accounts),
            sum(x.at(account.x.middle) for account in accounts) / len(accounts),
            sum(y.at(account.y.middle) for account in accounts) / len(accounts),
            sqrt(smallest**2 + growth * (len(accounts) - 1)),
        )
        for accounts in shared.values()
    ]
    return sorted(marks, key=lambda mark: -mark.radius)


def ranges_of(accounts: Sequence[Account], figures: Portfolio, x: Scale, y: Scale) -> list[Box]:
    """Return the ranges that straddle a cut, as boxes without height or without width."""
    boxes = []
    for account in accounts:
        middle_x, middle_y = x.at(account.x.middle), y.at(account.y.middle)
        if account.x.straddles(figures.x.cut):
            boxes.append(Box(x.at(account.x.low), middle_y, x.at(account.x.high), middle_y))
        if account.y.straddles(figures.y.cut):
            boxes.append(Box(middle_x, y.at(account.y.high), middle_x, y.at(account.y.low)))
    return boxes
