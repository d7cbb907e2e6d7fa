"""Change a session: load and lock it with its plan and answers, and save it as the next revision."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam
from sqlmodel import SQLModel, col

from app.clock import new_id
from app.db import Transaction, insert_or_replace, new_untracked
from app.events.service import EventSubject, record_events
from app.events.tables import EventType
from app.problems import SESSION_IS_CLOSED, Problem
from app.prospects import service as prospects
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.scoring import Flaw, Flawed, Judged, Plan, read_stored, verdict_record
from app.sessions.queries import (
    ANSWER_TABLE,
    SELECT_SESSIONS,
    answers_of,
    find_session,
    has_stale_answers,
    load_sessions,
    plan_of,
    stale_clauses,
)
from app.sessions.requests import SessionIdentity
from app.sessions.scores import SESSION_FIGURES, judge_session, stored_figures
from app.sessions.tables import Change, Session, StoredAnswer

# The key name of a revision that no caller requested: answers went stale.
SYSTEM_KEY_NAME = "prospect-fit"
# Constants, because building a statement takes longer than running it.
SESSION_TABLE = SQLModel.metadata.tables["session"]
SESSION_COLUMNS = tuple(column.name for column in SESSION_TABLE.c)
INSERT_SESSION = SESSION_TABLE.insert()
UPDATE_SESSION = SESSION_TABLE.update().where(SESSION_TABLE.c.id == bindparam("stored_id"))
INSERT_REVISION = SQLModel.metadata.tables["session_revision"].insert()
# The event for each thing that a revision can change, in the order in which the events are recorded.
EVENT_TYPE_OF_CHANGE: Mapping[str, EventType] = {
    "answers": "session.answered",
    "question_set": "session.moved",
    "decision": "decision.recorded",
    "outcome": "outcome.recorded",
}
MAX_SESSIONS_PER_RESCORE = 200


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction with the caller's name: the name of the API key, and the person if one is named."""

    tx: Transaction
    plans: Plans
    key_name: str
    actor: str | None = None

    @property
    def author(self) -> str:
        """Who is recorded for what the caller enters: the person, or else the name of the key."""
        return self.actor or self.key_name


@dataclass(slots=True)
class SessionEdit:
    """One session, locked, that one transaction changes.

    Its functions change `session`, which the ORM does not track, and `answers`; `save` stores both. `stored`
    is the row of the session as it is stored, empty until a new session is saved for the first time.
    `changed` collects what the next revision changes. `judged` is the judgement of the last save, None before
    it. `begun_at` is the revision of the session when the edit began, 0 for a new session.
    """

    uow: UnitOfWork
    session: Session
    plan: Plan
    answers: dict[str, StoredAnswer]
    stored: dict[str, Any]
    changed: dict[str, Any] = field(default_factory=dict)
    judged: Judged | None = None
    begun_at: int = 0

    @property
    def opening(self) -> bool:
        """Whether the session is new and not saved yet."""
        return not self.stored

    @property
    def next_revision(self) -> int:
        """The number of the revision that the next `save` writes."""
        return self.session.revision if self.opening else self.session.revision + 1

    def require_open(self) -> None:
        """Raise SESSION_IS_CLOSED if the session is closed."""
        if self.session.status != "open":
            detail = f"Session {self.session.id} is closed. Its answers and its decision cannot change."
            raise Problem(SESSION_IS_CLOSED, detail)


def load_for_update(uow: UnitOfWork, session_id: UUID) -> SessionEdit:
    """Lock a session and begin an edit of it. Raises NOT_FOUND."""
    return begin_edit(uow, find_session(uow.tx, session_id, lock=True))


def begin_edit(uow: UnitOfWork, session: Session) -> SessionEdit:
    """Begin an edit of a session that is already locked.

    If answers have gone stale, a revision "stale" is saved first, which counts them as open.
    """
    plan = plan_of(uow.tx, uow.plans, session)
    answers = answers_of(uow.tx, session.id)
    edit = SessionEdit(uow, session, plan, answers, _row_of(session), begun_at=session.revision)
    if has_stale_answers(session, uow.tx.at):
        edit.changed["stale"] = judge_session(plan, session, edit.answers, uow.tx.at).stale
        save(edit, "stale", key_name=SYSTEM_KEY_NAME)
    return edit


def open_new(
    uow: UnitOfWork, plan: Plan, prospect: Prospect, identity: SessionIdentity, opened_on: date | None
) -> SessionEdit:
    """Open a new session for a locked prospect. It must have no open one of this identity and set.

    It was opened at the start of the day `opened_on` in UTC, or now.
    """
    values = {
        "id": new_id(),
        "prospect_id": prospect.id,
        "deal": identity.deal,
        "assessor": identity.assessor,
        "question_set": plan.question_set.key,
        "version": plan.version,
        "subject": plan.question_set.subject,
        "attributes": attributes_as_used(plan, prospect),
        "opened_at": start_of(opened_on) if opened_on else uow.tx.at,
        "updated_at": uow.tx.at,
    }
    session = new_untracked(Session, values)
    return SessionEdit(uow, session, plan, {}, {}, changed={"attributes": session.attributes})


def start_of(day: date) -> datetime:
    """Return the time at which a day starts in UTC."""
    return datetime.combine(day, time(), UTC)


def was_opened_on(session: Session, day: date | None) -> bool:
    """Whether a session was opened at the start of a day, as `open_new` does if the day is named."""
    return day is not None and session.opened_at == start_of(day)


def may_be_opened_on(session: Session, day: date | None) -> bool:
    """Whether a session may be the one that was opened on a day. None is any day.

    If its opening has a time, it was opened without naming the day.
    """
    return day is None or was_opened_on(session, day) or session.opened_at.time() != time()


