"""What to ask next, and how many answers a settled indication is away."""

from app.scoring.indication import MustReach
from app.scoring.plan import Group, Plan, Standing
from app.scoring.question_set import Step, Thresholds
from app.scoring.result import NextQuestion


def next_questions(
    plan: Plan,
    units: list[Group],
    steps: list[tuple[Step, Group]],
    *,
    settled: bool,
    pursued: bool,
) -> list[NextQuestion]:
    """The open questions of the first step that has any; none of an ungated step once settled.

    Must-reach ones first, then the set's order, as a conversation goes, and last those that were
    answered unknown. Gated steps come after the decision to pursue.
    """
    for gated in (False, True):
        if (gated and not pursued) or (settled and not gated):
            continue
        for step, group in steps:
            if step.gated == gated and group.tally.open:
                asked = sorted(
                    group.open(), key=lambda s: (s.answered_unknown, s.question.must_reach is None)
                )
                weights = _weights([group] if gated else units)
                return [plan.to_ask(s, _closes(s, weights[s.question.key])) for s in asked]
    return []


def _weights(units: list[Group]) -> dict[str, int]:
    """For every question W of its unit; a gated step is a unit of its own."""
    return {s.question.key: unit.tally.weight for unit in units for s in unit.standings}


def _closes(asked: Standing, weight: int) -> float | None:
    return 100 * asked.question.weight / weight if weight else None


def answers_to_fit(thresholds: Thresholds | None, units: list[Group], must: MustReach) -> int | None:
    """The fewest further answers after which `fit` could be settled: 0.., None if out of reach.

    Every open must-reach question has to be among them; then the largest weights, rated best,
    come soonest to the threshold, in each unit by itself.
    """
    if thresholds is None or must.knocked_out or must.held_back:
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


def answers_to_no_fit(thresholds: Thresholds | None, units: list[Group], must: MustReach) -> int | None:
    """The fewest further answers after which `no_fit` could be settled: 0.., None if out of reach.

    One missed knock-out is enough, and so is one unit whose largest weights are rated worst.
    """
    if thresholds is None:
        return None
    if must.knocked_out:
        return 0
    ways = [1] if must.knock_out_is_open else []
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
