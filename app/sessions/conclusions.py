"""Record the decisions and the outcome of a session."""

from collections.abc import Mapping
from typing import Any

from sqlmodel import SQLModel, bindparam, col, func, select

from app.clock import new_id
from app.problems import require_revision
from app.prospects.queries import find_prospect
from app.scoring import Flaw, Flawed
from app.sessions.answers import classify_answers
from app.sessions.queries import decisions_of, latest_outcome
from app.sessions.requests import OUTCOME_FIELDS, DecisionIn, OutcomeIn, QualifyRequest
from app.sessions.scores import judge_at, rating_codes
from app.sessions.session_edit import SessionEdit, save
from app.sessions.tables import NO_REVISIT, Decision, Outcome, SessionRevision

NO_ACTOR = (
    "a person decides: name them here, or use an API key that belongs to a person (prospect-fit keys create "
    "--person, or person in POST /v1/keys)"
)
INSERT_DECISION = SQLModel.metadata.tables["decision"].insert()
INSERT_OUTCOME = SQLModel.metadata.tables["outcome"].insert()
INSERT_FROZEN_VERDICT = SQLModel.metadata.tables["frozen_verdict"].insert()
# The last revision up to another one whose verdict counts. The first revision of a session always does.
SELECT_COUNTED = select(func.max(SessionRevision.revision)).where(
    SessionRevision.session_id == bindparam("session"),
    SessionRevision.revision <= bindparam("revision"),
    col(SessionRevision.change).not_in(("stale", "late")),
)
# The names of the received values of a decision and of an outcome.
DECISION_VALUES = frozenset(
    {"decision", *(f"decision_{name}" for name in DecisionIn.model_fields.keys() - {"decision"})}
)
OUTCOME_VALUES = frozenset({"outcome", *(f"outcome_{name}" for name in OUTCOME_FIELDS - {"outcome"})})
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
    row.attributes = find_prospect(tx, session.prospect_id).attributes
    tx.sql.execute(INSERT_DECISION, row.model_dump())
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
        attributes={},
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


def has_carried_out(edit: SessionEdit, request: QualifyRequest) -> bool:
    """Whether a session has the answers, the decision and the outcome of a request."""
    stored = _last_outcome(edit) if request.outcome else None
    return (
        (request.decision is None or has_decided(edit, request.decision))
        and (request.outcome is None or bool(stored and _same_outcome(stored, request.outcome)))
        and request.answers_by_question().keys() <= edit.plan.questions.keys()
        and not classify_answers(edit, request, None).to_store
    )


def has_decided(edit: SessionEdit, decision: DecisionIn) -> bool:
    """Whether the last decision of the session is the same. Its actor counts if the decision names one."""
    last = _last_decision(edit)
    if last is None:
        return False
    ignored = set() if decision.actor else {"actor"}
    sent, stored = (_decision_content(row) for row in (_decision_row(edit, decision, 0), last))
    return all(sent[name] == stored[name] for name in sent.keys() - ignored)


def completes_outcome(edit: SessionEdit, outcome: OutcomeIn) -> bool:
    """Whether an outcome is the stored one with more details, or the first one."""
    stored = _last_outcome(edit)
    return stored is None or all(
        getattr(stored, field) in (None, getattr(outcome, field)) for field in OUTCOME_FIELDS
    )


def decision_values(decision: DecisionIn) -> dict[str, Any]:
    """Return the fields of a decision that are sent, by the names of received values."""
    return _values("decision", decision.model_dump(mode="json", exclude_none=True))


def outcome_values(outcome: OutcomeIn) -> dict[str, Any]:
    """Return the fields of an outcome that are sent, by the names of received values."""
    return _values("outcome", outcome.model_dump(mode="json", include=set(OUTCOME_FIELDS), exclude_none=True))


def _values(conclusion: str, sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name if name == conclusion else f"{conclusion}_{name}": value for name, value in sent.items()}


def _same_outcome(stored: Outcome, outcome: OutcomeIn) -> bool:
    return all(getattr(stored, field) == getattr(outcome, field) for field in OUTCOME_FIELDS)


def _decision_content(decision: Decision) -> dict[str, Any]:
    return decision.model_dump(include=DECISION_FIELDS)


def record_outcome(edit: SessionEdit, outcome: OutcomeIn, *, with_ratings: bool = False) -> None:
    """Store an outcome, close the session and save it. The same outcome again changes nothing.

    `with_ratings` says whether the same request brought what the session is rated by. The first outcome
    freezes the verdict that counts, and decides whether it is hindsight. A correction changes neither.
    """
    session, tx = edit.session, edit.uow.tx
    stored = _last_outcome(edit)
    if stored and _same_outcome(stored, outcome):
        return
    hindsight = stored.hindsight if stored else with_ratings or not _was_rated_before(edit)
    if stored is None:
        _freeze_verdict(edit, None if hindsight else edit.begun_at)
    row = {
        "id": new_id(),
        "session_id": session.id,
        "revision": session.revision,
        **outcome.model_dump(include=set(OUTCOME_FIELDS)),
        "hindsight": hindsight,
        "actor": outcome.actor or edit.uow.actor,
        "key_name": edit.uow.key_name,
        "recorded_at": tx.at,
    }
    tx.sql.execute(INSERT_OUTCOME, row)
    session.outcome, session.revisit_pending_on = outcome.outcome, None
    _close(edit)
    edit.changed["outcome"] = outcome.outcome
    save(edit, "outcome")


def _was_rated_before(edit: SessionEdit) -> bool:
    """Whether the session existed before the request, or opened with ratings from what was known before.

    These are the answers that it carried over, and the ratings by rule. It is saved by now.
    """
    return edit.begun_at > 0 or bool(edit.judged and edit.judged.assessment.totals.rated)


def _freeze_verdict(edit: SessionEdit, known_at: int | None) -> None:
    """Store the verdict that counts for the session: the last one up to the revision `known_at`.

    Revisions that only made answers stale or late are skipped. If the session was opened in this request,
    or `known_at` is None, the verdict is the current one.
    """
    session, tx = edit.session, edit.uow.tx
    revision = session.revision
    if known_at:
        revision = tx.db.exec(SELECT_COUNTED, params={"session": session.id, "revision": known_at}).one()
    judged, _ = judge_at(tx, edit.uow.plans, session, revision)
    knocked_out = bool(judged.assessment.must.missed_knock_outs)
    row = {
        "session_id": session.id,
        "revision": revision,
        "score": judged.assessment.score,
        "knocked_out": knocked_out,
        "ratings": rating_codes(judged),
        "attributes": {**find_prospect(tx, session.prospect_id).attributes, **judged.known},
    }
    tx.sql.execute(INSERT_FROZEN_VERDICT, row)


def _close(edit: SessionEdit) -> None:
    if edit.session.status == "open":
        edit.session.status = "closed"
        edit.session.closed_at = edit.uow.tx.at
