"""The tallies of the steps, dimensions and units, from one pass over the question states."""

from collections.abc import Iterable

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, QuestionState
from app.scoring.tally import sum_of


class Totals:
    """The tallies of the questions of one session.

    `rated`, `open` and `skipped` (not applicable) are the states of ungated questions, in the set's order.
    Gated questions count in their steps only. `units` are the sides of a reciprocal set, or the one pool.
    """

    __slots__ = ("dimensions", "gated_open", "must", "open", "rated", "skipped", "steps", "total", "units")

    def __init__(self, plan: Plan, states: Iterable[QuestionState]) -> None:
        steps = [0] * len(plan.question_set.steps)
        # The slot after the last dimension collects gated questions and is never read.
        dimensions = [0] * (len(plan.question_set.dimensions) + 1)
        rated: list[QuestionState] = []
        opened: list[QuestionState] = []
        skipped: list[QuestionState] = []
        by_state = {"rated": rated, "open": opened, "not_applicable": skipped}
        must: list[QuestionState] = []
        for question_state in states:
            asked, packed = question_state.asked, question_state.packed
            steps[asked.in_step] += packed
            dimensions[asked.in_dimension] += packed
            by_state[question_state.state].append(question_state)
            if asked.has_must_reach:
                must.append(question_state)
        self.steps = [plan.tally(packed) for packed in steps]
        self.dimensions = [plan.tally(packed) for packed in dimensions[:-1]]
        self.total = sum_of(self.dimensions)
        self.units = self.dimensions if plan.reciprocal else [self.total]
        self.gated_open: list[QuestionState] = []
        if plan.gated:
            rated, skipped = _not_gated(rated), _not_gated(skipped)
            self.gated_open, opened = [s for s in opened if s.step.gated], _not_gated(opened)
        self.rated, self.open, self.skipped = rated, opened, skipped
        self.must = MustReach.of(must)

    def open_by_unit(self) -> list[list[QuestionState]]:
        """The open questions of each unit."""
        return [[s for s in self.open if s.asked.in_unit == index] for index in range(len(self.units))]


def _not_gated(states: Iterable[QuestionState]) -> list[QuestionState]:
    return [s for s in states if not s.step.gated]
