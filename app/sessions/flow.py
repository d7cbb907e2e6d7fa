"""The story of a qualification: a prospect comes in, is asked, and a person decides.

Every function here is one transaction's work: it locks what it changes (the prospect before its
sessions), decides, saves and tells.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from sqlmodel import bindparam, col, delete, select, update

from app.db import Transaction
from app.problems import SESSION_IS_OPEN, Problem, invalid_field, require_revision, revision_required
from app.prospects import records
from app.prospects.tables import Prospect
from app.prospects.wire import Link, ProspectChange
from app.question_sets.choice import Choice
from app.scoring import Plan, read_attributes
from app.sessions.answering import record_answers, what_is_new
from app.sessions.carrying import carry_over, move
from app.sessions.case import Case, Work, begin, load, refresh_attributes, save, take_up
from app.sessions.concluding import is_concluded_so, record_decision, record_outcome
from app.sessions.requests import (
    AnswersPatch,
    MoveRequest,
    NewDecision,
    NewSession,
    OutcomeIn,
    QualifyRequest,
)
from app.sessions.tables import Session
from app.sessions.views import Moved, Opened, Qualified, SessionOut, answer_out, body, chosen

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


def qualify(work: Work, request: QualifyRequest) -> Qualified:
    """All in one: the prospect, its session, the answers, the decision, the outcome, the score."""
    change = request.model_dump(include={"name", "attributes"}, exclude_unset=True)
    prospect, created, changed = records.upsert(work.tx, request.link, ProspectChange.model_validate(change))
    choice = _choose_to_qualify(work, prospect, request)
    case = _case_to_qualify(work, prospect, request, choice)
    opened, repeats = case.opening, _repeats(case, request)
    if created:
        records.is_about(work.tx, prospect, case.plan.question_set.subject)
    if changed and not created:
        rescore_open_sessions(work, prospect, request.attributes, but=case.session.id)
    _require_readable(case.plan, prospect, request.attributes)
    if case.session.status == "open":
        refresh_attributes(case, prospect)
        if opened and request.carry_over:
            carry_over(case)
        record_answers(case, request, None)
    save(case, "answered")
    if request.decision and not repeats:
        record_decision(case, request.decision, case.session.revision)
    if request.outcome and not repeats:
        record_outcome(case, request.outcome)
    return Qualified(**body(case), **chosen(choice), prospect_created=created, session_opened=opened)


def plan_to_qualify(work: Work, link: Link, deal: str | None, named: str) -> Plan:
    """The plan that `qualify` by that name scores with: that of the open session, or of a new one."""
    key, _ = work.plans.parts(named)
    prospect = records.find_linked(work.tx, link, lock=True)
    if prospect and (session := _newest(work, prospect, deal, key, "open")):
        return work.plans.find(work.tx, f"{key}@{session.version}")
    return work.plans.find_to_open(work.tx, named)


def set_to_qualify(work: Work, link: Link, deal: str | None, attributes: Mapping[str, Any]) -> str:
    """The name of the set that `qualify` would choose, once these attributes are known, if none is named."""
    prospect = records.find_linked(work.tx, link, lock=True)
    known = prospect.attributes if prospect else {}
    choice = work.plans.choose(work.tx, {**known, **attributes})
    going_on = _the_open_one(work, prospect, deal) if prospect and choice.by == "default" else None
    return (going_on or choice).name


def open_session(work: Work, request: NewSession) -> Opened:
    """Open a session; raises SESSION_IS_OPEN if there is one for this prospect, deal and set."""
    prospect = records.find(work.tx, request.prospect_id, lock=True)
    choice = _choose(work, prospect, request.question_set)
    plan = work.plans.find_to_open(work.tx, choice.name)
    if there := _newest(work, prospect, request.deal, plan.question_set.key, "open"):
        detail = f"Session {there.id} is open for this prospect, deal and set."
        raise Problem(SESSION_IS_OPEN, detail)
    case = begin(work, plan, prospect, request.deal)
    if request.carry_over:
        carry_over(case)
    record_answers(case, request, None)
    save(case, "opened")
    return Opened(**body(case), **chosen(choice))


def answer(work: Work, session_id: UUID, patch: AnswersPatch) -> SessionOut:
    """Record answers and score them."""
    case = load(work, session_id)
    record_answers(case, patch, patch.revision)
    save(case, "answered")
    return SessionOut(**body(case))


def move_session(work: Work, session_id: UUID, request: MoveRequest) -> Moved:
    """Move an open session to a newer version of its set, with the answers that has a place for."""
    case = load(work, session_id)
    if request.revision is not None:
        require_revision("session", case.session.revision, request.revision)
    before = case.plan.name
    dropped = move(case, work.plans.find_to_open(work.tx, request.question_set))
    save(case, "moved")
    gone = [answer_out(answer, work.tx.at) for answer in dropped]
    return Moved(**body(case), moved_from=before, dropped=gone)


def decide(work: Work, session_id: UUID, decision: NewDecision) -> SessionOut:
    """Record a person's decision on the revision they saw; raises REVISION_REQUIRED without one."""
    case = load(work, session_id)
    if decision.revision is None:
        raise revision_required("session")
    record_decision(case, decision, decision.revision)
    return SessionOut(**body(case))


