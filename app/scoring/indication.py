"""The rules of the indication, in their order; all comparisons are on integers."""

from collections.abc import Sequence

from app.scoring.must_reach import MustReach
from app.scoring.result import Indication, Leaning
from app.scoring.tally import Tally


def indicate(units: Sequence[Tally], must: MustReach) -> Indication:
    """The indication of the units of a set with thresholds.

    It is `fit`, `no_fit` or `mixed` if and only if every set of further answers, by any rating or as not
    applicable, leads to that same indication.
    """
    if must.missed_knock_outs or not all(unit.can_avoid_no_fit for unit in units):
        return "no_fit"
    if not all(unit.weight for unit in units):
        return "unscorable"
    if not (must.open or must.other_blockers) and all(unit.is_fit for unit in units):
        return "fit"
    cannot_be_no_fit = not must.open_knock_outs and all(unit.avoids_no_fit for unit in units)
    if cannot_be_no_fit and not can_be_fit(units, blocked=must.blocked):
        return "mixed"
    return "undetermined"


def can_be_fit(units: Sequence[Tally], *, blocked: bool) -> bool:
    """Whether the best rating for every open question would give a fit."""
    return not blocked and all(unit.can_be_fit for unit in units)


def lean(units: Sequence[Tally], must: MustReach) -> Leaning:
    """The indication by the estimates, as if no question were open; the units have to be reportable."""
    if must.missed_knock_outs or any(unit.leans_to_no_fit for unit in units):
        return "no_fit"
    if must.other_blockers or not all(unit.leans_to_fit for unit in units):
        return "mixed"
    return "fit"
