"""Qualify prospects: open sessions, record answers, decisions and outcomes, and move sessions.

Each function does its work in one transaction. It locks what it changes (the prospect before its
sessions), decides, saves, and records the events.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, update

from app.db import Transaction
from app.problems import SESSION_IS_OPEN, Problem, require_revision, revision_required
from app.prospects import service as prospects
from app.prospects.queries import find_prospect
from app.prospects.schemas import Link, ProspectChange
from app.prospects.tables import Prospect
from app.question_sets.plans import Choice
from app.scoring import Plan, read_attributes
from app.sessions.answers import (
    record_answers,
    save_answers,
)
from app.sessions.carry_over import carry_over, move
from app.sessions.conclusions import (
    record_decision,
    record_outcome,
)
from app.sessions.presenters import answer_fields, choice_fields, session_fields
from app.sessions.queries import newest_session, open_sessions
from app.sessions.requests import (
    AnswersPatch,
    MoveRequest,
    NewDecision,
    NewSession,
    OutcomeIn,
    SessionIdentity,
)
from app.sessions.session_edit import (
    UnitOfWork,
    begin_edit,
    load_for_update,
    open_new,
    refresh_attributes,
    require_past,
    save,
)
from app.sessions.tables import Session

# The fields of a response. They are not validated as an object of its class: that takes as long as scoring.
Fields = dict[str, Any]


def open_session(uow: UnitOfWork, request: NewSession) -> Fields:
    """Open a session with its first answers, and return the fields of `SessionOpened`.

    Raises NOT_FOUND, SEVERAL_SETS_MATCH, SESSION_IS_OPEN if one is open for this prospect, deal, assessor
    and question set, `Flawed`, and INVALID_REQUEST for an unknown or retired question set.
    """
    require_past(uow.tx, request.opened_on)
    prospect = find_prospect(uow.tx, request.prospect_id, lock=True)
    choice = choose_set(uow, prospect, request.question_set)
    plan = uow.plans.find_to_open(uow.tx, choice.name)
    if existing := newest_session(uow.tx, prospect, request.identity, plan.question_set.key, "open"):
        detail = f"Session {existing.id} is open for this prospect, deal, assessor and question set."
        raise Problem(SESSION_IS_OPEN, detail)
    edit = open_new(uow, plan, prospect, request.identity, request.opened_on)
    if request.carry_over:
        carry_over(edit)
    record_answers(edit, request, None)
    save(edit, "opened")
    return session_fields(edit) | choice_fields(choice)


def record_session_answers(uow: UnitOfWork, session_id: UUID, patch: AnswersPatch) -> Fields:
    """Record answers in a session, and return the fields of `SessionOut`.

    Raises NOT_FOUND and the errors of `record_answers`.
    """
    edit = load_for_update(uow, session_id)
    record_answers(edit, patch, patch.revision)
    save_answers(edit)
    return session_fields(edit)


def move_session(uow: UnitOfWork, session_id: UUID, request: MoveRequest) -> Fields:
    """Move an open session to a newer version of its question set, and return the fields of `SessionMoved`.

    It keeps the answers to the questions that the newer version has. Raises NOT_FOUND, STALE_REVISION and
    the errors of `move`.
    """
    edit = load_for_update(uow, session_id)
    if request.revision is not None:
        require_revision("session", edit.session.revision, request.revision)
    before = edit.plan.name
    dropped = move(edit, uow.plans.find_to_open(uow.tx, request.question_set))
    save(edit, "moved")
    return {
        **session_fields(edit),
        "moved_from": before,
        "dropped": [answer_fields(answer, uow.tx.at) for answer in dropped],
    }


def decide(uow: UnitOfWork, session_id: UUID, decision: NewDecision) -> Fields:
    """Record a decision on the revision that the person saw, and return the fields of `SessionOut`.

    Raises NOT_FOUND, REVISION_REQUIRED if the request names no revision, and the errors of `record_decision`.
    """
    edit = load_for_update(uow, session_id)
    if decision.revision is None:
        raise revision_required("session")
    record_decision(edit, decision, decision.revision)
    return session_fields(edit)


def record_session_outcome(uow: UnitOfWork, session_id: UUID, outcome: OutcomeIn) -> Fields:
    """Record the outcome of a session, close it, and return the fields of `SessionOut`. Raises NOT_FOUND."""
    edit = load_for_update(uow, session_id)
    record_outcome(edit, outcome)
    return session_fields(edit)


def upsert_prospect(uow: UnitOfWork, link: Link, change: ProspectChange) -> tuple[Prospect, bool, bool]:
    """Create or change the prospect with a link, and rescore its open sessions.

    Returns the prospect, whether it was created, and whether it changed. Raises STALE_REVISION, and `Flawed`
    for an attribute that the question set of an open session cannot read.
    """
    done = prospects.upsert(uow.tx, link, change)
    done.from_link.save(uow.tx)
    if done.is_changed and not done.is_created:
        rescore_open_sessions(uow, done.prospect, change.attributes)
    return done.prospect, done.is_created, done.is_changed


def update_prospect(uow: UnitOfWork, prospect_id: UUID, change: ProspectChange) -> Prospect:
    """Change a prospect, and rescore its open sessions.

    Raises NOT_FOUND, STALE_REVISION, and `Flawed` for an attribute that the question set of an open session
    cannot read.
    """
    prospect = find_prospect(uow.tx, prospect_id, lock=True)
    if prospects.apply_change(uow.tx, prospect, change, by=uow.author):
        rescore_open_sessions(uow, prospect, change.attributes)
    return prospect


def reassign_sessions(uow: UnitOfWork, target: Prospect, other: Prospect) -> None:
    """Give the sessions of another prospect to `target`. Both prospects are locked.

    Raises SESSION_IS_OPEN, which names both sessions, if both prospects have an open session for the same
    deal, assessor and question set.
    """
    _require_no_conflict(open_sessions(uow.tx, target), open_sessions(uow.tx, other))
    uow.tx.db.exec(update(Session).where(col(Session.prospect_id) == other.id).values(prospect_id=target.id))


def delete_sessions(tx: Transaction, prospect_id: UUID) -> None:
    """Delete the sessions of a locked prospect, with their answers and history."""
    tx.db.exec(delete(Session).where(col(Session.prospect_id) == prospect_id))


def rescore_open_sessions(
    uow: UnitOfWork, prospect: Prospect, sent: Iterable[str], except_id: UUID | None = None
) -> None:
    """Score the open sessions of a locked prospect again with its current attributes.

    `sent` has the names of the attributes in the request. The session `except_id` is left out. Raises
    `Flawed` if the question set of a session cannot read an attribute that was sent.
    """
    for session in open_sessions(uow.tx, prospect):
        if session.id != except_id:
            edit = begin_edit(uow, session)
            require_readable(edit.plan, prospect, sent)
            refresh_attributes(edit, prospect)
            save(edit, "attributes")


def require_readable(plan: Plan, prospect: Prospect, sent: Iterable[str]) -> None:
    """Raise `Flawed` for the attributes named in `sent` that the question set cannot read.

    It checks the stored values, in which value aliases are already translated.
    """
    read_attributes(plan.question_set, {name: prospect.attributes.get(name) for name in sent})


def choose_set(uow: UnitOfWork, prospect: Prospect, named: str | None) -> Choice:
    """Choose the question set that the caller names, or else the one that is meant for such a prospect."""
    if named is not None:
        return Choice(named, "request", "the request names it")
    return uow.plans.choose(uow.tx, prospect.attributes)


def _require_no_conflict(target_sessions: Sequence[Session], other_sessions: Sequence[Session]) -> None:
    """Raise SESSION_IS_OPEN if both lists have an open session for the same identity and question set."""
    existing = {(identity_of(session), session.question_set): session for session in target_sessions}
    for session in other_sessions:
        if conflict := existing.get((identity_of(session), session.question_set)):
            detail = (
                f"Sessions {conflict.id} and {session.id} are open for the same deal, assessor and question "
                "set."
            )
            raise Problem(SESSION_IS_OPEN, detail)


def identity_of(session: Session) -> SessionIdentity:
    return SessionIdentity(session.deal, session.assessor)
