"""The first page after the sign-in."""

from fastapi import Request, Response

from app.db import Transaction
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.pages.rendering import page
from app.pages.routes import page_router
from app.sessions.presenters import session_lines
from app.sessions.queries import list_sessions
from app.sessions.schemas import SessionFilter, SessionLine

reading = page_router(Scope.READ)
SHOWN = 8


@reading.get("/")
async def get_home(request: Request, service: ServiceDep) -> Response:
    """Show the open sessions that changed last."""

    def load(tx: Transaction) -> list[SessionLine]:
        filters = SessionFilter(status="open", sort="updated_at")
        return session_lines(tx, service.plans, list_sessions(tx, filters, None, after=None, limit=SHOWN))

    return page(request, "home.html", lines=await service.read_scores(load))
