"""Record the decisions and the outcome of a session."""

from typing import Any

from app.clock import new_id
from app.problems import require_revision
from app.sessions.queries import decisions_of, latest_outcome
from app.sessions.schemas import OUTCOME_FIELDS, DecisionIn, OutcomeIn
from app.sessions.session_edit import SessionEdit, save
from app.sessions.tables import Decision, Outcome

# Two decisions are the same if they are equal in these fields.
DECISION_FIELDS = {"decision", "match_word", "benefit_word", "reason", "revisit_on", "actor"}


def record_decision(edit: SessionEdit, decision: DecisionIn, based_on: int) -> None:
    """Store a decision, and save the session. The decision `disqualify` closes the session.

    `based_on` is the revision that the person saw. Sending the same decision again changes nothing if
    nothing else has changed meanwhile. Raises SESSION_IS_CLOSED, and STALE_REVISION unless `based_on` is the
    current revision.
    """
    session, tx = edit.session, edit.uow.tx
    row = _decision_row(edit, decision, based_on)
    if _repeats_last_decision(edit, row):
        return
    edit.require_open()
    require_revision("session", session.revision, based_on)
    tx.db.add(row)
    session.decision = decision.decision
    if decision.decision == "disqualify":
        _close(edit)
    edit.changed["decision"] = decision.decision
    save(edit, "decided")


def _decision_row(edit: SessionEdit, decision: DecisionIn, based_on: int) -> Decision:
    return Decision(
        id=new_id(),
        session_id=edit.session.id,
        revision=based_on,
        decision=decision.decision,
        match_word=decision.match,
        benefit_word=decision.benefit,
        reason=decision.reason,
        revisit_on=decision.revisit_on,
        actor=decision.actor or edit.uow.actor,
        key_name=edit.uow.key_name,
        decided_at=edit.uow.tx.at,
    )


def _repeats_last_decision(edit: SessionEdit, row: Decision) -> bool:
    """Whether the current revision recorded the same decision, so that this one is a repeated request.

    A repeated request is based on the revision before the decision, or on the one that it created.
    """
    current = edit.session.revision
    return any(
        last.revision + 1 == current
        and row.revision in (last.revision, current)
        and _decision_content(last) == _decision_content(row)
        for last in decisions_of(edit.uow.tx, edit.session.id)[-1:]
    )


def is_already_concluded(edit: SessionEdit, decision: DecisionIn | None, outcome: OutcomeIn | None) -> bool:
    """Whether the session already has this decision as its last one, and this outcome.

    What is None is not compared. Returns False if both are None.
    """
    last = decisions_of(edit.uow.tx, edit.session.id)[-1:]
    if decision and not (
        last and _decision_content(last[0]) == _decision_content(_decision_row(edit, decision, 0))
    ):
        return False
    stored = latest_outcome(edit.uow.tx, edit.session.id)
    if outcome and not (stored and _same_outcome(stored, outcome)):
        return False
    return bool(decision or outcome)


def _same_outcome(stored: Outcome, outcome: OutcomeIn) -> bool:
    return all(getattr(stored, field) == getattr(outcome, field) for field in OUTCOME_FIELDS)


def _decision_content(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(include=DECISION_FIELDS)


def record_outcome(edit: SessionEdit, outcome: OutcomeIn) -> None:
    """Store an outcome, close the session and save it. The same outcome again changes nothing."""
    session, tx = edit.session, edit.uow.tx
    stored = latest_outcome(tx, session.id)
    if stored and _same_outcome(stored, outcome):
        return
    tx.db.add(
        Outcome(
            id=new_id(),
            session_id=session.id,
            revision=session.revision,
            **outcome.model_dump(include=set(OUTCOME_FIELDS)),
            actor=outcome.actor or edit.uow.actor,
            key_name=edit.uow.key_name,
            recorded_at=tx.at,
        )
    )
    session.outcome = outcome.outcome
    _close(edit)
    edit.changed["outcome"] = outcome.outcome
    save(edit, "outcome")


def _close(edit: SessionEdit) -> None:
    if edit.session.status == "open":
        edit.session.status = "closed"
        edit.session.closed_at = edit.uow.tx.at
