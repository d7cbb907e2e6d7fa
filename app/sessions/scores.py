"""The score of a session: whole in responses, and as a verdict in revisions.

A whole score is computed for each response, as of the session's last revision. A closed session is scored
as of the time when it was closed, so that the score of a won deal does not go stale.
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
    Answers,
    Figures,
    Judged,
    Plan,
    QuestionState,
    Score,
    Verdict,
    VerdictRecord,
    judge,
    read_verdict,
    verdict_record,
)
from app.sessions.tables import RANKS, Session, SessionRevision, StoredAnswer

# The figures that lists and events show. If one of them changes, the event `score.changed` is recorded.
SESSION_FIGURES = tuple(Figures.__annotations__)
# How `rating_codes` writes a question that is not rated: answered "unknown", not answered or not any more,
# not applicable, or not asked because its condition does not hold.
RATING_CODES = {"unknown": "u", "open": "-", "not_applicable": "n"}
NOT_ASKED = ""
SELECT_VERDICT = select(SessionRevision.verdict).where(
    SessionRevision.session_id == bindparam("session"),
    SessionRevision.revision == bindparam("revision"),
)
SELECT_REVISIONS = (
    select(SessionRevision.at, SessionRevision.changed)
    .where(
        SessionRevision.session_id == bindparam("session"), SessionRevision.revision <= bindparam("revision")
    )
    .order_by(col(SessionRevision.revision))
)


def as_answers(stored: Iterable[StoredAnswer]) -> dict[str, Answer]:
    """Return stored answers as scoring takes them, by question."""
    return {
        answer.question: Answer(answer.state, answer.rating, answer.answered_at, answer.evidence)
        for answer in stored
    }


def judge_session(
    plan: Plan, session: Session, answers: Mapping[str, StoredAnswer], at: datetime | None = None
) -> Judged:
    """Judge an open session as of `at` or its last revision, and a closed one as of its closing."""
    return judge_answers(plan, session, as_answers(answers.values()), at)


def judge_answers(plan: Plan, session: Session, answers: Answers, at: datetime | None = None) -> Judged:
    """Judge a session as `judge_session` does, with answers from `answers_to_judge`."""
    as_of = session.closed_at or at or session.updated_at
    return judge(plan, answers, session.attributes, as_of=as_of)


def stored_figures(judged: Judged, answers: Mapping[str, StoredAnswer]) -> dict[str, Any]:
    """Return the columns of a session that follow from its answers."""
    verdict = verdict_record(judged)
    given = [answer for answer in answers.values() if answer.state != "open"]
    last = max(given, key=lambda answer: (answer.answered_at, answer.revision, answer.question), default=None)
    return {
        **{figure: verdict[figure] for figure in SESSION_FIGURES},  # type: ignore[literal-required]
        "rank": RANKS[verdict["indication"]],
        "descending_lowest": 1.0 if verdict["lowest"] is None else -verdict["lowest"],
        "valid_until": judged.valid_until,
        "next_expiry_at": next_expiry(judged, answers),
        "has_blocker": bool(verdict["blockers"]),
        "answered_at": last.answered_at if last else None,
        "answered_by": last.actor if last else None,
    }


def next_expiry(judged: Judged, answers: Mapping[str, StoredAnswer]) -> datetime | None:
    """Return when the next answer goes stale for which no `answer.stale_soon` is recorded yet."""
    coming = (at for question, at in judged.expiries.items() if not answers[question].expiry_announced)
    return min(coming, default=None)


def whole_score(session: Session, judged: Judged) -> Score:
    """Return the whole score of a session that was judged."""
    return judged.score(pursued=session.decision == "pursue")


def score_at(tx: Transaction, plans: Plans, session: Session, revision: int) -> Score:
    """Return the score as it was after a revision, computed from the changes up to that revision."""
    judged, decision = judge_at(tx, plans, session, revision)
    return judged.score(pursued=decision == "pursue")


def judge_at(tx: Transaction, plans: Plans, session: Session, revision: int) -> tuple[Judged, str | None]:
    """Judge a session as it was after a revision. Also returns the last decision up to that revision."""
    answers: dict[str, Answer] = {}
    attributes: Mapping[str, Any] = {}
    decision = None
    for at, changed in tx.db.exec(SELECT_REVISIONS, params={"session": session.id, "revision": revision}):
        given = read_stored_answers(at, changed.get("answers", {}))
        answers |= {question: Answer(**fields) for question, fields in given.items()}
        for question in changed.get("dropped", ()):
            answers.pop(question, None)
        attributes = changed.get("attributes", attributes)
        decision = changed.get("decision", decision)
        as_of = at
    if session.closed_at:
        as_of = min(as_of, session.closed_at)
    version = verdict_at(tx, session.id, revision)["version"]
    plan = plans.find(tx, f"{session.question_set}@{version}")
    return judge(plan, answers, attributes, as_of=as_of), decision


def rating_codes(judged: Judged) -> str:
    """Return how each question of the set was answered, in the order of the set, separated by commas.

    A rating is its number. The other codes are those of RATING_CODES, and NOT_ASKED for a question that does
    not apply to the prospect.
    """
    codes = {state.question.key: _rating_code(state) for state in judged.states}
    return ",".join(codes.get(question, NOT_ASKED) for question in judged.plan.questions)


def _rating_code(state: QuestionState) -> str:
    if state.rating is not None:
        return str(state.rating)
    return RATING_CODES["unknown" if state.answered_unknown else state.state]


def read_stored_answers(at: datetime, answers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return answers that a revision stores, by question, as the fields of `Answer`.

    `at` is the time of the revision. The stored answers omit nulls, and the time of an answer if it is `at`.
    """
    return {
        question: {
            "state": stored["state"],
            "rating": stored.get("rating"),
            "answered_at": datetime.fromisoformat(stored["answered_at"]) if "answered_at" in stored else at,
            "evidence": stored.get("evidence"),
        }
        for question, stored in answers.items()
    }


def verdict_at(tx: Transaction, session_id: UUID, revision: int) -> VerdictRecord:
    """Return the verdict after a revision, as it is stored."""
    return cast(
        "VerdictRecord",
        tx.db.exec(SELECT_VERDICT, params={"session": session_id, "revision": revision}).one(),
    )


def verdict_out(tx: Transaction, plans: Plans, session: Session, record: VerdictRecord) -> Verdict:
    """Return the response for a stored verdict."""
    return read_verdict(plans.find(tx, f"{session.question_set}@{record['version']}"), record)
