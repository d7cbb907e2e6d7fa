"""The grade, and the grades that are still possible."""

from collections.abc import Iterable, Sequence

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan
from app.scoring.question_set import Grade, Question
from app.scoring.result import Indication
from app.scoring.tally import Tally


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
    weakest = _weakest(grades, [(unit.earned, unit.span * unit.rated_weight) for unit in units])
    return grades[max(weakest, plan.best_if_blocked) if must.blocked else weakest].grade


def grades_possible(plan: Plan, units: Sequence[Tally], must: MustReach) -> list[str]:
    """The grades from the best to the worst that some set of further answers gives; empty if none does.

    A further answer is any rating or `not_applicable`.
    """
    grades = plan.question_set.grades
    if (
        not grades
        or must.missed_knock_outs
        or not all(unit.weight and unit.can_be_reportable for unit in units)
    ):
        return []
    best = _weakest(grades, [(unit.max_earned, unit.span * unit.weight) for unit in units])
    worst = _weakest(grades, [_worst(unit, _open_in(must, index)) for index, unit in enumerate(units)])
    best = max(best, plan.best_if_blocked) if must.blocked else best
    worst = max(worst, plan.best_if_blocked) if must.blocked or _can_be_blocked(units, must) else worst
    return [grade.grade for grade in grades[best : worst + 1]]


def _weakest(grades: list[Grade], ratios: Iterable[tuple[int, int]]) -> int:
    """The index of the best grade that every unit reaches; every unit reaches the last grade, at 0.

    The ratios are what each unit has earned and the most that it could have earned.
    """
    index = 0
    for earned, most in ratios:
        while 100 * earned < grades[index].at * most:
            index += 1
    return index


def _can_be_blocked(units: Sequence[Tally], must: MustReach) -> bool:
    """Whether an open must-reach question can become a blocker while a grade stays possible."""
    return any(
        s.question.if_missed == "mixed" or _can_be_skipped(units[s.asked.in_unit], s.asked.weight)
        for s in must.open
    )


def _can_be_skipped(unit: Tally, weight: int) -> bool:
    """Whether a unit can still be reportable after an open question is marked not applicable."""
    return 2 * (unit.weight - weight) >= unit.all_weight


def _open_in(must: MustReach, unit: int) -> list[Question]:
    """The open must-reach questions of a unit, by its index."""
    return [s.question for s in must.open if s.asked.in_unit == unit]


def _worst(unit: Tally, must: Sequence[Question]) -> tuple[int, int]:
    """The ratio of the lowest estimate with a grade that further answers can give a unit.

    Every open question gets the worst rating, except the knock-outs among its open must-reach questions:
    each gets its `must_reach`, or is not applicable as long as half of the weight stays rated.
    """
    # The least that `earned` can become, by the weight that is then rated.
    least = {unit.weight: unit.earned}
    for question in must:
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
    return earned, unit.span * weight
