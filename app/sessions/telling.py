"""What one step of a session tells the change feed."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from app.db import Transaction
from app.events.tables import EventType
from app.events.tell import About, tell
from app.scoring import Figures
from app.sessions.tables import Session

# The figures that lists and events show; when one of them changes, the score has changed.
FIGURES = tuple(Figures.__annotations__)

# What is told of each thing that a step can set, in this order.
TOLD_OF: Mapping[str, EventType] = {
    "answers": "session.answered",
    "question_set": "session.moved",
    "decision": "decision.recorded",
    "outcome": "outcome.recorded",
}


@dataclass(frozen=True, slots=True)
class Step:
    """What a revision did: the session's figures before, None where it is new, and what was set."""

    before: Mapping[str, Any] | None
    changed: Collection[str]


def figures_of(session: Session) -> dict[str, Any]:
    """The figures of a session as they are now."""
    return {figure: getattr(session, figure) for figure in FIGURES}


def tell_step(tx: Transaction, session: Session, step: Step) -> None:
    """Tell of a step that is stored."""
    now = figures_of(session)
    data = {"decision": session.decision, "outcome": session.outcome}
    about = About(
        prospect_id=session.prospect_id,
        session_id=session.id,
        question_set=f"{session.question_set}@{session.version}",
        revision=session.revision,
        data={name: word for name, word in data.items() if word is not None},
    )
    tell(tx, about, _types(step, now))


def _types(step: Step, now: Mapping[str, Any]) -> Iterator[EventType]:
    if step.before is None:
        yield "session.opened"
    yield from (told for what, told in TOLD_OF.items() if what in step.changed)
    if step.before != now:
        yield "score.changed"
    before = _settled_as(step.before or {})
    after = _settled_as(now)
    if after not in (None, before):
        yield "indication.settled"
    if before and not after:
        yield "indication.reopened"


def _settled_as(figures: Mapping[str, Any]) -> str | None:
    """The indication that no open question can change any more; None while one can."""
    return figures["indication"] if figures.get("settled") else None
