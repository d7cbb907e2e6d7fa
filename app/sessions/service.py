"""The story of a qualification: a prospect comes in, is asked, and a person decides.

Every function here is one transaction's work: it locks what it changes (the prospect before its
sessions), decides, saves and tells.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlmodel import bindparam, col, delete, select, update

from app.db import Transaction
from app.problems import SESSION_IS_OPEN, Problem, require_revision, revision_required
from app.prospects import service as prospects
from app.prospects.queries import find_by_link, find_prospect
from app.prospects.schemas import Link, ProspectChange
from app.prospects.tables import Prospect
from app.question_sets.plans import Choice
from app.scoring import Plan, read_attributes
from app.sessions.answers import new_answers, record_answers
from app.sessions.carry_over import carry_over, move
from app.sessions.conclusions import is_already_concluded, record_decision, record_outcome
from app.sessions.responses import answer_out, choice_fields, session_fields
from app.sessions.schemas import (
    AnswersPatch,
    MoveRequest,
    NewDecision,
    NewSession,
    OutcomeIn,
    QualifyRequest,
    QualifyResult,
    SessionMoved,
    SessionOpened,
    SessionOut,
)
from app.sessions.session_edit import (
    SessionEdit,
    UnitOfWork,
    begin_edit,
    load_for_update,
    open_new,
    refresh_attributes,
    save,
)
from app.sessions.tables import Session

NEWEST = (
    select(Session)
    .where(
        Session.prospect_id == bindparam("prospect"),
        Session.deal == bindparam("deal"),
        Session.question_set == bindparam("key"),
        Session.status == bindparam("status"),
    )
    .order_by(col(Session.id).desc())
    .limit(1)
    .with_for_update()
)


def qualify(uow: UnitOfWork, request: QualifyRequest) -> QualifyResult:
    """All in one: the prospect, its session, the answers, the decision, the outcome, the score."""
    change = request.model_dump(include={"name", "attributes"}, exclude_unset=True)
    prospect, created, changed = prospects.upsert(uow.tx, request.link, ProspectChange.model_validate(change))
    choice = _choose_to_qualify(uow, prospect, request)
    edit = _edit_to_qualify(uow, prospect, request, choice)
    opened, repeats = edit.opening, _repeats(edit, request)
    if created:
        prospects.set_subject(uow.tx, prospect, edit.plan.question_set.subject)
    if changed and not created:
        rescore_open_sessions(uow, prospect, request.attributes, but=edit.session.id)
    _require_readable(edit.plan, prospect, request.attributes)
    if edit.session.status == "open":
        refresh_attributes(edit, prospect)
        if opened and request.carry_over:
            carry_over(edit)
        record_answers(edit, request, None)
    save(edit, "answered")
    if request.decision and not repeats:
        record_decision(edit, request.decision, edit.session.revision)
    if request.outcome and not repeats:
        record_outcome(edit, request.outcome)
    return QualifyResult(
        **session_fields(edit), **choice_fields(choice), prospect_created=created, session_opened=opened
    )


def plan_to_qualify(uow: UnitOfWork, link: Link, deal: str | None, named: str) -> Plan:
    """The plan that `qualify` by that name scores with: that of the open session, or of a new one."""
    key, _ = uow.plans.parse_name(named)
    prospect = find_by_link(uow.tx, link, lock=True)
    if prospect and (session := _newest(uow, prospect, deal, key, "open")):
        return uow.plans.find(uow.tx, f"{key}@{session.version}")
    return uow.plans.find_to_open(uow.tx, named)


def set_to_qualify(uow: UnitOfWork, link: Link, deal: str | None, attributes: Mapping[str, Any]) -> str:
    """The name of the set that `qualify` would choose, once these attributes are known, if none is named."""
    prospect = find_by_link(uow.tx, link, lock=True)
    known = prospect.attributes if prospect else {}
    choice = uow.plans.choose(uow.tx, {**known, **attributes})
    going_on = _the_open_one(uow, prospect, deal) if prospect and choice.by == "default" else None
    return (going_on or choice).name


def open_session(uow: UnitOfWork, request: NewSession) -> SessionOpened:
    """Open a session; raises SESSION_IS_OPEN if there is one for this prospect, deal and set."""
    prospect = find_prospect(uow.tx, request.prospect_id, lock=True)
    choice = _choose(uow, prospect, request.question_set)
    plan = uow.plans.find_to_open(uow.tx, choice.name)
    if there := _newest(uow, prospect, request.deal, plan.question_set.key, "open"):
        detail = f"Session {there.id} is open for this prospect, deal and set."
        raise Problem(SESSION_IS_OPEN, detail)
    edit = open_new(uow, plan, prospect, request.deal)
    if request.carry_over:
        carry_over(edit)
    record_answers(edit, request, None)
    save(edit, "opened")
    return SessionOpened(**session_fields(edit), **choice_fields(choice))


def record_session_answers(uow: UnitOfWork, session_id: UUID, patch: AnswersPatch) -> SessionOut:
    """Record answers and score them."""
    edit = load_for_update(uow, session_id)
    record_answers(edit, patch, patch.revision)
    save(edit, "answered")
    return SessionOut(**session_fields(edit))


def move_session(uow: UnitOfWork, session_id: UUID, request: MoveRequest) -> SessionMoved:
    """Move an open session to a newer version of its set, with the answers that has a place for."""
    edit = load_for_update(uow, session_id)
    if request.revision is not None:
        require_revision("session", edit.session.revision, request.revision)
    before = edit.plan.name
    dropped = move(edit, uow.plans.find_to_open(uow.tx, request.question_set))
    save(edit, "moved")
    gone = [answer_out(answer, uow.tx.at) for answer in dropped]
    return SessionMoved(**session_fields(edit), moved_from=before, dropped=gone)


def decide(uow: UnitOfWork, session_id: UUID, decision: NewDecision) -> SessionOut:
    """Record a person's decision on the revision they saw; raises REVISION_REQUIRED without one."""
    edit = load_for_update(uow, session_id)
    if decision.revision is None:
        raise revision_required("session")
    record_decision(edit, decision, decision.revision)
    return SessionOut(**session_fields(edit))