def require_past(tx: Transaction, opened_on: date | None) -> None:
    """Raise `Flawed` if the day on which a session was opened is in the future."""
    if opened_on and start_of(opened_on) > tx.at:
        detail = "this day is in the future: send the day on which the session was opened, or leave it out"
        raise Flawed([Flaw("/opened_on", detail, "in_the_future")])


def attributes_as_used(plan: Plan, prospect: Prospect) -> dict[str, Any]:
    """Return the prospect's attributes that the question set declares.

    They have the declared types. A value that the question set cannot read is returned as it is stored.
    """
    readable, unreadable = read_stored(plan.question_set, prospect.attributes)
    return {**readable, **{name: prospect.attributes[name] for name in unreadable}}


def refresh_attributes(edit: SessionEdit, prospect: Prospect) -> None:
    """Copy the prospect's current attributes to the session."""
    used = attributes_as_used(edit.plan, prospect)
    if not prospects.same_attributes(used, edit.session.attributes):
        edit.changed["attributes"] = used
        edit.session.attributes = used


def save(edit: SessionEdit, change: Change, key_name: str | None = None) -> None:
    """If the session is new or has changed, score it, store it and its next revision, and record its events.

    `key_name` replaces the caller's name in the revision, for a change that no caller requested.
    """
    session, tx = edit.session, edit.uow.tx
    if not (edit.opening or edit.changed):
        return
    before = edit.stored
    # Not `setattr`, which takes as long for the columns of a table as scoring.
    columns = vars(session)
    columns.update(revision=edit.next_revision, updated_at=tx.at)
    judged = edit.judged = judge_session(edit.plan, session, edit.answers)
    columns.update(stored_figures(judged, edit.answers))
    if session.status == "closed":
        session.next_expiry_at = None
    if before and before["indication"] != session.indication:
        session.former_indication, session.indication_changed_at = before["indication"], tx.at
    write_rows(edit)
    row = {
        "session_id": session.id,
        "revision": session.revision,
        "at": tx.at,
        "key_name": key_name or edit.uow.key_name,
        "actor": None if key_name else edit.uow.actor,
        "change": change if before else "opened",
        "changed": edit.changed,
        "verdict": verdict_record(judged),
    }
    tx.run(INSERT_REVISION, row)
    # Answers also go stale without the import, so this event is not one of the import.
    not_silent = replace(tx, silent=tx.silent and change != "stale")
    record_events(not_silent, event_subject(session), _event_types(before, edit.changed, edit.stored))
    edit.changed = {}


def write_rows(edit: SessionEdit) -> None:
    """Write the rows of the session and its answers if they have changed."""
    tx, row = edit.uow.tx, _row_of(edit.session)
    if edit.opening:
        tx.run(INSERT_SESSION, row)
    elif changed := {
        name: row[name] for name in row if row[name] != edit.stored[name] or name in edit.changed
    }:
        # An attribute can change from 1 to true, which are equal. Only what has changed is named, because
        # SQLite writes the indexes of all columns that are named.
        tx.run(UPDATE_SESSION, {"stored_id": edit.session.id, **changed})
    if answers := [edit.answers[question]._asdict() for question in edit.changed.get("answers", ())]:
        insert_or_replace(tx, ANSWER_TABLE, answers)
    edit.stored = row


def _row_of(session: Session) -> dict[str, Any]:
    values = vars(session)
    return {name: values[name] for name in SESSION_COLUMNS}


def event_subject(session: Session, **data: str) -> EventSubject:
    """Return what an event about a session is about, with further `data`."""
    conclusions = {"decision": session.decision, "outcome": session.outcome}
    return EventSubject(
        prospect_id=session.prospect_id,
        session_id=session.id,
        question_set=f"{session.question_set}@{session.version}",
        subject=session.subject,
        revision=session.revision,
        data={name: value for name, value in conclusions.items() if value is not None} | data,
    )


def _event_types(
    before: Mapping[str, Any], changed: Collection[str], after: Mapping[str, Any]
) -> Iterator[EventType]:
    """Yield the types of the events that a revision causes.

    `before` and `after` are the rows of the session before and after it, `changed` is what it changes.
    """
    if not before:
        yield "session.opened"
    yield from (type_ for name, type_ in EVENT_TYPE_OF_CHANGE.items() if name in changed)
    if not before or any(before[figure] != after[figure] for figure in SESSION_FIGURES):
        yield "score.changed"
    settled_before = _settled_indication(before)
    settled_after = _settled_indication(after)
    if settled_after not in (None, settled_before):
        yield "indication.settled"
    if settled_before and not settled_after:
        yield "indication.reopened"


def _settled_indication(row: Mapping[str, Any]) -> str | None:
    """Return the indication of a session if it is settled, and None otherwise."""
    return row["indication"] if row.get("settled") else None


def rescore_stale(uow: UnitOfWork, sessions: list[UUID] | None) -> int:
    """Score at most `MAX_SESSIONS_PER_RESCORE` stale sessions again, and return their number.

    `sessions` limits them to these ids. Sessions that another transaction has locked are skipped.
    """
    statement = (
        SELECT_SESSIONS.where(*stale_clauses(uow.tx.at))
        .order_by(col(Session.id))
        .limit(MAX_SESSIONS_PER_RESCORE)
    )
    if sessions is not None:
        statement = statement.where(col(Session.id).in_(sessions))
    # Waiting for locked sessions while holding locks could deadlock. The transactions that hold them rescore
    # them anyway.
    found = load_sessions(uow.tx, statement.with_for_update(skip_locked=True))
    for session in found:
        begin_edit(uow, session)  # which saves the new score
    return len(found)
