"""The tallies of the steps, dimensions and units, from one pass over the question states."""

from collections.abc import Sequence

from app.scoring.plan import Plan
from app.scoring.planned_question import STATE_GROUPS, QuestionState


class Totals:
    """The tallies of the questions of one session.

    `rated`, `open` and `skipped` (not applicable) are the states of ungated questions, in the set's order.
    Of the rated ones, `stated` have evidence, and `assumed` rest on assumptions. Gated questions count in
    their steps only, whose counts are packed. `units` are the sides of a reciprocal set, or the one pool.
    """

    __slots__ = (
        "assumed",
        "dimensions",
        "gated_open",
        "must",
        "open",
        "rated",
        "skipped",
        "stated",
        "steps",
        "sums",
        "total",
        "units",
    )  # fmt: skip

    def __init__(self, plan: Plan, states: Sequence[QuestionState]) -> None:
        spread = 0
        groups: list[list[QuestionState]] = [[] for _ in STATE_GROUPS]
        unreached: list[QuestionState] = []
        for question_state in states:
            spread += question_state.spread
            groups[question_state.group].append(question_state)
            if question_state.unreached:
                unreached.append(question_state)
        self.rated, self.open, self.skipped, _, self.gated_open, _ = groups
        self.sums = sums = plan.layout.sums(spread)
        self.dimensions, self.total, self.units = sums.dimensions, sums.total, sums.units
        self.steps = plan.layout.steps_of(spread)
        self.stated = [s for s in self.rated if s.evidence]
        self.assumed = [s for s in self.stated if s.evidence == "assumption"] if self.stated else []
        self.must = plan.must_reach(tuple(unreached))
