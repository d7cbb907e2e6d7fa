"""The next questions, and the fewest further answers that can settle the indication."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
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
Units = Sequence[tuple[Tally, Sequence[QuestionState]]]


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
    if thresholds is None or must.blocked or not all(unit.weight for unit, _ in units):
        return None
    answers = 0
    for unit, opened in units:
        more = _answers_to_reach(thresholds.fit_at, unit, opened)
        if more is None:
            return None
        answers += more
    return answers


def _answers_to_reach(cut: int, unit: Tally, opened: Sequence[QuestionState]) -> int | None:
    """The fewest answers after which a unit is reportable and reaches `cut`, with no open must-reach."""
    must = [s.asked.weight for s in opened if s.asked.has_must_reach]
    others = [s.asked.weight for s in opened if not s.asked.has_must_reach]
    lacking = cut * unit.span * unit.weight - 100 * unit.earned
    unrated = unit.all_weight - 2 * unit.rated_weight
    # Rounded up, because weights are integers.
    needed = max(-(-lacking // (100 * unit.span)), -(-unrated // 2)) - sum(must)
    more = _fewest(others, needed)
    return None if more is None else len(must) + more


def answers_to_no_fit(thresholds: Thresholds | None, units: Units, must: MustReach) -> int | None:
    """The fewest further answers that can settle `no_fit`: 0 or more, None if it is out of reach.

    One missed knock-out is enough, and so are the worst ratings for the largest weights of one unit.
    """
    if thresholds is None:
        return None
    if must.missed_knock_outs:
        return 0
    ways = [1] if must.open_knock_outs else []
    for unit, opened in units:
        surplus = 100 * unit.max_earned - thresholds.no_fit_below * unit.span * unit.weight
        answers = _fewest([s.asked.weight for s in opened], surplus // (100 * unit.span) + 1)
        if answers is not None:
            ways.append(answers)
    return min(ways, default=None)


def _fewest(weights: list[int], needed: int) -> int | None:
    """The number of the largest weights whose sum is at least `needed`; None if all are not enough."""
    sums = [0, *accumulate(sorted(weights, reverse=True))]
    return bisect_left(sums, needed) if needed <= sums[-1] else None
