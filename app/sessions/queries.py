"""Find sessions, their answers, decisions and outcomes."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import eq, ge, lt
from typing import Any, cast, get_args
from uuid import UUID

from sqlalchemy import Integer, String, literal_column, type_coerce
from sqlalchemy import select as select_columns
from sqlmodel import SQLModel, and_, bindparam, col, func, select, tuple_

from app.db import Transaction, untracked
from app.narrowing import first_with_few, without_index
from app.problems import missing
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.scoring import Answer, Plan, VerdictRecord
from app.sessions.requests import SessionIdentity
from app.sessions.schemas import SessionFilter, Sort
from app.sessions.tables import (
    RANKS,
    Decision,
    Outcome,
    Session,
    SessionRevision,
    Status,
    StoredAnswer,
)

# The key of a question set, and the number of one of its versions, or None for any version.
SetFilter = tuple[str, int | None]
# The columns that each order sorts by, and whether it is descending.
ORDERS: Mapping[Sort, tuple[tuple[Any, ...], bool]] = {
    "newest": ((col(Session.id),), True),
    "ranked": ((col(Session.rank), col(Session.descending_lowest), col(Session.id)), False),
    "revisit_on": ((col(Session.revisit_on), col(Session.id)), False),
    "updated_at": ((col(Session.updated_at), col(Session.id)), True),
    "name": ((col(Prospect.searchable), col(Prospect.id), col(Session.id)), False),
}
IDS_PER_FETCH = 1000
# The filters on one column: how it compares with the value, and the orders of the sessions in its index.
FILTERS: Mapping[str, tuple[Any, Callable[[Any, Any], Any], Collection[Sort]]] = {
    "prospect_id": (col(Session.prospect_id), eq, {"newest"}),
    "deal": (col(Session.deal), eq, {"newest"}),
    "assessor": (col(Session.assessor), eq, {"newest"}),
    "actor": (col(Session.answered_by), eq, {"newest"}),
    "outcome": (col(Session.outcome), eq, {"newest"}),
    "decision": (col(Session.decision), eq, {"newest"}),
    "status": (col(Session.status), eq, {"newest"}),
    "leaning": (col(Session.leaning), eq, {"ranked"}),
    "has_blocker": (col(Session.has_blocker), eq, {"ranked"}),
    "revisit_before": (col(Session.revisit_on), lt, {"revisit_on"}),
    "changed_since": (col(Session.updated_at), ge, {"updated_at"}),
    "indication_changed_since": (col(Session.indication_changed_at), ge, ()),
}
# The values that the index of a column leaves out. A query uses it only if it contains its condition.
LEFT_OUT = {"deal": "''", "assessor": "''", "subject": "'prospect'"}
OF_PROSPECT = col(Prospect.id) == col(Session.prospect_id)
SELECT_OUTCOMES = (
    select(Outcome)
    .where(col(Outcome.session_id).in_(bindparam("sessions", expanding=True)))
    .order_by(col(Outcome.revision))
)
ANSWER_TABLE = SQLModel.metadata.tables["answer"]
# The question, and then the fields of `Answer` in their order. The id is selected as the driver returns it:
# creating a UUID for every answer took a fifth of the time.
SELECT_ANSWERS_TO_JUDGE = select_columns(
    type_coerce(ANSWER_TABLE.c.session_id, String()),
    *(ANSWER_TABLE.c[name] for name in ("question", "state", "rating", "answered_at", "evidence")),
).where(ANSWER_TABLE.c.session_id.in_(bindparam("sessions", expanding=True)))
# A constant, because building the statement takes longer than running it.
SELECT_ANSWERS = select_columns(*(ANSWER_TABLE.c[name] for name in StoredAnswer._fields))
# Without the id, which is known: to create a UUID for every answer takes as long as to read the answers.
SELECT_ANSWERS_OF_ONE = select_columns(*(ANSWER_TABLE.c[name] for name in StoredAnswer._fields[1:])).where(
    ANSWER_TABLE.c.session_id == bindparam("session")
)
SELECT_ANSWERS_OF_MANY = SELECT_ANSWERS.where(
    ANSWER_TABLE.c.session_id.in_(bindparam("sessions", expanding=True))
)
# With all columns, as `untracked` expects.
SELECT_SESSIONS: Any = select_columns(*SQLModel.metadata.tables["session"].c)
SELECT_SESSION = SELECT_SESSIONS.where(Session.id == bindparam("id"))
SELECT_SESSION_FOR_UPDATE = SELECT_SESSION.with_for_update()
# The statuses are literals, because conditions of indexes name them: SQLite would prepare a statement again
# for each value of such a parameter, which takes ten times as long as the read.
OF_STATUS: Mapping[Status, Any] = {
    status: col(Session.status) == literal_column(f"'{status}'") for status in get_args(Status)
}
OF_PROSPECT_ID = col(Session.prospect_id) == bindparam("prospect")
SELECT_OPEN = (
    SELECT_SESSIONS.where(OF_PROSPECT_ID, OF_STATUS["open"]).order_by(col(Session.id)).with_for_update()
)
SELECT_NEWEST: Mapping[Status, Any] = {
    status: SELECT_SESSIONS.where(
        OF_PROSPECT_ID,
        Session.deal == bindparam("deal"),
        Session.assessor == bindparam("assessor"),
        Session.question_set == bindparam("key"),
        of_status,
    )
    .order_by(col(Session.id).desc())
    .limit(bindparam("limit", type_=Integer))
    .with_for_update()
    for status, of_status in OF_STATUS.items()
}


def newest_session(
    tx: Transaction, prospect: Prospect, identity: SessionIdentity, key: str, status: Status
) -> Session | None:
    """Return the newest session with this status for a prospect, an identity and a question set, locked."""
    return next(iter(newest_sessions(tx, prospect, identity, key, status, 1)), None)


def newest_sessions(
    tx: Transaction, prospect: Prospect, identity: SessionIdentity, key: str, status: Status, limit: int
) -> Sequence[Session]:
    """Return the newest sessions with this status for a prospect, an identity and a question set, locked."""
    parameters = {
        "prospect": prospect.id,
        "deal": identity.deal,
        "assessor": identity.assessor,
        "key": key,
        "limit": limit,
    }
    return untracked(Session, tx.run(SELECT_NEWEST[status], parameters))


def open_sessions(tx: Transaction, prospect: Prospect) -> Sequence[Session]:
    """Return the open sessions of a prospect, locked in the order of their ids."""
    return untracked(Session, tx.run(SELECT_OPEN, {"prospect": prospect.id}))


def decisions_of(tx: Transaction, session_id: UUID) -> list[Decision]:
    """Return the decisions on a session, oldest first."""
    statement = select(Decision).where(Decision.session_id == session_id).order_by(col(Decision.revision))
    return list(tx.db.exec(statement))


def latest_decisions(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, Decision]:
    """Return the last decision on each session that has one."""
    statement = select(Decision).where(col(Decision.session_id).in_(session_ids))
    decisions = tx.db.exec(statement.order_by(col(Decision.revision)))
    return {decision.session_id: decision for decision in decisions}


def latest_outcome(tx: Transaction, session_id: UUID) -> Outcome | None:
    """Return the last outcome of a session, which is the one that counts."""
    return latest_outcomes(tx, [session_id]).get(session_id)


def latest_outcomes(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, Outcome]:
    """Return the last outcome of each session that has one."""
    outcomes = tx.db.exec(SELECT_OUTCOMES, params={"sessions": session_ids})
    return {outcome.session_id: outcome for outcome in outcomes}


def verdicts_before(
    tx: Transaction, session_ids: Sequence[UUID], time: datetime
) -> dict[UUID, VerdictRecord]:
    """Return the stored verdict of each session as it was before a time, of those that existed then."""
    last = (
        select(SessionRevision.session_id, func.max(SessionRevision.revision).label("revision"))
        .where(col(SessionRevision.session_id).in_(session_ids), col(SessionRevision.at) < time)
        .group_by(col(SessionRevision.session_id))
        .subquery()
    )
    is_last = and_(
        col(SessionRevision.session_id) == last.c.session_id,
        col(SessionRevision.revision) == last.c.revision,
    )
    found = tx.db.exec(select(SessionRevision.session_id, SessionRevision.verdict).join(last, is_last))
    return {session_id: cast("VerdictRecord", verdict) for session_id, verdict in found}


@dataclass(frozen=True, slots=True)
class ListedSession:
    """A session in a list, with the name of its prospect, as it is shown and as it is sorted."""

    session: Session
    name: str | None
    searchable: str

    def position(self, sort: Sort) -> tuple[Any, ...]:
        """Return the position in a sorted list, from which the next page starts.

        It has the values of the columns in `ORDERS`, of the types in `SESSION_POSITIONS`.
        """
        session = self.session
        positions: dict[Sort, tuple[Any, ...]] = {
            "newest": (),
            "ranked": (session.rank, session.descending_lowest),
            "revisit_on": (session.revisit_on,),
            "updated_at": (session.updated_at,),
            "name": (self.searchable, session.prospect_id),
        }
        return *positions[sort], session.id


def list_sessions(
    tx: Transaction,
    filters: SessionFilter,
    question_set: SetFilter | None,
    *,
    after: tuple[Any, ...] | None,
    limit: int,
) -> list[ListedSession]:
    """Return at most `limit` sessions that match the filters, in the order of `filters.sort`.

    `after` is the `position` of the last session of the page before. Raises `StaleScores`.
    """
    require_all_fresh(tx)
    statement = select(Session, Prospect.name, Prospect.searchable)
    statement = _listed(tx, statement, filters, question_set, after).limit(limit)
    return [ListedSession(*row) for row in tx.db.exec(statement)]


def list_session_ids(
    tx: Transaction, filters: SessionFilter, question_set: SetFilter | None
) -> Iterator[UUID]:
    """Yield the ids of all sessions that match the filters, in their order. Raises `StaleScores`."""
    require_all_fresh(tx)
    statement = _listed(tx, select(Session.id), filters, question_set, None)
    yield from tx.db.exec(statement.execution_options(yield_per=IDS_PER_FETCH))


def _listed(
    tx: Transaction,
    statement: Any,
    filters: SessionFilter,
    question_set: SetFilter | None,
    after: tuple[Any, ...] | None,
) -> Any:
    """Return the statement for sessions that match the filters, with their prospects, in their order.

    If a filter matches only a few sessions, these are read and sorted. Otherwise the index of the order is
    read, or that of a filter in the same order.
    """
    columns, is_descending = ORDERS[filters.sort]
    conditions = list(_conditions(filters, question_set))
    of_prospect = OF_PROSPECT
    few = first_with_few(tx, [one.ids() for one in conditions if one.has_index])
    if few is not None:
        columns = tuple(map(without_index, columns))
        clauses = [col(Session.id).in_(few), *(one.clause(by_index=False) for one in conditions)]
    else:
        clauses = [one.clause(by_index=filters.sort in one.orders) for one in conditions]
        if filters.sort == "name":
            of_prospect = without_index(Prospect.id) == col(Session.prospect_id)
    if after is not None:
        position = tuple_(*columns)
        clauses.append(position < after if is_descending else position > after)
        if filters.sort == "name":
            # PostgreSQL begins to read the index of the names here.
            clauses.append(tuple_(*columns[:2]) >= after[:2])
    return (
        statement.join(Prospect, of_prospect)
        .where(*clauses)
        .order_by(*(column.desc() if is_descending else column for column in columns))
    )


@dataclass(frozen=True, slots=True)
class _Condition:
    """The condition of a filter: how columns compare with values, and the orders of their index."""

    columns: tuple[Any, ...]
    compare: Callable[[Any, Any], Any]
    values: tuple[Any, ...]
    orders: Collection[Sort] = frozenset({"newest"})
    has_index: bool = True

    def clause(self, *, by_index: bool) -> Any:
        """Return the SQL condition. Without `by_index`, it does not choose the index that SQLite reads."""
        columns = self.columns if by_index else tuple(map(without_index, self.columns))
        clauses = list(map(self.compare, columns, self.values))
        left_out = LEFT_OUT.get(self.columns[0].key)
        if by_index and self.has_index and left_out:
            clauses.append(self.columns[0] != literal_column(left_out))
        return and_(*clauses)

    def ids(self) -> Any:
        """Return the statement for the ids of the sessions that match, in the order of the index."""
        return select(Session.id).where(self.clause(by_index=True)).order_by(*self.columns)


def _conditions(filters: SessionFilter, question_set: SetFilter | None) -> Iterator[_Condition]:
    for name, (column, compare, orders) in FILTERS.items():
        value = getattr(filters, name)
        if value is not None:
            yield _Condition((column,), compare, (value,), orders)
    if filters.indication is not None:
        yield _Condition((col(Session.rank),), eq, (RANKS[filters.indication],), {"newest", "ranked"})
    if question_set is not None:
        columns = (col(Session.question_set), col(Session.version))
        given = tuple(value for value in question_set if value is not None)
        yield _Condition(columns[: len(given)], eq, given)
    if filters.subject is not None or question_set is None:
        subject = filters.subject or "prospect"
        yield _Condition((col(Session.subject),), eq, (subject,), has_index=subject != "prospect")


def filter_clauses(filters: SessionFilter, question_set: SetFilter | None) -> list[Any]:
    """Return the conditions for sessions of a prospect that match every filter."""
    return [
        one.clause(by_index=one.columns[0] is FILTERS["prospect_id"][0])
        for one in _conditions(filters, question_set)
    ]


def question_set_clauses(question_set: SetFilter) -> Iterator[Any]:
    """Yield the conditions for sessions on a question set, or on one of its versions."""
    key, version = question_set
    yield Session.question_set == key
    if version is not None:
        yield Session.version == version


def find_session(tx: Transaction, session_id: UUID, *, lock: bool = False) -> Session:
    """Return a session, locked for a change if `lock` is set. Raises NOT_FOUND."""
    statement = SELECT_SESSION_FOR_UPDATE if lock else SELECT_SESSION
    found = untracked(Session, tx.run(statement, {"id": session_id}))
    if not found:
        raise missing("session with that id")
    return found[0]


def load_sessions(tx: Transaction, statement: Any) -> list[Session]:
    """Return the sessions that a statement made from SELECT_SESSIONS finds, if it is not a constant."""
    return untracked(Session, map(tuple, tx.sql.execute(statement)))


def has_stale_answers(session: Session, at: datetime) -> bool:
    """Whether an answer has gone stale since the session was scored. A closed session keeps its score."""
    return session.status == "open" and session.valid_until is not None and session.valid_until <= at


def answers_of(tx: Transaction, session_id: UUID) -> dict[str, StoredAnswer]:
    """Return the current answers of a session, by question."""
    rows = tx.run(SELECT_ANSWERS_OF_ONE, {"session": session_id})
    return {question: StoredAnswer(session_id, question, *others) for question, *others in rows}


def answers_of_many(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, dict[str, StoredAnswer]]:
    """Return the current answers of each session, by question."""
    answers: dict[UUID, dict[str, StoredAnswer]] = {session_id: {} for session_id in session_ids}
    for answer in map(StoredAnswer._make, tx.sql.execute(SELECT_ANSWERS_OF_MANY, {"sessions": session_ids})):
        answers[answer.session_id][answer.question] = answer
    return answers


def plan_of(tx: Transaction, plans: Plans, session: Session) -> Plan:
    """Return the plan that a session is scored with."""
    return plans.find(tx, f"{session.question_set}@{session.version}")


def answers_to_judge(tx: Transaction, session_ids: Sequence[UUID]) -> dict[UUID, dict[str, Answer]]:
    """Return the current answers of each session as scoring takes them, by question.

    For many sessions, this takes a fraction of the time of `answers_of_many`.
    """
    answers: dict[UUID, dict[str, Answer]] = {session_id: {} for session_id in session_ids}
    # SQLite returns the id as a text of hexadecimal digits, and PostgreSQL as a UUID.
    by_raw_id: dict[object, dict[str, Answer]] = {}
    for session_id, found in answers.items():
        by_raw_id |= {session_id: found, session_id.hex: found}
    for raw_id, question, *fields in tx.sql.execute(SELECT_ANSWERS_TO_JUDGE, {"sessions": session_ids}).all():
        by_raw_id[raw_id][question] = Answer(*fields)
    return answers


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
    return OF_STATUS["open"], col(Session.valid_until) <= at
