"""The tallies of the steps, dimensions and units, from one pass over the question states."""

from collections.abc import Sequence

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, QuestionState
from app.scoring.tally import sum_of


class Totals:
    """The tallies of the questions of one session.

    `rated`, `open` and `skipped` (not applicable) are the states of ungated questions, in the set's order.
    Gated questions count in their steps only. `units` are the sides of a reciprocal set, or the one pool.
    """

    __slots__ = ("dimensions", "gated_open", "must", "open", "rated", "skipped", "steps", "total", "units")

    def __init__(self, plan: Plan, states: Sequence[QuestionState]) -> None:
        steps = [0] * len(plan.question_set.steps)
        # The slot after the last dimension collects gated questions and is never read.
        dimensions = [0] * (len(plan.question_set.dimensions) + 1)
        for question_state in states:
            asked, packed = question_state.asked, question_state.packed
            steps[asked.in_step] += packed
            dimensions[asked.in_dimension] += packed
        self.steps = [plan.tally(packed) for packed in steps]
        self.dimensions = [plan.tally(packed) for packed in dimensions[:-1]]
        self.total = sum_of(self.dimensions)
        self.units = self.dimensions if plan.reciprocal else [self.total]
        self.gated_open = [s for s in states if s.state == "open" and s.step.gated] if plan.gated else []
        ungated = [s for s in states if not s.step.gated] if plan.gated else states
        self.rated = [s for s in ungated if s.state == "rated"]
        self.open = [s for s in ungated if s.state == "open"]
        self.skipped = [s for s in ungated if s.state == "not_applicable"]
        self.must = MustReach.of([s for s in ungated if s.unreached])
