"""The must-reach questions: those that prevent a fit now, and those that are open."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.scoring.plan import QuestionState
from app.scoring.result import Blocker


@dataclass(slots=True)
class MustReach:
    """The must-reach questions that apply and that no rating reaches yet.

    `missed_knock_outs` and `other_blockers` are the blockers. A missed knock-out rules a fit out. A missed
    `mixed` question, and any that is marked not applicable, prevents a fit for now.
    """

    missed_knock_outs: list[QuestionState]
    other_blockers: list[QuestionState]
    open: list[QuestionState]

    @classmethod
    def of(cls, unreached: Iterable[QuestionState]) -> "MustReach":
        """Sort must-reach questions that no rating reaches by their state."""
        found = cls([], [], [])
        for s in unreached:
            if s.state == "open":
                found.open.append(s)
            elif s.misses and s.asked.is_knock_out:
                found.missed_knock_outs.append(s)
            else:
                found.other_blockers.append(s)
        return found

    @property
    def blocked(self) -> bool:
        """Whether a blocker prevents a fit now."""
        return bool(self.missed_knock_outs or self.other_blockers)

    @property
    def open_knock_outs(self) -> list[QuestionState]:
        """The open knock-outs."""
        return [s for s in self.open if s.asked.is_knock_out]

    def plus(self, other: "MustReach") -> "MustReach":
        """These questions and those of another part of the set."""
        return MustReach(
            self.missed_knock_outs + other.missed_knock_outs,
            self.other_blockers + other.other_blockers,
            self.open + other.open,
        )

    @property
    def flags(self) -> tuple[bool, bool, bool, bool]:
        """Whether there are missed knock-outs, other blockers, open questions and open knock-outs.

        An indication depends on nothing else of these questions.
        """
        return (
            bool(self.missed_knock_outs),
            bool(self.other_blockers),
            bool(self.open),
            bool(self.open_knock_outs),
        )

    def blockers(self) -> list[Blocker]:
        """The blockers, missed knock-outs first."""
        return [s.blocker for s in (*self.missed_knock_outs, *self.other_blockers) if s.blocker]
