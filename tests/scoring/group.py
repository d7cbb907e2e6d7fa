"""The figures of some questions taken together, in fractions."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from tests.scoring.question_state import QuestionState

HALF = Fraction(1, 2)


def as_double(figure):
    """The double nearest to a fraction, which is what one division of two exact integers gives."""
    return None if figure is None else float(figure)


@dataclass(frozen=True)
class Group:
    """Some questions taken together: a unit, a dimension or a step."""

    scale: object
    asked: list[QuestionState]

    def weight(self, *states):
        return sum(one.question.weight for one in self.asked if one.state in states)

    def count(self, state):
        return sum(one.state == state for one in self.asked)

    @cached_property
    def span(self):
        return self.scale.max - self.scale.min

    @cached_property
    def counts(self):
        return self.weight("rated", "open")

    @cached_property
    def gained(self):
        return sum(one.strength for one in self.asked if one.state == "rated")

    @cached_property
    def estimate(self):
        rated = self.weight("rated")
        return Fraction(100 * self.gained, self.span * rated) if rated else None

    @cached_property
    def lowest(self):
        return Fraction(100 * self.gained, self.span * self.counts) if self.counts else None

    @cached_property
    def highest(self):
        best = self.gained + self.span * self.weight("open")
        return Fraction(100 * best, self.span * self.counts) if self.counts else None

    @cached_property
    def coverage(self):
        whole = self.weight("rated", "open", "not_applicable")
        return Fraction(self.weight("rated"), whole) if whole else None

    @property
    def reportable(self):
        return self.coverage is not None and self.coverage >= HALF

    @property
    def can_become_reportable(self):
        return 2 * self.counts >= self.counts + self.weight("not_applicable")

    def needed_average(self, fit_at):
        still_open = self.weight("open")
        if not still_open:
            return None
        missing = Fraction(fit_at * self.span * self.counts, 100) - self.gained
        average = self.scale.min + missing / still_open
        return None if average > self.scale.max else max(average, Fraction(self.scale.min))

    def figures(self):
        return {
            "lowest": as_double(self.lowest),
            "highest": as_double(self.highest),
            "coverage": as_double(self.coverage),
            "reportable": self.reportable,
            "points": sum(one.question.weight * one.rating for one in self.asked if one.state == "rated"),
            "points_min": self.scale.min * self.counts,
            "points_max": self.scale.max * self.counts,
            "rated": self.count("rated"),
            "open": self.count("open"),
            "not_applicable": self.count("not_applicable"),
        }
