"""Record reminders: a day to revisit has come, or an answer goes stale soon."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import ColumnElement, bindparam
from sqlmodel import col, select

from app.db import Transaction
from app.events.service import record_events
from app.sessions.queries import ANSWER_TABLE, SELECT_SESSIONS, any_stale, load_sessions
from app.sessions.scores import judge_session, next_expiry
from app.sessions.session_edit import (
    MAX_SESSIONS_PER_RESCORE,
    SESSION_TABLE,
    SessionEdit,
    UnitOfWork,
    begin_edit,
    event_subject,
    rescore_stale,
    write_rows,
)
from app.sessions.tables import Session

MARK_REVISIT_RECORDED = (
    SESSION_TABLE.update()
    .where(SESSION_TABLE.c.id == bindparam("of_session"))
    .values(revisit_pending_on=None)
)
MARK_ANNOUNCED = (
    ANSWER_TABLE.update()
    .where(ANSWER_TABLE.c.session_id == bindparam("of_session"))
    .where(ANSWER_TABLE.c.question == bindparam("to_question"))
    .values(expiry_announced=True)
)


def any_due(tx: Transaction, notice: timedelta) -> bool:
    """Whether a score is stale or a reminder is due. `notice` is the time before an answer goes stale."""
    reminders = (_revisit_is_due(tx), _expires_soon(tx, notice))
    return any_stale(tx) or any(
        tx.db.exec(select(Session.id).where(condition).limit(1)).first() for condition in reminders
    )


def record_due(uow: UnitOfWork, notice: timedelta) -> None:
    """Score stale sessions again and record reminders, for at most `MAX_SESSIONS_PER_RESCORE` of each.

    Sessions that another transaction has locked are skipped: several processes can do this at once, and each
    reminder is recorded once.
    """
    rescore_stale(uow, None)
    for session in _locked(uow.tx, _revisit_is_due(uow.tx)):
        data = {"revisit_on": session.revisit_on.isoformat()}
        record_events(uow.tx, event_subject(session, **data), ["revisit.due"])
        uow.tx.sql.execute(MARK_REVISIT_RECORDED, {"of_session": session.id})
    for session in _locked(uow.tx, _expires_soon(uow.tx, notice)):
        _announce_expiries(begin_edit(uow, session), notice)


def _announce_expiries(edit: SessionEdit, notice: timedelta) -> None:
    """Record `answer.stale_soon` for each answer that goes stale within `notice` and has no such event."""
    session, tx = edit.session, edit.uow.tx
    judged = judge_session(edit.plan, session, edit.answers, tx.at)
    expiries = sorted((at, question) for question, at in judged.expiries.items() if at <= tx.at + notice)
    for at, question in expiries:
        answer = edit.answers[question]
        if not answer.expiry_announced:
            data = {"question": question, "stale_at": at.isoformat()}
            record_events(tx, event_subject(session, **data), ["answer.stale_soon"])
            edit.answers[question] = answer._replace(expiry_announced=True)
    announced = [{"of_session": session.id, "to_question": question} for _, question in expiries]
    if announced:
        tx.sql.execute(MARK_ANNOUNCED, announced)
    session.next_expiry_at = next_expiry(judged, edit.answers)
    write_rows(edit)


def _revisit_is_due(tx: Transaction) -> ColumnElement[bool]:
    return col(Session.revisit_pending_on) <= tx.at.date()


def _expires_soon(tx: Transaction, notice: timedelta) -> ColumnElement[bool]:
    return col(Session.next_expiry_at) <= tx.at + notice


def _locked(tx: Transaction, condition: ColumnElement[bool]) -> Sequence[Session]:
    statement = SELECT_SESSIONS.where(condition).order_by(col(Session.id)).limit(MAX_SESSIONS_PER_RESCORE)
    return load_sessions(tx, statement.with_for_update(skip_locked=True))
