"""Record a person's decision and the outcome of a case."""

from typing import Any

from app.clock import new_id
from app.problems import require_revision
from app.sessions.queries import decisions_of, latest_outcome
from app.sessions.schemas import OUTCOME_FACTS, DecisionIn, OutcomeIn
from app.sessions.session_edit import SessionEdit, save
from app.sessions.tables import Decision, Outcome

# What makes two decisions the same.
DECISION_FIELDS = {"decision", "match_word", "benefit_word", "reason", "revisit_on", "actor"}


def record_decision(edit: SessionEdit, decision: DecisionIn, based_on: int) -> None:
    """Store a decision on the revision that the person saw; `disqualify` closes the session.

    The same one again, with nothing in between, changes nothing. Raises SESSION_IS_CLOSED, and
    STALE_REVISION unless `based_on` is the current revision.
    """
    session, tx = edit.session, edit.uow.tx
    made = _decision(edit, decision, based_on)
    if _repeats_last_decision(edit, made):
        return
    edit.require_open()
    require_revision("session", session.revision, based_on)
    tx.db.add(made)
    session.decision = decision.decision
    if decision.decision == "disqualify":
        _close(edit)
    edit.changed["decision"] = decision.decision
    save(edit, "decided")


def _decision(edit: SessionEdit, decision: DecisionIn, based_on: int) -> Decision:
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


def _repeats_last_decision(edit: SessionEdit, made: Decision) -> bool:
    """Whether the current revision is that very decision: who sends it again means no second one."""
    now = edit.session.revision
    return any(
        last.revision + 1 == now
        and made.revision in (last.revision, now)
        and _decision_content(last) == _decision_content(made)
        for last in decisions_of(edit.uow.tx, edit.session.id)[-1:]
    )


def is_already_concluded(edit: SessionEdit, decision: DecisionIn | None, outcome: OutcomeIn | None) -> bool:
    """Whether a case has that decision and that outcome already, of which at least one is given."""
    last = decisions_of(edit.uow.tx, edit.session.id)[-1:]
    if decision and not (
        last and _decision_content(last[0]) == _decision_content(_decision(edit, decision, 0))
    ):
        return False
    known = latest_outcome(edit.uow.tx, edit.session.id)
    if outcome and not (known and _same_outcome(known, outcome)):
        return False
    return bool(decision or outcome)


def _same_outcome(known: Outcome, outcome: OutcomeIn) -> bool:
    return all(getattr(known, fact) == getattr(outcome, fact) for fact in OUTCOME_FACTS)


def _decision_content(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(include=DECISION_FIELDS)


def record_outcome(edit: SessionEdit, outcome: OutcomeIn) -> None:
    """Store an outcome and close the session; the same one again changes nothing."""
    session, tx = edit.session, edit.uow.tx
    known = latest_outcome(tx, session.id)
    if known and _same_outcome(known, outcome):
        return
    tx.db.add(
        Outcome(
            id=new_id(),
            session_id=session.id,
            revision=session.revision,
            **outcome.model_dump(include=set(OUTCOME_FACTS)),
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
