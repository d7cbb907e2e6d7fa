"""The next questions."""

from typing import NamedTuple

from app.scoring.plan import Plan
from app.scoring.planned_question import QuestionState, unknown_last
from app.scoring.result import NextQuestion
from app.scoring.totals import Totals

MAX_IN_FULL = 3


class Agenda(NamedTuple):
    """The questions that are still to be asked: the next ones in full, and the keys of all in order."""

    next_questions: list[NextQuestion]
    open_questions: list[str]
    must_answer: list[str]


def agenda(plan: Plan, totals: Totals, *, settled: bool, pursued: bool) -> Agenda:
    """The open questions in the order to ask them: the set's, with those answered unknown last.

    Questions of gated steps follow all others, and only after the decision to pursue. The next questions
    are the first three; they are of gated steps only when no other question is open. Once the indication
    is settled, only questions of gated steps are next, and no question must be answered.
    """
    ungated = unknown_last(totals.open)
    gated = unknown_last(totals.gated_open) if pursued else []
    to_ask = gated if settled or not ungated else ungated
    must = [] if settled else [*totals.must.open_keys]
    return Agenda(
        [_in_full(s, plan, totals) for s in to_ask[:MAX_IN_FULL]],
        [s.asked.key for s in (*ungated, *gated)],
        must,
    )


def _in_full(question_state: QuestionState, plan: Plan, totals: Totals) -> NextQuestion:
    """The line of a question; its weight share is 100·w/W of its unit, or of its step if that is gated."""
    asked = question_state.asked
    step = asked.in_step
    unit = plan.steps[step].tally(totals.steps[step]) if asked.gated else totals.units[asked.in_unit]
    return asked.line(unit.weight, ask_again=question_state.answered_unknown or question_state.stale)
