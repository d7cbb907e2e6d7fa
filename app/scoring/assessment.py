"""The assessment of a session: the values from which the figures and the summary are made."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from app.scoring.grades import grade
from app.scoring.indication import can_be_fit, indicate, lean
from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan
from app.scoring.planned_question import QuestionState
from app.scoring.question_set import Thresholds
from app.scoring.result import Indication, Leaning, MissingAttribute
from app.scoring.tally import Tally
from app.scoring.totals import Totals
from app.scoring.units import Units
from app.scoring.words import out_of_100


class Side(NamedTuple):
    """A side of a reciprocal set: its place among the units, its title in quotes, and its tally."""

    place: int
    title: str
    tally: Tally


@dataclass(slots=True)
class Assessment:
    """The totals of a session and what they indicate.

    `units` are the sides of a reciprocal set, or the one pool of a weighted set. `open` are the open
    questions that can change the score or the indication. `can_be_fit` says that the best ratings for them
    would give a fit. `score` is 0..100.
    """

    plan: Plan
    totals: Totals
    units: Units
    must: MustReach
    open: list[QuestionState]
    indication: Indication | None
    leaning: Leaning | None
    can_be_fit: bool
    score: float | None
    grade: str | None
    missing: list[MissingAttribute]

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds of a set that has an indication."""
        thresholds = self.plan.thresholds
        assert thresholds is not None
        return thresholds

    def of_100(self, figure: float | None) -> str:
        """A figure for people: "69 out of 100", never rounded up to a threshold or the start of a grade."""
        assert figure is not None
        return out_of_100(figure, self.plan.cuts)

    def reaches(self, unit: Tally) -> str:
        """The estimate of a unit, or its highest while a question is open: "at most 55 out of 100"."""
        return f"at most {self.of_100(unit.highest)}" if unit.open_weight else self.of_100(unit.estimate)

    def sides_where(self, condition: Callable[[Tally], bool]) -> list[Side]:
        """The sides whose tally meets a condition; none in a weighted set."""
        if not self.plan.reciprocal:
            return []
        titles = self.plan.titles
        return [Side(index, titles[index], unit) for index, unit in enumerate(self.units) if condition(unit)]

    def weak_clauses(self, dimensions: Iterable[Tally]) -> list[str]:
        """A clause for each dimension that cannot reach `no_fit_below`, weakest first, with its figure."""
        weak = [
            (tally, clause)
            for clause, tally in zip(self.plan.weak_clauses, dimensions, strict=True)
            if tally.weight and not tally.highest_reaches(self.thresholds.no_fit_below)
        ]
        weak.sort(key=lambda one: one[0].highest or 0)
        return [f"{clause} ({self.reaches(tally)})" for tally, clause in weak]

    @property
    def progress(self) -> str:
        """How many scored questions are rated: "15 of 22 questions rated"."""
        rated = len([s for s in self.totals.rated if s.asked.matters])
        if self.open:
            return f"{rated} of {rated + len(self.open)} questions rated"
        return {1: "the only scored question rated", 2: "both questions rated"}.get(
            rated, f"all {rated} questions rated"
        )


def assess(plan: Plan, totals: Totals, missing: list[MissingAttribute]) -> Assessment:
    """The assessment of totals; `missing` are the unknown attributes that the set uses."""
    units, must = totals.units, totals.must
    has_thresholds = plan.thresholds is not None
    indication = indicated(plan, totals)
    return Assessment(
        plan=plan,
        totals=totals,
        units=units,
        must=must,
        open=[s for s in totals.open if s.asked.matters],
        indication=indication,
        leaning=lean(units, must) if has_thresholds and units.reportable else None,
        can_be_fit=has_thresholds and can_be_fit(units, blocked=must.blocked),
        score=units.estimate if units.reportable and not must.missed_knock_outs else None,
        grade=grade(plan, units, must, indication),
        missing=missing,
    )


def indicated(plan: Plan, totals: Totals) -> Indication | None:
    """The indication without the rest of the score, which takes much longer; None without thresholds."""
    return indicate(totals.units, totals.must) if plan.thresholds else None
