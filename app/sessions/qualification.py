"""Qualify in one call: the prospect, its session, the answers, a decision and an outcome."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.problems import SESSION_IS_OPEN, Problem
from app.prospects import service as prospects
from app.prospects.queries import find_by_link
from app.prospects.received import Part, Received
from app.prospects.schemas import Link
from app.prospects.tables import Prospect
from app.question_sets.plans import Choice
from app.scoring import Plan
from app.sessions.answers import (
    classify_answers,
    own_withdrawals,
    record_answers,
    record_late,
    repeats,
    save_answers,
)
from app.sessions.carry_over import carry_over
from app.sessions.conclusions import (
    DECISION_VALUES,
    OUTCOME_VALUES,
    completes_outcome,
    decision_values,
    has_carried_out,
    has_decided,
    outcome_values,
    record_decision,
    record_outcome,
)
from app.sessions.presenters import choice_fields, session_fields
from app.sessions.queries import newest_session, newest_sessions, open_sessions
from app.sessions.requests import (
    ClearingRequest,
    QualifyRequest,
    SessionIdentity,
)
from app.sessions.service import Fields, choose_set, identity_of, require_readable, rescore_open_sessions
from app.sessions.session_edit import (
    SessionEdit,
    UnitOfWork,
    begin_edit,
    may_be_opened_on,
    open_new,
    refresh_attributes,
    require_past,
    was_opened_on,
)
from app.sessions.tables import Session

# The number of closed sessions of one prospect, identity and question set that a row is compared with.
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


def qualify(uow: UnitOfWork, request: QualifyRequest) -> Fields:
    """Carry out a qualification, and return the fields of `QualifyResult`. Raises what `carry_out` raises."""
    done = carry_out(uow, request)
    return {
        **session_fields(done.edit),
        **choice_fields(done.choice),
        "prospect_created": done.prospect_created,
        "session_opened": done.session_opened,
    }


def carry_out(uow: UnitOfWork, request: QualifyRequest, *, from_file: bool = False) -> Qualified:
    """Upsert the prospect, open or continue its session, record what the request has, and score the session.

    A value that the link of the request repeats changes nothing. With `from_file`, the request is a row of a
    file. Raises `Flawed` for answers and attributes that the question set cannot read and for an `opened_on`
    in the future, SESSION_IS_OPEN, SESSION_IS_CLOSED, SEVERAL_SETS_MATCH, and INVALID_REQUEST for an unknown
    or retired question set.
    """
    require_past(uow.tx, request.opened_on)
    identity = request.identity
    found = prospects.upsert(
        uow.tx,
        request.link,
        request.change,
        identity.deal,
        identity.assessor,
        # What an alias stands for can itself be an alias, so values are translated only once.
        is_translated=isinstance(request, ClearingRequest),
    )
    prospect = found.prospect
    choice = _choose_for_qualify(uow, prospect, request)
    received = found.from_link.part(_part_of(uow, request, choice, from_file=from_file))
    # A new prospect has no sessions to look for.
    edit = None if found.is_created else _find_edit(uow, prospect, request, choice, from_file=from_file)
    repeated = _repeated_by_row(uow, prospect, request, choice, received) if edit and from_file else None
    edit = repeated or edit
    if edit is None or (not repeated and _begins_another(edit, request, received, from_file=from_file)):
        if edit and from_file:
            _require_none_open(uow, prospect, request, edit)
        edit = _open_for_qualify(uow, prospect, request, choice)
    opened, revision = edit.opening, edit.session.revision
    if found.is_created:
        prospects.set_subject(uow.tx, prospect, edit.plan.question_set.subject)
    elif found.is_changed:
        rescore_open_sessions(uow, prospect, request.attributes, except_id=edit.session.id)
    require_readable(edit.plan, prospect, request.attributes)
    if edit.session.status == "open":
        refresh_attributes(edit, prospect)
    if not repeated:
        _record(edit, request, received, brings_attributes=found.is_created or found.is_changed)
    found.from_link.save(uow.tx)
    return Qualified(
        edit,
        choice,
        found.is_created,
        found.is_changed,
        opened,
        opened or edit.session.revision > revision,
    )


def _record(
    edit: SessionEdit, request: QualifyRequest, received: Received, *, brings_attributes: bool
) -> None:
    """Record the answers, the decision and the outcome of a request, except what its link repeats.

    A new session takes the repeated ones too. `brings_attributes` says whether the attributes of the request,
    which can rate questions by rule, are new.
    """
    brings_ratings = (
        edit.opening
        and brings_attributes
        and not edit.session.attributes.keys().isdisjoint(request.attributes)
    )
    answered = False
    if edit.opening and request.carry_over:
        carry_over(edit)
    if edit.opening:
        # What the link sent last was about another session.
        received.forget(*DECISION_VALUES, *OUTCOME_VALUES)
    cleared = request.cleared if isinstance(request, ClearingRequest) else []
    own = own_withdrawals(edit, cleared, received)
    if edit.session.status == "open":
        sent = request.model_copy(update={"answers": [*request.answers, *own]}) if own else request
        answered = record_answers(edit, sent, None, received)
    else:
        record_late(edit, classify_answers(edit, request, received).late)
    save_answers(edit)
    _forget_nulls(request, received)
    decision, outcome = request.decision, request.outcome
    is_new = decision and _is_new_conclusion(received, decision_values(decision), DECISION_VALUES)
    if decision and is_new and not has_decided(edit, decision):
        record_decision(edit, decision, edit.session.revision)
    if outcome and _is_new_conclusion(received, outcome_values(outcome), OUTCOME_VALUES):
        record_outcome(edit, outcome, with_ratings=answered or brings_ratings)


def _forget_nulls(request: QualifyRequest, received: Received) -> None:
    """Forget the last decision or outcome of a link if it sends null instead: the next one is new."""
    if request.decision is None and "decision" in request.model_fields_set:
        received.forget(*DECISION_VALUES)
    if request.outcome is None and "outcome" in request.model_fields_set:
        received.forget(*OUTCOME_VALUES)


def _is_new_conclusion(received: Received, values: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether one of the values of a conclusion is new, and if so remember all of them.

    `names` are the fields that such a conclusion can have.
    """
    if _repeats_all(received, values):
        return False
    received.forget(*names)
    for name, value in values.items():
        received.remember(name, value, None)
    return True


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


