"""The next questions, and the fewest further answers that can settle the indication."""

from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

from app.scoring.must_reach import MustReach
from app.scoring.plan import QuestionState
from app.scoring.question_set import Thresholds
from app.scoring.result import NextQuestion
from app.scoring.tally import Tally
from app.scoring.totals import Totals

MAX_IN_FULL = 3
ANSWERED_UNKNOWN = attrgetter("answered_unknown")
# The tally of each unit, with its open questions.
Units = Sequence[tuple[Tally, list[QuestionState]]]


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
    must = [] if settled else [s.asked.key for s in ungated if s.asked.has_must_reach]
    return Agenda(
        [_in_full(s, totals) for s in to_ask[:MAX_IN_FULL]],
        [s.asked.key for s in (*ungated, *gated)],
        must,
    )


def _unknown_last(opened: list[QuestionState]) -> list[QuestionState]:
    return sorted(opened, key=ANSWERED_UNKNOWN)


def _in_full(question_state: QuestionState, totals: Totals) -> NextQuestion:
    """The line of a question; its weight share is 100·w/W of its unit, or of its step if that is gated."""
    asked = question_state.asked
    unit = totals.steps[asked.in_step] if question_state.step.gated else totals.units[asked.in_unit]
    share = 100 * asked.weight / unit.weight if unit.weight else None
    return asked.line(share, ask_again=question_state.answered_unknown or question_state.stale)


def answers_to_fit(thresholds: Thresholds | None, units: Units, must: MustReach) -> int | None:
    """The fewest further answers that can settle `fit`: 0 or more, None if a fit is out of reach.

    They include every open must-reach question. After those, the largest weights with the best rating
    reach the threshold soonest, in each unit on its own.
    """
    if thresholds is None or must.blocked:
        return None
    needed = 0
    for tally, open_ones in units:
        unit = tally
        if unit.weight == 0:
            return None
        opened = sorted(open_ones, key=lambda s: (not s.asked.has_must_reach, -s.asked.weight))
        while not (
            unit.reportable
            and unit.lowest_reaches(thresholds.fit_at)
            and not (opened and opened[0].asked.has_must_reach)
        ):
            if not opened:
                return None
            unit = unit.close(opened.pop(0).asked.weight, unit.lo + unit.span)
            needed += 1
    return needed


def answers_to_no_fit(thresholds: Thresholds | None, units: Units, must: MustReach) -> int | None:
    """The fewest further answers that can settle `no_fit`: 0 or more, None if it is out of reach.

    One missed knock-out is enough, and so are the worst ratings for the largest weights of one unit.
    """
    if thresholds is None:
        return None
    if must.missed_knock_outs:
        return 0
    ways = [1] if must.open_knock_outs else []
    for tally, open_ones in units:
        unit = tally
        opened = sorted(open_ones, key=lambda s: -s.asked.weight)
        answers = 0
        while unit.highest_reaches(thresholds.no_fit_below) and opened:
            unit = unit.close(opened.pop(0).asked.weight, unit.lo)
            answers += 1
        if not unit.highest_reaches(thresholds.no_fit_below):
            ways.append(answers)
    return min(ways, default=None)
