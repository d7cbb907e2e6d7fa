"""Qualify in one call, or step by step in a session."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from app.db import Transaction
from app.edge.paging import Page, PageQuery, next_page, position_after
from app.edge.revisions import IfMatch, set_etag, with_revision
from app.edge.routes import router
from app.edge.service import ServiceDep, WriteCallDep, WriteResult
from app.keys.schemas import Scope
from app.sessions import qualification
from app.sessions import service as sessions
from app.sessions.presenters import history_out, session_lines, session_out
from app.sessions.queries import find_session, list_sessions
from app.sessions.requests import (
    AnswersPatch,
    MoveRequest,
    NewDecision,
    NewOutcome,
    NewSession,
    QualifyRequest,
)
from app.sessions.schemas import (
    SESSION_POSITIONS,
    HistoryOut,
    QualifyResult,
    SessionLine,
    SessionListFilter,
    SessionMoved,
    SessionOpened,
    SessionOut,
)

reading = router("sessions", Scope.READ)
writing = router("sessions", Scope.WRITE)


class SessionQuery(SessionListFilter, PageQuery):
    """Which sessions to return, and which page of them."""


class SessionPage(Page[SessionLine]):
    """A page of sessions."""


@writing.post("/qualify", operation_id="qualify", response_model=QualifyResult)
async def qualify(request: QualifyRequest, service: ServiceDep, call: WriteCallDep) -> Response:
    """Do everything that a CRM needs in one call and one transaction.

    Creates or changes the prospect with this `source` and `external_id`, opens or continues its session,
    records the answers and, if sent, a decision and an outcome, and returns the score with the next
    questions. A question set key without a version continues an open session on its own version.
    Without a `question_set`, the service uses the set whose `for` matches the prospect's attributes, with the
    highest priority if several match. If none matches, it continues the only open session of the deal and the
    assessor, or starts with the default set. `chosen_by` and `chosen_because` show the choice.
    A value that the link repeats changes nothing, even if others have changed it since. A closed session
    does not change: a new answer opens another one, which takes all answers of the request. Without a new
    answer, an outcome goes to the last session if none is open, and a new decision gets a 409.
    """
    return await service.write(call, lambda uow: qualification.qualify(uow, request), request.actor)


@writing.post("/sessions", operation_id="open_session", status_code=201, response_model=SessionOpened)
async def open_session(request: NewSession, service: ServiceDep, call: WriteCallDep) -> Response:
    """Open a session for a prospect. There is one open session per prospect, deal, assessor and set.

    Without a `question_set`, the service chooses the set that is meant for the prospect, as `qualify` does.
    With `carry_over`, the session starts with the answers of the assessor's last session on the prospect.
    """
    return await service.write(
        call, lambda uow: WriteResult(sessions.open_session(uow, request), 201), request.actor
    )


@reading.get("/sessions", operation_id="list_sessions")
async def get_sessions(
    request: Request, service: ServiceDep, query: Annotated[SessionQuery, Query()]
) -> SessionPage:
    """List sessions, with their prospects.

    Sessions on question sets about a person or your own company are left out, unless `subject` or
    `question_set` asks for them. A prospect whose name changes while you read pages by name can be missed or
    appear twice.
    """
    start = position_after(query.after, SESSION_POSITIONS[query.sort])

    def load(tx: Transaction) -> SessionPage:
        set_filter = service.plans.find_filter(tx, query.question_set, "query")
        found = list_sessions(tx, query, set_filter, after=start, limit=query.limit + 1)
        shown = found[: query.limit]
        last = shown[-1].position(query.sort) if shown else ()
        return SessionPage(
            items=session_lines(tx, service.plans, shown, query.changes_since),
            next=next_page(request, found, query.limit, last),
        )

    return await service.read_scores(load)


@reading.get("/sessions/{session_id}", operation_id="get_session")
async def get_session(session_id: UUID, response: Response, service: ServiceDep) -> SessionOut:
    """Read a session with its answers and its score."""
    found = await service.read_scores(lambda tx: session_out(tx, service.plans, find_session(tx, session_id)))
    set_etag(response, found.revision)
    return found


@writing.patch("/sessions/{session_id}/answers", operation_id="answer", response_model=SessionOut)
async def patch_answers(
    session_id: UUID,
    request: AnswersPatch,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Record answers, and get the score and the next questions.

    Answers to different questions merge. If you send a `revision`, an answer that changed after it is not
    overwritten: the response is a 412, and nothing is written.
    """
    patch = with_revision(request, if_match)
    return await service.write(
        call, lambda uow: sessions.record_session_answers(uow, session_id, patch), request.actor
    )


@writing.post("/sessions/{session_id}/move", operation_id="move_session", response_model=SessionMoved)
async def move_session(
    session_id: UUID,
    request: MoveRequest,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Move an open session to a newer version of its question set.

    The session keeps the answers to questions that the new version also has. `dropped` lists the others.
    """
    move = with_revision(request, if_match)
    return await service.write(call, lambda uow: sessions.move_session(uow, session_id, move), request.actor)


@writing.post("/sessions/{session_id}/decision", operation_id="decide", response_model=SessionOut)
async def decide(
    session_id: UUID,
    request: NewDecision,
    service: ServiceDep,
    call: WriteCallDep,
    if_match: IfMatch = None,
) -> Response:
    """Record a person's decision on the revision that they saw."""
    decision = with_revision(request, if_match)
    return await service.write(call, lambda uow: sessions.decide(uow, session_id, decision), request.actor)


@writing.post("/sessions/{session_id}/outcome", operation_id="record_outcome", response_model=SessionOut)
async def record_outcome(
    session_id: UUID, request: NewOutcome, service: ServiceDep, call: WriteCallDep
) -> Response:
    """Record the outcome and close the session. A later outcome corrects the earlier one."""
    return await service.write(
        call, lambda uow: sessions.record_session_outcome(uow, session_id, request), request.actor
    )


@reading.get("/sessions/{session_id}/history", operation_id="get_history")
async def get_history(session_id: UUID, service: ServiceDep) -> HistoryOut:
    """Read the history of a session, with the verdict of every revision."""
    return await service.database.read(
        lambda tx: history_out(tx, service.plans, find_session(tx, session_id))
    )
