"""The change feed: every event once, in one order."""

from collections.abc import Collection
from time import monotonic
from typing import Annotated

import anyio
from fastapi import Query, Request
from pydantic import AfterValidator, Field
from starlette.requests import ClientDisconnect

from app.db import Transaction
from app.edge.paging import Limit, address_after
from app.edge.routes import router
from app.edge.service import ServiceDep
from app.edge.stopping import is_stopping
from app.events.queries import read_after, read_latest
from app.events.service import FEED_POLL_SECONDS, FeedPublisher
from app.events.tables import EVENT_TYPE_FILTERS, EventType, types_named
from app.keys.schemas import Scope
from app.schemas import Out
from app.sessions.presenters import events_out
from app.sessions.schemas import EventOut

reading = router("events", Scope.READ)


def _known_types(types: str) -> str:
    if not all(name in EVENT_TYPE_FILTERS for name in types.split(",")):
        raise ValueError(f"send one or more of these, separated by commas: {', '.join(EVENT_TYPE_FILTERS)}")
    return types


class EventFilter(Limit):
    """Which events to return."""

    types: Annotated[
        str | None,
        AfterValidator(_known_types),
        Field(
            description="only events of these types, separated by commas; `prospect.*` is every type that "
            "begins with `prospect.`",
            examples=["score.changed,indication.*"],
        ),
    ] = None

    @property
    def selected_types(self) -> list[EventType]:
        """The event types to return; empty for all."""
        return types_named((self.types or "").split(","))


class EventQuery(EventFilter):
    """Which events to return, and after which position."""

    after: Annotated[
        int,
        Field(
            ge=0, lt=2**53, description="only events after this position: the `cursor` of the last response"
        ),
    ] = 0
    wait: Annotated[
        int,
        Field(ge=0, le=30, description="if there is no event yet, wait up to this number of seconds for one"),
    ] = 0


class EventPage(Out):
    """A page of the change feed."""

    items: list[EventOut]
    cursor: Annotated[
        int, Field(description="send this as `after` in the next request, even if `items` is empty")
    ]
    next: Annotated[
        str | None,
        Field(description="the absolute URL of the next page; null if there are no more events yet"),
    ]


@reading.get("/events", operation_id="list_events")
async def get_events(
    request: Request, service: ServiceDep, query: Annotated[EventQuery, Query()]
) -> EventPage:
    """Read the events after a position, oldest first: every event once, in one order that never changes.

    Store `cursor`, and send it as `after` the next time. The events of a session or a prospect are in the
    order in which they happened. With `wait`, the response comes as soon as there is an event.
    """
    deadline, after = monotonic() + query.wait, query.after
    while True:
        await service.feed.publish_pending()
        page = await service.database.read(lambda tx: _page(tx, request, query, after))  # noqa: B023
        after = page.cursor
        if page.items or not await _wait(request, service.feed, after, query.selected_types, deadline):
            return page


async def _wait(
    request: Request, feed: FeedPublisher, after: int, types: Collection[EventType], deadline: float
) -> bool:
    """Wait for events of these types after a position, and return whether there are any.

    `deadline` is a time of `monotonic()`. Waiting also ends when the process stops. Raises
    `ClientDisconnect` if the caller closes the connection.
    """
    with anyio.move_on_after(deadline - monotonic()):
        while not is_stopping(request):
            if await request.is_disconnected():
                raise ClientDisconnect
            if await feed.may_have_events(after, types):
                return True
            await anyio.sleep(FEED_POLL_SECONDS)
    return False


def _page(tx: Transaction, request: Request, query: EventQuery, after: int) -> EventPage:
    found = read_after(tx, after, query.limit, query.selected_types)
    return EventPage(
        items=events_out(tx, found.events),
        cursor=found.end,
        next=address_after(request, found.end) if found.more else None,
    )


@reading.get("/events/latest", operation_id="latest_events")
async def get_latest_events(service: ServiceDep, query: Annotated[EventFilter, Query()]) -> list[EventOut]:
    """Read the newest events, newest first, as a plain list.

    For pollers that store no cursor and recognise new events by their `id`.
    """
    await service.feed.publish_pending()
    return await service.database.read(
        lambda tx: events_out(tx, read_latest(tx, query.limit, query.selected_types))
    )
