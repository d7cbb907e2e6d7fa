"""Search prospects, create one, and show its scorecard."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated, Any, Literal
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from app.db import Transaction
from app.edge.paging import PageQuery, next_page, position_after
from app.edge.problem_responses import problem_of
from app.edge.service import Body, Service, ServiceDep
from app.keys.schemas import Scope
from app.pages.facts import Declared, FactsForm, facts_of, save_facts, save_session_facts, with_entered
from app.pages.formats import day
from app.pages.rendering import PageProblem, address, page, text
from app.pages.routes import REFUSALS, Form, Seen, actor_of, form_of, page_router, query_of, write
from app.problems import NOT_FOUND, Problem, missing
from app.prospects import service as prospects
from app.prospects.queries import (
    erased_at,
    find_prospect,
    list_prospects,
    merged_into,
    prospect_out,
    prospects_named,
    prospects_out,
)
from app.prospects.schemas import PROSPECT_POSITION, NewProspect, ProspectFilter
from app.prospects.tables import Prospect
from app.question_sets.plans import Plans
from app.question_sets.queries import list_newest
from app.schemas import Deal, Line, SetName
from app.sessions.comparison.queries import compare
from app.sessions.comparison.schemas import ComparisonQuery
from app.sessions.presenters import fit_of, history_out, session_lines, session_out, shown_sessions
from app.sessions.queries import find_session, list_sessions, newest_session, plan_of
from app.sessions.requests import MoveRequest, NewSession, SessionIdentity
from app.sessions.schemas import SessionFilter, SessionLine, SessionOut
from app.sessions.service import move_session, open_session
from app.sessions.session_edit import UnitOfWork
from app.sessions.tables import Session

reading = page_router(Scope.READ)
writing = page_router(Scope.WRITE)
MAX_SAME_NAME = 5
MAX_OTHER_SESSIONS = 20


class ProspectsQuery(ProspectFilter, PageQuery):
    """Which prospects to show, and which page of them."""


class NewProspectForm(Form):
    """A prospect to create. Its interview starts at once.

    `anyway` creates it even if there is another prospect with this name.
    """

    name: Line
    question_set: SetName | None = None
    deal: Deal | None = None
    anyway: Literal["yes"] | None = None


class NameTakenError(Exception):
    """Raised if other prospects have the name of a new one: it may be the same prospect."""

    def __init__(self, prospects: Sequence[Prospect]) -> None:
        super().__init__()
        self.prospects = prospects


class NewSessionForm(Form):
    """An interview to start with a prospect."""

    question_set: SetName | None = None
    deal: Deal | None = None


class ScorecardFactsForm(FactsForm):
    """Facts that were entered on the scorecard of a session, or on that of a prospect without one."""

    session: UUID | None = None


class MoveForm(Form):
    """A newer version for a session. `seen` is the revision of the session that the page showed."""

    question_set: SetName
    seen: Seen


@reading.get("/prospects")
async def get_prospects(
    request: Request, service: ServiceDep, query: Annotated[ProspectsQuery, query_of(ProspectsQuery)]
) -> Response:
    """Show the prospects that match a search, newest first. An id of this service leads to its scorecard."""
    if own_id := _as_id(query.q):
        with suppress(Problem):
            await service.database.read(lambda tx: find_prospect(tx, own_id))
            return RedirectResponse(address(request, f"/prospects/{own_id}"), 303)
    return await _show_list(request, service, query)


async def _show_list(
    request: Request,
    service: Service,
    query: ProspectsQuery,
    *,
    form: NewProspectForm | None = None,
    same_name: Sequence[Prospect] = (),
    problem: Problem | None = None,
) -> Response:
    """Return the page of a list. `form` is that of a new prospect that was not created."""
    start = position_after(query.after, PROSPECT_POSITION)

    def load(tx: Transaction) -> dict[str, Any]:
        found = list_prospects(tx, query, after=start[0] if start else None, limit=query.limit + 1)
        shown = found[: query.limit]
        last = (shown[-1].id,) if shown else ()
        return {
            "prospects": prospects_out(tx, shown),
            "same_name": prospects_out(tx, same_name),
            "sessions": shown_sessions(tx, [prospect.id for prospect in (*shown, *same_name)]),
            "next": next_page(request, found, query.limit, last),
            "sets": list_newest(tx),
        }

    chosen = query.model_dump(mode="json", exclude_defaults=True, exclude={"after", "limit"})
    found = await service.read_scores(load)
    searched = query.q if query.q and not (_as_id(query.q) or found["prospects"]) else None
    new = form or NewProspectForm.model_construct(name=searched or "")
    return page(
        request,
        "prospects.html",
        status=problem.kind.status if problem else 409 if same_name else 200,
        query=query,
        chosen=urlencode(chosen),
        new=new,
        problem=problem,
        **found,
    )


def _as_id(searched: str | None) -> UUID | None:
    try:
        return UUID(searched) if searched else None
    except ValueError:
        return None


@writing.post("/prospects")
async def post_prospect(
    request: Request, service: ServiceDep, form: Annotated[NewProspectForm, form_of(NewProspectForm)]
) -> Response:
    """Create a prospect, open a session for it, and redirect to the interview.

    If there is a prospect with this name, the form is shown again with a link to that prospect.
    """

    def create(uow: UnitOfWork) -> Body:
        if not form.anyway and (same_name := prospects_named(uow.tx, form.name, MAX_SAME_NAME)):
            raise NameTakenError(same_name)
        prospect = prospects.create(uow.tx, NewProspect(name=form.name), uow.author)
        return open_session(
            uow, NewSession(prospect_id=prospect.id, question_set=form.question_set, deal=form.deal)
        )

    try:
        opened = SessionOut.model_validate_json(await write(request, form, create))
    except NameTakenError as taken:
        return await _show_list(request, service, ProspectsQuery(), form=form, same_name=taken.prospects)
    except REFUSALS as error:
        return await _show_list(request, service, ProspectsQuery(), form=form, problem=problem_of(error))
    return RedirectResponse(address(request, f"/sessions/{opened.session_id}#now"), 303)


@writing.post("/prospects/{prospect_id}/sessions")
async def post_session(
    request: Request,
    service: ServiceDep,
    prospect_id: UUID,
    form: Annotated[NewSessionForm, form_of(NewSessionForm)],
) -> Response:
    """Open a session with this set, unless one is open, and redirect to it."""

    def start(uow: UnitOfWork) -> Body:
        prospect = find_prospect(uow.tx, prospect_id, lock=True)
        named = form.question_set or uow.plans.choose(uow.tx, prospect.attributes).name
        key, _ = uow.plans.parse_name(named)
        if open_one := newest_session(uow.tx, prospect, SessionIdentity.named(form.deal, None), key, "open"):
            return session_out(uow.tx, uow.plans, open_one)
        return open_session(
            uow, NewSession(prospect_id=prospect_id, question_set=form.question_set, deal=form.deal)
        )

    try:
        opened = SessionOut.model_validate_json(await write(request, form, start))
    except REFUSALS as error:
        return await _show(request, service, prospect_id, None, form, problem_of(error))
    return RedirectResponse(address(request, f"/sessions/{opened.session_id}#now"), 303)


@writing.post("/sessions/{session_id}/move")
async def post_move(
    request: Request, session_id: UUID, form: Annotated[MoveForm, form_of(MoveForm)]
) -> Response:
    """Move an open session to the version that the scorecard offered, and redirect to the scorecard."""
    sent = MoveRequest(question_set=form.question_set, revision=form.seen)
    stored = await write(request, form, lambda uow: move_session(uow, session_id, sent))
    moved = SessionOut.model_validate_json(stored)
    return RedirectResponse(address(request, f"/prospects/{moved.prospect_id}?session={session_id}"), 303)


@reading.get("/prospects/{prospect_id}")
async def get_scorecard(
    request: Request, service: ServiceDep, prospect_id: UUID, session: UUID | None = None
) -> Response:
    """Show everything about one prospect on one page: about this session, or else about the current one.

    The address of a prospect that was merged leads to the one that was kept.
    """
    return await _show(request, service, prospect_id, session)


@writing.post("/prospects/{prospect_id}/attributes")
async def post_attributes(
    request: Request,
    service: ServiceDep,
    prospect_id: UUID,
    form: Annotated[ScorecardFactsForm, form_of(ScorecardFactsForm)],
) -> Response:
    """Save the facts about a prospect, and redirect to its scorecard."""

    def save(uow: UnitOfWork) -> Body:
        if form.session:
            return save_session_facts(uow, form.session, form)
        return save_facts(uow, prospect_id, Declared.by_any_set(uow.tx, uow.plans), form)

    try:
        await write(request, form, save)
    except REFUSALS as error:
        return await _show(request, service, prospect_id, form.session, form, problem_of(error))
    query = f"?session={form.session}" if form.session else ""
    return RedirectResponse(address(request, f"/prospects/{prospect_id}{query}"), 303)


async def _show(
    request: Request,
    service: Service,
    prospect_id: UUID,
    session_id: UUID | None,
    form: FactsForm | NewSessionForm | None = None,
    problem: Problem | None = None,
) -> Response:
    """Return the scorecard, with what was entered if `problem` says why it was not saved."""

    def load(tx: Transaction) -> dict[str, Any] | UUID:
        return merged_into(tx, prospect_id) or _load_scorecard(tx, service.plans, prospect_id, session_id)

    found = await service.read_scores(load)
    if isinstance(found, UUID):
        return RedirectResponse(address(request, f"/prospects/{found}"), 303)
    new = form if isinstance(form, NewSessionForm) else None
    return page(
        request,
        "scorecard.html",
        status=problem.kind.status if problem else 200,
        back=_list_before(request),
        problem=None if new else problem,
        new=new or NewSessionForm(),
        new_problem=problem if new else None,
        **found | {"facts": with_entered(found["facts"], form, problem, actor_of(request))},
    )


def _list_before(request: Request) -> str | None:
    """Return the address of the list that led to this page, if one did."""
    try:
        before = urlsplit(request.headers.get("referer", ""))
    except ValueError:
        return None
    is_list = before.path == address(request, "/review") or (
        before.path.startswith(address(request, "/insights/")) and before.path.endswith("/point")
    )
    return before._replace(scheme="", netloc="", fragment="").geturl() if is_list else None


def _require_prospect(tx: Transaction, prospect_id: UUID) -> Prospect:
    """Return a prospect. Raises NOT_FOUND, which says whether the prospect was erased."""
    with suppress(Problem):
        return find_prospect(tx, prospect_id)
    at = erased_at(tx, prospect_id)
    raise PageProblem(NOT_FOUND, text("scorecard.erased", day=day(at)) if at else text("scorecard.gone"))


def _other_sessions(tx: Transaction, plans: Plans, session: Session) -> list[tuple[str, SessionLine]]:
    """Return the newest other sessions of a prospect, each with the title of its question set."""
    filters = SessionFilter(prospect_id=session.prospect_id, subject=session.subject)
    listed = list_sessions(tx, filters, None, after=None, limit=MAX_OTHER_SESSIONS + 1)
    others = [one for one in listed if one.session.id != session.id][:MAX_OTHER_SESSIONS]
    lines = session_lines(tx, plans, others)
    return [(plans.find(tx, line.question_set).question_set.title, line) for line in lines]


def _load_scorecard(
    tx: Transaction, plans: Plans, prospect_id: UUID, session_id: UUID | None
) -> dict[str, Any]:
    stored = _require_prospect(tx, prospect_id)
    prospect = prospect_out(tx, stored)
    found: dict[str, Any] = {"prospect": prospect, "session": None, "sets": list_newest(tx)}
    try:
        session_id = session_id or fit_of(tx, plans, prospect_id, None, None, None).session_id
    except Problem as problem:
        if problem.kind is NOT_FOUND:
            return found | {"facts": facts_of(tx, Declared.by_any_set(tx, plans), stored)}
        raise
    session = find_session(tx, session_id)
    if session.prospect_id != prospect_id:
        raise missing("such session of this prospect")
    versions = (one.version for one in found["sets"] if one.key == session.question_set)
    query = ComparisonQuery(question_set=session.question_set, deal=session.deal or None)
    shown, plan = session_out(tx, plans, session), plan_of(tx, plans, session)
    return found | {
        "session": shown,
        "plan": plan,
        "facts": facts_of(tx, Declared.by_set(plan), stored, shown),
        "newest": next(versions, None),
        "history": history_out(tx, plans, session),
        "comparison": compare(tx, plans, prospect_id, query, (session.question_set, None)),
        "others": _other_sessions(tx, plans, session),
    }
