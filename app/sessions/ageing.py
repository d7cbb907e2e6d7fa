"""Sessions whose figures have aged: they still count answers that have gone stale since."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import col, select

from app.db import Transaction
from app.sessions.case import Work, has_aged, take_up
from app.sessions.tables import Session

MOST_AT_ONCE = 200


class ScoresHaveAged(Exception):
    """What was to be read shows scores that have aged: those of `sessions`, or of any if None."""

    def __init__(self, sessions: list[UUID] | None) -> None:
        super().__init__("scores have aged")
        self.sessions = sessions


def require_fresh(tx: Transaction, sessions: Iterable[Session]) -> None:
    """Raises `ScoresHaveAged` unless every one of these sessions shows the score of today."""
    aged = [session.id for session in sessions if has_aged(session, tx.at)]
    if aged:
        raise ScoresHaveAged(aged)


def require_all_fresh(tx: Transaction) -> None:
    """Raises `ScoresHaveAged` if any session has aged: a list would filter on what is no longer so."""
    if any_has_aged(tx):
        raise ScoresHaveAged(None)


def any_has_aged(tx: Transaction) -> bool:
    """Whether the score of any session has aged."""
    return tx.db.exec(select(Session.id).where(*_aged(tx.at)).limit(1)).first() is not None


def refresh(work: Work, sessions: list[UUID] | None) -> int:
    """Score aged sessions again, but for those that somebody else is at work on; how many, at most 200."""
    wanted = select(Session).where(*_aged(work.tx.at)).order_by(col(Session.id)).limit(MOST_AT_ONCE)
    if sessions is not None:
        wanted = wanted.where(col(Session.id).in_(sessions))
    # Waiting for the others while holding these could be a deadlock; they refresh theirs themselves.
    found = work.tx.db.exec(wanted.with_for_update(skip_locked=True)).all()
    for session in found:
        take_up(work, session)
    return len(found)


def _aged(at: datetime) -> tuple[Any, Any]:
    return Session.status == "open", col(Session.valid_until) <= at
