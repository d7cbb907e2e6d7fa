"""Sessions as callers see them."""

from datetime import date, datetime
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import Field
from pydantic_core import to_jsonable_python
from sqlmodel import col, select

from app.db import Transaction
from app.question_sets.choice import Choice, ChosenBy
from app.question_sets.plans import Plans
from app.scoring import Evidence, Indication, Leaning, Score, State, Verdict, VerdictRecord
from app.sessions.ageing import require_fresh
from app.sessions.case import Case, Change
from app.sessions.scores import (
    answers_changed,
    answers_of,
    judge_session,
    plan_of,
    score_at,
    show_verdict,
    verdict_at,
    whole_score,
)
from app.sessions.tables import (
    Decision,
    DecisionWord,
    Outcome,
    OutcomeWord,
    Session,
    SessionRevision,
    SideWord,
    Status,
    StoredAnswer,
)
from app.wire import Out


class AnswerOut(Out):
    """The current answer to one question; `revision` is the session's that wrote it.

    The state open is an answer that was taken back.
    """

    question: str
    state: State
    rating: int | None
    text: str | None
    evidence: Evidence | None
    actor: str | None
    answered_at: datetime
    age_days: Annotated[int, Field(ge=0, description="whole days since it was answered")]
    carried_from: Annotated[
        UUID | None, Field(description="the earlier session that it was given in and carried over from")
    ]
    revision: int


class DecisionOut(Out):
    """A person's word, beside the figures as they stood; no later answer changes it."""

    decision: DecisionWord
    match: SideWord | None
    benefit: SideWord | None
    reason: str | None
    revisit_on: date | None
    actor: str | None
    decided_at: datetime
    revision: Annotated[int, Field(description="the revision that it was made on")]
    indication: Indication | None
    score: float | None
    lowest: float | None
    highest: float | None


class OutcomeOut(Out):
    """What became of it."""

    outcome: OutcomeWord
    amount: float | None
    currency: str | None
    closed_on: date | None
    reason: str | None
    competitor: str | None
    actor: str | None
    recorded_at: datetime
    revision: Annotated[int, Field(description="the revision that it was recorded on")]


class SessionHead(Out):
    """What every view of a session begins with."""

    session_id: UUID
    prospect_id: UUID
    question_set: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    deal: str | None
    status: Status
    revision: int
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None


class SessionOut(SessionHead):
    """A qualification session with its answers and its score."""

    attributes: Annotated[dict[str, Any], Field(description="the attributes as used by the set's rules")]
    answers: list[AnswerOut]
    score: Score
    decision: Annotated[DecisionOut | None, Field(description="the last one")]
    outcome: Annotated[OutcomeOut | None, Field(description="the last one")]


class Opened(SessionOut):
    """A session, and how its question set was chosen."""

    chosen_by: Annotated[
        ChosenBy,
        Field(
            description="request: it was named; for: the set is meant for such a prospect; session: none is, "
            "and one is open; default: neither"
        ),
    ]
    chosen_because: Annotated[str, Field(examples=["industry equals logistics; priority 10"])]


class Moved(SessionOut):
    """A session that was moved to a newer version, and what that has no place for."""

    moved_from: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    dropped: Annotated[list[AnswerOut], Field(description="answers to questions that are gone")]


class Qualified(Opened):
    """What `qualify` did, and the session as it is now."""

    prospect_created: bool
    session_opened: bool


class SessionLine(SessionHead):
    """A session in a list."""

    indication: Indication | None
    settled: bool
    leaning: Annotated[Leaning | None, Field(description="the indication without the open questions")]
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    valid_until: Annotated[datetime | None, Field(description="when the first of the answers goes stale")]
    decision: DecisionWord | None
    outcome: OutcomeWord | None


class RevisionOut(Out):
    """One step of a session's history, with the verdict after it."""

    revision: int
    at: datetime
    key_name: Annotated[str, Field(description="the API key's name; prospect-fit where nobody asked for it")]
    actor: str | None
    change: Annotated[Change, Field(description="aged: answers went stale, and nobody did anything")]
    changed: Annotated[dict[str, Any], Field(description="what this step set; never an answer's text")]
    verdict: Verdict


class HistoryOut(Out):
    """All that happened to a session, oldest first."""

    session_id: UUID
    revisions: list[RevisionOut]
    decisions: list[DecisionOut]
    outcomes: list[OutcomeOut]