def conclude(work: Work, session_id: UUID, outcome: OutcomeIn) -> SessionOut:
    """Record what became of it."""
    case = load(work, session_id)
    record_outcome(case, outcome)
    return SessionOut(**body(case))


def upsert_prospect(work: Work, link: Link, change: ProspectChange) -> tuple[Prospect, bool, bool]:
    """Create or change the prospect behind a link; whether it was created, whether it was changed."""
    prospect, created, changed = records.upsert(work.tx, link, change)
    if changed and not created:
        rescore_open_sessions(work, prospect, change.attributes)
    return prospect, created, changed


def change_prospect(work: Work, prospect_id: UUID, change: ProspectChange) -> Prospect:
    """Change a prospect, and with it the scores of its open sessions."""
    prospect = records.find(work.tx, prospect_id, lock=True)
    if records.apply(work.tx, prospect, change):
        rescore_open_sessions(work, prospect, change.attributes)
    return prospect


def merge_prospects(work: Work, kept_id: UUID, other_id: UUID) -> tuple[Prospect, Prospect]:
    """Move links, attributes and sessions of another prospect here; the other is returned to be erased.

    Raises SESSION_IS_OPEN, naming both, if both have an open session for one deal and set.
    """
    if kept_id == other_id:
        raise invalid_field("/prospect_id", "same", "a prospect cannot be merged into itself")
    locked = {key: records.find(work.tx, key, lock=True) for key in sorted((kept_id, other_id))}
    kept, other = locked[kept_id], locked[other_id]
    _refuse_clash(_open_sessions(work, kept), _open_sessions(work, other))
    work.tx.db.exec(update(Session).where(col(Session.prospect_id) == other.id).values(prospect_id=kept.id))
    records.merge(work.tx, kept, other)
    rescore_open_sessions(work, kept, ())
    return kept, other


def erase_prospect(tx: Transaction, prospect_id: UUID) -> None:
    """Erase a prospect with its sessions and all that is stored of them; raises NOT_FOUND."""
    prospect = records.find(tx, prospect_id, lock=True)
    # Its sessions first: who is at work on one may still refer to the prospect, and with that wait for us.
    tx.db.exec(delete(Session).where(col(Session.prospect_id) == prospect.id))
    records.erase(tx, prospect)


