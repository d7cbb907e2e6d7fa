"""Carry answers over into a new session, and move sessions to a newer version of their question set."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, func, select, tuple_

from app.db import Transaction
from app.problems import Problem, invalid, invalid_field
from app.prospects.tables import Prospect
from app.question_sets.plans import shared_questions
from app.scoring import Flawed, Plan
from app.sessions.answers import add_answers
from app.sessions.queries import SELECT_SESSIONS, answers_of, load_sessions
from app.sessions.session_edit import SessionEdit, UnitOfWork, begin_edit, refresh_attributes, save
from app.sessions.tables import Session, SessionAnswer, StoredAnswer


def carry_over(edit: SessionEdit) -> None:
    """Start a new session with the answers of its prospect's last session. The answers keep their age.

    The last session is the newest one of the same assessor with answers on a related question set: the same
    set, a set that it was made from, a set that was made from it, or a set that was made from a common one.
    Only answers to questions with the same meaning in both sets are carried over.
    """
    shared = {name: questions for name in _answered_sets(edit) if (questions := _shared(edit, name))}
    last = _last_session(edit, shared)
    if last is None:
        return
    questions = shared[f"{last.question_set}@{last.version}"]
    carried = [
        answer._replace(
            session_id=edit.session.id,
            carried_from=answer.carried_from or last.id,
            revision=edit.next_revision,
            expiry_announced=False,
        )
        for question, answer in answers_of(edit.uow.tx, last.id).items()
        if answer.state != "open" and question in questions
    ]
    if carried:
        add_answers(edit, carried)
        edit.changed["carried_from"] = str(last.id)


def _answered_sets(edit: SessionEdit) -> list[str]:
    """Return the names of the versions that the assessor's other sessions on the prospect have answers on."""
    statement = (
        select(Session.question_set, Session.version).where(*_is_other_answered_session(edit)).distinct()
    )
    return [f"{key}@{version}" for key, version in edit.uow.tx.db.exec(statement)]


def _is_other_answered_session(edit: SessionEdit) -> tuple[Any, ...]:
    of_session = col(SessionAnswer.session_id) == col(Session.id)
    return (
        Session.prospect_id == edit.session.prospect_id,
        Session.assessor == edit.session.assessor,
        Session.id != edit.session.id,
        select(SessionAnswer).where(of_session, SessionAnswer.state != "open").exists(),
    )


def _shared(edit: SessionEdit, name: str) -> set[str]:
    """Return the questions with the same meaning in the plan of the session and in another version."""
    tx, plans = edit.uow.tx, edit.uow.plans
    return shared_questions(tx, plans, edit.plan, plans.find(tx, name))


def move(edit: SessionEdit, plan: Plan) -> list[StoredAnswer]:
    """Move an open session to a newer version of its question set.

    Returns the dropped answers: those to questions that the newer version does not have. Raises
    INVALID_REQUEST for another question set or an older version, and SESSION_IS_CLOSED.
    """
    edit.require_open()
    session = edit.session
    if plan.question_set.key != session.question_set:
        detail = f"a session cannot move to another question set: send a version of {session.question_set}"
        raise invalid_field("/question_set", "other_set", detail)
    if plan.version < session.version:
        detail = f"a session cannot move to an older version: send a version after {session.version}"
        raise invalid_field("/question_set", "older", detail)
    if plan.version == session.version:
        return []
    dropped = [answer for question, answer in edit.answers.items() if question not in plan.questions]
    _drop(edit, dropped)
    edit.plan, session.version, session.subject = plan, plan.version, plan.question_set.subject
    prospect = edit.uow.tx.db.get_one(Prospect, session.prospect_id)
    refresh_attributes(edit, prospect)
    edit.changed["question_set"] = plan.name
    edit.changed["dropped"] = [answer.question for answer in dropped]
    return dropped


@dataclass(frozen=True, slots=True)
class MovedSessions:
    """How many sessions were moved, how many answers they lost, and which could not be moved.

    `last` is the last session that was tried, or None if there are no more.
    """

    moved: int
    dropped: int
    failures: list[tuple[UUID, Problem]]
    last: UUID | None


def count_older(tx: Transaction, plan: Plan) -> int:
    """Return the number of open sessions on older versions of a plan's question set."""
    return tx.db.exec(select(func.count()).select_from(Session).where(*_is_open_and_older(plan))).one()


def move_older(uow: UnitOfWork, plan: Plan, after: UUID | None, limit: int) -> MovedSessions:
    """Move open sessions on older versions of a plan's question set to the plan.

    It tries the first `limit` sessions after the id `after`. One that cannot be moved does not affect the
    others.
    """
    statement = SELECT_SESSIONS.where(*_is_open_and_older(plan)).order_by(col(Session.id)).limit(limit)
    if after:
        statement = statement.where(col(Session.id) > after)
    found = load_sessions(uow.tx, statement.with_for_update())
    dropped, failures = 0, []
    for session in found:
        try:
            with uow.tx.savepoint():
                dropped += _move_one(uow, session, plan)
        except Problem as problem:
            failures.append((session.id, problem))
        except Flawed as error:
            failures.append((session.id, invalid(error.flaws)))
    last = found[-1].id if len(found) == limit else None
    return MovedSessions(len(found) - len(failures), dropped, failures, last)


def _is_open_and_older(plan: Plan) -> tuple[Any, ...]:
    key, version = plan.question_set.key, plan.version
    return Session.question_set == key, col(Session.version) < version, Session.status == "open"


def _move_one(uow: UnitOfWork, session: Session, plan: Plan) -> int:
    """Move one locked session, and return the number of answers that it lost."""
    edit = begin_edit(uow, session)
    dropped = move(edit, plan)
    save(edit, "moved")
    return len(dropped)


def _drop(edit: SessionEdit, dropped: list[StoredAnswer]) -> None:
    questions = [answer.question for answer in dropped]
    of_session = col(SessionAnswer.session_id) == edit.session.id
    edit.uow.tx.db.exec(delete(SessionAnswer).where(of_session, col(SessionAnswer.question).in_(questions)))
    for question in questions:
        del edit.answers[question]


def _last_session(edit: SessionEdit, names: Collection[str]) -> Session | None:
    """Return the newest other session with answers on one of these versions."""
    if not names:
        return None
    versions = [edit.uow.plans.parse_name(name) for name in names]
    return edit.uow.tx.db.exec(
        select(Session)
        .where(
            *_is_other_answered_session(edit),
            tuple_(col(Session.question_set), col(Session.version)).in_(versions),
        )
        .order_by(col(Session.id).desc())
        .limit(1)
    ).first()