def head(session: Session) -> dict[str, Any]:
    """The fields of `SessionHead`."""
    return {
        "session_id": session.id,
        "prospect_id": session.prospect_id,
        "question_set": f"{session.question_set}@{session.version}",
        "deal": session.deal or None,
        "status": session.status,
        "revision": session.revision,
        "opened_at": session.opened_at,
        "updated_at": session.updated_at,
        "closed_at": session.closed_at,
    }


def chosen(choice: Choice) -> dict[str, Any]:
    """What `Opened` says of the choice of the question set."""
    return {"chosen_by": choice.by, "chosen_because": choice.because}


def body(case: Case) -> dict[str, Any]:
    """The fields of `SessionOut` for a session under work."""
    judged = case.judged or judge_session(case.plan, case.session, case.answers)
    return _body(case.work.tx, case.session, case.answers, whole_score(case.session, judged))


def show(tx: Transaction, plans: Plans, session: Session) -> SessionOut:
    """A session as the caller sees it; raises `ScoresHaveAged`."""
    require_fresh(tx, [session])
    answers = answers_of(tx, session.id)
    judged = judge_session(plan_of(tx, plans, session), session, answers)
    return SessionOut(**_body(tx, session, answers, whole_score(session, judged)))


def show_as_of(tx: Transaction, plans: Plans, session: Session, revision: int) -> SessionOut:
    """A session as it is now, with the score as it stood after a revision."""
    score = score_at(tx, plans, session, revision)
    return SessionOut(**_body(tx, session, answers_of(tx, session.id), score))


def _body(
    tx: Transaction, session: Session, answers: dict[str, StoredAnswer], score: Score
) -> dict[str, Any]:
    decisions = decisions_of(tx, session.id) if session.decision else []
    outcome = latest_outcome(tx, session.id) if session.outcome else None
    return {
        **head(session),
        "attributes": session.attributes,
        "answers": [answer_out(answer, tx.at) for _, answer in sorted(answers.items())],
        "score": score,
        "decision": decision_out(tx, decisions[-1]) if decisions else None,
        "outcome": outcome_out(outcome) if outcome else None,
    }


def answer_out(answer: StoredAnswer, at: datetime) -> AnswerOut:
    """An answer with its age."""
    age = max(0, (at - answer.answered_at).days)
    return AnswerOut.model_validate(answer.model_dump(exclude={"session_id"}) | {"age_days": age})


def line(session: Session) -> SessionLine:
    """A session in a list."""
    figures = session.model_dump(include=set(SessionLine.model_fields) - set(SessionHead.model_fields))
    return SessionLine(**head(session), **figures)


def history(tx: Transaction, plans: Plans, session: Session) -> HistoryOut:
    """All that happened to a session."""
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
    verdict = show_verdict(tx, plans, session, cast("VerdictRecord", revision.verdict))
    changed = dict(revision.changed)
    if "answers" in changed:
        changed["answers"] = to_jsonable_python(answers_changed(revision.at, changed))
    kept = revision.model_dump(exclude={"session_id"})
    return RevisionOut.model_validate(kept | {"changed": changed, "verdict": verdict})


def decisions_of(tx: Transaction, session_id: UUID) -> list[Decision]:
    """The decisions on a session, oldest first."""
    wanted = select(Decision).where(Decision.session_id == session_id).order_by(col(Decision.revision))
    return list(tx.db.exec(wanted))


def latest_outcome(tx: Transaction, session_id: UUID) -> Outcome | None:
    """The outcome that counts."""
    wanted = select(Outcome).where(Outcome.session_id == session_id)
    return tx.db.exec(wanted.order_by(col(Outcome.revision).desc()).limit(1)).first()


def decision_out(tx: Transaction, decision: Decision) -> DecisionOut:
    """A decision with the figures as they stood."""
    stood = verdict_at(tx, decision.session_id, decision.revision)
    return DecisionOut(
        decision=decision.decision,
        match=decision.match_word,
        benefit=decision.benefit_word,
        reason=decision.reason,
        revisit_on=decision.revisit_on,
        actor=decision.actor,
        decided_at=decision.decided_at,
        revision=decision.revision,
        indication=stood["indication"],
        score=stood["score"],
        lowest=stood["lowest"],
        highest=stood["highest"],
    )


def outcome_out(outcome: Outcome) -> OutcomeOut:
    """An outcome as the caller sees it."""
    fields = outcome.model_dump(exclude={"id", "session_id", "key_name"})
    return OutcomeOut.model_validate(fields)
