"""One set of answers in, one score out."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

from app.scoring.answers import Answers
from app.scoring.assessment import Assessment, all_known, assess
from app.scoring.attributes import UNREAD, read_stored
from app.scoring.grades import grades_possible
from app.scoring.indication import can_be_fit
from app.scoring.next_questions import agenda, answers_to_fit, answers_to_no_fit
from app.scoring.plan import Plan, Standing
from app.scoring.question_set import Step
from app.scoring.result import Combined, DimensionFigures, Range, Reason, Score, StepFigures, Support
from app.scoring.summary import summarise
from app.scoring.tally import Tally
from app.scoring.unknowns import is_settled_whatever_is_learned, missing_attributes

POINTS = itemgetter("points")


def score(
    plan: Plan, answers: Answers, attributes: Mapping[str, Any], *, as_of: datetime, pursued: bool = False
) -> Score:
    """Score answers that `read_answers` accepted, on attributes as they are stored.

    An answer that has gone stale at `as_of` counts as open. `pursued` opens the gated steps to the
    next questions. The lines of questions are shared between scores: change none of them.
    """
    known, unread = read_stored(plan.question_set, attributes)
    standings = plan.stand(answers, known, as_of)
    scored = [s for s in standings if not s.step.gated]
    missing = missing_attributes(plan, answers, standings, known, as_of)
    assessment = assess(plan, scored, missing)
    settled = assessment.indication in ("fit", "no_fit", "mixed")
    stays = settled and is_settled_whatever_is_learned(plan, answers, standings, known, as_of)
    steps = plan.by_step(standings)
    to_ask = agenda(assessment.units, steps, settled=settled, pursued=pursued)
    thresholds = plan.question_set.thresholds
    return {
        "question_set": plan.name,
        "summary": summarise(assessment),
        "indication": assessment.indication,
        "settled": settled,
        "settled_whatever_is_learned": stays,
        "leaning": assessment.leaning,
        "score": assessment.score,
        "grade": assessment.grade,
        "grades_possible": grades_possible(plan.question_set, assessment.units, assessment.must),
        "blockers": assessment.must.blockers(),
        **_of_units(assessment),
        "steps": [_step(step, group.tally) for step, group in steps],
        "strengths": _most_first([s.strength for s in scored]),
        "gaps": _missed_first(scored),
        "next_questions": to_ask.next_questions,
        "open_questions": to_ask.open_questions,
        "must_answer": to_ask.must_answer,
        "answers_to_fit": answers_to_fit(thresholds, assessment.units, assessment.must),
        "answers_to_no_fit": answers_to_no_fit(thresholds, assessment.units, assessment.must),
        "not_counted": _not_counted(plan, answers, standings),
        "support": _support(scored),
        "assumptions": [s.question.key for s in scored if s.evidence == "assumption"],
        "missing_attributes": missing,
        "unread_attributes": [{"attribute": name, "reason": UNREAD[unread[name]]} for name in unread],
        "stale": [s.question.key for s in standings if s.stale] if plan.goes_stale else [],
        "as_of": as_of,
        "valid_until": _valid_until(standings) if plan.goes_stale else None,
    }


def _of_units(assessment: Assessment) -> Combined:
    """What the units come to, together and each for itself."""
    plan, units = assessment.plan, [unit.tally for unit in assessment.units]
    needed = _needed_averages(assessment, units)
    return {
        **_range(assessment.total.tally),
        "lowest": assessment.lowest,
        "highest": assessment.highest,
        "coverage": _least([unit.coverage for unit in units]),
        "reportable": all(unit.reportable for unit in units),
        "needed_average": None if plan.reciprocal else needed[0],
        "weaker_side": _weaker_side(plan, units),
        "dimensions": _dimensions(assessment, needed),
    }


def _step(step: Step, tally: Tally) -> StepFigures:
    return {
        "key": step.key,
        "title": step.title,
        **_range(tally),
        "gated": step.gated,
        "estimate": tally.estimate,
    }


def _least(figures: list[float | None]) -> float | None:
    known = all_known(figures)
    return None if known is None else min(known)


def _needed_averages(assessment: Assessment, units: Sequence[Tally]) -> list[float | None]:
    """Of every unit; none while a fit is out of reach."""
    thresholds = assessment.plan.question_set.thresholds
    if thresholds is None or not can_be_fit(thresholds, units, assessment.must):
        return [None] * len(units)
    return [unit.needed_average(thresholds.fit_at) for unit in units]


def _weaker_side(plan: Plan, units: Sequence[Tally]) -> str | None:
    if not plan.reciprocal or not all(u.rated_weight for u in units):
        return None
    left, right = (unit.earned * other.rated_weight for unit, other in zip(units, units[::-1], strict=True))
    if left == right:
        return None
    return plan.question_set.dimensions[0 if left < right else 1].key


def _dimensions(assessment: Assessment, needed: Sequence[float | None]) -> list[DimensionFigures]:
    """`needed` has the needed average of every side; a dimension of a pool has none of its own."""
    dimensions = assessment.plan.question_set.dimensions
    averages = needed if assessment.plan.reciprocal else [None] * len(dimensions)
    return [
        {
            "key": dimension.key,
            "title": dimension.title,
            **_range(group.tally),
            "estimate": group.tally.estimate,
            "needed_average": average,
        }
        for dimension, group, average in zip(dimensions, assessment.dimensions, averages, strict=True)
    ]


def _range(tally: Tally) -> Range:
    return {
        "lowest": tally.lowest,
        "highest": tally.highest,
        "coverage": tally.coverage,
        "reportable": tally.reportable,
        "points": tally.points,
        "points_min": tally.lo * tally.weight,
        "points_max": (tally.lo + tally.span) * tally.weight,
        "rated": tally.rated,
        "open": tally.open,
        "not_applicable": tally.not_applicable,
    }


def _valid_until(standings: Sequence[Standing]) -> datetime | None:
    return min((s.valid_until for s in standings if s.valid_until), default=None)


def _most_first(lines: Iterable[Reason | None]) -> list[Reason]:
    """Those that are there, by their points; equal ones stay in the set's order."""
    return sorted([line for line in lines if line], key=POINTS, reverse=True)


def _missed_first(scored: Sequence[Standing]) -> list[Reason]:
    """The gaps: missed must-reach questions, then the others."""
    missed = _most_first([s.gap for s in scored if s.misses])
    return missed + _most_first([s.gap for s in scored if not s.misses])


def _not_counted(plan: Plan, answers: Answers, standings: Sequence[Standing]) -> list[str]:
    if len(standings) == len(plan.asked):
        return []
    applying = {s.question.key for s in standings}
    said = {key for key, answer in answers.items() if answer.state != "open"}
    return [asked.key for asked in plan.asked if asked.key in said and asked.key not in applying]


def _support(scored: Sequence[Standing]) -> Support:
    rest_on = [s.evidence for s in scored if s.rated_by == "person"]
    return {
        "fact": rest_on.count("fact"),
        "judgement": rest_on.count("judgement"),
        "assumption": rest_on.count("assumption"),
        "unstated": rest_on.count(None),
    }
