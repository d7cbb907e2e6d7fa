"""The responses for sessions, their history, fits and events."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlmodel import and_, col, select

from app.db import Transaction
from app.events.tables import Event, types_named
from app.problems import missing
from app.prospects.queries import links_of
from app.prospects.schemas import LinkOut
from app.prospects.tables import ProspectLink
from app.question_sets.plans import Choice, Plans
from app.scoring import Judged, Score, VerdictRecord, summarise, verdict_record
from app.sessions.queries import (
    ListedSession,
    SetFilter,
    answers_of,
    answers_of_many,
    answers_to_judge,
    decisions_of,
    latest_decisions,
    latest_outcome,
    latest_outcomes,
    plan_of,
    question_set_clauses,
    require_fresh,
    verdicts_before,
)
from app.sessions.schemas import (
    DecisionOut,
    EventOut,
    FitOut,
    HistoryOut,
    OutcomeOut,
    RevisionOut,
    SessionChanges,
    SessionHead,
    SessionLine,
    SessionOut,
    SessionSummary,
    VerdictBefore,
)
from app.sessions.scores import (
    SESSION_FIGURES,
    judge_answers,
    judge_session,
    read_stored_answers,
    score_at,
    verdict_at,
    verdict_out,
    whole_score,
)
from app.sessions.session_edit import SessionEdit
from app.sessions.tables import NO_REVISIT, Decision, Outcome, Session, SessionRevision, StoredAnswer


def session_head(session: Session) -> dict[str, Any]:
    """Return the fields of `SessionHead`."""
    return {
        "session_id": session.id,
        "prospect_id": session.prospect_id,
        "question_set": f"{session.question_set}@{session.version}",
        "deal": session.deal or None,
        "assessor": session.assessor or None,
        "status": session.status,
        "revision": session.revision,
        "opened_at": session.opened_at,
        "updated_at": session.updated_at,
        "closed_at": session.closed_at,
    }


def choice_fields(choice: Choice) -> dict[str, Any]:
    """Return the fields of `SessionOpened` about the choice of the question set."""
    return {"chosen_by": choice.by, "chosen_because": choice.reason}


def session_fields(edit: SessionEdit) -> dict[str, Any]:
    """Return the fields of `SessionOut` for a session that this transaction edits."""
    judged = edit.judged or judge_session(edit.plan, edit.session, edit.answers)
    return _session_fields(edit.uow.tx, edit.session, edit.answers, whole_score(edit.session, judged))


def session_out(tx: Transaction, plans: Plans, session: Session) -> SessionOut:
    """Return the response for a session. Raises `StaleScores`."""
    require_fresh(tx, [session])
    answers = answers_of(tx, session.id)
    judged = judge_session(plan_of(tx, plans, session), session, answers)
    return SessionOut(**_session_fields(tx, session, answers, whole_score(session, judged)))


def session_out_at(tx: Transaction, plans: Plans, session: Session, revision: int) -> SessionOut:
    """Return the response for a session as it is now, but with the score as it was after a revision."""
    score = score_at(tx, plans, session, revision)
    return SessionOut(**_session_fields(tx, session, answers_of(tx, session.id), score))


def _session_fields(
    tx: Transaction, session: Session, answers: dict[str, StoredAnswer], score: Score
) -> dict[str, Any]:
    decisions = decisions_of(tx, session.id) if session.decision else []
    outcome = latest_outcome(tx, session.id) if session.outcome else None
    return {
        **session_head(session),
        "attributes": session.attributes,
        "answers": [answer_fields(answer, tx.at) for _, answer in sorted(answers.items())],
        "score": score,
        "decision": decision_out(tx, decisions[-1]).model_dump() if decisions else None,
        "outcome": outcome_out(outcome).model_dump() if outcome else None,
    }


def answer_fields(answer: StoredAnswer, at: datetime) -> dict[str, Any]:
    """Return the fields of `AnswerOut` for an answer, with its age in whole days at the time `at`."""
    return {
        "question": answer.question,
        "state": answer.state,
        "rating": answer.rating,
        "text": answer.text,
        "evidence": answer.evidence,
        "actor": answer.actor,
        "answered_at": answer.answered_at,
        "age_days": max(0, (at - answer.answered_at).days),
        "carried_from": answer.carried_from,
        "revision": answer.revision,
    }


def _summary_fields(session: Session) -> dict[str, Any]:
    """Return the fields of `SessionSummary`."""
    figures = session.model_dump(include=set(SessionSummary.model_fields) - set(SessionHead.model_fields))
    figures["revisit_on"] = None if session.revisit_on == NO_REVISIT else session.revisit_on
    return session_head(session) | figures


def session_lines(
    tx: Transaction, plans: Plans, listed: Sequence[ListedSession], changes_since: datetime | None = None
) -> list[SessionLine]:
    """Return the lines of sessions in a list, with one query each for answers, links and outcomes.

    With `changes_since`, two more queries read what changed in them at or after that time.
    """
    session_ids = [row.session.id for row in listed]
    answers = answers_to_judge(tx, session_ids)
    links = links_of(tx, {row.session.prospect_id for row in listed})
    outcomes = latest_outcomes(tx, session_ids)
    sessions = [row.session for row in listed]
    changes = _changes(tx, sessions, outcomes, changes_since) if changes_since else {}
    return [
        _session_line(
            row,
            judge_answers(plan_of(tx, plans, row.session), row.session, answers[row.session.id]),
            links[row.session.prospect_id],
            outcomes.get(row.session.id),
            changes.get(row.session.id),
        )
        for row in listed
    ]


def _session_line(
    row: ListedSession,
    judged: Judged,
    links: Sequence[ProspectLink],
    outcome: Outcome | None,
    changes: SessionChanges | None,
) -> SessionLine:
    return SessionLine(
        **_summary_fields(row.session),
        name=row.name,
        links=[LinkOut(source=link.source, external_id=link.external_id) for link in links],
        summary=summarise(judged.assessment),
        blockers=verdict_record(judged)["blockers"],
        amount=outcome.amount if outcome else None,
        currency=outcome.currency if outcome else None,
        changes=changes,
    )


def _changes(
    tx: Transaction, sessions: Iterable[Session], outcomes: Mapping[UUID, Outcome], since: datetime
) -> dict[UUID, SessionChanges]:
    """Return what changed in sessions at or after a time, by the id of each that has changed."""
    changed = [session.id for session in sessions if session.updated_at >= since]
    verdicts, decisions = verdicts_before(tx, changed, since), latest_decisions(tx, changed)
    changes = {}
    for session_id in changed:
        before, decision = verdicts.get(session_id), decisions.get(session_id)
        is_decided = decision is not None and decision.decided_at >= since
        outcome = outcomes.get(session_id)
        changes[session_id] = SessionChanges(
            before=VerdictBefore.model_validate(before) if before else None,
            decision=decision.decision if decision and is_decided else None,
            decided_by=decision.actor if decision and is_decided else None,
            outcome=outcome.outcome if outcome and outcome.recorded_at >= since else None,
        )
    return changes


def history_out(tx: Transaction, plans: Plans, session: Session) -> HistoryOut:
    """Return the history of a session: its revisions, decisions and outcomes, oldest first."""
    revisions = tx.db.exec(
        select(SessionRevision)
        .where(SessionRevision.session_id == session.id)
        .order_by(col(SessionRevision.revision))
    )
    outcomes = tx.db.exec(
        select(Outcome).where(Outcome.session_id == session.id).order_by(col(Outcome.revision))
    )
    return HistoryOut(
        session_id=session.id,
        revisions=[_revision_out(tx, plans, session, revision) for revision in revisions],
        decisions=[decision_out(tx, decision) for decision in decisions_of(tx, session.id)],
        outcomes=[outcome_out(outcome) for outcome in outcomes],
    )


def _revision_out(tx: Transaction, plans: Plans, session: Session, revision: SessionRevision) -> RevisionOut:
    verdict = verdict_out(tx, plans, session, cast("VerdictRecord", revision.verdict))
    changed = dict(revision.changed)
    for name in changed.keys() & {"answers", "late"}:
        changed[name] = to_jsonable_python(read_stored_answers(revision.at, changed[name]))
    fields = revision.model_dump(exclude={"session_id"})
    return RevisionOut.model_validate(fields | {"changed": changed, "verdict": verdict})


def decision_out(tx: Transaction, decision: Decision) -> DecisionOut:
    """Return the response for a decision, with the figures at the revision that it was made on."""
    verdict = verdict_at(tx, decision.session_id, decision.revision)
    return DecisionOut(
        decision=decision.decision,
        match=decision.match_word,
        benefit=decision.benefit_word,
        reason=decision.reason,
        revisit_on=decision.revisit_on,
        actor=decision.actor,
        decided_at=decision.decided_at,
        revision=decision.revision,
        indication=verdict["indication"],
        score=verdict["score"],
        lowest=verdict["lowest"],
        highest=verdict["highest"],
    )


def outcome_out(outcome: Outcome) -> OutcomeOut:
    """Return the response for an outcome."""
    fields = outcome.model_dump(exclude={"id", "session_id", "key_name"})
    return OutcomeOut.model_validate(fields)


def fits_of(
    tx: Transaction,
    plans: Plans,
    prospect_ids: Sequence[UUID],
    question_set: SetFilter | None,
    deal: str | None = None,
    assessor: str | None = None,
) -> dict[UUID, FitOut]:
    """Return the fits of several prospects, by prospect. The parameters are those of `shown_sessions`."""
    shown = shown_sessions(tx, prospect_ids, question_set, deal, assessor)
    answers = answers_of_many(tx, [session.id for session in shown.values()])
    return {
        prospect_id: fit_out(
            session, judge_session(plan_of(tx, plans, session), session, answers[session.id])
        )
        for prospect_id, session in shown.items()
    }


def shown_sessions(
    tx: Transaction,
    prospect_ids: Sequence[UUID],
    question_set: SetFilter | None = None,
    deal: str | None = None,
    assessor: str | None = None,
) -> dict[UUID, Session]:
    """Return the session whose fit each prospect shows: the newest open one, or else the newest closed one.

    Without `question_set`, the sessions of every set count that asks about prospects. With `deal` or
    `assessor`, only the sessions of that deal or assessor count. A prospect without a session is left out.
    Raises `StaleScores`.
    """
    statement = (
        select(Session)
        .where(col(Session.prospect_id).in_(prospect_ids))
        .order_by(col(Session.status), col(Session.id))
    )
    if question_set is None:
        statement = statement.where(Session.subject == "prospect")
    else:
        statement = statement.where(*question_set_clauses(question_set))
    if deal is not None:
        statement = statement.where(Session.deal == deal)
    if assessor is not None:
        statement = statement.where(Session.assessor == assessor)
    # Closed sessions come before open ones, and older before newer ones: the last one of a prospect is shown.
    shown = {session.prospect_id: session for session in tx.db.exec(statement)}
    require_fresh(tx, shown.values())
    return shown


def fit_of(
    tx: Transaction,
    plans: Plans,
    prospect_id: UUID,
    question_set: SetFilter | None,
    deal: str | None,
    assessor: str | None,
) -> FitOut:
    """Return the fit of one prospect, as `fits_of`. Raises `StaleScores`, and NOT_FOUND without a session."""
    fits = fits_of(tx, plans, [prospect_id], question_set, deal, assessor)
    if prospect_id not in fits:
        raise missing("such session of this prospect")
    return fits[prospect_id]


def fit_out(session: Session, judged: Judged) -> FitOut:
    """Return the fit that a session gives."""
    score = whole_score(session, judged)
    texts = {name: score[name] for name in ("summary", "weaker_side", "blockers")}
    return FitOut(**_summary_fields(session), **texts)


EVENT_COLUMNS = {
    *("id", "position", "type", "at", "silent", "prospect_id", "session_id", "question_set", "revision"),
}
# Reminders. They do not belong to the revision that they name.
REMINDER_TYPES = types_named(["revisit.due", "answer.stale_soon"])
# The fields of an event's `data`. Its figures are not stored: they are those of the session's revision.
EVENT_DATA_FIELDS = ("decision", "outcome", "merged_prospect_id", "question", "stale_at", "revisit_on")


@dataclass(frozen=True, slots=True)
class _CurrentTarget:
    """The prospect and the session's deal and assessor that an event is about now.

    A merge gives a session to another prospect.
    """

    prospect_id: UUID | None
    deal: str | None = None
    assessor: str | None = None


def events_out(tx: Transaction, events: Sequence[Event]) -> list[EventOut]:
    """Return the responses for several events, with one query each for sessions, revisions and links."""
    sessions = _event_targets(tx, {event.session_id for event in events if event.session_id})
    targets = [sessions.get(event.session_id) or _CurrentTarget(event.prospect_id) for event in events]
    links = links_of(tx, {target.prospect_id for target in targets if target.prospect_id})
    figures = _event_figures(tx, [event.id for event in events])
    return [
        _event_out(
            event,
            target,
            links[target.prospect_id] if target.prospect_id else (),
            figures.get(event.id, {}),
        )
        for event, target in zip(events, targets, strict=True)
    ]


def _event_targets(tx: Transaction, session_ids: set[UUID]) -> dict[UUID | None, _CurrentTarget]:
    columns = select(Session.id, Session.prospect_id, Session.deal, Session.assessor)
    return {
        session_id: _CurrentTarget(prospect_id, deal or None, assessor or None)
        for session_id, prospect_id, deal, assessor in tx.db.exec(
            columns.where(col(Session.id).in_(session_ids))
        )
    }


def _event_figures(tx: Transaction, event_ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """Return the change and the figures of each event about a session, by the id of the event."""
    of_revision = and_(
        col(SessionRevision.session_id) == col(Event.session_id),
        col(SessionRevision.revision) == col(Event.revision),
    )
    statement = select(Event.id, SessionRevision.change, SessionRevision.verdict).join(
        SessionRevision, of_revision
    )
    return {
        event_id: {"change": change, **{name: verdict[name] for name in SESSION_FIGURES}}
        for event_id, change, verdict in tx.db.exec(statement.where(col(Event.id).in_(event_ids)))
    }


def _event_out(
    event: Event, target: _CurrentTarget, links: Iterable[ProspectLink], figures: Mapping[str, Any]
) -> EventOut:
    fields = event.model_dump(include=EVENT_COLUMNS)
    fields |= {name: figures.get(name) for name in ("change", *SESSION_FIGURES)}
    if event.type in REMINDER_TYPES:
        fields["change"] = None
    fields |= {name: event.data.get(name) for name in EVENT_DATA_FIELDS}
    links_out = [LinkOut(source=link.source, external_id=link.external_id) for link in links]
    return EventOut.model_validate(
        fields | {"deal": target.deal, "assessor": target.assessor, "links": links_out}
    )
