"""Qualify prospects: open sessions, record answers, decisions and outcomes, and move sessions.

Each function does its work in one transaction. It locks what it changes (the prospect before its
sessions), decides, saves, and records the events.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlmodel import col, delete, update

from app.db import Transaction
from app.problems import SESSION_IS_OPEN, Problem, require_revision, revision_required
from app.prospects import service as prospects
from app.prospects.queries import find_by_link, find_prospect
from app.prospects.schemas import Link, ProspectChange
from app.prospects.tables import Prospect
from app.question_sets.plans import Choice
from app.scoring import Plan, read_attributes
from app.sessions.answers import record_answers
from app.sessions.carry_over import carry_over, move
from app.sessions.conclusions import (
    completes_outcome,
    has_decided,
    has_same_answers,
    is_repeat,
    record_decision,
    record_outcome,
)
from app.sessions.presenters import answer_out, choice_fields, session_fields
from app.sessions.queries import newest_session, newest_sessions, open_sessions
from app.sessions.schemas import (
    AnswersPatch,
    MoveRequest,
    NewDecision,
    NewSession,
    OutcomeIn,
    QualifyRequest,
    QualifyResult,
    SessionIdentity,
    SessionMoved,
    SessionOpened,
    SessionOut,
)
from app.sessions.session_edit import (
    SessionEdit,
    UnitOfWork,
    begin_edit,
    load_for_update,
    may_be_opened_on,
    open_new,
    refresh_attributes,
    require_past,
    save,
)
from app.sessions.tables import Session

# With how many closed sessions of one prospect, identity and question set a row of a file is compared.
MAX_CLOSED_COMPARED = 50


@dataclass(frozen=True, slots=True)
class Qualified:
    """What a qualification did, and the edit of its session."""

    edit: SessionEdit
    choice: Choice
    prospect_created: bool
    prospect_changed: bool
    session_opened: bool
    session_changed: bool


def qualify(uow: UnitOfWork, request: QualifyRequest) -> QualifyResult:
    """Carry out a qualification, and return the session with its score. Raises what `carry_out` raises."""
    done = carry_out(uow, request)
    return QualifyResult(
        **session_fields(done.edit),
        **choice_fields(done.choice),
        prospect_created=done.prospect_created,
        session_opened=done.session_opened,
    )


def carry_out(uow: UnitOfWork, request: QualifyRequest, *, from_file: bool = False) -> Qualified:
    """Upsert the prospect, open or continue its session, record what the request has, and score the session.

    With `from_file`, the request is a row of a file, which may have been imported before. Raises `Flawed` for
    answers and attributes that the question set cannot read and for an `opened_on` in the future,
    SESSION_IS_OPEN, SEVERAL_SETS_MATCH, and INVALID_REQUEST for an unknown or retired question set.
    """
    require_past(uow.tx, request.opened_on)
    change = request.model_dump(include={"name", "attributes"}, exclude_unset=True)
    prospect, created, changed = prospects.upsert(uow.tx, request.link, ProspectChange.model_validate(change))
    choice = _choose_for_qualify(uow, prospect, request)
    # A new prospect has no sessions to look for.
    edit = _open_for_qualify(uow, prospect, request, choice) if created else None
    edit = edit or (_closed_edit_for_row(uow, prospect, request, choice) if from_file else None)
    edit = edit or _edit_for_qualify(uow, prospect, request, choice)
    opened, repeats = edit.opening, is_repeat(edit, request, from_file=from_file)
    revision = edit.session.revision
    if created:
        prospects.set_subject(uow.tx, prospect, edit.plan.question_set.subject)
    if changed and not created:
        rescore_open_sessions(uow, prospect, request.attributes, excluded_id=edit.session.id)
    _require_readable(edit.plan, prospect, request.attributes)
    answered = False
    if edit.session.status == "open":
        refresh_attributes(edit, prospect)
        if opened and request.carry_over:
            carry_over(edit)
        answered = record_answers(edit, request, None)
    save(edit, "answered")
    if request.decision and not (repeats or (from_file and has_decided(edit, request.decision))):
        record_decision(edit, request.decision, edit.session.revision)
    if request.outcome and not repeats:
        record_outcome(edit, request.outcome, with_answers=answered)
    return Qualified(edit, choice, created, changed, opened, opened or edit.session.revision > revision)


def plan_for_qualify(uow: UnitOfWork, link: Link, identity: SessionIdentity, named: str) -> Plan:
    """Return the plan that `qualify` scores with if the request names this question set.

    It is the plan of the open session, or else of the version that a new session would use.
    """
    key, _ = uow.plans.parse_name(named)
    prospect = find_by_link(uow.tx, link, lock=True)
    if prospect and (session := newest_session(uow.tx, prospect, identity, key, "open")):
        return uow.plans.find(uow.tx, f"{key}@{session.version}")
    return uow.plans.find_to_open(uow.tx, named)


def question_set_for_qualify(
    uow: UnitOfWork, link: Link, identity: SessionIdentity, attributes: Mapping[str, Any]
) -> str:
    """Return the name of the question set that `qualify` chooses if the request names none.

    `attributes` are the attributes that the request would add to the prospect.
    """
    prospect = find_by_link(uow.tx, link, lock=True)
    stored = prospect.attributes if prospect else {}
    choice = uow.plans.choose(uow.tx, {**stored, **attributes})
    if prospect and choice.by == "default":
        choice = _choice_of_only_open_session(uow, prospect, identity) or choice
    return choice.name


def open_session(uow: UnitOfWork, request: NewSession) -> SessionOpened:
    """Open a session with its first answers.

    Raises NOT_FOUND, SEVERAL_SETS_MATCH, SESSION_IS_OPEN if one is open for this prospect, deal, assessor
    and question set, `Flawed`, and INVALID_REQUEST for an unknown or retired question set.
    """
    require_past(uow.tx, request.opened_on)
    prospect = find_prospect(uow.tx, request.prospect_id, lock=True)
    choice = _choose(uow, prospect, request.question_set)
    plan = uow.plans.find_to_open(uow.tx, choice.name)
    if existing := newest_session(uow.tx, prospect, request.identity, plan.question_set.key, "open"):
        detail = f"Session {existing.id} is open for this prospect, deal, assessor and question set."
        raise Problem(SESSION_IS_OPEN, detail)
    edit = open_new(uow, plan, prospect, request.identity, request.opened_on)
    if request.carry_over:
        carry_over(edit)
    record_answers(edit, request, None)
    save(edit, "opened")
    return SessionOpened(**session_fields(edit), **choice_fields(choice))


def record_session_answers(uow: UnitOfWork, session_id: UUID, patch: AnswersPatch) -> SessionOut:
    """Record answers in a session and score it. Raises NOT_FOUND and the errors of `record_answers`."""
    edit = load_for_update(uow, session_id)
    record_answers(edit, patch, patch.revision)
    save(edit, "answered")
    return SessionOut(**session_fields(edit))


def move_session(uow: UnitOfWork, session_id: UUID, request: MoveRequest) -> SessionMoved:
    """Move an open session to a newer version of its question set.

    It keeps the answers to the questions that the newer version has. Raises NOT_FOUND, STALE_REVISION and
    the errors of `move`.
    """
    edit = load_for_update(uow, session_id)
    if request.revision is not None:
        require_revision("session", edit.session.revision, request.revision)
    before = edit.plan.name
    dropped = move(edit, uow.plans.find_to_open(uow.tx, request.question_set))
    save(edit, "moved")
    return SessionMoved(
        **session_fields(edit),
        moved_from=before,
        dropped=[answer_out(answer, uow.tx.at) for answer in dropped],
    )


def decide(uow: UnitOfWork, session_id: UUID, decision: NewDecision) -> SessionOut:
    """Record a decision on the revision that the person saw.

    Raises NOT_FOUND, REVISION_REQUIRED if the request names no revision, and the errors of `record_decision`.
    """
    edit = load_for_update(uow, session_id)
    if decision.revision is None:
        raise revision_required("session")
    record_decision(edit, decision, decision.revision)
    return SessionOut(**session_fields(edit))


def record_session_outcome(uow: UnitOfWork, session_id: UUID, outcome: OutcomeIn) -> SessionOut:
    """Record the outcome of a session and close it. Raises NOT_FOUND."""
    edit = load_for_update(uow, session_id)
    record_outcome(edit, outcome)
    return SessionOut(**session_fields(edit))


def upsert_prospect(uow: UnitOfWork, link: Link, change: ProspectChange) -> tuple[Prospect, bool, bool]:
    """Create or change the prospect with a link, and rescore its open sessions.

    Returns the prospect, whether it was created, and whether it changed. Raises STALE_REVISION, and `Flawed`
    for an attribute that the question set of an open session cannot read.
    """
    prospect, created, changed = prospects.upsert(uow.tx, link, change)
    if changed and not created:
        rescore_open_sessions(uow, prospect, change.attributes)
    return prospect, created, changed


def update_prospect(uow: UnitOfWork, prospect_id: UUID, change: ProspectChange) -> Prospect:
    """Change a prospect, and rescore its open sessions.

    Raises NOT_FOUND, STALE_REVISION, and `Flawed` for an attribute that the question set of an open session
    cannot read.
    """
    prospect = find_prospect(uow.tx, prospect_id, lock=True)
    if prospects.apply_change(uow.tx, prospect, change):
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
    uow: UnitOfWork, prospect: Prospect, sent: Iterable[str], excluded_id: UUID | None = None
) -> None:
    """Score the open sessions of a locked prospect again with its current attributes.

    `sent` has the names of the attributes in the request. The session `excluded_id` is left out. Raises
    `Flawed` if the question set of a session cannot read an attribute that was sent.
    """
    for session in open_sessions(uow.tx, prospect):
        if session.id != excluded_id:
            edit = begin_edit(uow, session)
            _require_readable(edit.plan, prospect, sent)
            refresh_attributes(edit, prospect)
            save(edit, "attributes")


def _require_readable(plan: Plan, prospect: Prospect, sent: Iterable[str]) -> None:
    """Raise `Flawed` for the attributes named in `sent` that the question set cannot read.

    It checks the stored values, in which value aliases are already translated.
    """
    read_attributes(plan.question_set, {name: prospect.attributes.get(name) for name in sent})


def _choose(uow: UnitOfWork, prospect: Prospect, named: str | None) -> Choice:
    """Choose the question set that the caller names, or else the one that is meant for such a prospect."""
    if named is not None:
        return Choice(named, "request", "the request names it")
    return uow.plans.choose(uow.tx, prospect.attributes)


def _choose_for_qualify(uow: UnitOfWork, prospect: Prospect, request: QualifyRequest) -> Choice:
    """Choose a question set like `_choose`, but continue the only open session if possible.

    This is the only one that is open for the deal and the assessor. It is continued rather than opening one
    on the default question set. A request with only a decision or an outcome continues it even if another
    question set is meant for such a prospect.
    """
    named = request.question_set
    choice = None if named is None and request.only_concludes else _choose(uow, prospect, named)
    may_continue = choice is None or choice.by == "default"
    if may_continue and (continued := _choice_of_only_open_session(uow, prospect, request.identity)):
        return continued
    return choice or _choose(uow, prospect, named)


def _choice_of_only_open_session(
    uow: UnitOfWork, prospect: Prospect, identity: SessionIdentity
) -> Choice | None:
    """Return the question set of the session that is open for a deal and an assessor.

    Returns None unless exactly one is open.
    """
    sessions = [session for session in open_sessions(uow.tx, prospect) if _identity_of(session) == identity]
    if len(sessions) != 1:
        return None
    return Choice(sessions[0].question_set, "session", "it is the set of the only open session")


def _edit_for_qualify(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice
) -> SessionEdit:
    """Return the session to change: the open one, the last closed one, or a new one.

    The last closed session is used if the request has nothing that a new session could start with, or if it
    repeats an earlier request. Raises SESSION_IS_OPEN if a session is open on another version than the one
    that the request names.
    """
    key, version = uow.plans.parse_name(choice.name)
    session = newest_session(uow.tx, prospect, request.identity, key, "open")
    if session and version not in (None, session.version):
        detail = f"Session {session.id} is open on {key}@{session.version}."
        raise Problem(SESSION_IS_OPEN, detail)
    if session:
        return begin_edit(uow, session)
    if closed := newest_session(uow.tx, prospect, request.identity, key, "closed"):
        edit = begin_edit(uow, closed)
        if not request.has_session_content or is_repeat(edit, request):
            return edit
    return _open_for_qualify(uow, prospect, request, choice)


def _open_for_qualify(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice
) -> SessionEdit:
    plan = uow.plans.find_to_open(uow.tx, choice.name)
    return open_new(uow, plan, prospect, request.identity, request.opened_on)


def _closed_edit_for_row(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice
) -> SessionEdit | None:
    """Return the closed session that a row of a file is about; None if it is about an open or a new one.

    It is the one with the answers and the conclusion of the row, even if another one was opened since. If
    there is none and none is open, it is one with the same answers that the row corrects: then the row names
    the deal or the day of the opening, or it only completes the outcome.
    """
    key, _ = uow.plans.parse_name(choice.name)
    is_open = newest_session(uow.tx, prospect, request.identity, key, "open") is not None
    if is_open and not request.concludes:
        return None
    closed = newest_sessions(uow.tx, prospect, request.identity, key, "closed", MAX_CLOSED_COMPARED)
    edits = [begin_edit(uow, session) for session in closed if may_be_opened_on(session, request.opened_on)]
    for edit in edits:
        if is_repeat(edit, request, from_file=True):
            return edit
    if is_open:
        return None
    is_named = request.deal is not None or request.opened_on is not None
    corrected = (edit for edit in edits if is_named or completes_outcome(edit, request))
    return next((edit for edit in corrected if has_same_answers(edit, request, even_if_stale=True)), None)


def _require_no_conflict(target_sessions: Sequence[Session], other_sessions: Sequence[Session]) -> None:
    """Raise SESSION_IS_OPEN if both lists have an open session for the same identity and question set."""
    existing = {(_identity_of(session), session.question_set): session for session in target_sessions}
    for session in other_sessions:
        if conflict := existing.get((_identity_of(session), session.question_set)):
            detail = (
                f"Sessions {conflict.id} and {session.id} are open for the same deal, assessor and question "
                "set."
            )
            raise Problem(SESSION_IS_OPEN, detail)


def _identity_of(session: Session) -> SessionIdentity:
    return SessionIdentity(session.deal, session.assessor)
