"""The rules of the indication, in their order; all comparisons are on integers."""

from app.scoring.must_reach import MustReach
from app.scoring.result import Indication, Leaning
from app.scoring.units import Units


def indicate(units: Units, must: MustReach) -> Indication:
    """The indication of the units of a set with thresholds.

    It is `fit`, `no_fit` or `mixed` if and only if every set of further answers, by any rating or as not
    applicable, leads to that same indication.
    """
    if must.missed_knock_outs or not units.can_avoid_no_fit:
        return "no_fit"
    if not units.have_weight:
        return "unscorable"
    if not (must.open or must.other_blockers) and units.are_fit:
        return "fit"
    cannot_be_no_fit = not must.open_knock_outs and units.avoid_no_fit
    if cannot_be_no_fit and not can_be_fit(units, blocked=must.blocked):
        return "mixed"
    return "undetermined"


def can_be_fit(units: Units, *, blocked: bool) -> bool:
    """Whether the best rating for every open question would give a fit."""
    return not blocked and units.can_be_fit


def lean(units: Units, must: MustReach) -> Leaning:
    """The indication by the estimates, as if no question were open; the units have to be reportable."""
    if must.missed_knock_outs or not units.avoid_leaning_to_no_fit:
        return "no_fit"
    if must.other_blockers or not units.lean_to_fit:
        return "mixed"
    return "fit"