def _choose_for_qualify(uow: UnitOfWork, prospect: Prospect, request: QualifyRequest) -> Choice:
    """Choose a question set like `choose_set`, but continue the only open session if possible.

    This is the only one that is open for the deal and the assessor. It is continued rather than opening one
    on the default question set. A request with only a decision or an outcome continues it even if another
    question set is meant for such a prospect.
    """
    named = request.question_set
    choice = None if named is None and request.only_concludes else choose_set(uow, prospect, named)
    may_continue = choice is None or choice.by == "default"
    if may_continue and (continued := _choice_of_only_open_session(uow, prospect, request.identity)):
        return continued
    return choice or choose_set(uow, prospect, named)


def _choice_of_only_open_session(
    uow: UnitOfWork, prospect: Prospect, identity: SessionIdentity
) -> Choice | None:
    """Return the question set of the session that is open for a deal and an assessor.

    Returns None unless exactly one is open.
    """
    sessions = [session for session in open_sessions(uow.tx, prospect) if identity_of(session) == identity]
    if len(sessions) != 1:
        return None
    return Choice(sessions[0].question_set, "session", "it is the set of the only open session")


def _part_of(uow: UnitOfWork, request: QualifyRequest, choice: Choice, *, from_file: bool) -> Part:
    """Return which received values of the link a request is about.

    Rows of a file can be about several sessions of a deal, which were opened on different days.
    """
    key, _ = uow.plans.parse_name(choice.name)
    day = str(request.opened_on) if from_file and request.opened_on else ""
    return Part(request.identity.deal, request.identity.assessor, key, day)