def record_session_outcome(uow: UnitOfWork, session_id: UUID, outcome: OutcomeIn) -> SessionOut:
    """Record what became of it."""
    edit = load_for_update(uow, session_id)
    record_outcome(edit, outcome)
    return SessionOut(**session_fields(edit))


def upsert_prospect(uow: UnitOfWork, link: Link, change: ProspectChange) -> tuple[Prospect, bool, bool]:
    """Create or change the prospect behind a link; whether it was created, whether it was changed."""
    prospect, created, changed = prospects.upsert(uow.tx, link, change)
    if changed and not created:
        rescore_open_sessions(uow, prospect, change.attributes)
    return prospect, created, changed


def update_prospect(uow: UnitOfWork, prospect_id: UUID, change: ProspectChange) -> Prospect:
    """Change a prospect, and with it the scores of its open sessions."""
    prospect = find_prospect(uow.tx, prospect_id, lock=True)
    if prospects.apply_change(uow.tx, prospect, change):
        rescore_open_sessions(uow, prospect, change.attributes)
    return prospect


def move_sessions(uow: UnitOfWork, kept: Prospect, other: Prospect) -> None:
    """Give the sessions of another prospect to `kept`. Both prospects are locked.

    Raises SESSION_IS_OPEN, naming both, if both have an open session for one deal and question set.
    """
    _refuse_clash(_open_sessions(uow, kept), _open_sessions(uow, other))
    uow.tx.db.exec(update(Session).where(col(Session.prospect_id) == other.id).values(prospect_id=kept.id))


def delete_sessions(tx: Transaction, prospect_id: UUID) -> None:
    """Delete the sessions of a locked prospect, with all that belongs to them."""
    tx.db.exec(delete(Session).where(col(Session.prospect_id) == prospect_id))


