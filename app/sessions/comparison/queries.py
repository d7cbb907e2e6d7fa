"""Compare the sessions of several assessors on one prospect."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlmodel import col, select

from app.db import Transaction
from app.problems import missing
from app.question_sets.plans import Plans
from app.scoring import Judged, Question, QuestionState
from app.sessions.comparison.schemas import AssessorRating, ComparedQuestion, ComparisonOut, ComparisonQuery
from app.sessions.presenters import fit_out
from app.sessions.queries import SetFilter, answers_of_many, filter_clauses, plan_of, require_fresh
from app.sessions.schemas import SessionFilter
from app.sessions.scores import judge_session
from app.sessions.tables import Session


def compare(
    tx: Transaction, plans: Plans, prospect_id: UUID, query: ComparisonQuery, question_set: SetFilter | None
) -> ComparisonOut:
    """Return the verdicts and the ratings of every assessor of a prospect, on one question set and deal.

    Raises NOT_FOUND if there is no session to compare, and `StaleScores`.
    """
    filters = SessionFilter(prospect_id=prospect_id, deal=query.deal, subject=query.subject)
    # In the order in which a fit prefers them: open ones first, then the newest.
    order = col(Session.status).desc(), col(Session.id).desc()
    found = tx.db.exec(select(Session).where(*filter_clauses(filters, question_set)).order_by(*order)).all()
    if not found:
        raise missing("session of this prospect to compare")
    compared = _newest_of_each_assessor(found)
    require_fresh(tx, compared)
    answers = answers_of_many(tx, [session.id for session in compared])
    judged = [judge_session(plan_of(tx, plans, one), one, answers[one.id]) for one in compared]
    return ComparisonOut(
        prospect_id=prospect_id,
        question_set=compared[0].question_set,
        deal=compared[0].deal or None,
        assessors=[fit_out(session, its) for session, its in zip(compared, judged, strict=True)],
        questions=_widest_first(compared, judged),
    )


def _newest_of_each_assessor(sessions: Sequence[Session]) -> list[Session]:
    """Return the first session of each assessor on the set and the deal of the first one, by assessor."""
    first = sessions[0]
    newest: dict[str, Session] = {}
    for session in sessions:
        if (session.question_set, session.deal) == (first.question_set, first.deal):
            newest.setdefault(session.assessor, session)
    return [session for _, session in sorted(newest.items())]


def _widest_first(sessions: Sequence[Session], judged: Sequence[Judged]) -> list[ComparedQuestion]:
    """Return every question that applies in a session, the one with the widest spread first."""
    states = [{state.question.key: state for state in its.states} for its in judged]
    by_version = sorted(judged, key=lambda its: its.plan.version)
    questions = {
        state.question.key: state.question for its in (by_version[-1], *by_version) for state in its.states
    }
    compared = [_compared_question(question, sessions, states) for question in questions.values()]
    return sorted(compared, key=lambda one: -1 if one.spread is None else one.spread, reverse=True)


def _compared_question(
    question: Question, sessions: Sequence[Session], states: Sequence[Mapping[str, QuestionState]]
) -> ComparedQuestion:
    ratings = [
        AssessorRating(
            assessor=session.assessor or None,
            session_id=session.id,
            state=state.state,
            rating=state.rating,
            rated_by=state.rated_by,
        )
        for session, its in zip(sessions, states, strict=True)
        if (state := its.get(question.key))
    ]
    given = [one.rating for one in ratings if one.rating is not None]
    return ComparedQuestion(
        question=question.key,
        label=question.label,
        text=question.text,
        spread=max(given) - min(given) if len(given) > 1 else None,
        ratings=ratings,
    )
