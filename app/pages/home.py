"""The first page after the sign-in."""

from functools import partial

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from app.clock import utc_now
from app.db import Transaction
from app.demo import DEMO_SETS, create_demo_prospects, demo_prospects, in_batches
from app.edge.service import ServiceDep
from app.keys.schemas import Caller, Scope
from app.pages.rendering import address, page
from app.pages.routes import page_router
from app.sessions.presenters import session_lines
from app.sessions.queries import list_sessions
from app.sessions.schemas import SessionFilter, SessionLine

everybody = page_router(*Scope)
managing = page_router(Scope.ADMIN)
SHOWN = 8


@everybody.get("/")
async def get_home(request: Request, service: ServiceDep) -> Response:
    """Show the open sessions that changed last, or for a key that cannot read them, what it can do."""
    caller: Caller = request.state.caller
    if not caller.may(Scope.READ):
        return page(request, "home.html", lines=None, scopes=sorted(caller.scopes))

    def load(tx: Transaction) -> list[SessionLine]:
        filters = SessionFilter(status="open", sort="updated_at")
        return session_lines(tx, service.plans, list_sessions(tx, filters, None, after=None, limit=SHOWN))

    return page(request, "home.html", lines=await service.read_scores(load), shown=SHOWN)


@managing.post("/demo")
async def post_demo(request: Request, service: ServiceDep) -> Response:
    """Load the demo prospects that are missing, and redirect to the review."""
    plans = {name: await service.plans.get(name) for name in DEMO_SETS}
    for some in in_batches(demo_prospects(plans, utc_now().date())):
        await service.database.write(partial(create_demo_prospects, service.plans, some))
    return RedirectResponse(address(request, "/review"), 303)
