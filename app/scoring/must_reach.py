"""The must-reach questions: which bar a fit now, and which still can."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.scoring.plan import QuestionState
from app.scoring.result import Blocker


@dataclass(slots=True)
class MustReach:
    """The questions with a `must_reach` that apply and are not reached.

    `knocked_out` and `barring` are the blockers: a missed knock-out rules a fit out for good, a missed
    `mixed` one, or any that is called not applicable, only bars it.
    """

    knocked_out: list[QuestionState] = field(default_factory=list)
    barring: list[QuestionState] = field(default_factory=list)
    open: list[QuestionState] = field(default_factory=list)

    @classmethod
    def of(cls, must: Iterable[QuestionState]) -> "MustReach":
        """Sort must-reach questions."""
        sorted_ = cls()
        for s in must:
            if s.misses and s.question.if_missed == "no_fit":
                sorted_.knocked_out.append(s)
            elif s.misses or s.state == "not_applicable":
                sorted_.barring.append(s)
            elif s.state == "open":
                sorted_.open.append(s)
        return sorted_

    @property
    def blocked(self) -> bool:
        """Whether something bars a fit now."""
        return bool(self.knocked_out or self.barring)

    @property
    def open_knock_outs(self) -> list[QuestionState]:
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
        return [s.blocker for s in (*self.knocked_out, *self.barring) if s.blocker]
