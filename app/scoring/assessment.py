"""The totals of a session, judged: what the figures and the summary are made of."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

from app.scoring.grades import grade
from app.scoring.indication import indicate, lean
from app.scoring.must_reach import MustReach
from app.scoring.plan import Plan, QuestionState
from app.scoring.question_set import Dimension, Thresholds, weak
from app.scoring.result import Indication, Leaning, MissingAttribute
from app.scoring.tally import Tally
from app.scoring.totals import Totals
from app.scoring.words import rounded


class Side(NamedTuple):
    """A side of a reciprocal set: its place, its title in quotes, and what it adds up to."""

    place: int
    title: str
    tally: Tally


@dataclass(slots=True)
class Assessment:
    """What a score is made of."""

    plan: Plan
    totals: Totals
    units: list[Tally]
    must: MustReach
    indication: Indication | None
    leaning: Leaning | None
    reportable: bool
    score: float | None
    grade: str | None
    missing: list[MissingAttribute]

    @property
    def lowest(self) -> float | None:
        """0..100: the score once every open question is rated worst; None when nothing counts in a unit."""
        return combine([unit.lowest for unit in self.units])

    @property
    def highest(self) -> float | None:
        """0..100: the score once every open question is rated best; None when nothing counts in a unit."""
        return combine([unit.highest for unit in self.units])

    @property
    def coverage(self) -> float | None:
        """0..1: that of the unit with the least; None when a unit has nothing to cover."""
        known = [coverage for unit in self.units if (coverage := unit.coverage) is not None]
        return min(known) if len(known) == len(self.units) else None

    @property
    def thresholds(self) -> Thresholds:
        """Those of a set that has an indication."""
        thresholds = self.plan.question_set.thresholds
        assert thresholds is not None
        return thresholds

    def of_100(self, figure: float | None) -> str:
        """A figure for people, not rounded up to where a grade or an indication begins."""
        assert figure is not None
        return f"{rounded(figure, self.plan.cuts)} out of 100"

    def reaches(self, unit: Tally) -> str:
        """How far a unit gets: its estimate, or while something is open its highest."""
        return f"at most {self.of_100(unit.highest)}" if unit.open_weight else self.of_100(unit.estimate)

    def among_sides(self, wanted: Callable[[Tally], bool]) -> list[Side]:
        """The sides that are as wanted; none in a weighted set."""
        if not self.plan.reciprocal:
            return []
        sides = zip(self.plan.question_set.dimensions, self.units, strict=True)
        found = [Side(place, f"“{dimension.title}”", unit) for place, (dimension, unit) in enumerate(sides)]
        return [side for side in found if wanted(side.tally)]

    def weak_clauses(self, dimensions: Iterable[Tally]) -> list[str]:
        """What it means that dimensions stay under `no_fit_below`, weakest first, each with its figure."""
        found = [
            (tally, dimension)
            for dimension, tally in zip(self.plan.question_set.dimensions, dimensions, strict=True)
            if tally.weight and not tally.highest_reaches(self.thresholds.no_fit_below)
        ]
        found.sort(key=lambda one: one[0].highest or 0)
        return [f"{_clause(dimension)} ({self.reaches(tally)})" for tally, dimension in found]

    @property
    def progress(self) -> str:
        """How many of the questions that count are rated: "15 of 22 questions rated"."""
        rated = sum(s.asked.matters for s in self.totals.rated)
        if self.open:
            return f"{rated} of {rated + len(self.open)} questions rated"
        return {1: "the only scored question rated", 2: "both questions rated"}.get(
            rated, f"all {rated} questions rated"
        )

    @property
    def open(self) -> list[QuestionState]:
        """The open questions that can change something."""
        return [s for s in self.totals.open if s.asked.matters]


def _clause(dimension: Dimension) -> str:
    if dimension.if_weak == weak(dimension.title):
        return f"“{dimension.title}” is weak"
    return dimension.if_weak.rstrip(". ")


def assess(plan: Plan, totals: Totals, missing: list[MissingAttribute]) -> Assessment:
    """Judge what the scored questions add up to."""
    units, must = totals.units, totals.must
    thresholds = plan.question_set.thresholds
    reportable = all(unit.reportable for unit in units)
    indication = indicate(thresholds, units, must) if thresholds else None
    return Assessment(
        plan=plan,
        totals=totals,
        units=units,
        must=must,
        indication=indication,
        leaning=lean(thresholds, units, must) if thresholds and reportable else None,
        reportable=reportable,
        score=combine([unit.estimate for unit in units]) if reportable and not must.knocked_out else None,
        grade=grade(plan, units, must, indication),
        missing=missing,
    )


def indicated(plan: Plan, totals: Totals) -> Indication | None:
    """The indication alone, for a fraction of the work of a whole score; None without thresholds."""
    thresholds = plan.question_set.thresholds
    return indicate(thresholds, totals.units, totals.must) if thresholds else None


def combine(figures: list[float | None]) -> float | None:
    """The pool's own figure, or √(u·v) of two sides: one weak side cannot hide behind the other."""
    first, *others = figures
    if first is None or None in others:
        return None
    return sqrt(first * others[0]) if others and others[0] is not None else first
