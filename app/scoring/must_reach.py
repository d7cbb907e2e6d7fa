"""The must-reach questions: those that prevent a fit now, and those that are open."""

from collections.abc import Sequence
from functools import cached_property

from app.scoring.planned_question import MustReachTerms, QuestionState, unknown_last
from app.scoring.reasons import most_first
from app.scoring.result import Blocker, Reason
from app.scoring.words import is_or_are, joined, listed


class MustReach:
    """The must-reach questions that apply and that no rating reaches.

    `missed_knock_outs` and `other_blockers` are the blockers; `blocked` says whether there are any. A missed
    knock-out rules a fit out. A missed `mixed` question, and any that is marked not applicable, prevents a
    fit for now.
    """

    def __init__(self, unreached: Sequence[QuestionState]) -> None:
        """Sort must-reach questions that no rating reaches by their state."""
        self.unreached = unreached
        self.open = [s for s in unreached if s.state == "open"]
        self.open_knock_outs = [s for s in self.open if s.asked.is_knock_out]
        self.missed = [s for s in unreached if s.misses]
        self.missed_knock_outs = [s for s in self.missed if s.asked.is_knock_out]
        self.other_blockers = [
            s for s in unreached if s.state != "open" and not (s.misses and s.asked.is_knock_out)
        ]
        self.blocked = bool(self.missed_knock_outs or self.other_blockers)

    def plus(self, other: "MustReach") -> "MustReach":
        """These questions and those of another part of the set."""
        return MustReach([*self.unreached, *other.unreached])

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

    @cached_property
    def blockers(self) -> list[Blocker]:
        """The lines of the blockers, missed knock-outs first."""
        return [s.blocker for s in (*self.missed_knock_outs, *self.other_blockers) if s.blocker]

    @cached_property
    def gaps(self) -> list[Reason]:
        """The gaps of the missed questions, those that cost the most points first."""
        return most_first([s.gap for s in self.missed if s.gap])

    @cached_property
    def open_keys(self) -> list[str]:
        """The keys of the open questions, those answered unknown last."""
        return [s.asked.key for s in unknown_last(self.open)]

    @cached_property
    def open_terms(self) -> dict[int, tuple[MustReachTerms, ...]]:
        """The terms of the open questions, by the index of their unit."""
        units = {s.asked.in_unit for s in self.open}
        terms = [(s.asked.in_unit, s.asked.must_reach) for s in self.open]
        return {unit: tuple(one for place, one in terms if place == unit and one) for unit in units}

    @cached_property
    def in_words(self) -> str:
        """The other blockers: "budget is rated below 3, and timeline is marked not applicable"."""
        named: dict[str, list[str]] = {}
        for s in sorted(self.other_blockers, key=lambda s: s.state != "rated"):
            how = f"rated below {s.question.must_reach}" if s.state == "rated" else "marked not applicable"
            names = named.setdefault(how, [])
            if s.asked.label not in names:
                names.append(s.asked.label)
        return joined([f"{listed(names)} {is_or_are(names)} {how}" for how, names in named.items()])
