"""Estimates in responses and in tables."""

from app.files.columns import Column, Value
from app.insights.schemas import Estimate
from app.insights.statistics import estimate as statistics


def estimate_of(found: statistics.Estimate | None) -> Estimate | None:
    """Return an estimate for a response; None if there is none."""
    return shown(found) if found else None


def shown(found: statistics.Estimate) -> Estimate:
    """Return an estimate for a response."""
    return Estimate(estimate=found.estimate, low=found.low, high=found.high)


def columns_of(name: str) -> list[Column]:
    """Return the columns of an estimate: "win_rate", "win_rate_low" and "win_rate_high"."""
    return [Column(one, "number") for one in (name, f"{name}_low", f"{name}_high")]


def values_of(estimate: Estimate | None) -> tuple[Value, Value, Value]:
    """Return the values of the `columns_of` an estimate."""
    return (estimate.estimate, estimate.low, estimate.high) if estimate else (None, None, None)
