"""The win probability at a score, as the sessions on one version of a question set show it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.insights.schemas import Estimate


@dataclass(frozen=True, slots=True)
class WinCurve:
    """The curve of one version of a question set. `n` is the number of sessions that it was fitted to.

    `predict` returns the probability at each of some scores. A score outside of the range of the
    sessions has the probability of the nearest score in it.
    """

    n: int
    preliminary: bool
    predict: Callable[[Sequence[float]], list[Estimate]]
