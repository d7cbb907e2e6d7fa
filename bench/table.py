"""The table that `make bench` prints: one row per measure, beside what it is compared with and its goal."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

T = TypeVar("T")

WIDTHS = (52, 26, 46, 7, 12)


class Measure(NamedTuple):
    """One row: figures with their units. The ratio is to the baseline, both measured in turns in one run."""

    measure: str
    figure: str
    baseline: str = ""
    ratio: float | None = None
    goal: str = ""


def print_table(measures: Iterable[Measure]) -> None:
    """Print every row as soon as it is measured."""
    _print_row(Measure._fields)
    _print_row(["-" * width for width in WIDTHS])
    for one in measures:
        ratio = "" if one.ratio is None else f"{one.ratio:.2f}"
        _print_row([one.measure, one.figure, one.baseline, ratio, one.goal])


def in_turns(rounds: int, kinds: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """What each kind returns in each round, the kinds one after the other within a round."""
    taken: dict[str, list[T]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, measure in kinds.items():
            taken[kind].append(measure())
    return taken


def median_ratio(numerators: Iterable[float], denominators: Iterable[float]) -> float:
    """The median of the ratios of each round."""
    return statistics.median(n / d for n, d in zip(numerators, denominators, strict=True))


def _print_row(cells: Iterable[str]) -> None:
    padded = (f"{cell:<{width}}" for cell, width in zip(cells, WIDTHS, strict=True))
    print(f"| {' | '.join(padded)} |", flush=True)
