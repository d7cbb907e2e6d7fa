"""Shares of cases in which each prospect counts as one."""

from collections.abc import Hashable, Iterable, Sequence
from typing import get_args

import numpy as np

from app.insights.conclusion_schemas import NoDecisionBounds
from app.insights.estimates import estimate_of
from app.insights.schemas import Estimate
from app.insights.statistics import proportions
from app.insights.statistics.estimate import Bools, Floats, Integers
from app.insights.words import percent_with_range
from app.sessions.tables import OutcomeWord

OUTCOMES: Sequence[OutcomeWord] = get_args(OutcomeWord)
# The numbers of the outcomes in arrays, and that of a case without an outcome.
WON, LOST, NO_DECISION = map(OUTCOMES.index, ("won", "lost", "no_decision"))
NO_OUTCOME = len(OUTCOMES)


def numbered(values: Sequence[Hashable], known: Iterable[Hashable] = ()) -> Integers:
    """Return a number for each value, the same for equal ones: the place in `known`, then further ones."""
    numbers: dict[Hashable, int] = {value: number for number, value in enumerate(known)}
    return np.fromiter((numbers.setdefault(value, len(numbers)) for value in values), np.int64, len(values))


def in_words(found: Estimate, hits: int, cases: int) -> str:
    """Return a share with its interval.

    If it is not that of `hits` in `cases`, because some prospects have several cases, the text says so.
    """
    is_plain = abs(found.estimate - hits / cases) < 0.005
    text = percent_with_range(found)
    return text if is_plain else f"{text}, with each prospect counted as one"


def weights_of(prospect: Integers) -> Floats:
    """Return the weight of each case: 1 / (cases of its prospect). `prospect` numbers the prospects."""
    weights: Floats = 1 / np.bincount(prospect)[prospect]
    return weights


def share(prospect: Integers, hits: Bools) -> Estimate | None:
    """Return the share of the cases that are hits, with Wilson's interval; None without cases."""
    weights = weights_of(prospect)
    return estimate_of(proportions.wilson(float(weights[hits].sum()), float(weights.sum())))


def win_rate(prospect: Integers, outcome: Integers) -> Estimate | None:
    """Return the share of won deals among the won and lost ones; None if there are none.

    `outcome` has the numbers of the outcomes.
    """
    decided = (outcome == WON) | (outcome == LOST)
    return share(prospect[decided], outcome[decided] == WON)


def win_rate_bounds(prospect: Integers, outcome: Integers) -> NoDecisionBounds | None:
    """Return the win rate if every deal that ended without a decision had been lost, or won.

    Deals without an outcome do not count. None if there are no others.
    """
    ended = outcome != NO_OUTCOME
    weights = weights_of(prospect[ended])
    won, lost, undecided = np.bincount(outcome[ended], weights, len(OUTCOMES)).tolist()
    found = proportions.bounds(won, won + lost, undecided)
    return None if found is None else NoDecisionBounds(low=found.low, high=found.high)
