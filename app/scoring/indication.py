"""What a score indicates: the rules, in their order, on integers."""

from collections.abc import Sequence

from app.scoring.must_reach import MustReach
from app.scoring.question_set import Thresholds
from app.scoring.result import Indication, Leaning
from app.scoring.tally import Tally


def indicate(thresholds: Thresholds, units: Sequence[Tally], must: MustReach) -> Indication:
    """The indication, settled if it is fit, no_fit or mixed.

    Exactly then does every way of closing the open questions, by a rating or as not applicable,
    lead to it.
    """
    fit_at, no_fit_below = thresholds.fit_at, thresholds.no_fit_below
    if must.knocked_out or not all(unit.highest_reaches(no_fit_below) for unit in units):
        return "no_fit"
    if any(unit.weight == 0 for unit in units):
        return "unscorable"
    if not (must.open or must.barring) and all(
        unit.reportable and unit.lowest_reaches(fit_at) for unit in units
    ):
        return "fit"
    no_fit_is_out = not must.open_knock_outs and all(unit.lowest_reaches(no_fit_below) for unit in units)
    if no_fit_is_out and not can_be_fit(thresholds, units, blocked=must.blocked):
        return "mixed"
    return "undetermined"


def can_be_fit(thresholds: Thresholds, units: Sequence[Tally], *, blocked: bool) -> bool:
    """Whether the best rating of every open question would make it a fit."""
    return not blocked and all(
        unit.weight > 0 and unit.highest_reaches(thresholds.fit_at) and unit.can_be_reportable
        for unit in units
    )


def lean(thresholds: Thresholds, units: Sequence[Tally], must: MustReach) -> Leaning:
    """The indication on the estimates, as if nothing were open; needs reportable units."""
    if must.knocked_out or not all(unit.estimate_reaches(thresholds.no_fit_below) for unit in units):
        return "no_fit"
    if must.barring or not all(unit.estimate_reaches(thresholds.fit_at) for unit in units):
        return "mixed"
    return "fit"
