"""The ratings of sessions by their assessors, as arrays."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import NamedTuple
from uuid import UUID

import numpy as np

from app.insights.cohorts import LEAST_RATING, NOT_APPLICABLE, NOT_ASKED_HERE, OPEN, UNKNOWN, Ratings
from app.insights.shares import numbered
from app.insights.statistics.estimate import Bools, Floats, Integers
from app.insights.statistics.evidence import MINIMUM_OF_UNITS

CODES: Mapping[str, int] = {"unknown": UNKNOWN, "not_applicable": NOT_APPLICABLE}
# Intervals draw groups of prospects. More groups would take longer and give the same interval.
MAX_GROUPS = 200
MAX_CELLS = 1_000_000


class AssessedSession(NamedTuple):
    """A session that names its assessor.

    `prospect` identifies the prospect, and `deal` is '' if there is none. `coverage` is 0..1 or None.
    `hindsight` says whether the ratings came with the outcome. `answers` has the answers that people gave:
    "budget:4,need:unknown".
    """

    prospect: UUID | str
    deal: str
    assessor: str
    version: int
    coverage: float | None
    hindsight: bool
    answers: str


@dataclass(frozen=True)
class Assessed:
    """Sessions as arrays, with a row for each.

    `names` are those of the assessors, and `assessor` has their places in it. `prospect` numbers the
    prospects from 0. `codes` has a column for each question: its rating, or a code of `cohorts`.
    """

    sessions: Sequence[AssessedSession]
    names: Sequence[str]
    assessor: Integers
    prospect: Integers
    codes: Ratings

    @classmethod
    def of(
        cls,
        sessions: Sequence[AssessedSession],
        versions: Mapping[int, Sequence[str]],
        questions: Sequence[str],
    ) -> "Assessed":
        """Put sessions into arrays. `versions` has the questions of each version of the set."""
        names = sorted({one.assessor for one in sessions})
        return cls(
            sessions,
            names,
            numbered([one.assessor for one in sessions], names),
            numbered([one.prospect for one in sessions]),
            _codes(sessions, versions, questions),
        )

    @cached_property
    def is_rated(self) -> Bools:
        """Whether each question is rated."""
        return self.codes >= LEAST_RATING

    @cached_property
    def values(self) -> Ratings:
        """The ratings that occur, in ascending order."""
        return np.unique(self.codes[self.is_rated])


def _codes(
    sessions: Sequence[AssessedSession], versions: Mapping[int, Sequence[str]], questions: Sequence[str]
) -> Ratings:
    """Return the codes of every question, NOT_ASKED_HERE if the version does not have it."""
    start = np.full((len(versions), len(questions)), NOT_ASKED_HERE, np.int16)
    column_of = {question: column for column, question in enumerate(questions)}
    for place, asked in enumerate(versions.values()):
        start[place, [column_of[question] for question in asked]] = OPEN
    codes = start[numbered([one.version for one in sessions], versions)]
    answers = ",".join(one.answers for one in sessions).split(",") if sessions else []
    cells = {answer: _cell(answer, column_of) for answer in set(answers)}
    column, code = np.array([cells[answer] for answer in answers], np.int16).reshape(-1, 2).T
    row = np.repeat(np.arange(len(sessions)), [one.answers.count(",") + 1 for one in sessions])
    codes[row, column] = code
    return codes


def _cell(answer: str, column_of: Mapping[str, int]) -> tuple[int, int]:
    """Return the column and the code of an answer such as "budget:4"."""
    question, _, state = answer.partition(":")
    return column_of[question], CODES[state] if state in CODES else int(state)


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every two sessions of different assessors on one deal, in both orders: `first` and `second` are rows.

    `group` numbers the deals from 0, and `prospect` the prospects.
    """

    first: Integers
    second: Integers
    group: Integers
    prospect: Integers

    @classmethod
    def of(cls, assessed: Assessed) -> "Pairs":
        """Pair the newest session of each assessor on a deal and a version. Sessions are in order of age."""
        newest: defaultdict[Hashable, dict[str, int]] = defaultdict(dict)
        for row, one in enumerate(assessed.sessions):
            newest[one.prospect, one.deal, one.version][one.assessor] = row
        pairs = [
            (*pair, group)
            for group, rows in enumerate(of for of in newest.values() if len(of) > 1)
            for pair in permutations(rows.values(), 2)
        ]
        first, second, group = np.array(pairs, np.int64).reshape(-1, 3).T
        return cls(first, second, group, _renumbered(assessed.prospect[first]))

    def only(self, kept: Bools) -> "Pairs":
        """The pairs that are kept. Their prospects are numbered from 0 again."""
        prospect = _renumbered(self.prospect[kept])
        return Pairs(self.first[kept], self.second[kept], self.group[kept], prospect)

    @property
    def prospects(self) -> int:
        """The number of prospects."""
        return int(self.prospect.max(initial=-1)) + 1

    @property
    def deals(self) -> int:
        """The number of deals."""
        return len(np.unique(self.group))

    def deals_of_prospect(self, kept: Bools) -> Floats:
        """For each pair, the number of deals of its prospect among the pairs that are kept, at least 1."""
        _, at = np.unique(self.group[kept], return_index=True)
        deals = np.bincount(self.prospect[kept][at], minlength=self.prospects)
        return np.maximum(deals, 1).astype(np.float64)[self.prospect]

    def others(self, kept: Bools) -> Floats:
        """For each pair, the number of pairs that are kept with its first session, at least 1."""
        others = np.bincount(self.first, kept, int(self.first.max(initial=-1)) + 1)
        return np.maximum(others, 1).astype(np.float64)[self.first]

    def both_rated(self, assessed: Assessed, column: int) -> Bools:
        """Whether both sessions of each pair rated a question."""
        rated = assessed.is_rated[:, column]
        both: Bools = rated[self.first] & rated[self.second]
        return both

    def tables(self, assessed: Assessed, column: int, weights: Floats) -> Floats:
        """Count the pairs with each combination of two ratings of a question.

        Returns:
            Groups of prospects × values × values: sums of the weights of the pairs that both rated it.
        """
        groups, values, _ = shape = self._shape(assessed)
        both = self.both_rated(assessed, column)
        place = np.searchsorted(assessed.values, assessed.codes[:, column])
        first, second = place[self.first[both]], place[self.second[both]]
        cell = (self.prospect[both] % groups * values + first) * values + second
        sums = np.bincount(cell, weights[both], groups * values * values)
        return sums.astype(np.float64).reshape(shape)

    def no_tables(self, assessed: Assessed) -> Floats:
        """Return the tables of no pairs."""
        return np.zeros(self._shape(assessed))

    def _shape(self, assessed: Assessed) -> tuple[int, int, int]:
        values = max(1, len(assessed.values))
        groups = max(MINIMUM_OF_UNITS, min(MAX_GROUPS, MAX_CELLS // values**2, self.prospects))
        return groups, values, values


def _renumbered(numbers: Integers) -> Integers:
    """Return the numbers without gaps."""
    _, place = np.unique(numbers, return_inverse=True)
    return place
