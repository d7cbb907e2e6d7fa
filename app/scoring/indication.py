"""What a score indicates: the rules, in their order, on integers."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from app.scoring.plan import Plan, Standing
from app.scoring.question_set import Thresholds
from app.scoring.result import Blocker, Indication, Leaning
from app.scoring.tally import Tally


@dataclass(frozen=True, slots=True)
class MustReach:
    """The questions with a `must_reach` that apply and are not reached.

    `knocked_out` and `barring` are the blockers: a missed knock-out rules a fit out for good, a missed
    `mixed` one, or any that is called not applicable, only bars it.
    """

    knocked_out: list[Standing] = field(default_factory=list)
    barring: list[Standing] = field(default_factory=list)
    open: list[Standing] = field(default_factory=list)

    @classmethod
    def of(cls, scored: Sequence[Standing]) -> "MustReach":
        """Sort the must-reach questions among `scored`."""
        must = [s for s in scored if s.question.must_reach is not None]
        out = [s for s in must if s.misses and s.question.if_missed == "no_fit"]
        return cls(
            knocked_out=out,
            barring=[s for s in must if (s.misses or s.state == "not_applicable") and s not in out],
            open=[s for s in must if s.state == "open"],
        )

    @property
    def blocked(self) -> bool:
        """Whether something bars a fit now."""
        return bool(self.knocked_out or self.barring)

    @property
    def open_knock_outs(self) -> list[Standing]:
        """The open ones that would rule a fit out if they were missed."""
        return [s for s in self.open if s.question.if_missed == "no_fit"]

    def plus(self, other: "MustReach") -> "MustReach":
        """With the questions of another part of the set."""
        return MustReach(
            self.knocked_out + other.knocked_out, self.barring + other.barring, self.open + other.open
        )

    @property
    def flags(self) -> tuple[bool, bool, bool, bool]:
        """All that an indication depends on: what is missed, barred, open, and open and a knock-out."""
        return bool(self.knocked_out), bool(self.barring), bool(self.open), bool(self.open_knock_outs)

    def blockers(self) -> list[Blocker]:
        """What bars a fit now: first what rules it out."""
        return [
            *(_blocker(s, "no_fit") for s in self.knocked_out),
            *(_blocker(s, "mixed") for s in self.barring),
        ]

    def without_open(self) -> "MustReach":
        """As if nothing were open."""
        return MustReach(self.knocked_out, self.barring)


def _blocker(standing: Standing, effect: Literal["no_fit", "mixed"]) -> Blocker:
    question, rating = standing.question, standing.rating
    assert question.must_reach is not None
    return {
        "question": question.key,
        "label": question.label,
        "text": question.text,
        "state": "not_applicable" if rating is None else "rated",
        "rating": rating,
        "must_reach": question.must_reach,
        "effect": effect,
        "anchors": standing.gap["anchors"] if standing.gap else [],
    }


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
    return (
        "mixed"
        if no_fit_is_out and not can_be_fit(thresholds, units, blocked=must.blocked)
        else "undetermined"
    )


def indicated(plan: Plan, standings: Sequence[Standing]) -> Indication | None:
    """The indication alone, for a fraction of the work of a whole score; None without thresholds."""
    scored = [s for s in standings if not s.step.gated]
    thresholds = plan.question_set.thresholds
    units = [group.tally for group in plan.units(scored)]
    return indicate(thresholds, units, MustReach.of(scored)) if thresholds else None


def can_be_fit(thresholds: Thresholds, units: Sequence[Tally], *, blocked: bool) -> bool:
    """Whether the best rating of every open question would make it a fit."""
    return not blocked and all(
        unit.weight > 0 and unit.highest_reaches(thresholds.fit_at) and unit.can_be_reportable
        for unit in units
    )


def lean(thresholds: Thresholds, units: Sequence[Tally], must: MustReach) -> Leaning:
    """The indication on the estimates, as if nothing were open; needs reportable units."""
    closed = [unit.as_if_nothing_were_open() for unit in units]
    return cast("Leaning", indicate(thresholds, closed, must.without_open()))
