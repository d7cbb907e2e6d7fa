"""The tallies of the steps, dimensions and units, from one pass over the question states."""

from collections.abc import Sequence

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, QuestionState, ScoredState
from app.scoring.tally import sum_of
from app.scoring.units import units_of


class Totals:
    """The tallies of the questions of one session.

    `rated`, `open` and `skipped` (not applicable) are the states of ungated questions, in the set's order.
    Of the rated ones, `stated` have evidence, `assumed` rest on assumptions, and `missed` miss what they
    must reach.
    Gated questions count in their steps only. `units` are the sides of a reciprocal set, or the one pool.
    """

    __slots__ = (
        "assumed",
        "dimensions",
        "gated_open",
        "missed",
        "must",
        "open",
        "rated",
        "skipped",
        "stated",
        "steps",
        "total",
        "units",
    )  # fmt: skip

    def __init__(self, plan: Plan, states: Sequence[QuestionState]) -> None:
        steps = [0] * len(plan.steps)
        # The slot after the last dimension collects gated questions and is never read.
        dimensions = [0] * (len(plan.dimensions) + 1)
        ungated: dict[ScoredState, list[QuestionState]] = {"rated": [], "open": [], "not_applicable": []}
        gated: dict[ScoredState, list[QuestionState]] = {"rated": [], "open": [], "not_applicable": []}
        unreached: list[QuestionState] = []
        for question_state in states:
            asked, packed = question_state.asked, question_state.packed
            steps[asked.in_step] += packed
            dimensions[asked.in_dimension] += packed
            (gated if asked.gated else ungated)[question_state.state].append(question_state)
            if question_state.unreached:
                unreached.append(question_state)
        self.steps = [plan.tally(packed) for packed in steps]
        self.dimensions = [plan.tally(packed) for packed in dimensions[:-1]]
        self.total = sum_of(self.dimensions)
        self.units = units_of(self.dimensions if plan.reciprocal else [self.total])
        self.rated, self.open, self.skipped = ungated.values()
        self.gated_open = gated["open"]
        self.stated = [s for s in self.rated if s.evidence]
        self.assumed = [s for s in self.stated if s.evidence == "assumption"]
        self.missed = [s for s in unreached if s.misses]
        self.must = MustReach.of(unreached)
