"""Section 3 of the design a second time, in fractions, to hold the kernel against.

It was written from the design alone and shares nothing with `app.scoring` but the shape of a
definition. It is slow and plain on purpose: a fraction is compared where the kernel compares
integers, and it turns into a double only where a figure is told.
"""

from functools import cached_property
from math import sqrt

from tests.scoring.group import Group, told
from tests.scoring.standing import inapplicable


def geometric(figures):
    """√(u·v) of two figures as doubles: one product, one square root."""
    if None in figures:
        return None
    first, second = map(float, figures)
    return sqrt(first * second)


class Reference:
    """Everything that a score of one set says, beside its texts and its next questions."""

    def __init__(self, question_set, everything):
        self.set = question_set
        self.everything = everything
        self.gated = [one for one in everything if one.step.gated]
        self.scored = [one for one in everything if not one.step.gated]
        self.whole = self.group(self.scored)
        self.units = self.dimensions if self.reciprocal else [self.whole]

    def group(self, asked):
        return Group(self.set.scale, list(asked))

    @property
    def reciprocal(self):
        return self.set.combine == "reciprocal"

    @cached_property
    def dimensions(self):
        keys = [dimension.key for dimension in self.set.dimensions]
        return [self.group(one for one in self.scored if one.question.dimension == key) for key in keys]

    @cached_property
    def steps(self):
        return [self.group(one for one in self.everything if one.step is step) for step in self.set.steps]

    @property
    def reportable(self):
        return all(unit.reportable for unit in self.units)

    def combined(self, figures):
        return geometric(figures) if self.reciprocal else told(figures[0])

    @property
    def score(self):
        return self.combined([unit.estimate for unit in self.units]) if self.reportable else None

    @property
    def lowest(self):
        return self.combined([unit.lowest for unit in self.units])

    @property
    def highest(self):
        return self.combined([unit.highest for unit in self.units])

    @property
    def coverage(self):
        shares = [unit.coverage for unit in self.units]
        return None if None in shares else told(min(shares))

    @property
    def weaker_side(self):
        if not self.reciprocal or None in (estimates := [side.estimate for side in self.units]):
            return None
        first, second = estimates
        keys = [dimension.key for dimension in self.set.dimensions]
        return None if first == second else keys[0] if first < second else keys[1]

    @cached_property
    def must_reach(self):
        return [one for one in self.scored if one.question.must_reach is not None]

    @cached_property
    def knocked_out_by(self):
        return [one.question.key for one in self.must_reach if one.missed and one.knocks_out]

    @cached_property
    def held_back_by(self):
        """A knock-out that is missed is told as such, and not a second time here."""
        return [
            one.question.key
            for one in self.must_reach
            if one.state == "not_applicable" or (one.missed and not one.knocks_out)
        ]

    @cached_property
    def grades(self):
        return [grade.grade for grade in self.set.grades]

    def grade_of(self, estimate):
        return next(grade.grade for grade in self.set.grades if estimate >= grade.at)

    @property
    def grade(self):
        if not self.grades or not self.reportable or self.knocked_out_by:
            return None
        return self.grade_of(min(unit.estimate for unit in self.units))

    @property
    def grades_possible(self):
        if not self.grades or self.knocked_out_by or not all(unit.counts for unit in self.units):
            return []
        best = self.grade_of(min(unit.highest for unit in self.units))
        worst = self.grade_of(min(unit.lowest for unit in self.units))
        return self.grades[self.grades.index(best) : self.grades.index(worst) + 1]

    @property
    def strengths(self):
        return self.reasons("strength")

    @property
    def gaps(self):
        return self.reasons("gap")

    def reasons(self, kind):
        rated = [(one.question.key, getattr(one, kind), one) for one in self.scored if one.state == "rated"]
        return sorted((reason for reason in rated if reason[1]), key=lambda reason: -reason[1])


def not_counted(question_set, answers, attributes):
    said = {key for key, answer in answers.items() if answer.state != "open"}
    return [key for key in inapplicable(question_set, attributes) if key in said]
