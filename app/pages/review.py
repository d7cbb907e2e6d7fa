"""The review: the list of sessions to work through, best fits first."""

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Request, Response

from app.db import Transaction
from app.edge.paging import PageQuery, next_page, position_after
from app.edge.service import ServiceDep
from app.keys.schemas import Scope
from app.pages.rendering import page
from app.pages.routes import page_router, query_of
from app.question_sets.queries import list_newest
from app.sessions.presenters import session_lines
from app.sessions.queries import list_sessions
from app.sessions.schemas import SESSION_POSITIONS, SessionFilter, Sort

reading = page_router(Scope.READ)


class ReviewQuery(SessionFilter, PageQuery):
    """Which sessions to show, and which page of them."""

    sort: Sort = "ranked"


@reading.get("/review")
async def get_review(
    request: Request, service: ServiceDep, query: Annotated[ReviewQuery, query_of(ReviewQuery)]
) -> Response:
    """Show the sessions that match the filters. The filters and the order are in the address."""
    start = position_after(query.after, SESSION_POSITIONS[query.sort])

    def load(tx: Transaction) -> dict[str, Any]:
        set_filter = service.plans.find_filter(tx, query.question_set, "query")
        found = list_sessions(tx, query, set_filter, after=start, limit=query.limit + 1)
        shown = found[: query.limit]
        last = shown[-1].position(query.sort) if shown else ()
        return {
            "lines": session_lines(tx, service.plans, shown),
            "next": next_page(request, found, query.limit, last),
            "sets": list_newest(tx),
        }

    chosen = query.model_dump(mode="json", exclude_none=True, exclude={"after", "limit"})
    return page(
        request, "review.html", query=query, chosen=urlencode(chosen), **await service.read_scores(load)
    )
