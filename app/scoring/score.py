"""One set of answers in, one score out."""

from collections.abc import Sequence
from datetime import datetime
from math import sqrt
from typing import Any, cast

from app.scoring.answers import Answers
from app.scoring.attributes import Attributes
from app.scoring.grades import grade, grades_possible
from app.scoring.indication import MustReach, indicate, indicate_so_far
from app.scoring.next_questions import answers_to_fit, answers_to_no_fit, next_questions
from app.scoring.plan import Group, Plan, Standing
from app.scoring.question_set import Step, Thresholds
from app.scoring.result import (
    DimensionFigures,
    Indication,
    Reason,
    Score,
    SoFar,
    StepFigures,
)
from app.scoring.summary import summarise
from app.scoring.tally import Tally


def score(
    plan: Plan, answers: Answers, attributes: Attributes, *, as_of: datetime, pursued: bool = False
) -> Score:
    """Score answers that `read_answers` accepted, on attributes that `read_attributes` accepted.

    An answer that has gone stale at `as_of` counts as open. `pursued` opens the gated steps to the
    next questions.
    """
    standings = plan.stand(answers, attributes, as_of)
    scored = [s for s in standings if not s.step.gated]
    total, dimensions = plan.group(scored), plan.by_dimension(scored)
    steps = plan.by_step(standings)
    groups = dimensions if plan.reciprocal else [total]
    units = [group.tally for group in groups]
    thresholds = plan.question_set.thresholds
    must = MustReach.of(scored)
    reportable = all(unit.reportable for unit in units)
    indication, so_far = _indications(thresholds, units, must, reportable=reportable)
    settled = indication in ("fit", "no_fit", "mixed")
    result = _combine([unit.estimate for unit in units]) if reportable else None
    weaker = _weaker_side(plan, units)
    grades = [] if must.knocked_out else plan.question_set.grades
    return Score(
        question_set=plan.name,
        summary=summarise(indication, so_far, result, total.tally, weaker, must),
        indication=indication,
        settled=settled,
        so_far=so_far,
        score=result,
        lowest=_combine([unit.lowest for unit in units]),
        highest=_combine([unit.highest for unit in units]),
        coverage=_least([unit.coverage for unit in units]),
        reportable=reportable,
        **_points(total.tally),
        needed_average=_needed(thresholds, total.tally) if len(units) == 1 else None,
        grade=grade(grades, units) if reportable else None,
        grades_possible=grades_possible(grades, units),
        weaker_side=weaker,
        knocked_out_by=must.knocked_out,
        held_back_by=must.held_back,
        dimensions=_dimensions(plan, dimensions),
        steps=[_step(step, group.tally) for step, group in steps],
        strengths=_reasons(plan, scored, best=False),
        gaps=_reasons(plan, scored, best=True),
        next_questions=next_questions(plan, groups, steps, settled=settled, pursued=pursued),
        answers_to_fit=answers_to_fit(thresholds, groups, must),
        answers_to_no_fit=answers_to_no_fit(thresholds, groups, must),
        not_counted=_not_counted(plan, answers, standings),
        **_age(standings, as_of),
    )


def indicated(plan: Plan, standings: Sequence[Standing]) -> Indication | None:
    """The indication alone, for a fraction of the work of a whole score."""
    scored = [s for s in standings if not s.step.gated]
    groups = plan.by_dimension(scored) if plan.reciprocal else [plan.group(scored)]
    thresholds = plan.question_set.thresholds
    units = [group.tally for group in groups]
    return indicate(thresholds, units, MustReach.of(scored)) if thresholds else None


def _indications(
    thresholds: Thresholds | None, units: Sequence[Tally], must: MustReach, *, reportable: bool
) -> tuple[Indication | None, SoFar | None]:
    if thresholds is None:
        return None, None
    so_far = indicate_so_far(thresholds, units, must) if reportable else None
    return indicate(thresholds, units, must), cast("SoFar | None", so_far)


def _combine(figures: list[float | None]) -> float | None:
    """The pool's own figure, or √(u·v) of two sides: one weak side cannot hide behind the other."""
    known = _known(figures)
    if known is None:
        return None
    return known[0] if len(known) == 1 else sqrt(known[0] * known[1])


def _least(figures: list[float | None]) -> float | None:
    known = _known(figures)
    return None if known is None else min(known)


def _known(figures: list[float | None]) -> list[float] | None:
    """All the figures, or None if one is missing."""
    known = [figure for figure in figures if figure is not None]
    return known if len(known) == len(figures) else None


def _weaker_side(plan: Plan, units: Sequence[Tally]) -> str | None:
    if not plan.reciprocal or not all(u.rated_weight for u in units):
        return None
    left, right = (unit.earned * other.rated_weight for unit, other in zip(units, units[::-1], strict=True))
    if left == right:
        return None
    return plan.question_set.dimensions[0 if left < right else 1].key


def _not_counted(plan: Plan, answers: Answers, standings: Sequence[Standing]) -> list[str]:
    applying = {s.question.key for s in standings}
    said = {key for key, answer in answers.items() if answer.state != "open"}
    return [question.key for _, question in plan.asked if question.key in said - applying]


def _age(standings: Sequence[Standing], as_of: datetime) -> dict[str, Any]:
    return {
        "stale": [s.question.key for s in standings if s.stale],
        "as_of": as_of,
        "valid_until": min((s.valid_until for s in standings if s.valid_until), default=None),
    }


def _needed(thresholds: Thresholds | None, unit: Tally) -> float | None:
    return unit.needed_average(thresholds.fit_at) if thresholds else None


def _range(tally: Tally) -> dict[str, Any]:
    return {
        "lowest": tally.lowest,
        "highest": tally.highest,
        "coverage": tally.coverage,
        "reportable": tally.reportable,
        **_points(tally),
    }


def _points(tally: Tally) -> dict[str, Any]:
    return {
        "points": tally.points,
        "points_min": tally.lo * tally.weight,
        "points_max": (tally.lo + tally.span) * tally.weight,
        "rated": tally.rated,
        "open": tally.open,
        "not_applicable": tally.not_applicable,
    }


def _dimensions(plan: Plan, groups: list[Group]) -> list[DimensionFigures]:
    return [
        DimensionFigures(
            key=dimension.key,
            title=dimension.title,
            estimate=group.tally.estimate,
            needed_average=_needed(plan.question_set.thresholds, group.tally) if plan.reciprocal else None,
            **_range(group.tally),
        )
        for dimension, group in zip(plan.question_set.dimensions, groups, strict=True)
    ]


def _step(step: Step, tally: Tally) -> StepFigures:
    return StepFigures(
        key=step.key, title=step.title, gated=step.gated, estimate=tally.estimate, **_range(tally)
    )


def _reasons(plan: Plan, scored: list[Standing], *, best: bool) -> list[Reason]:
    """What the ratings cost (w·(hi − r), the gaps) or gained (w·(r − lo), the strengths), most first."""
    end = plan.question_set.scale.max if best else plan.question_set.scale.min
    lines = [
        plan.reason(s, s.question.weight * abs(end - s.rating))
        for s in scored
        if s.rating is not None and s.question.weight and s.rating != end
    ]
    return sorted(lines, key=lambda line: -line.points)
