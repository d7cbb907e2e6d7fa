"""One set of answers in, one score out."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from app.scoring.answers import Answers
from app.scoring.attributes import UNREAD, read_stored
from app.scoring.grades import grades_possible
from app.scoring.indication import MustReach, can_be_fit
from app.scoring.next_questions import agenda, answers_to_fit, answers_to_no_fit
from app.scoring.picture import Picture, all_known, combine, look_at
from app.scoring.plan import Group, Plan, Standing
from app.scoring.question_set import Step, Thresholds
from app.scoring.reasons import blockers, gaps, strengths
from app.scoring.result import DimensionFigures, Score, StepFigures, Support, UnreadAttribute
from app.scoring.summary import summarise
from app.scoring.tally import Tally
from app.scoring.unknowns import is_settled_whatever_is_learned, missing_attributes


def score(
    plan: Plan, answers: Answers, attributes: Mapping[str, Any], *, as_of: datetime, pursued: bool = False
) -> Score:
    """Score answers that `read_answers` accepted, on attributes as they are stored.

    An answer that has gone stale at `as_of` counts as open. `pursued` opens the gated steps to the
    next questions.
    """
    known, unread = read_stored(plan.question_set, attributes)
    standings = plan.stand(answers, known, as_of)
    scored = [s for s in standings if not s.step.gated]
    missing = missing_attributes(plan, answers, standings, known, as_of)
    picture = look_at(plan, scored, missing)
    settled = picture.indication in ("fit", "no_fit", "mixed")
    stays = settled and is_settled_whatever_is_learned(plan, answers, standings, known, as_of)
    steps = plan.by_step(standings)
    thresholds, scale = plan.question_set.thresholds, plan.question_set.scale
    return Score(
        question_set=plan.name,
        summary=summarise(picture),
        indication=picture.indication,
        settled=settled,
        settled_whatever_is_learned=stays,
        leaning=picture.leaning,
        score=picture.score,
        **_range_of_units(picture),
        grade=picture.grade,
        grades_possible=grades_possible(plan.question_set, picture.units, picture.must),
        blockers=blockers(picture.must),
        steps=[_step(step, group.tally) for step, group in steps],
        strengths=strengths(scale, scored),
        gaps=gaps(scale, scored),
        **agenda(picture.units, steps, settled=settled, pursued=pursued)._asdict(),
        answers_to_fit=answers_to_fit(thresholds, picture.units, picture.must),
        answers_to_no_fit=answers_to_no_fit(thresholds, picture.units, picture.must),
        not_counted=_not_counted(plan, answers, standings),
        support=_support(scored),
        assumptions=[s.question.key for s in scored if s.evidence == "assumption"],
        missing_attributes=missing,
        unread_attributes=[
            UnreadAttribute(attribute=name, reason=UNREAD[declared]) for name, declared in unread.items()
        ],
        **_age(standings, as_of),
    )


def _range_of_units(picture: Picture) -> dict[str, Any]:
    """What the units of a score come to, together and each for itself."""
    plan, units = picture.plan, [unit.tally for unit in picture.units]
    needed = _needed_averages(plan.question_set.thresholds, units, picture.must)
    return {
        "lowest": combine([unit.lowest for unit in units]),
        "highest": combine([unit.highest for unit in units]),
        "coverage": _least([unit.coverage for unit in units]),
        "reportable": all(unit.reportable for unit in units),
        **_points(picture.total.tally),
        "needed_average": None if plan.reciprocal else needed[0],
        "weaker_side": _weaker_side(plan, units),
        "dimensions": _dimensions(plan, picture.dimensions, needed),
    }


def _least(figures: list[float | None]) -> float | None:
    known = all_known(figures)
    return None if known is None else min(known)


def _needed_averages(
    thresholds: Thresholds | None, units: Sequence[Tally], must: MustReach
) -> list[float | None]:
    """Of every unit; none while a fit is out of reach."""
    if thresholds is None or not can_be_fit(thresholds, units, must):
        return [None] * len(units)
    return [unit.needed_average(thresholds.fit_at) for unit in units]


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


def _support(scored: Sequence[Standing]) -> Support:
    rest_on = Counter(s.evidence or "unstated" for s in scored if s.rated_by == "person")
    return Support(
        fact=rest_on["fact"],
        judgement=rest_on["judgement"],
        assumption=rest_on["assumption"],
        unstated=rest_on["unstated"],
    )


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


def _dimensions(
    plan: Plan, groups: Sequence[Group], needed: Sequence[float | None]
) -> list[DimensionFigures]:
    """`needed` has the needed average of every side; a dimension of a pool has none of its own."""
    return [
        DimensionFigures(
            key=dimension.key,
            title=dimension.title,
            estimate=group.tally.estimate,
            needed_average=average,
            **_range(group.tally),
        )
        for dimension, group, average in zip(
            plan.question_set.dimensions,
            groups,
            needed if plan.reciprocal else [None] * len(groups),
            strict=True,
        )
    ]


def _step(step: Step, tally: Tally) -> StepFigures:
    return StepFigures(
        key=step.key, title=step.title, gated=step.gated, estimate=tally.estimate, **_range(tally)
    )
