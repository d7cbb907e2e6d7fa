"""The table that `make bench` prints: one row for each measure, with its baseline and its goal."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")

# Rounds of a benchmark, unless a module has its own number.
ROUNDS = 5
COLUMN_WIDTHS = (52, 26, 46, 7, 12)


class Measure(NamedTuple):
    """One row of the table; figures have their units.

    `ratio` compares the figure with the baseline, which is measured in the same run.
    """

    measure: str
    figure: str
    baseline: str = ""
    ratio: float | None = None
    goal: str = ""


def print_table(measures: Iterable[Measure]) -> None:
    """Print every row as soon as it is measured."""
    _print_row(Measure._fields)
    _print_row(["-" * width for width in COLUMN_WIDTHS])
    for measure in measures:
        ratio = "" if measure.ratio is None else f"{measure.ratio:.2f}"
        _print_row([measure.measure, measure.figure, measure.baseline, ratio, measure.goal])


def in_turns(rounds: int, kinds: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Run every kind once in each round, and return the results of each kind by round."""
    results: dict[str, list[T]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, measure in kinds.items():
            results[kind].append(measure())
    return results


def median_ratio(numerators: Iterable[float], denominators: Iterable[float]) -> float:
    """Return the median of the ratios of all rounds."""
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def _print_row(cells: Iterable[str]) -> None:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, COLUMN_WIDTHS, strict=True))
    print(f"| {' | '.join(padded)} |", flush=True)
