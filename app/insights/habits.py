"""What assessors usually do: skip a question, or give nearly all questions the same rating."""

from dataclasses import dataclass

import numpy as np

from app.insights.assessed import Assessed
from app.insights.cohorts import NOT_ASKED_HERE, OPEN
from app.insights.estimates import estimate_of
from app.insights.schemas import Estimate
from app.insights.statistics.estimate import Bools, Integers
from app.insights.statistics.proportions import wilson

# With fewer ratings, all are often equal by chance. One rating in ten may differ.
MINIMUM_RATINGS = 4
STRAIGHT_LINED_PERCENT = 90
# A person who stops early, because the prospect is no fit, does not skip questions.
MINIMUM_COVERAGE = 0.5


@dataclass(frozen=True, slots=True)
class Habit:
    """How many of the cases show a habit. In `share` (0..1), each prospect counts as one."""

    cases: int
    hits: int
    share: Estimate | None

    @property
    def is_usual(self) -> bool:
        """Whether more than half of the cases show it, with 95 % confidence."""
        return self.share is not None and self.share.low > 0.5


def habits_of(assessed: Assessed, cases: Bools, hits: Bools) -> list[Habit]:
    """Return the habit of each assessor. `cases` and `hits` have one value for each session."""
    return _habits(assessed.assessor, len(assessed.names), assessed.prospect, cases, hits)


def habit_of_all(assessed: Assessed, cases: Bools, hits: Bools) -> Habit:
    """Return the habit of all assessors together."""
    (habit,) = _habits(np.zeros_like(assessed.assessor), 1, assessed.prospect, cases, hits)
    return habit


def _habits(person: Integers, persons: int, prospect: Integers, cases: Bools, hits: Bools) -> list[Habit]:
    person, prospect, hit = person[cases], prospect[cases], hits[cases]
    pair = person * (int(prospect.max(initial=0)) + 1) + prospect
    _, place, times = np.unique(pair, return_inverse=True, return_counts=True)
    weights = 1 / times[place]
    sums = np.bincount(person, weights, persons), np.bincount(person, weights * hit, persons)
    counts = np.bincount(person, minlength=persons), np.bincount(person[hit], minlength=persons)
    return [
        Habit(int(count), int(hit_count), estimate_of(wilson(float(hit_sum), float(total))))
        for count, hit_count, total, hit_sum in zip(*counts, *sums, strict=True)
    ]


def skipping(assessed: Assessed, column: int) -> tuple[Bools, Bools]:
    """Return the sessions that have a question and are at least half rated, and those that skip it."""
    code = assessed.codes[:, column]
    coverage = np.array([one.coverage or 0.0 for one in assessed.sessions])
    return (code != NOT_ASKED_HERE) & (coverage >= MINIMUM_COVERAGE), code == OPEN


def straight_lining(assessed: Assessed) -> tuple[Bools, Bools]:
    """Return the sessions with at least MINIMUM_RATINGS ratings, and those in which nearly all are equal."""
    ratings = assessed.is_rated.sum(axis=1)
    same = [(assessed.codes == value).sum(axis=1) for value in assessed.values]
    most = np.max(same, axis=0) if same else np.zeros_like(ratings)
    return ratings >= MINIMUM_RATINGS, most * 100 >= ratings * STRAIGHT_LINED_PERCENT
