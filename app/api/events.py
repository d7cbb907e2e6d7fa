"""The change feed: what happened, once and in one order."""

from time import monotonic
from typing import Annotated

from fastapi import Query, Request
from pydantic import AfterValidator, Field

from app.db import Transaction
from app.events.feed import read_after, read_latest
from app.events.tables import NAMES, EventType, types_named
from app.http.edge import router
from app.http.paging import Limit, address_after
from app.http.service import ServiceHere
from app.keys.store import Scope
from app.sessions.news import EventOut, show_events
from app.wire import Out

reading = router("events", Scope.READ)


def _known(named: str) -> str:
    if not all(one in NAMES for one in named.split(",")):
        raise ValueError(f"send some of these, separated by commas: {', '.join(NAMES)}")
    return named


class EventFilter(Limit):
    """Which events."""

    types: Annotated[
        str | None,
        AfterValidator(_known),
        Field(
            description="only these, separated by commas; prospect.* is all that begin so",
            examples=["score.changed,indication.*"],
        ),
    ] = None

    @property
    def wanted(self) -> list[EventType]:
        """The types asked for; empty for all."""
        return types_named((self.types or "").split(","))


class EventQuery(EventFilter):
    """Which events, and from where on."""

    after: Annotated[
        int, Field(ge=0, lt=2**53, description="only those after this position: the last answer's `cursor`")
    ] = 0
    wait: Annotated[
        int, Field(ge=0, le=30, description="with nothing to tell, wait so many seconds for something")
    ] = 0


class EventPage(Out):
    """A stretch of the feed."""

    items: list[EventOut]
    cursor: Annotated[int, Field(description="what to send as `after` the next time, whatever `items` holds")]
    next: Annotated[
        str | None, Field(description="the next page's absolute address; null if there is no more by now")
    ]


@reading.get("/events", operation_id="list_events")
async def get_events(
    request: Request, service: ServiceHere, query: Annotated[EventQuery, Query()]
) -> EventPage:
    """Read the events after a position, oldest first: every event once, in one order that never changes.

    Store `cursor`, and send it as `after` the next time. The events of a session or a prospect are in the
    order in which they happened. With `wait`, the response comes as soon as there is an event.
    """
    until, after = monotonic() + query.wait, query.after
    while True:
        await service.lookout.catch_up()
        page = await service.database.read(lambda tx: _page(tx, request, query, after))  # noqa: B023
        after = page.cursor
        if page.items or not await service.lookout.wait(request, after, query.wanted, until):
            return page


def _page(tx: Transaction, request: Request, query: EventQuery, after: int) -> EventPage:
    found = read_after(tx, after, query.limit, query.wanted)
    return EventPage(
        items=show_events(tx, found.events),
        cursor=found.end,
        next=address_after(request, found.end) if found.more else None,
    )


@reading.get("/events/latest", operation_id="latest_events")
async def get_latest_events(service: ServiceHere, query: Annotated[EventFilter, Query()]) -> list[EventOut]:
    """Read the newest events, newest first, as a plain list.

    For pollers that store no cursor and recognise new events by their `id`.
    """
    await service.lookout.catch_up()
    return await service.database.read(lambda tx: show_events(tx, read_latest(tx, query.limit, query.wanted)))
