"""What further answers can change in a unit: the fewest that settle its indication, and its worst grade."""

from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import NamedTuple

from app.scoring.must_reach import MustReach
from app.scoring.planned_question import MustReachTerms
from app.scoring.tally import Tally, best_grade
from app.scoring.totals import Totals
from app.scoring.units import Units


class Outlook(NamedTuple):
    """What the open questions of one unit can still do.

    `to_fit` and `to_no_fit` are the fewest further answers that are enough in this unit, None if none are.
    `worst_grade` is the index of the worst grade that further answers can give, 0 if they cannot give one.
    `can_be_blocked` says whether a must-reach question can become a blocker while a grade stays possible.
    """

    to_fit: int | None
    to_no_fit: int | None
    worst_grade: int
    can_be_blocked: bool


def outlooks(totals: Totals) -> list[Outlook]:
    """The outlook of each unit of a set with thresholds or grades."""
    others: list[list[int]] = [[] for _ in totals.units]
    for question_state in totals.open:
        asked = question_state.asked
        if not asked.must_reach:
            others[asked.in_unit].append(asked.weight)
    terms = totals.must.open_terms
    return [
        outlook(unit, terms.get(place, ()), tuple(sorted(others[place])))
        for place, unit in enumerate(totals.units)
    ]


# Most questions have the same weight, so the same arguments occur often. They can be long, hence the limit.
@lru_cache(maxsize=1000)
def outlook(unit: Tally, must: tuple[MustReachTerms, ...], others: tuple[int, ...]) -> Outlook:
    """The outlook of a unit with these open must-reach questions.

    `others` are the weights of the other open questions, smallest first.
    """
    weights = [one.weight for one in must]
    can_have_grade = bool(unit.limits.grades and unit.weight and unit.can_be_reportable)
    return Outlook(
        _answers_to_fit(unit, weights, others[::-1]),
        _answers_to_no_fit(unit, [*weights, *others]),
        best_grade(unit.limits, *_worst(unit, must)) if can_have_grade else 0,
        any(not one.is_knock_out or _can_be_skipped(unit, one.weight) for one in must),
    )


def answers_to_fit(outlooks: Sequence[Outlook], units: Units, must: MustReach) -> int | None:
    """The fewest further answers that can settle `fit`: 0 or more, None if a fit is out of reach."""
    answers = [unit.to_fit for unit in outlooks if unit.to_fit is not None]
    if must.blocked or not units.have_weight or len(answers) < len(units):
        return None
    return sum(answers)


def answers_to_no_fit(outlooks: Sequence[Outlook], must: MustReach) -> int | None:
    """The fewest further answers that can settle `no_fit`: 0 or more, None if it is out of reach.

    One missed knock-out is enough, and so are the worst ratings for the largest weights of one unit.
    """
    if must.missed_knock_outs:
        return 0
    ways = [unit.to_no_fit for unit in outlooks if unit.to_no_fit is not None]
    return min([*ways, 1] if must.open_knock_outs else ways, default=None)


def _answers_to_fit(unit: Tally, must: Sequence[int], others: Sequence[int]) -> int | None:
    """The fewest answers that make a unit reportable and let it reach `fit_at`; None if all are not enough.

    They include every open must-reach question. After those, the largest weights with the best rating
    reach the threshold soonest.
    """
    lacking = unit.limits.fit_at * unit.span * unit.weight - 100 * unit.earned
    unrated = unit.all_weight - 2 * unit.rated_weight
    # Rounded up, because weights are integers.
    needed = max(-(-lacking // (100 * unit.span)), -(-unrated // 2)) - sum(must)
    more = _fewest(others, needed)
    return None if more is None else len(must) + more


def _answers_to_no_fit(unit: Tally, weights: Sequence[int]) -> int | None:
    surplus = 100 * unit.max_earned - unit.limits.no_fit_below * unit.span * unit.weight
    return _fewest(sorted(weights, reverse=True), surplus // (100 * unit.span) + 1)


def _fewest(weights: Sequence[int], needed: int) -> int | None:
    """The number of the largest weights whose sum is at least `needed`; None if all are not enough."""
    sums = [0, *accumulate(weights)]
    return bisect_left(sums, needed) if needed <= sums[-1] else None


def _can_be_skipped(unit: Tally, weight: int) -> bool:
    """Whether a unit can still be reportable after an open question is marked not applicable."""
    return 2 * (unit.weight - weight) >= unit.all_weight


def _worst(unit: Tally, must: Sequence[MustReachTerms]) -> tuple[int, int]:
    """The ratio of the lowest estimate with a grade that further answers can give a unit.

    Every open question gets the worst rating, except the knock-outs among its open must-reach questions:
    each gets its `must_reach`, or is not applicable as long as half of the weight stays rated.
    """
    # The least that `earned` can become, by the weight that is then rated.
    least = {unit.weight: unit.earned}
    for question in must:
        if not question.is_knock_out:
            continue
        rated = {weight: earned + question.points for weight, earned in least.items()}
        for weight, earned in least.items():
            without = weight - question.weight
            if 2 * without >= unit.all_weight:
                rated[without] = min(earned, rated.get(without, earned))
        least = rated
    weight, earned = min(least.items(), key=lambda way: way[1] / way[0])
    return earned, unit.span * weight
