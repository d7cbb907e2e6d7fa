"""One set of answers in, one score out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any

from app.scoring.answers import Answers
from app.scoring.assessment import Assessment, assess
from app.scoring.attributes import UNREAD, Attributes, read_stored
from app.scoring.figures import dimension_figures, figures_of, needed_averages
from app.scoring.grades import grades_possible
from app.scoring.next_questions import agenda, answers_to_fit, answers_to_no_fit
from app.scoring.plan import Plan, Standing
from app.scoring.question_set import AttributeType, Step
from app.scoring.result import Combined, Reason, Score, StepFigures, Support
from app.scoring.summary import summarise
from app.scoring.tally import Tally
from app.scoring.unknowns import is_settled_whatever_is_learned, missing_attributes

POINTS = itemgetter("points")


@dataclass(frozen=True, slots=True)
class Judged:
    """Answers judged: where every question stands, and what that comes to."""

    plan: Plan
    answers: Answers
    known: Attributes
    unread: Mapping[str, AttributeType]
    as_of: datetime
    standings: list[Standing]
    assessment: Assessment

    @property
    def settled(self) -> bool:
        """Whether no answer to an open question can change the indication."""
        return self.assessment.indication in ("fit", "no_fit", "mixed")

    @property
    def stale(self) -> list[str]:
        """The questions whose answer is too old to count."""
        return [s.question.key for s in self.standings if s.stale] if self.plan.goes_stale else []

    @property
    def valid_until(self) -> datetime | None:
        """When the next counted answer goes stale."""
        return min((s.valid_until for s in self.standings if s.valid_until), default=None)

    def score(self, *, pursued: bool = False) -> Score:
        """The whole score; `pursued` opens the gated steps to the next questions.

        The lines of questions are shared between scores: change none of them.
        """
        plan, found, answers, standings = self.plan, self.assessment, self.answers, self.standings
        question_set, settled = plan.question_set, self.settled
        scored = found.total.standings
        stays = settled and is_settled_whatever_is_learned(plan, answers, standings, self.known, self.as_of)
        steps = plan.by_step(standings)
        to_ask = agenda(found.units, steps, settled=settled, pursued=pursued)
        thresholds = question_set.thresholds
        return {
            "question_set": plan.name,
            "summary": summarise(found),
            "indication": found.indication,
            "settled": settled,
            "leaning": found.leaning,
            "score": found.score,
            "grade": found.grade,
            "settled_whatever_is_learned": stays,
            "grades_possible": grades_possible(question_set, found.units, found.must),
            "blockers": found.must.blockers(),
            **_of_units(found),
            "steps": [_step(step, group.tally) for step, group in steps],
            "strengths": _most_first([s.strength for s in scored]),
            "gaps": _missed_first(scored),
            "next_questions": to_ask.next_questions,
            "open_questions": to_ask.open_questions,
            "must_answer": to_ask.must_answer,
            "answers_to_fit": answers_to_fit(thresholds, found.units, found.must),
            "answers_to_no_fit": answers_to_no_fit(thresholds, found.units, found.must),
            "not_counted": _not_counted(plan, answers, standings),
            "support": _support(scored),
            "assumptions": [s.question.key for s in scored if s.evidence == "assumption"],
            "missing_attributes": found.missing,
            "unread_attributes": [
                {"attribute": name, "reason": UNREAD[type_]} for name, type_ in self.unread.items()
            ],
            "stale": self.stale,
            "as_of": self.as_of,
            "valid_until": self.valid_until if plan.goes_stale else None,
        }


def judge(plan: Plan, answers: Answers, attributes: Mapping[str, Any], *, as_of: datetime) -> Judged:
    """Judge answers that `read_answers` accepted, on attributes as they are stored.

    An answer that has gone stale at `as_of` counts as open.
    """
    known, unread = read_stored(plan.question_set, attributes)
    standings = plan.stand(answers, known, as_of)
    scored = [s for s in standings if not s.step.gated]
    missing = missing_attributes(plan, answers, standings, known, as_of)
    return Judged(plan, answers, known, unread, as_of, standings, assess(plan, scored, missing))


def score(
    plan: Plan, answers: Answers, attributes: Mapping[str, Any], *, as_of: datetime, pursued: bool = False
) -> Score:
    """The whole score of answers: see `judge` and `Judged.score`."""
    return judge(plan, answers, attributes, as_of=as_of).score(pursued=pursued)


def _of_units(assessment: Assessment) -> Combined:
    """What the units come to, together and each for itself."""
    plan, units = assessment.plan, [unit.tally for unit in assessment.units]
    needed = needed_averages(plan, units, blocked=assessment.must.blocked)
    return {
        **figures_of(assessment.total.tally),
        "lowest": assessment.lowest,
        "highest": assessment.highest,
        "coverage": assessment.coverage,
        "reportable": all(unit.reportable for unit in units),
        "needed_average": None if plan.reciprocal else needed[0],
        "weaker_side": _weaker_side(plan, units),
        "dimensions": dimension_figures(plan, [group.tally for group in assessment.dimensions], needed),
    }


def _step(step: Step, tally: Tally) -> StepFigures:
    return {
        "key": step.key,
        "title": step.title,
        **figures_of(tally),
        "gated": step.gated,
        "estimate": tally.estimate,
    }


def _weaker_side(plan: Plan, units: Sequence[Tally]) -> str | None:
    if not plan.reciprocal or not all(u.rated_weight for u in units):
        return None
    left, right = (unit.earned * other.rated_weight for unit, other in zip(units, units[::-1], strict=True))
    if left == right:
        return None
    return plan.question_set.dimensions[0 if left < right else 1].key


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
