"""The next questions."""

from typing import NamedTuple

from app.scoring.plan import QuestionState
from app.scoring.result import NextQuestion
from app.scoring.totals import Totals

MAX_IN_FULL = 3


class Agenda(NamedTuple):
    """The questions that are still to be asked: the next ones in full, and the keys of all in order."""

    next_questions: list[NextQuestion]
    open_questions: list[str]
    must_answer: list[str]


def agenda(totals: Totals, *, settled: bool, pursued: bool) -> Agenda:
    """The open questions in the order to ask them: the set's, with those answered unknown last.

    Questions of gated steps follow all others, and only after the decision to pursue. The next questions
    are the first three; they are of gated steps only when no other question is open. Once the indication
    is settled, only questions of gated steps are next, and no question must be answered.
    """
    ungated = _unknown_last(totals.open)
    gated = _unknown_last(totals.gated_open) if pursued else []
    to_ask = gated if settled or not ungated else ungated
    must = [] if settled else [s.asked.key for s in ungated if s.asked.must_reach]
    return Agenda(
        [_in_full(s, totals) for s in to_ask[:MAX_IN_FULL]],
        [s.asked.key for s in (*ungated, *gated)],
        must,
    )


def _unknown_last(opened: list[QuestionState]) -> list[QuestionState]:
    unknown = [s for s in opened if s.answered_unknown]
    return [s for s in opened if not s.answered_unknown] + unknown if unknown else opened


def _in_full(question_state: QuestionState, totals: Totals) -> NextQuestion:
    """The line of a question; its weight share is 100·w/W of its unit, or of its step if that is gated."""
    asked = question_state.asked
    unit = totals.steps[asked.in_step] if asked.gated else totals.units[asked.in_unit]
    share = 100 * asked.weight / unit.weight if unit.weight else None
    return asked.line(share, ask_again=question_state.answered_unknown or question_state.stale)
