"""The grade, and the grades that are still possible."""

from collections.abc import Sequence

from app.scoring.must_reach import MustReach
from app.scoring.outlook import Outlook
from app.scoring.plan import Plan
from app.scoring.result import Indication
from app.scoring.units import Units


def grade(plan: Plan, units: Units, must: MustReach, indication: Indication | None) -> str | None:
    """The grade by the estimate of the weakest unit; it never contradicts the indication.

    None if the set has no grades, until every unit is reportable, if a knock-out is missed, and while a
    must-reach question is open and the indication is undetermined. With a blocker, the best possible grade
    is the best one that starts below `fit_at`.
    """
    grades = plan.grades
    if not grades or must.missed_knock_outs or not units.reportable:
        return None
    if must.open and indication == "undetermined":
        return None
    return grades[max(units.grade, plan.best_if_blocked) if must.blocked else units.grade]


def grades_possible(plan: Plan, units: Units, must: MustReach, outlooks: Sequence[Outlook]) -> list[str]:
    """All grades from the best to the worst that some set of further answers gives; empty if none does.

    A further answer is any rating or `not_applicable`.
    """
    if not plan.grades or must.missed_knock_outs or not (units.have_weight and units.can_be_reportable):
        return []
    best = max(units.highest_grade, plan.best_if_blocked) if must.blocked else units.highest_grade
    worst = max([outlook.worst_grade for outlook in outlooks])
    can_be_blocked = must.blocked or any(outlook.can_be_blocked for outlook in outlooks)
    worst = max(worst, plan.best_if_blocked) if can_be_blocked else worst
    return plan.grades[best : worst + 1]
