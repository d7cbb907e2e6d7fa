"""The score of one set of answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from app.scoring.answers import Answers
from app.scoring.assessment import Assessment, assess
from app.scoring.attributes import UNREAD_REASONS, Attributes, read_stored
from app.scoring.figures import combined_figures, step_figures
from app.scoring.grades import grades_possible
from app.scoring.next_questions import agenda
from app.scoring.outlook import answers_to_fit, answers_to_no_fit, outlooks
from app.scoring.plan import Plan
from app.scoring.planned_question import QuestionState
from app.scoring.question_set import AttributeType
from app.scoring.reasons import most_first
from app.scoring.result import Score, Support
from app.scoring.summary import summarise
from app.scoring.totals import Totals
from app.scoring.unknowns import holds_whatever_is_learned, missing_attributes


@dataclass(slots=True)
class Judged:
    """Answers with the state of every question that applies, and their assessment.

    `can_go_stale` are the states of the questions with `stale_after_days`. An answer that is missing in
    `answers` was given at `as_of`.
    """

    plan: Plan
    answers: Answers
    known: Attributes
    unread: Mapping[str, AttributeType]
    as_of: datetime
    states: list[QuestionState]
    can_go_stale: list[QuestionState]
    assessment: Assessment

    @property
    def settled(self) -> bool:
        """Whether no further answer can change the indication."""
        return self.assessment.indication in ("fit", "no_fit", "mixed")

    @property
    def stale(self) -> list[str]:
        """The keys of the questions whose answer is too old to count."""
        return [s.asked.key for s in self.can_go_stale if s.stale]

    @property
    def expiries(self) -> dict[str, datetime]:
        """The time at which each answer that counts goes stale, by question, of those that do."""
        answers, as_of = self.answers, self.as_of
        counted = [s.asked for s in self.can_go_stale if s.is_answer]
        return {asked.key: asked.valid_until(answers.get(asked.key), as_of) for asked in counted}

    @property
    def valid_until(self) -> datetime | None:
        """The time at which the next answer that counts goes stale; None if none does."""
        return min(self.expiries.values(), default=None)

    def score(self, *, pursued: bool = False) -> Score:
        """The whole score; if `pursued`, the next questions include those of gated steps.

        Scores share their lines and figures: do not change them.
        """
        plan, assessment, answers, states = self.plan, self.assessment, self.answers, self.states
        indication, settled = assessment.indication, self.settled
        totals, must = assessment.totals, assessment.must
        units, to_come = totals.units, outlooks(totals)
        to_ask = agenda(plan, totals, settled=settled, pursued=pursued)
        return {
            "question_set": plan.name,
            "summary": summarise(assessment),
            "indication": indication,
            "settled": settled,
            "leaning": assessment.leaning,
            "score": assessment.score,
            "grade": assessment.grade,
            "settled_whatever_is_learned": settled
            and holds_whatever_is_learned(indication, plan, answers, states, self.known, self.as_of),
            "grades_possible": grades_possible(plan, units, must, to_come),
            "blockers": [*must.blockers],
            **combined_figures(plan.layout, totals.sums, can_be_fit=assessment.can_be_fit),
            "steps": step_figures(plan, totals.steps),
            "strengths": most_first([s.strength for s in totals.rated if s.strength]),
            "gaps": must.gaps + most_first([s.gap for s in totals.rated if s.gap and not s.misses]),
            "next_questions": to_ask.next_questions,
            "open_questions": to_ask.open_questions,
            "must_answer": to_ask.must_answer,
            "answers_to_fit": answers_to_fit(to_come, units, must) if plan.thresholds else None,
            "answers_to_no_fit": answers_to_no_fit(to_come, must) if plan.thresholds else None,
            "not_counted": _not_counted(plan, answers, states),
            "support": _support(totals),
            "assumptions": [s.asked.key for s in totals.assumed],
            "missing_attributes": assessment.missing,
            "unread_attributes": [
                {"attribute": name, "reason": UNREAD_REASONS[type_]} for name, type_ in self.unread.items()
            ],
            "stale": self.stale,
            "as_of": self.as_of,
            "valid_until": self.valid_until,
        }


def judge(
    plan: Plan,
    answers: Answers,
    attributes: Mapping[str, Any],
    *,
    as_of: datetime,
    states: list[QuestionState] | None = None,
) -> Judged:
    """Judge answers from `read_answers`, with stored attributes.

    An answer that is stale at `as_of` counts as open. `states` can be those of `Plan.rated_states` instead of
    answers.
    """
    known, unread = read_stored(plan.question_set, attributes)
    if states is None:
        states = plan.evaluate(answers, known, as_of)
    missing = missing_attributes(plan, answers, states, known, as_of) if plan.users else []
    assessment = assess(plan, Totals(plan, states), missing)
    can_go_stale = [s for s in states if s.asked.stale_after] if plan.goes_stale else []
    return Judged(plan, answers, known, unread, as_of, states, can_go_stale, assessment)


def score(
    plan: Plan,
    answers: Answers,
    attributes: Mapping[str, Any],
    *,
    as_of: datetime,
    states: list[QuestionState] | None = None,
    pursued: bool = False,
) -> Score:
    """The whole score of answers; see `judge` and `Judged.score`."""
    return judge(plan, answers, attributes, as_of=as_of, states=states).score(pursued=pursued)


def _not_counted(plan: Plan, answers: Answers, states: Sequence[QuestionState]) -> list[str]:
    """The keys of answered questions that do not apply."""
    if len(states) == len(plan.asked):
        return []
    applying = {s.asked.key for s in states}
    answered = {key for key, answer in answers.items() if answer.state != "open"}
    return [asked.key for asked in plan.asked if asked.key in answered and asked.key not in applying]


def _support(totals: Totals) -> Support:
    evidence = [s.evidence for s in totals.stated]
    return {
        "fact": evidence.count("fact"),
        "judgement": evidence.count("judgement"),
        "assumption": evidence.count("assumption"),
        "unstated": len([s for s in totals.rated if s.is_answer]) - len(evidence),
    }
