"""The figures of a group of questions, from its tally."""

from collections.abc import Sequence
from functools import lru_cache

from app.scoring.plan import Plan
from app.scoring.result import DimensionFigures, Range, StepFigures, shared
from app.scoring.tally import Tally

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


def dimension_figures(plan: Plan, dimensions: Sequence[Tally], *, can_be_fit: bool) -> list[DimensionFigures]:
    """The figures of each dimension; the needed averages of sides are None while a fit is out of reach.

    A dimension of a weighted set is no unit, so its needed average is None.
    """
    needs = can_be_fit and plan.reciprocal
    return [
        _dimension(key, title, tally, tally.needed_average if needs else None)
        for (key, title), tally in zip(plan.dimensions, dimensions, strict=True)
    ]


def step_figures(plan: Plan, steps: Sequence[Tally]) -> list[StepFigures]:
    """The figures of each step."""
    return [
        _step(key, title, tally, gated) for (key, title, gated), tally in zip(plan.steps, steps, strict=True)
    ]


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
def _step(key: str, title: str, tally: Tally, gated: bool) -> StepFigures:  # noqa: FBT001
    figures: StepFigures = {
        "key": key,
        "title": title,
        **figures_of(tally),
        "gated": gated,
        "estimate": tally.estimate,
    }
    return shared(figures)
