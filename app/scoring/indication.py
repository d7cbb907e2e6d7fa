"""What a score indicates: the rules, in their order, on integers."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from app.scoring.plan import Standing
from app.scoring.question_set import Thresholds
from app.scoring.result import Indication
from app.scoring.tally import Tally


@dataclass(frozen=True, slots=True)
class MustReach:
    """The questions with a `must_reach` that apply, by what became of them; reached ones left out."""

    knocked_out: list[str] = field(default_factory=list)
    held_back: list[str] = field(default_factory=list)
    open: list[str] = field(default_factory=list)
    knock_out_is_open: bool = False

    @classmethod
    def of(cls, scored: Sequence[Standing]) -> "MustReach":
        """Sort the must-reach questions among `scored`."""
        must = [(s, s.question.must_reach) for s in scored if s.question.must_reach is not None]
        missed = [s for s, reach in must if s.rating is not None and s.rating < reach]
        opened = [s for s, _ in must if s.state == "open"]
        return cls(
            knocked_out=[s.question.key for s in missed if s.question.if_missed == "no_fit"],
            held_back=[
                s.question.key
                for s, _ in must
                if s.state == "not_applicable" or (s in missed and s.question.if_missed == "mixed")
            ],
            open=[s.question.key for s in opened],
            knock_out_is_open=any(s.question.if_missed == "no_fit" for s in opened),
        )


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
    if not (must.open or must.held_back) and all(
        unit.reportable and unit.lowest_reaches(fit_at) for unit in units
    ):
        return "fit"
    no_fit_is_out = not must.knock_out_is_open and all(unit.lowest_reaches(no_fit_below) for unit in units)
    fit_is_out = must.held_back or not all(
        unit.highest_reaches(fit_at) and unit.can_be_reportable for unit in units
    )
    return "mixed" if no_fit_is_out and fit_is_out else "undetermined"


def indicate_so_far(thresholds: Thresholds, units: Sequence[Tally], must: MustReach) -> Indication:
    """The indication on the estimates, as if nothing were open; needs reportable units."""
    closed = [unit.as_if_nothing_were_open() for unit in units]
    return indicate(thresholds, closed, MustReach(must.knocked_out, must.held_back))
