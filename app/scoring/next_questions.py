"""What to ask next, and how many answers a settled indication is away."""

from collections.abc import Sequence
from typing import NamedTuple

from app.scoring.indication import MustReach
from app.scoring.plan import Group, Standing
from app.scoring.question_set import Step, Thresholds
from app.scoring.result import NextQuestion
from app.scoring.tally import Tally

IN_FULL = 3


class Agenda(NamedTuple):
    """What is still to be asked: the next questions in full, and the keys of all in the order to ask them."""

    next_questions: list[NextQuestion]
    open_questions: list[str]
    must_answer: list[str]


def agenda(
    units: Sequence[Group],
    steps: list[tuple[Step, Group]],
    *,
    settled: bool,
    pursued: bool,
) -> Agenda:
    """The open questions, step by step in the set's order, those that were answered unknown last in a step.

    The next questions are those of the first step that has any; nothing of an ungated step is next or has
    to be answered once the indication is settled. Gated steps come after the decision to pursue.
    """
    ungated = [(group, group.open()) for step, group in steps if not step.gated]
    gated = [(group, group.open()) for step, group in steps if step.gated and pursued]
    next_ones: list[NextQuestion] = []
    for group, opened in [*(() if settled else ungated), *gated]:
        if opened:
            next_ones = [_in_full(s, _unit_of(s, units, group)) for s in _as_asked(opened)[:IN_FULL]]
            break
    everything = [s for _, opened in (*ungated, *gated) for s in _as_asked(opened)]
    must = [s.question.key for s in everything if s.question.must_reach is not None]
    return Agenda(next_ones, [s.question.key for s in everything], [] if settled else must)


def _as_asked(opened: Sequence[Standing]) -> list[Standing]:
    return sorted(opened, key=lambda s: s.answered_unknown)


def _unit_of(standing: Standing, units: Sequence[Group], step: Group) -> Tally:
    """A gated step is a unit of its own."""
    return next((unit.tally for unit in units if standing in unit.standings), step.tally)


def _in_full(standing: Standing, unit: Tally) -> NextQuestion:
    weight = unit.weight
    share = 100 * standing.question.weight / weight if weight else None
    return standing.asked.line(share, ask_again=standing.answered_unknown or standing.stale)


def answers_to_fit(thresholds: Thresholds | None, units: Sequence[Group], must: MustReach) -> int | None:
    """The fewest further answers after which `fit` could be settled: 0.., None if out of reach.

    Every open must-reach question has to be among them; then the largest weights, rated best,
    come soonest to the threshold, in each unit by itself.
    """
    if thresholds is None or must.blocked:
        return None
    needed = 0
    for group in units:
        unit, opened = group.tally, group.open()
        if unit.weight == 0:
            return None
        opened.sort(key=lambda s: (s.question.must_reach is None, -s.question.weight))
        while not (
            unit.reportable
            and unit.lowest_reaches(thresholds.fit_at)
            and (not opened or opened[0].question.must_reach is None)
        ):
            if not opened:
                return None
            unit = unit.close(opened.pop(0).question.weight, unit.lo + unit.span)
            needed += 1
    return needed


def answers_to_no_fit(thresholds: Thresholds | None, units: Sequence[Group], must: MustReach) -> int | None:
    """The fewest further answers after which `no_fit` could be settled: 0.., None if out of reach.

    One missed knock-out is enough, and so is one unit whose largest weights are rated worst.
    """
    if thresholds is None:
        return None
    if must.knocked_out:
        return 0
    ways = [1] if must.open_knock_outs else []
    for group in units:
        unit, opened = group.tally, group.open()
        opened.sort(key=lambda s: -s.question.weight)
        answers = 0
        while unit.highest_reaches(thresholds.no_fit_below) and opened:
            unit = unit.close(opened.pop(0).question.weight, unit.lo)
            answers += 1
        if not unit.highest_reaches(thresholds.no_fit_below):
            ways.append(answers)
    return min(ways, default=None)
