"""Find sessions, their answers, decisions and outcomes."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import and_, bindparam, col, false, func, or_, select

from app.db import Transaction
from app.problems import missing
from app.question_sets.plans import Plans
from app.scoring import Plan
from app.sessions.schemas import SessionFilter, Sort
from app.sessions.tables import Decision, Outcome, Session, StoredAnswer

# The key of a question set, and the number of one of its versions, or None for any version.
SetFilter = tuple[str, int | None]
# `lowest` is never below 0, so -1 sorts nulls last in every database without NULLS LAST.
RANKED_ORDER = (col(Session.rank), -func.coalesce(Session.lowest, -1.0), col(Session.id))
NEWEST_ORDER = (col(Session.id).desc(),)
# A constant, because building the statement takes longer than running it.
SELECT_ANSWERS = select(StoredAnswer).where(
    col(StoredAnswer.session_id).in_(bindparam("sessions", expanding=True))
)


def decisions_of(tx: Transaction, session_id: UUID) -> list[Decision]:
    """Return the decisions on a session, oldest first."""
    statement = select(Decision).where(Decision.session_id == session_id).order_by(col(Decision.revision))
    return list(tx.db.exec(statement))


def latest_outcome(tx: Transaction, session_id: UUID) -> Outcome | None:
    """Return the last outcome of a session, which is the one that counts."""
    statement = select(Outcome).where(Outcome.session_id == session_id)
    return tx.db.exec(statement.order_by(col(Outcome.revision).desc()).limit(1)).first()


def list_sessions(
    tx: Transaction,
    filters: SessionFilter,
    question_set: SetFilter | None,
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Sequence[Session]:
    """Return at most `limit` sessions that match the filters, in the order of `filters.sort`.

    `after` is the `position_of` the last session of the page before. Raises `StaleScores`.
    """
    require_all_fresh(tx)
    order = RANKED_ORDER if filters.sort == "ranked" else NEWEST_ORDER
    statement = select(Session).order_by(*order).limit(limit)
    for name in ("prospect_id", "deal", "assessor", "status", "indication", "leaning", "decision", "outcome"):
        value = getattr(filters, name)
        if value is not None:
            statement = statement.where(getattr(Session, name) == value)
    if question_set is not None:
        statement = statement.where(*question_set_clauses(question_set))
    if after is not None:
        follows = _follows(after) if filters.sort == "ranked" else col(Session.id) < after[0]
        statement = statement.where(follows)
    return tx.db.exec(statement).all()


def position_of(session: Session, sort: Sort) -> tuple[Any, ...]:
    """Return the position of a session in a sorted list, from which the next page starts.

    It has the values of the order's columns, of the types in `SESSION_POSITIONS`.
    """
    if sort == "newest":
        return (str(session.id),)
    return session.rank, 1.0 if session.lowest is None else -session.lowest, str(session.id)


def question_set_clauses(question_set: SetFilter) -> Iterator[Any]:
    """Yield the conditions for sessions on a question set, or on one of its versions."""
    key, version = question_set
    yield Session.question_set == key
    if version is not None:
        yield Session.version == version


def _follows(after: tuple[Any, ...]) -> Any:
    """Return the condition that a session follows a position in the ranked order, column by column."""
    follows: Any = false()
    for index in range(len(RANKED_ORDER)):
        same = [column == value for column, value in zip(RANKED_ORDER[:index], after, strict=False)]
        follows = or_(follows, and_(*same, RANKED_ORDER[index] > after[index]))
    return follows


def find_session(tx: Transaction, session_id: UUID, *, lock: bool = False) -> Session:
    """Return a session, locked for a change if `lock` is set. Raises NOT_FOUND."""
    statement = select(Session).where(Session.id == session_id)
    session = tx.db.exec(statement.with_for_update() if lock else statement).one_or_none()
    if session is None:
        raise missing("session with that id")
    return session


def has_stale_answers(session: Session, at: datetime) -> bool:
    """Whether an answer has gone stale since the session was scored. A closed session keeps its score."""
    return session.status == "open" and session.valid_until is not None and session.valid_until <= at


def answers_of(tx: Transaction, session_id: UUID) -> dict[str, StoredAnswer]:
    """Return the current answers of a session, by question."""
    return answers_of_many(tx, [session_id])[session_id]


def answers_of_many(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, dict[str, StoredAnswer]]:
    """Return the current answers of each session, by question."""
    answers: dict[UUID, dict[str, StoredAnswer]] = {session_id: {} for session_id in session_ids}
    for answer in tx.db.exec(SELECT_ANSWERS, params={"sessions": session_ids}):
        answers[answer.session_id][answer.question] = answer
    return answers


def plan_of(tx: Transaction, plans: Plans, session: Session) -> Plan:
    """Return the plan that a session is scored with."""
    return plans.find(tx, f"{session.question_set}@{session.version}")


class StaleScores(Exception):
    """A read would show stale scores: those of `sessions`, or of any session if it is None."""

    def __init__(self, sessions: list[UUID] | None) -> None:
        super().__init__("scores are stale")
        self.sessions = sessions


def require_fresh(tx: Transaction, sessions: Iterable[Session]) -> None:
    """Raise `StaleScores` if one of these sessions has a stale score."""
    stale = [session.id for session in sessions if has_stale_answers(session, tx.at)]
    if stale:
        raise StaleScores(stale)


def require_all_fresh(tx: Transaction) -> None:
    """Raise `StaleScores` if any session has a stale score, because a list would filter on old figures."""
    if any_stale(tx):
        raise StaleScores(None)


def any_stale(tx: Transaction) -> bool:
    """Whether any session has a stale score."""
    return tx.db.exec(select(Session.id).where(*stale_clauses(tx.at)).limit(1)).first() is not None


def stale_clauses(at: datetime) -> tuple[Any, Any]:
    """Return the conditions for sessions with a stale score, as `has_stale_answers` defines it."""
    return Session.status == "open", col(Session.valid_until) <= at
