"""A second implementation of the formulas, in fractions, to compare with the kernel.

It follows the design alone and shares only the shape of a definition with `app.scoring`. It is slow and
plain on purpose: it compares fractions where the kernel compares integers, and a fraction turns into a
double only where a figure is returned.
"""

from functools import cached_property
from math import sqrt

from tests.scoring.group import Group, as_double
from tests.scoring.question_state import inapplicable


def geometric(figures):
    """√(u·v) of two figures as doubles: one product, one square root."""
    if None in figures:
        return None
    first, second = map(float, figures)
    return sqrt(first * second)


class Reference:
    """The figures and lists of a score, without its texts and next questions."""

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
        return geometric(figures) if self.reciprocal else as_double(figures[0])

    @property
    def score(self):
        if not self.reportable or self.missed_knock_outs:
            return None
        return self.combined([unit.estimate for unit in self.units])

    @property
    def lowest(self):
        return self.combined([unit.lowest for unit in self.units])

    @property
    def highest(self):
        return self.combined([unit.highest for unit in self.units])

    @property
    def coverage(self):
        shares = [unit.coverage for unit in self.units]
        return None if None in shares else as_double(min(shares))

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
    def missed_knock_outs(self):
        return [one for one in self.must_reach if one.missed and one.knocks_out]

    @cached_property
    def other_blockers(self):
        """What prevents a fit for now; a missed knock-out rules it out and is not listed here."""
        return [
            one
            for one in self.must_reach
            if one.state == "not_applicable" or (one.missed and not one.knocks_out)
        ]

    @property
    def blockers(self):
        return [(one.question.key, one.state, one.rating, "no_fit") for one in self.missed_knock_outs] + [
            (one.question.key, one.state, one.rating, "mixed") for one in self.other_blockers
        ]

    def grade(self, indication):
        """The last of the grades that each of these rules allows, from the best down."""
        open_must_reach = any(one.state == "open" for one in self.must_reach)
        if not self.set.grades or not self.reportable or self.missed_knock_outs:
            return None
        if indication == "undetermined" and open_must_reach:
            return None
        weakest = min(unit.estimate for unit in self.units)
        blocked = bool(self.other_blockers)
        return next(
            grade.grade
            for grade in self.set.grades
            if weakest >= grade.at and not (blocked and grade.at >= self.set.thresholds.fit_at)
        )

    @property
    def strengths(self):
        good = [one for one in self.rated if one.strength and one.above_the_middle and not one.missed]
        return sorted(good, key=lambda one: -one.strength)

    @property
    def gaps(self):
        missed = [one for one in self.rated if one.missed]
        others = [one for one in self.rated if one.gap and one.below_the_middle and not one.missed]
        return sorted(missed, key=lambda one: -one.gap) + sorted(others, key=lambda one: -one.gap)

    @property
    def rated(self):
        return [one for one in self.scored if one.state == "rated"]


def not_counted(question_set, answers, attributes):
    answered = {key for key, answer in answers.items() if answer.state != "open"}
    return [key for key in inapplicable(question_set, attributes) if key in answered]