def _find_edit(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice, *, from_file: bool
) -> SessionEdit | None:
    """Return the session that a request is about: the open one, or else the one that was closed last.

    A row of a file is about the session that was opened on the day that it names, if there is one. Raises
    SESSION_IS_OPEN if a session is open on another version than the one that the request names.
    """
    key, version = uow.plans.parse_name(choice.name)
    session = newest_session(uow.tx, prospect, request.identity, key, "open")
    if session and version not in (None, session.version):
        detail = f"Session {session.id} is open on {key}@{session.version}."
        raise Problem(SESSION_IS_OPEN, detail)
    if from_file and request.opened_on:
        session = _opened_on(uow, prospect, request, key, session)
    elif session is None:
        session = newest_session(uow.tx, prospect, request.identity, key, "closed")
    return begin_edit(uow, session) if session else None


def _opened_on(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, key: str, open_one: Session | None
) -> Session | None:
    """Return the session that was opened on the day that a row names, or else one that may be."""
    closed = newest_sessions(uow.tx, prospect, request.identity, key, "closed", MAX_CLOSED_COMPARED)
    all_ = [*([open_one] if open_one else []), *closed]
    exact = (session for session in all_ if was_opened_on(session, request.opened_on))
    possible = (session for session in closed if may_be_opened_on(session, request.opened_on))
    return next(exact, None) or open_one or next(possible, None)


def _begins_another(
    edit: SessionEdit, request: QualifyRequest, received: Received, *, from_file: bool
) -> bool:
    """Whether a request begins another session, because the session that it is about is closed.

    It does so if it has a new answer, or a new decision besides answers. A row of a file only does so for a
    new answer, or if it has another outcome and names neither the deal nor the day: the outcome is that of
    another deal.
    """
    if edit.session.status == "open":
        return False
    is_known = request.answers_by_question().keys() <= edit.plan.questions.keys()
    if not is_known or classify_answers(edit, request, received).to_store:
        return True
    if not from_file:
        return not request.only_concludes and _has_new_decision(edit, request, received)
    is_named = request.deal is not None or request.opened_on is not None
    return bool(
        request.outcome
        and not is_named
        and not _repeats_all(received, outcome_values(request.outcome))
        and not completes_outcome(edit, request.outcome)
    )


def _has_new_decision(edit: SessionEdit, request: QualifyRequest, received: Received) -> bool:
    """Whether a request has a decision that its link does not repeat, and that nobody has made yet."""
    decision = request.decision
    if decision is None or _repeats_all(received, decision_values(decision)):
        return False
    return not has_decided(edit, decision)


def _repeats_all(received: Received, values: Mapping[str, Any]) -> bool:
    return all(received.repeats(name, value) for name, value in values.items())


def _require_none_open(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, closed: SessionEdit
) -> None:
    """Raise SESSION_IS_OPEN if no session can begin instead of a closed one, because one is open."""
    key = closed.session.question_set
    if session := newest_session(uow.tx, prospect, request.identity, key, "open"):
        detail = (
            f"The answers differ from those of the closed session {closed.session.id}, and session "
            f"{session.id} is open."
        )
        raise Problem(SESSION_IS_OPEN, detail)


def _open_for_qualify(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice
) -> SessionEdit:
    plan = uow.plans.find_to_open(uow.tx, choice.name)
    return open_new(uow, plan, prospect, request.identity, request.opened_on)


def _repeated_by_row(
    uow: UnitOfWork, prospect: Prospect, request: QualifyRequest, choice: Choice, received: Received
) -> SessionEdit | None:
    """Return the closed session that an earlier import of a row has concluded; None if there is none.

    Several rows can conclude sessions of one prospect, and a link only remembers the last of them.
    """
    if not request.concludes or not _has_new_value(request, received):
        return None
    key, _ = uow.plans.parse_name(choice.name)
    closed = newest_sessions(uow.tx, prospect, request.identity, key, "closed", MAX_CLOSED_COMPARED)
    edits = (begin_edit(uow, session) for session in closed if may_be_opened_on(session, request.opened_on))
    return next((edit for edit in edits if has_carried_out(edit, request)), None)


def _has_new_value(request: QualifyRequest, received: Received) -> bool:
    """Whether a request has a value that its link does not repeat."""
    conclusions = {
        **(decision_values(request.decision) if request.decision else {}),
        **(outcome_values(request.outcome) if request.outcome else {}),
    }
    return not (
        all(repeats(received, answer) for answer in request.answers_by_question().values())
        and _repeats_all(received, conclusions)
    )
