"""The rules of the indication, in their order; all comparisons are on integers."""

from collections.abc import Sequence

from app.scoring.must_reach import MustReach
from app.scoring.question_set import Thresholds
from app.scoring.result import Indication, Leaning
from app.scoring.tally import Tally


def indicate(thresholds: Thresholds, units: Sequence[Tally], must: MustReach) -> Indication:
    """The indication of the units.

    It is `fit`, `no_fit` or `mixed` if and only if every set of further answers, by any rating or as not
    applicable, leads to that same indication.
    """
    fit_at, no_fit_below = thresholds.fit_at, thresholds.no_fit_below
    if must.missed_knock_outs or not all(unit.highest_reaches(no_fit_below) for unit in units):
        return "no_fit"
    if any(unit.weight == 0 for unit in units):
        return "unscorable"
    if not (must.open or must.other_blockers) and all(
        unit.reportable and unit.lowest_reaches(fit_at) for unit in units
    ):
        return "fit"
    cannot_be_no_fit = not must.open_knock_outs and all(unit.lowest_reaches(no_fit_below) for unit in units)
    if cannot_be_no_fit and not can_be_fit(thresholds, units, blocked=must.blocked):
        return "mixed"
    return "undetermined"


def can_be_fit(thresholds: Thresholds, units: Sequence[Tally], *, blocked: bool) -> bool:
    """Whether the best rating for every open question would give a fit."""
    return not blocked and all(
        unit.weight > 0 and unit.highest_reaches(thresholds.fit_at) and unit.can_be_reportable
        for unit in units
    )


def lean(thresholds: Thresholds, units: Sequence[Tally], must: MustReach) -> Leaning:
    """The indication by the estimates, as if no question were open; the units have to be reportable."""
    if must.missed_knock_outs or not all(unit.estimate_reaches(thresholds.no_fit_below) for unit in units):
        return "no_fit"
    if must.other_blockers or not all(unit.estimate_reaches(thresholds.fit_at) for unit in units):
        return "mixed"
    return "fit"
