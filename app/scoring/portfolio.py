"""Where an account is in a portfolio: its cell, or the cells that it can still reach.

All comparisons are exact: 100·a with cut·D·W, as in `tally.py`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, cast, get_args

from app.scoring.plan import Plan
from app.scoring.question_set import Portfolio
from app.scoring.tally import Counts, Tally

Side = Literal["high", "low"]
# The first word is for x, and the second for y.
Cell = Literal["high_high", "high_low", "low_high", "low_low"]
CELLS: tuple[Cell, ...] = get_args(Cell)


@dataclass(frozen=True, slots=True)
class Placement:
    """The tallies of both axes, and the cells that the ranges leave possible, in the order of CELLS.

    `leaning` is the cell of the estimates. Without an estimate on an axis, it is None; `cells` is empty if
    every question of an axis is not applicable.
    """

    x: Tally
    y: Tally
    cells: tuple[Cell, ...]
    leaning: Cell | None

    @property
    def settled(self) -> Cell | None:
        """The cell, if no open question can change it; otherwise None."""
        return self.leaning if len(self.cells) == 1 else None


def placement(plan: Plan, portfolio: Portfolio, dimensions: Sequence[Sequence[int]]) -> Placement | None:
    """The placement of a session by the counts of every dimension, as a stored verdict has them.

    None if the set of `plan`, which is the one of the verdict, does not have both axes.
    """
    keys = [dimension.key for dimension in plan.question_set.dimensions]
    if portfolio.x not in keys or portfolio.y not in keys:
        return None
    x, y = (plan.tally(Counts(*dimensions[keys.index(axis)])) for axis in (portfolio.x, portfolio.y))
    cut = portfolio.cut_at
    cells = tuple(_cell(*sides) for sides in product(_possible_sides(x, cut), _possible_sides(y, cut)))
    rated = x.rated_weight > 0 and y.rated_weight > 0
    leaning = _cell(_side_of_estimate(x, cut), _side_of_estimate(y, cut)) if rated else None
    return Placement(x, y, cells, leaning)


def _cell(x: Side, y: Side) -> Cell:
    return cast("Cell", f"{x}_{y}")


def _possible_sides(tally: Tally, cut: int) -> Iterator[Side]:
    """The sides that some answers to the open questions give."""
    if tally.weight:
        if tally.highest_reaches(cut):
            yield "high"
        if not tally.lowest_reaches(cut):
            yield "low"


def _side_of_estimate(tally: Tally, cut: int) -> Side:
    return "high" if tally.estimate_reaches(cut) else "low"
