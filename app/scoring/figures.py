"""The figures of a group of questions, from its tally."""

from collections.abc import Sequence
from functools import lru_cache

from app.scoring.plan import Plan, PlannedStep
from app.scoring.result import Combined, DimensionFigures, Range, StepFigures, shared
from app.scoring.tally import Tally
from app.scoring.units import Layout, Sums

# Each entry takes about a kilobyte, with its JSON.
MAX_SHARED_FIGURES = 2000


@lru_cache(MAX_SHARED_FIGURES)
def figures_of(tally: Tally) -> Range:
    """The range, coverage, points and counts of a group; do not change them."""
    return {
        "lowest": tally.lowest,
        "highest": tally.highest,
        "coverage": tally.coverage,
        "reportable": tally.reportable,
        "points": tally.points,
        "points_min": tally.lo * tally.weight,
        "points_max": (tally.lo + tally.span) * tally.weight,
        "rated": tally.rated,
        "open": tally.open,
        "not_applicable": tally.not_applicable,
    }


@lru_cache(MAX_SHARED_FIGURES)
def combined_figures(layout: Layout, sums: Sums, *, can_be_fit: bool) -> Combined:
    """The figures of all units together, and of each dimension. They are shared: do not change them."""
    units = sums.units
    return {
        **figures_of(sums.total),
        "lowest": units.lowest,
        "highest": units.highest,
        "coverage": units.coverage,
        "reportable": units.reportable,
        "needed_average": units[0].needed_average if can_be_fit and not layout.reciprocal else None,
        "weaker_side": None if units.weaker is None else layout.dimensions[units.weaker][0],
        "dimensions": dimension_figures(layout, sums.dimensions, can_be_fit=can_be_fit),
    }


def dimension_figures(
    layout: Layout, dimensions: Sequence[Tally], *, can_be_fit: bool
) -> list[DimensionFigures]:
    """The figures of each dimension; the needed averages of sides are None while a fit is out of reach.

    A dimension of a weighted set is no unit, so its needed average is None.
    """
    needs = can_be_fit and layout.reciprocal
    return [
        _dimension(key, title, tally, tally.needed_average if needs else None)
        for (key, title), tally in zip(layout.dimensions, dimensions, strict=True)
    ]


def step_figures(plan: Plan, steps: Sequence[int]) -> list[StepFigures]:
    """The figures of each step, from its packed counts."""
    return [_step(step, packed) for step, packed in zip(plan.steps, steps, strict=True)]


# Few questions of a set are in one step or dimension, so the same figures occur often.
@lru_cache(MAX_SHARED_FIGURES)
def _dimension(key: str, title: str, tally: Tally, needed_average: float | None) -> DimensionFigures:
    figures: DimensionFigures = {
        "key": key,
        "title": title,
        **figures_of(tally),
        "estimate": tally.estimate,
        "needed_average": needed_average,
    }
    return shared(figures)


@lru_cache(MAX_SHARED_FIGURES)
def _step(step: PlannedStep, packed: int) -> StepFigures:
    tally = step.tally(packed)
    figures: StepFigures = {
        "key": step.key,
        "title": step.title,
        **figures_of(tally),
        "gated": step.gated,
        "estimate": tally.estimate,
    }
    return shared(figures)
