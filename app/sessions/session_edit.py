"""A case: a session on the table, with its plan and its answers, and how it is written back."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy.orm.attributes import flag_modified
from sqlmodel import SQLModel, col, select

from app.clock import new_id
from app.db import Transaction
from app.events.service import EventSubject, record_events
from app.events.tables import EventType
from app.problems import SESSION_IS_CLOSED, Problem
from app.prospects import service as prospects
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.scoring import Judged, Plan, read_stored, verdict_record
from app.sessions.queries import answers_of, find_session, has_stale_answers, is_stale_clause, plan_of
from app.sessions.scores import SESSION_FIGURES, judge_session
from app.sessions.tables import Change, Session, StoredAnswer

# Who is behind a change that nobody asked for: time went by.
SYSTEM_KEY_NAME = "prospect-fit"
# Best first: the order of a ranked list.
RANKS = {"fit": 0, "undetermined": 1, "mixed": 2, "no_fit": 3, "unscorable": 4, None: 5}
# Built once, since building a statement takes longer than running it.
INSERT_REVISION = SQLModel.metadata.tables["session_revision"].insert()
# What is told of each thing that a step can set, in this order.
EVENT_OF_CHANGE: Mapping[str, EventType] = {
    "answers": "session.answered",
    "question_set": "session.moved",
    "decision": "decision.recorded",
    "outcome": "outcome.recorded",
}
MAX_RESCORED_PER_PASS = 200


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction's work on sessions, and who asks for it: an API key's name, and a person."""

    tx: Transaction
    plans: Plans
    key_name: str
    actor: str | None = None


@dataclass(slots=True)
class SessionEdit:
    """One session under work, locked; `changed` gathers what this transaction does to it."""

    uow: UnitOfWork
    session: Session
    plan: Plan
    answers: dict[str, StoredAnswer]
    opening: bool = False
    changed: dict[str, Any] = field(default_factory=dict)
    judged: Judged | None = None

    @property
    def next_revision(self) -> int:
        """The revision that this transaction writes."""
        return self.session.revision if self.opening else self.session.revision + 1

    def require_open(self) -> None:
        """Raises SESSION_IS_CLOSED."""
        if self.session.status != "open":
            detail = f"Session {self.session.id} is closed: its answers and decision stand."
            raise Problem(SESSION_IS_CLOSED, detail)


def load_for_update(uow: UnitOfWork, session_id: UUID) -> SessionEdit:
    """The session of that id; raises NOT_FOUND."""
    return begin_edit(uow, find_session(uow.tx, session_id, lock=True))


def begin_edit(uow: UnitOfWork, session: Session) -> SessionEdit:
    """The case of a session that is locked already; what has gone stale counts as open from now on."""
    plan = plan_of(uow.tx, uow.plans, session)
    edit = SessionEdit(uow, session, plan, answers_of(uow.tx, session.id))
    if has_stale_answers(session, uow.tx.at):
        edit.changed["stale"] = judge_session(plan, session, edit.answers, uow.tx.at).stale
        save(edit, "aged", by=SYSTEM_KEY_NAME)
    return edit


def open_new(uow: UnitOfWork, plan: Plan, prospect: Prospect, deal: str | None) -> SessionEdit:
    """A new session for a locked prospect that has none open for this deal and set."""
    session = Session(
        id=new_id(),
        prospect_id=prospect.id,
        deal=deal or "",
        question_set=plan.question_set.key,
        version=plan.version,
        attributes=attributes_as_used(plan, prospect),
        opened_at=uow.tx.at,
        updated_at=uow.tx.at,
    )
    uow.tx.db.add(session)
    uow.tx.db.flush()
    return SessionEdit(uow, session, plan, {}, opening=True, changed={"attributes": session.attributes})


def attributes_as_used(plan: Plan, prospect: Prospect) -> dict[str, Any]:
    """The prospect's attributes that the set declares; with its types, if it can read them."""
    known, unread = read_stored(plan.question_set, prospect.attributes)
    return {**known, **{name: prospect.attributes[name] for name in unread}}


def refresh_attributes(edit: SessionEdit, prospect: Prospect) -> None:
    """Take over what has become known of the prospect."""
    used = attributes_as_used(edit.plan, prospect)
    if not prospects.same_attributes(used, edit.session.attributes):
        edit.changed["attributes"] = used
        edit.session.attributes = used
        flag_modified(edit.session, "attributes")  # the ORM, too, would see no change from true to 1


def save(edit: SessionEdit, change: Change, by: str | None = None) -> None:
    """Judge the case as it is now; if anything changed, store it as the next revision and tell of it.

    `by` is for a change that nobody asked for.
    """
    session, tx = edit.session, edit.uow.tx
    if not (edit.opening or edit.changed):
        return
    before = None if edit.opening else _figures_of(session)
    step = StepChange(before, edit.changed)
    session.revision = edit.next_revision
    session.updated_at = tx.at
    judged = edit.judged = judge_session(edit.plan, session, edit.answers)
    verdict = verdict_record(judged)
    figures: Mapping[str, object] = {**verdict}
    for figure in SESSION_FIGURES:
        setattr(session, figure, figures[figure])
    session.valid_until = judged.valid_until
    session.rank = RANKS[verdict["indication"]]
    tx.db.add(session)
    tx.db.flush()
    row = {
        "session_id": session.id,
        "revision": session.revision,
        "at": tx.at,
        "key_name": by or edit.uow.key_name,
        "actor": None if by else edit.uow.actor,
        "change": "opened" if edit.opening else change,
        "changed": edit.changed,
        "verdict": verdict,
    }
    tx.db.execute(INSERT_REVISION, row)
    _record_step_events(tx, session, step)
    edit.opening, edit.changed = False, {}


@dataclass(frozen=True, slots=True)
class StepChange:
    """What a revision did: the session's figures before, None where it is new, and what was set."""

    before: Mapping[str, Any] | None
    changed: Collection[str]


def _figures_of(session: Session) -> dict[str, Any]:
    """The figures of a session as they are now."""
    return {figure: getattr(session, figure) for figure in SESSION_FIGURES}


def _record_step_events(tx: Transaction, session: Session, step: StepChange) -> None:
    """Tell of a step that is stored."""
    now = _figures_of(session)
    data = {"decision": session.decision, "outcome": session.outcome}
    about = EventSubject(
        prospect_id=session.prospect_id,
        session_id=session.id,
        question_set=f"{session.question_set}@{session.version}",
        revision=session.revision,
        data={name: word for name, word in data.items() if word is not None},
    )
    record_events(tx, about, _event_types(step, now))


def _event_types(step: StepChange, now: Mapping[str, Any]) -> Iterator[EventType]:
    if step.before is None:
        yield "session.opened"
    yield from (told for what, told in EVENT_OF_CHANGE.items() if what in step.changed)
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


def rescore_stale(uow: UnitOfWork, sessions: list[UUID] | None) -> int:
    """Score aged sessions again, but for those that somebody else is at work on; how many, at most 200."""
    wanted = (
        select(Session)
        .where(*is_stale_clause(uow.tx.at))
        .order_by(col(Session.id))
        .limit(MAX_RESCORED_PER_PASS)
    )
    if sessions is not None:
        wanted = wanted.where(col(Session.id).in_(sessions))
    # Waiting for the others while holding these could be a deadlock; they refresh theirs themselves.
    found = uow.tx.db.exec(wanted.with_for_update(skip_locked=True)).all()
    for session in found:
        begin_edit(uow, session)
    return len(found)
