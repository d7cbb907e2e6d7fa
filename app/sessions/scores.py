"""The score of a session: whole where it is shown, and as a verdict where it is kept.

A whole score is computed when it is shown, as of the session's last revision. A closed session is
scored as of its closing, so that a deal that was won does not age.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlmodel import bindparam, col, select

from app.db import Transaction
from app.question_sets.plans import Plans
from app.scoring import (
    Answer,
    Evidence,
    Figures,
    Judged,
    Plan,
    Score,
    State,
    Verdict,
    VerdictRecord,
    judge,
    read_verdict,
)
from app.sessions.tables import Session, SessionRevision, StoredAnswer

# The figures that lists and events show; when one of them changes, the score has changed.
SESSION_FIGURES = tuple(Figures.__annotations__)
VERDICT_AT = select(SessionRevision.verdict).where(
    SessionRevision.session_id == bindparam("session"),
    SessionRevision.revision == bindparam("revision"),
)
REVISIONS = (
    select(SessionRevision.at, SessionRevision.changed)
    .where(
        SessionRevision.session_id == bindparam("session"), SessionRevision.revision <= bindparam("revision")
    )
    .order_by(col(SessionRevision.revision))
)


def as_answers(stored: Iterable[StoredAnswer]) -> dict[str, Answer]:
    """What scoring takes of stored answers."""
    return {
        one.question: Answer(
            cast("State", one.state), one.rating, one.answered_at, cast("Evidence | None", one.evidence)
        )
        for one in stored
    }


def judge_session(
    plan: Plan, session: Session, answers: Mapping[str, StoredAnswer], at: datetime | None = None
) -> Judged:
    """Judge a session as of its last revision, or as of `at` while it is open."""
    as_of = session.closed_at or at or session.updated_at
    return judge(plan, as_answers(answers.values()), session.attributes, as_of=as_of)


def whole_score(session: Session, judged: Judged) -> Score:
    """The score of a session that was judged."""
    return judged.score(pursued=session.decision == "pursue")


def score_at(tx: Transaction, plans: Plans, session: Session, revision: int) -> Score:
    """The score as it stood after a revision, from what the revisions up to it changed."""
    answers: dict[str, Answer] = {}
    attributes: Mapping[str, Any] = {}
    decision = None
    for at, changed in tx.db.exec(REVISIONS, params={"session": session.id, "revision": revision}):
        answers |= {question: Answer(**said) for question, said in answers_changed(at, changed).items()}
        for question in changed.get("dropped", ()):
            answers.pop(question, None)
        attributes = changed.get("attributes", attributes)
        decision = changed.get("decision", decision)
        as_of = at
    if session.closed_at:
        as_of = min(as_of, session.closed_at)
    version = verdict_at(tx, session.id, revision)["version"]
    plan = plans.find(tx, f"{session.question_set}@{version}")
    return judge(plan, answers, attributes, as_of=as_of).score(pursued=decision == "pursue")


def answers_changed(at: datetime, changed: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The answers that a revision changed, by question, with omitted fields filled in; `at` is its time."""
    return {
        question: {
            "state": said["state"],
            "rating": said.get("rating"),
            "answered_at": datetime.fromisoformat(said["answered_at"]) if "answered_at" in said else at,
            "evidence": said.get("evidence"),
        }
        for question, said in changed.get("answers", {}).items()
    }


def verdict_at(tx: Transaction, session_id: UUID, revision: int) -> VerdictRecord:
    """The verdict after a revision, as it is stored."""
    return cast(
        "VerdictRecord", tx.db.exec(VERDICT_AT, params={"session": session_id, "revision": revision}).one()
    )


def verdict_out(tx: Transaction, plans: Plans, session: Session, record: VerdictRecord) -> Verdict:
    """A stored verdict as the caller sees it."""
    return read_verdict(plans.find(tx, f"{session.question_set}@{record['version']}"), record)
