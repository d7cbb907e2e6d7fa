"""Find sessions and what belongs to them."""

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

# A set's key, and the number of one of its versions or None for any.
SetFilter = tuple[str, int | None]
# Nulls sort last without a dialect's help: a lowest is never below 0.
RANKED_BY = (col(Session.rank), -func.coalesce(Session.lowest, -1.0), col(Session.id))
NEWEST_FIRST = (col(Session.id).desc(),)
# Built once, since building a statement takes longer than running it.
ANSWERS_OF = select(StoredAnswer).where(
    col(StoredAnswer.session_id).in_(bindparam("sessions", expanding=True))
)


def decisions_of(tx: Transaction, session_id: UUID) -> list[Decision]:
    """The decisions on a session, oldest first."""
    wanted = select(Decision).where(Decision.session_id == session_id).order_by(col(Decision.revision))
    return list(tx.db.exec(wanted))


def latest_outcome(tx: Transaction, session_id: UUID) -> Outcome | None:
    """The outcome that counts."""
    wanted = select(Outcome).where(Outcome.session_id == session_id)
    return tx.db.exec(wanted.order_by(col(Outcome.revision).desc()).limit(1)).first()


def list_sessions(
    tx: Transaction,
    wanted: SessionFilter,
    question_set: SetFilter | None,
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> Sequence[Session]:
    """At most `limit` sessions from the one after the position `after` on; raises `ScoresHaveAged`."""
    require_all_fresh(tx)
    order = RANKED_BY if wanted.sort == "ranked" else NEWEST_FIRST
    statement = select(Session).order_by(*order).limit(limit)
    for name in ("prospect_id", "deal", "status", "indication", "leaning", "decision", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            statement = statement.where(getattr(Session, name) == value)
    if question_set is not None:
        statement = statement.where(*on_question_set(question_set))
    if after is not None:
        beyond = _beyond(after) if wanted.sort == "ranked" else col(Session.id) < after[0]
        statement = statement.where(beyond)
    return tx.db.exec(statement).all()


def position_of(session: Session, sort: Sort) -> tuple[Any, ...]:
    """Where a session stands in a sorted list, for the page after it."""
    if sort == "newest":
        return (str(session.id),)
    return session.rank, 1.0 if session.lowest is None else -session.lowest, str(session.id)


def on_question_set(question_set: SetFilter) -> Iterator[Any]:
    key, version = question_set
    yield Session.question_set == key
    if version is not None:
        yield Session.version == version


def _beyond(after: tuple[Any, ...]) -> Any:
    """Greater than a position, column by column."""
    beyond: Any = false()
    for index in range(len(RANKED_BY)):
        same = [column == value for column, value in zip(RANKED_BY[:index], after, strict=False)]
        beyond = or_(beyond, and_(*same, RANKED_BY[index] > after[index]))
    return beyond


def find_session(tx: Transaction, session_id: UUID, *, lock: bool = False) -> Session:
    """The session of that id, locked for a change if asked; raises NOT_FOUND."""
    wanted = select(Session).where(Session.id == session_id)
    session = tx.db.exec(wanted.with_for_update() if lock else wanted).one_or_none()
    if session is None:
        raise missing("session of that id")
    return session


def has_stale_answers(session: Session, at: datetime) -> bool:
    """Whether an answer has gone stale since the session was scored; a closed one keeps its score."""
    return session.status == "open" and session.valid_until is not None and session.valid_until <= at


def answers_of(tx: Transaction, session_id: UUID) -> dict[str, StoredAnswer]:
    """The current answers of a session, by question."""
    return answers_of_many(tx, [session_id])[session_id]


def answers_of_many(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, dict[str, StoredAnswer]]:
    """The current answers of each session, by question."""
    answers: dict[UUID, dict[str, StoredAnswer]] = {session_id: {} for session_id in session_ids}
    for answer in tx.db.exec(ANSWERS_OF, params={"sessions": session_ids}):
        answers[answer.session_id][answer.question] = answer
    return answers


def plan_of(tx: Transaction, plans: Plans, session: Session) -> Plan:
    """The plan that a session is scored with."""
    return plans.find(tx, f"{session.question_set}@{session.version}")


class StaleScores(Exception):
    """What was to be read shows scores that have aged: those of `sessions`, or of any if None."""

    def __init__(self, sessions: list[UUID] | None) -> None:
        super().__init__("scores have aged")
        self.sessions = sessions


def require_fresh(tx: Transaction, sessions: Iterable[Session]) -> None:
    """Raises `ScoresHaveAged` unless every one of these sessions shows the score of today."""
    aged = [session.id for session in sessions if has_stale_answers(session, tx.at)]
    if aged:
        raise StaleScores(aged)


def require_all_fresh(tx: Transaction) -> None:
    """Raises `ScoresHaveAged` if any session has aged: a list would filter on what is no longer so."""
    if any_stale(tx):
        raise StaleScores(None)


def any_stale(tx: Transaction) -> bool:
    """Whether the score of any session has aged."""
    return tx.db.exec(select(Session.id).where(*is_stale_clause(tx.at)).limit(1)).first() is not None


def is_stale_clause(at: datetime) -> tuple[Any, Any]:
    return Session.status == "open", col(Session.valid_until) <= at
