"""Record the decisions and the outcome of a session."""

from typing import Any

from app.clock import new_id
from app.problems import require_revision
from app.scoring import Flaw, Flawed
from app.sessions.answers import new_answers
from app.sessions.queries import decisions_of, latest_outcome
from app.sessions.schemas import OUTCOME_FIELDS, DecisionIn, OutcomeIn, QualifyRequest
from app.sessions.session_edit import SessionEdit, save
from app.sessions.tables import NO_REVISIT, Decision, Outcome

NO_ACTOR = (
    "a person decides: name them here, or use an API key that belongs to a person (prospect-fit keys create "
    "--person, or person in POST /v1/keys)"
)
# Two decisions are the same if they are equal in these fields.
DECISION_FIELDS = {"decision", "match_word", "benefit_word", "reason", "revisit_on", "actor"}


def record_decision(edit: SessionEdit, decision: DecisionIn, based_on: int) -> None:
    """Store a decision, and save the session. The decision `disqualify` closes the session.

    `based_on` is the revision that the person saw. Sending the same decision again changes nothing if
    nothing else has changed meanwhile. Raises SESSION_IS_CLOSED, and STALE_REVISION unless `based_on` is the
    current revision. Raises `Flawed` if neither the request nor the API key names a person.
    """
    session, tx = edit.session, edit.uow.tx
    row = _decision_row(edit, decision, based_on)
    if _repeats_last_decision(edit, row):
        return
    edit.require_open()
    require_revision("session", session.revision, based_on)
    tx.db.add(row)
    session.decision = decision.decision
    session.revisit_on = decision.revisit_on or NO_REVISIT
    session.revisit_pending_on = decision.revisit_on
    if decision.decision == "disqualify":
        _close(edit)
    edit.changed["decision"] = decision.decision
    save(edit, "decided")


def _decider(edit: SessionEdit, decision: DecisionIn) -> str:
    actor = decision.actor or edit.uow.actor
    if actor is None:
        raise Flawed([Flaw("/actor", NO_ACTOR, "missing")])
    return actor


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
        actor=_decider(edit, decision),
        key_name=edit.uow.key_name,
        decided_at=edit.uow.tx.at,
    )


def _repeats_last_decision(edit: SessionEdit, row: Decision) -> bool:
    """Whether the current revision recorded the same decision, so that this one is a repeated request.

    A repeated request is based on the revision before the decision, or on the one that it created.
    """
    current, last = edit.session.revision, _last_decision(edit)
    return (
        last is not None
        and last.revision + 1 == current
        and row.revision in (last.revision, current)
        and _decision_content(last) == _decision_content(row)
    )


def _last_decision(edit: SessionEdit) -> Decision | None:
    return decisions_of(edit.uow.tx, edit.session.id)[-1] if edit.session.decision else None


def _last_outcome(edit: SessionEdit) -> Outcome | None:
    return latest_outcome(edit.uow.tx, edit.session.id) if edit.session.outcome else None


def is_repeat(edit: SessionEdit, request: QualifyRequest, *, from_file: bool = False) -> bool:
    """Whether a request was carried out before: the session is closed, with its conclusion and its answers.

    A caller that did not get the response sends the same request again. A row of a file also counts if
    somebody else imported it, if its answers have gone stale, and if it concludes nothing.
    """
    if edit.session.status == "open" or not (from_file or request.concludes):
        return False
    stored = _last_outcome(edit) if request.outcome else None
    return (
        (request.decision is None or has_decided(edit, request.decision, by_anyone=from_file))
        and (request.outcome is None or bool(stored and _same_outcome(stored, request.outcome)))
        and has_same_answers(edit, request, even_if_stale=from_file)
    )


def has_same_answers(edit: SessionEdit, request: QualifyRequest, *, even_if_stale: bool = False) -> bool:
    """Whether the session has the answers of a request. A stale answer differs, unless `even_if_stale`."""
    is_known = request.answers_by_question().keys() <= edit.plan.questions.keys()
    return is_known and not new_answers(edit, request, even_if_stale=even_if_stale)


def has_decided(edit: SessionEdit, decision: DecisionIn, *, by_anyone: bool = True) -> bool:
    """Whether the last decision of the session is the same.

    With `by_anyone`, the actor is only compared if the decision names one.
    """
    last = _last_decision(edit)
    if last is None:
        return False
    ignored = {"actor"} if by_anyone and not decision.actor else set()
    sent, stored = (_decision_content(row) for row in (_decision_row(edit, decision, 0), last))
    return all(sent[name] == stored[name] for name in sent.keys() - ignored)


def completes_outcome(edit: SessionEdit, request: QualifyRequest) -> bool:
    """Whether the outcome of a request is the stored one with more details."""
    stored, sent = _last_outcome(edit), request.outcome
    if not (stored and sent):
        return False
    return all(getattr(stored, field) in (None, getattr(sent, field)) for field in OUTCOME_FIELDS)


def _same_outcome(stored: Outcome, outcome: OutcomeIn) -> bool:
    return all(getattr(stored, field) == getattr(outcome, field) for field in OUTCOME_FIELDS)


def _decision_content(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(include=DECISION_FIELDS)


def record_outcome(edit: SessionEdit, outcome: OutcomeIn, *, with_answers: bool = False) -> None:
    """Store an outcome, close the session and save it. The same outcome again changes nothing.

    `with_answers` says whether the same request recorded answers. They are hindsight if it is the first
    outcome, and they stay hindsight when the outcome is corrected.
    """
    session, tx = edit.session, edit.uow.tx
    stored = _last_outcome(edit)
    if stored and _same_outcome(stored, outcome):
        return
    tx.db.add(
        Outcome(
            id=new_id(),
            session_id=session.id,
            revision=session.revision,
            **outcome.model_dump(include=set(OUTCOME_FIELDS)),
            hindsight=stored.hindsight if stored else with_answers,
            actor=outcome.actor or edit.uow.actor,
            key_name=edit.uow.key_name,
            recorded_at=tx.at,
        )
    )
    session.outcome, session.revisit_pending_on = outcome.outcome, None
    _close(edit)
    edit.changed["outcome"] = outcome.outcome
    save(edit, "outcome")


def _close(edit: SessionEdit) -> None:
    if edit.session.status == "open":
        edit.session.status = "closed"
        edit.session.closed_at = edit.uow.tx.at
