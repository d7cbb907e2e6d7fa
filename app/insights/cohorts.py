"""Won and lost sessions as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.insights.queries import ConcludedSession
from app.insights.statistics.estimate import Bools, Floats, Integers
from app.insights.statistics.evidence import Evidence, evidence, prospect_weights
from app.scoring import Plan
from app.sessions.scores import NOT_ASKED, RATING_CODES

# How a question that is not rated is coded in a matrix of ratings. All ratings are at least -100.
UNKNOWN, OPEN, NOT_APPLICABLE, NOT_ASKED_HERE = -1001, -1002, -1003, -1004
LEAST_RATING = -1000
# Limits the memory for the codes of many sessions.
SESSIONS_PER_BATCH = 2000
Ratings = npt.NDArray[np.int16]
CODES: Mapping[str, int] = {
    RATING_CODES["unknown"]: UNKNOWN,
    RATING_CODES["open"]: OPEN,
    RATING_CODES["not_applicable"]: NOT_APPLICABLE,
    NOT_ASKED: NOT_ASKED_HERE,
}


@dataclass(frozen=True, slots=True)
class Cohort:
    """Won and lost sessions: one row for each. `prospect` numbers the prospects from 0.

    `weights` are such that each prospect counts as one.
    """

    won: Bools
    prospect: Integers
    weights: Floats

    @classmethod
    def of(cls, sessions: Sequence[ConcludedSession]) -> "Cohort":
        """Put sessions into arrays."""
        numbers: dict[object, int] = {}
        prospect = np.fromiter(
            (numbers.setdefault(one.prospect, len(numbers)) for one in sessions), np.int64, len(sessions)
        )
        won = np.fromiter((one.won for one in sessions), np.bool_, len(sessions))
        return cls(won, prospect, prospect_weights(prospect))

    def where(self, rows: Bools) -> "Cohort":
        """Return a part of the sessions, in which each prospect counts as one again."""
        return Cohort(self.won[rows], self.prospect[rows], prospect_weights(self.prospect[rows]))

    @property
    def prospects(self) -> int:
        """The number of prospects."""
        return len(np.unique(self.prospect))

    @property
    def evidence(self) -> Evidence:
        """The weights of the won and of the lost sessions."""
        return evidence(self.won, self.weights)


def rating_matrix(
    sessions: Sequence[ConcludedSession], plans: Mapping[int, Plan], questions: Sequence[str]
) -> Ratings:
    """Return the ratings of sessions: one row for each session, one column for each question.

    `plans` are the plans of the versions of the sessions. A question that is not rated has one of the codes
    above. It has NOT_ASKED_HERE if it does not apply to the prospect, or if the version does not have it.
    """
    matrix = np.full((len(sessions), len(questions)), NOT_ASKED_HERE, np.int16)
    column_of = {question: column for column, question in enumerate(questions)}
    for version, plan in plans.items():
        rows = [row for row, one in enumerate(sessions) if one.version == version]
        columns = [column_of[question] for question in plan.questions]
        for start in range(0, len(rows), SESSIONS_PER_BATCH):
            some = rows[start : start + SESSIONS_PER_BATCH]
            matrix[np.ix_(some, columns)] = _decoded([sessions[row].ratings for row in some])
    return matrix


def _decoded(ratings: Sequence[str]) -> Ratings:
    """Return the `rating_codes` of sessions on one version as a matrix."""
    codes = ",".join(ratings).split(",")
    numbers = {code: CODES[code] if code in CODES else int(code) for code in set(codes)}
    flat = np.fromiter((numbers[code] for code in codes), np.int16, len(codes))
    return flat.reshape(len(ratings), -1)
