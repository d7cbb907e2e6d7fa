"""One pass over where the questions stand: what each step, dimension and unit adds up to."""

from collections.abc import Iterable

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, Standing
from app.scoring.tally import (
    EARNED,
    NOTHING,
    OPEN,
    OPEN_WEIGHT,
    RATED,
    RATED_WEIGHT,
    SKIPPED,
    SKIPPED_WEIGHT,
    together,
)


class Totals:
    """What the questions of one session add up to.

    Gated questions are counted in their steps only. `rated`, `open` and `skipped`, the ones that are not
    applicable, are of the scored questions, in the set's order. `units` are what thresholds apply to: the
    sides of a reciprocal set, or the one pool.
    """

    __slots__ = ("dimensions", "gated_open", "must", "open", "rated", "skipped", "steps", "total", "units")

    def __init__(self, plan: Plan, standings: Iterable[Standing]) -> None:
        steps = [[*NOTHING] for _ in plan.question_set.steps]
        # What is counted behind the last dimension is gated, and nobody reads it.
        dimensions = [[*NOTHING] for _ in range(len(plan.question_set.dimensions) + 1)]
        rated: list[Standing] = []
        opened: list[Standing] = []
        skipped: list[Standing] = []
        must: list[Standing] = []
        for standing in standings:
            asked = standing.asked
            weight, step, dimension = asked.weight, steps[asked.in_step], dimensions[asked.in_dimension]
            if standing.rating is not None:
                earned = standing.earned
                step[RATED] += 1
                step[RATED_WEIGHT] += weight
                step[EARNED] += earned
                dimension[RATED] += 1
                dimension[RATED_WEIGHT] += weight
                dimension[EARNED] += earned
                rated.append(standing)
            elif standing.state == "open":
                step[OPEN] += 1
                step[OPEN_WEIGHT] += weight
                dimension[OPEN] += 1
                dimension[OPEN_WEIGHT] += weight
                opened.append(standing)
            else:
                step[SKIPPED] += 1
                step[SKIPPED_WEIGHT] += weight
                dimension[SKIPPED] += 1
                dimension[SKIPPED_WEIGHT] += weight
                skipped.append(standing)
            if asked.has_must_reach:
                must.append(standing)
        dimensions.pop()
        self.steps = [plan.tally(counts) for counts in steps]
        self.dimensions = [plan.tally(counts) for counts in dimensions]
        self.total = together(self.dimensions)
        self.units = self.dimensions if plan.reciprocal else [self.total]
        self.gated_open = []
        if plan.gated:
            rated = [s for s in rated if not s.step.gated]
            skipped = [s for s in skipped if not s.step.gated]
            self.gated_open = [s for s in opened if s.step.gated]
            opened = [s for s in opened if not s.step.gated]
        self.rated, self.open, self.skipped = rated, opened, skipped
        self.must = MustReach.of(must)

    def open_by_unit(self) -> list[list[Standing]]:
        """The open questions of every unit."""
        return [[s for s in self.open if s.asked.in_unit == place] for place in range(len(self.units))]