def rescore_open_sessions(
    uow: UnitOfWork, prospect: Prospect, sent: Iterable[str], but: UUID | None = None
) -> None:
    """Let every open session of a locked prospect see its attributes as they are now.

    Raises `Flawed` for one that was `sent`, by its name, and that a session's set cannot read.
    """
    for session in _open_sessions(uow, prospect):
        if session.id != but:
            edit = begin_edit(uow, session)
            _require_readable(edit.plan, prospect, sent)
            refresh_attributes(edit, prospect)
            save(edit, "attributes")


def _require_readable(plan: Plan, prospect: Prospect, sent: Iterable[str]) -> None:
    """Raises `Flawed` for attributes that were sent, by their names, and that a set cannot read.

    As they are stored by now: value aliases are translated.
    """
    read_attributes(plan.question_set, {name: prospect.attributes.get(name) for name in sent})


def _choose(uow: UnitOfWork, prospect: Prospect, named: str | None) -> Choice:
    """The question set that the caller names, or else the one that is meant for such a prospect."""
    if named is not None:
        return Choice(named, "request", "the request names it")
    return uow.plans.choose(uow.tx, prospect.attributes)


def _choose_to_qualify(uow: UnitOfWork, prospect: Prospect, request: QualifyRequest) -> Choice:
    """The same, but the one session that is open for the deal goes on before a default begins.

    A conclusion alone goes to it in any case.
    """
    named = request.question_set
    choice = None if named is None and request.only_concludes else _choose(uow, prospect, named)
    may_go_on = choice is None or choice.by == "default"
    if may_go_on and (going_on := _the_open_one(uow, prospect, request.deal)):
        return going_on
    return choice or _choose(uow, prospect, named)


def _the_open_one(uow: UnitOfWork, prospect: Prospect, deal: str | None) -> Choice | None:
    """The set of the session that is open for a deal, if that is the only one."""
    sessions = [session for session in _open_sessions(uow, prospect) if session.deal == (deal or "")]
    if len(sessions) != 1:
        return None
    return Choice(sessions[0].question_set, "session", "it is the one that is open")


def _edit_to_qualify(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice
) -> SessionEdit:
    """The open session; the last closed one if nothing begins anew; else a new one."""
    key, version = uow.plans.parse_name(choice.name)
    session = _newest(uow, prospect, request.deal, key, "open")
    if session and version not in (None, session.version):
        detail = f"Session {session.id} is open on {key}@{session.version}."
        raise Problem(SESSION_IS_OPEN, detail)
    if session:
        return begin_edit(uow, session)
    if closed := _newest(uow, prospect, request.deal, key, "closed"):
        edit = begin_edit(uow, closed)
        if not request.begins_anew or _repeats(edit, request):
            return edit
    return open_new(uow, uow.plans.find_to_open(uow.tx, choice.name), prospect, request.deal)


def _repeats(edit: SessionEdit, request: QualifyRequest) -> bool:
    """Whether a request that concludes was carried out before: a caller who got no answer sends it again."""
    return (
        edit.session.status == "closed"
        and is_already_concluded(edit, request.decision, request.outcome)
        and request.details().keys() <= edit.plan.questions.keys()
        and not new_answers(edit, request)
    )


def _newest(uow: UnitOfWork, prospect: Prospect, deal: str | None, key: str, status: str) -> Session | None:
    """The newest session of that status for a prospect, deal and set, locked."""
    wanted = {"prospect": prospect.id, "deal": deal or "", "key": key, "status": status}
    return uow.tx.db.exec(NEWEST, params=wanted).first()


def _open_sessions(uow: UnitOfWork, prospect: Prospect) -> list[Session]:
    """Its open sessions, locked in the order of their ids."""
    wanted = select(Session).where(Session.prospect_id == prospect.id, Session.status == "open")
    return list(uow.tx.db.exec(wanted.order_by(col(Session.id)).with_for_update()))


def _refuse_clash(kept: list[Session], other: list[Session]) -> None:
    there = {(session.deal, session.question_set): session for session in kept}
    for session in other:
        if clash := there.get((session.deal, session.question_set)):
            detail = f"Sessions {clash.id} and {session.id} are both open for one deal and set."
            raise Problem(SESSION_IS_OPEN, detail)
