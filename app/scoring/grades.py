"""The grade of the weakest unit, and the grades that some way of closing the open questions gives."""

from collections.abc import Callable, Sequence

from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, QuestionState
from app.scoring.question_set import Grade
from app.scoring.result import Indication
from app.scoring.tally import Counts, Tally


def grade(plan: Plan, units: Sequence[Tally], must: MustReach, indication: Indication | None) -> str | None:
    """The weakest unit's grade by its estimate, so that it never contradicts the indication.

    None without grades, until every unit is reportable, when a knock-out is missed, and while a must-reach
    question is open and the indication undetermined. With a blocker it is at most the best grade under
    `fit_at`.
    """
    grades = plan.question_set.grades
    if not grades or must.knocked_out or not all(unit.reportable for unit in units):
        return None
    if must.open and indication == "undetermined":
        return None
    weakest = _weakest(grades, units, Tally.estimate_reaches)
    return grades[max(weakest, plan.best_if_blocked) if must.blocked else weakest].grade


def grades_possible(
    plan: Plan, units: Sequence[Tally], opened: Sequence[list[QuestionState]], must: MustReach
) -> list[str]:
    """From the best to the worst grade that some way of closing the open questions gives; none if none does.

    Questions are closed by any rating or as not applicable. `opened` are the open ones of every unit.
    """
    grades = plan.question_set.grades
    if not grades or must.knocked_out or not all(unit.weight and unit.can_be_reportable for unit in units):
        return []
    best = _weakest(grades, units, Tally.highest_reaches)
    worst = _weakest(
        grades, [_worst(unit, its) for unit, its in zip(units, opened, strict=True)], Tally.lowest_reaches
    )
    best = max(best, plan.best_if_blocked) if must.blocked else best
    worst = max(worst, plan.best_if_blocked) if must.blocked or _can_be_blocked(units, opened) else worst
    return [grade.grade for grade in grades[best : worst + 1]]


def _weakest(grades: list[Grade], units: Sequence[Tally], reaches: Callable[[Tally, int], bool]) -> int:
    """The position of the best grade that every unit reaches; the last, at 0, is always reached."""
    position = 0
    for unit in units:
        while not reaches(unit, grades[position].at):
            position += 1
    return position


def _can_be_blocked(units: Sequence[Tally], opened: Sequence[list[QuestionState]]) -> bool:
    """Whether an open must-reach question can still become a blocker and leave a grade."""
    return any(
        s.question.if_missed == "mixed" or unit.skip(s.question.weight).can_be_reportable
        for unit, its in zip(units, opened, strict=True)
        for s in its
        if s.question.must_reach is not None
    )


def _worst(unit: Tally, opened: Sequence[QuestionState]) -> Tally:
    """The unit as the answers leave it that give the lowest estimate and still a grade.

    Every open question is rated worst, but for the knock-outs: each just reaches what it must, or is
    not applicable as long as half of the weight stays rated.
    """
    if not unit.open:
        return unit
    # The least that can be earned, by the weight that then counts.
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
