"""Brute force: every way of closing the open questions, by any rating or as not applicable.

Nothing here knows of a range or of `settled`: a closed session has only estimates, and its
indication is `verdicts.final`.
"""

from dataclasses import replace
from functools import cache, cached_property
from itertools import product

from tests.scoring import verdicts
from tests.scoring.reference import Reference

OPEN = "open"
SKIPPED = "not applicable"


class Closings:
    """All the ways of closing one case, as tuples with a rating or SKIPPED for every open question."""

    def __init__(self, case):
        self.case = case
        scale = case.question_set.scale
        self.choices = [SKIPPED, *range(scale.min, scale.max + 1)]
        self.ways = list(product(self.choices, repeat=len(case.open)))

    def closed(self, way):
        by_key = dict(zip(self.case.open, way, strict=True))
        return Reference(
            self.case.question_set,
            [close(one, by_key.get(one.question.key)) for one in self.case.states],
        )

    @cached_property
    def all(self):
        return {way: self.closed(way) for way in self.ways}

    @cached_property
    def finals(self):
        return {way: verdicts.final(closed) for way, closed in self.all.items()}

    @cached_property
    def reachable(self):
        """The indications that can still come about after some of the questions were answered."""

        @cache
        def after(partly):
            if OPEN not in partly:
                return {self.finals[partly]}
            at = partly.index(OPEN)
            return set().union(*(after((*partly[:at], choice, *partly[at + 1 :])) for choice in self.choices))

        return after

    @property
    def indications(self):
        return self.reachable((OPEN,) * len(self.case.open))

    def fewest_answers_to(self, indication):
        """How few answers, well chosen, leave no other indication in reach; None if none do."""
        answered = [
            sum(choice != OPEN for choice in partly)
            for partly in product([OPEN, *self.choices], repeat=len(self.case.open))
            if self.reachable(partly) == {indication}
        ]
        return min(answered, default=None)


def close(question_state, choice):
    if choice is None:
        return question_state
    if choice == SKIPPED:
        return replace(question_state, state="not_applicable")
    return replace(question_state, state="rated", rating=choice, rated_by="person")