def rescore_open_sessions(
    work: Work, prospect: Prospect, sent: Iterable[str], but: UUID | None = None
) -> None:
    """Let every open session of a locked prospect see its attributes as they are now.

    Raises `Flawed` for one that was `sent`, by its name, and that a session's set cannot read.
    """
    for session in _open_sessions(work, prospect):
        if session.id != but:
            case = take_up(work, session)
            _require_readable(case.plan, prospect, sent)
            refresh_attributes(case, prospect)
            save(case, "attributes")


def _require_readable(plan: Plan, prospect: Prospect, sent: Iterable[str]) -> None:
    """Raises `Flawed` for attributes that were sent, by their names, and that a set cannot read.

    As they are stored by now: value aliases are translated.
    """
    read_attributes(plan.question_set, {name: prospect.attributes.get(name) for name in sent})


def _choose(work: Work, prospect: Prospect, named: str | None) -> Choice:
    """The question set that the caller names, or else the one that is meant for such a prospect."""
    if named is not None:
        return Choice(named, "request", "the request names it")
    return work.plans.choose(work.tx, prospect.attributes)


def _choose_to_qualify(work: Work, prospect: Prospect, request: QualifyRequest) -> Choice:
    """The same, but the one session that is open for the deal goes on before a default begins.

    A conclusion alone goes to it in any case.
    """
    named = request.question_set
    choice = None if named is None and request.only_concludes else _choose(work, prospect, named)
    may_go_on = choice is None or choice.by == "default"
    if may_go_on and (going_on := _the_open_one(work, prospect, request.deal)):
        return going_on
    return choice or _choose(work, prospect, named)


def _the_open_one(work: Work, prospect: Prospect, deal: str | None) -> Choice | None:
    """The set of the session that is open for a deal, if that is the only one."""
    sessions = [session for session in _open_sessions(work, prospect) if session.deal == (deal or "")]
    if len(sessions) != 1:
        return None
    return Choice(sessions[0].question_set, "session", "it is the one that is open")


def _case_to_qualify(work: Work, prospect: Prospect, request: QualifyRequest, choice: Choice) -> Case:
    """The open session; the last closed one if nothing begins anew; else a new one."""
    key, version = work.plans.parts(choice.name)
    session = _newest(work, prospect, request.deal, key, "open")
    if session and version not in (None, session.version):
        detail = f"Session {session.id} is open on {key}@{session.version}."
        raise Problem(SESSION_IS_OPEN, detail)
    if session:
        return take_up(work, session)
    if closed := _newest(work, prospect, request.deal, key, "closed"):
        case = take_up(work, closed)
        if not request.begins_anew or _repeats(case, request):
            return case
    return begin(work, work.plans.find_to_open(work.tx, choice.name), prospect, request.deal)


def _repeats(case: Case, request: QualifyRequest) -> bool:
    """Whether a request that concludes was carried out before: a caller who got no answer sends it again."""
    return (
        case.session.status == "closed"
        and is_concluded_so(case, request.decision, request.outcome)
        and request.details().keys() <= case.plan.questions.keys()
        and not what_is_new(case, request)
    )


def _newest(work: Work, prospect: Prospect, deal: str | None, key: str, status: str) -> Session | None:
    """The newest session of that status for a prospect, deal and set, locked."""
    wanted = {"prospect": prospect.id, "deal": deal or "", "key": key, "status": status}
    return work.tx.db.exec(NEWEST, params=wanted).first()


def _open_sessions(work: Work, prospect: Prospect) -> list[Session]:
    """Its open sessions, locked in the order of their ids."""
    wanted = select(Session).where(Session.prospect_id == prospect.id, Session.status == "open")
    return list(work.tx.db.exec(wanted.order_by(col(Session.id)).with_for_update()))


def _refuse_clash(kept: list[Session], other: list[Session]) -> None:
    there = {(session.deal, session.question_set): session for session in kept}
    for session in other:
        if clash := there.get((session.deal, session.question_set)):
            detail = f"Sessions {clash.id} and {session.id} are both open for one deal and set."
            raise Problem(SESSION_IS_OPEN, detail)
