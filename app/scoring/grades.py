"""The grade, and the grades that are still possible."""

from collections.abc import Callable, Sequence

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, QuestionState
from app.scoring.question_set import Grade
from app.scoring.result import Indication
from app.scoring.tally import Counts, Tally


def grade(plan: Plan, units: Sequence[Tally], must: MustReach, indication: Indication | None) -> str | None:
    """The grade by the estimate of the weakest unit; it never contradicts the indication.

    None if the set has no grades, until every unit is reportable, if a knock-out is missed, and while a
    must-reach question is open and the indication is undetermined. With a blocker, the best possible grade
    is the best one that starts below `fit_at`.
    """
    grades = plan.question_set.grades
    if not grades or must.missed_knock_outs or not all(unit.reportable for unit in units):
        return None
    if must.open and indication == "undetermined":
        return None
    weakest = _weakest(grades, units, Tally.estimate_reaches)
    return grades[max(weakest, plan.best_if_blocked) if must.blocked else weakest].grade


def grades_possible(
    plan: Plan, units: Sequence[Tally], opened: Sequence[list[QuestionState]], must: MustReach
) -> list[str]:
    """The grades from the best to the worst that some set of further answers gives; empty if none does.

    A further answer is any rating or `not_applicable`. `opened` are the open questions of each unit.
    """
    grades = plan.question_set.grades
    if (
        not grades
        or must.missed_knock_outs
        or not all(unit.weight and unit.can_be_reportable for unit in units)
    ):
        return []
    best = _weakest(grades, units, Tally.highest_reaches)
    worst = _weakest(
        grades, [_worst(unit, its) for unit, its in zip(units, opened, strict=True)], Tally.lowest_reaches
    )
    best = max(best, plan.best_if_blocked) if must.blocked else best
    worst = max(worst, plan.best_if_blocked) if must.blocked or _can_be_blocked(units, opened) else worst
    return [grade.grade for grade in grades[best : worst + 1]]


def _weakest(grades: list[Grade], units: Sequence[Tally], reaches: Callable[[Tally, int], bool]) -> int:
    """The index of the best grade that every unit reaches; every unit reaches the last grade, at 0."""
    index = 0
    for unit in units:
        while not reaches(unit, grades[index].at):
            index += 1
    return index


def _can_be_blocked(units: Sequence[Tally], opened: Sequence[list[QuestionState]]) -> bool:
    """Whether an open must-reach question can become a blocker while a grade stays possible."""
    return any(
        s.question.if_missed == "mixed" or unit.skip(s.question.weight).can_be_reportable
        for unit, its in zip(units, opened, strict=True)
        for s in its
        if s.question.must_reach is not None
    )


def _worst(unit: Tally, opened: Sequence[QuestionState]) -> Tally:
    """The unit after the further answers that give the lowest estimate with a grade.

    Every open question gets the worst rating, except knock-outs: each gets its `must_reach`, or is not
    applicable as long as half of the weight stays rated.
    """
    if not unit.open:
        return unit
    # The least that `earned` can become, by the weight that is then rated.
    least = {unit.weight: unit.earned}
    for question_state in opened:
        question = question_state.question
        if question.must_reach is None or question.if_missed != "no_fit":
            continue
        gained = question.weight * (question.must_reach - unit.lo)
        rated = {weight: earned + gained for weight, earned in least.items()}
        for weight, earned in least.items():
            without = weight - question.weight
            if 2 * without >= unit.all_weight:
                rated[without] = min(earned, rated.get(without, earned))
        least = rated
    weight, earned = min(least.items(), key=lambda way: way[1] / way[0])
    gained = Counts(earned=earned - unit.earned).packed()
    return unit.plus(gained - Counts(open_weight=unit.weight - weight).packed())
