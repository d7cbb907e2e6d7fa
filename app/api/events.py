"""The change feed: every event once, in one order."""

from collections.abc import Collection
from time import monotonic
from typing import Annotated

import anyio
from fastapi import Query, Request
from pydantic import AfterValidator, Field, WithJsonSchema
from starlette.requests import ClientDisconnect

from app.db import Transaction
from app.edge.ending import is_stopping
from app.edge.openapi import COMMA_SEPARATED
from app.edge.paging import Limit, address_after
from app.edge.routes import router
from app.edge.service import ServiceDep
from app.events.queries import FeedPage, newest_cursor, read_after, read_latest
from app.events.schemas import BEGINNING, CURSOR_PATTERN, Cursor, parse_cursor
from app.events.service import FEED_POLL_SECONDS, FeedPublisher
from app.events.tables import EVENT_TYPE_FILTERS, EventType, types_named
from app.keys.schemas import Scope
from app.schemas import PLAIN_DIGITS, Out
from app.scoring import Subject, form
from app.sessions.presenters import events_out
from app.sessions.schemas import EventOut

reading = router("events", Scope.READ)
# Sent instead of a cursor to get only events that do not exist yet.
LATEST = "latest"
AFTER_PATTERN = form(
    rf"^({LATEST}|{CURSOR_PATTERN})$", f"send the `cursor` of an earlier response, or 0, or {LATEST}"
)


def _known_types(types: str) -> str:
    if not all(name in EVENT_TYPE_FILTERS for name in types.split(",")):
        raise ValueError(f"send one or more of these, separated by commas: {', '.join(EVENT_TYPE_FILTERS)}")
    return types


class EventFilter(Limit):
    """Which events to return."""

    types: Annotated[
        str | None,
        AfterValidator(_known_types),
        WithJsonSchema(
            {
                "type": "array",
                "items": {"type": "string", "enum": [*EVENT_TYPE_FILTERS]},
                "minItems": 1,
                COMMA_SEPARATED: True,
            }
        ),
        Field(
            description="only events of these types, separated by commas; `prospect.*` is every type that "
            "begins with `prospect.`",
            examples=[["score.changed", "indication.*"]],
        ),
    ] = None
    subject: Annotated[
        Subject,
        Field(
            description="only events about sessions and prospects with this subject; `prospect` also "
            "includes the events about question sets"
        ),
    ] = "prospect"

    @property
    def selected_types(self) -> list[EventType]:
        """The event types to return; empty for all."""
        return types_named((self.types or "").split(","))


class EventQuery(EventFilter):
    """Which events to return, and after which one."""

    after: Annotated[
        str,
        Field(
            pattern=AFTER_PATTERN,
            description="only events after this one: the `cursor` of the last response; `0` begins with the "
            f"first event, and `{LATEST}` with the next one",
        ),
    ] = str(BEGINNING)
    wait: Annotated[
        int,
        Field(ge=0, le=30, description="if there is no event yet, wait up to this number of seconds for one"),
        PLAIN_DIGITS,
    ] = 0


class EventPage(Out):
    """A page of the change feed."""

    items: list[EventOut]
    cursor: Annotated[
        str,
        Field(
            description="send this as `after` in the next request, even if `items` is empty",
            examples=["38.01980000-0000-7000-8000-000000000024"],
        ),
    ]
    next: Annotated[
        str | None,
        Field(description="the absolute URL of the next page; null if there are no more events yet"),
    ]


@reading.get("/events", operation_id="list_events")
async def get_events(
    request: Request, service: ServiceDep, query: Annotated[EventQuery, Query()]
) -> EventPage:
    """Read the events after a cursor, oldest first. Each comes once, in an order that never changes.

    Store `cursor`, and send it as `after` the next time. The events of a session or a prospect are in the
    order in which they happened. With `wait`, the response comes as soon as there is an event. If a backup
    was restored that does not contain the event of the cursor, the response is a 410 with the problem
    `cursor-gone`: start over, as its `remedy` says.
    """
    deadline = monotonic() + query.wait
    after = None if query.after == LATEST else parse_cursor(query.after)
    while True:
        await service.feed.publish_pending()
        found, events = await service.database.read(lambda tx: _read(tx, query, after))  # noqa: B023
        after = found.end
        if events or not await _wait(request, service.feed, after, query.selected_types, deadline):
            next_address = address_after(request, str(after)) if found.more else None
            return EventPage(items=events, cursor=str(after), next=next_address)


async def _wait(
    request: Request, feed: FeedPublisher, after: Cursor, types: Collection[EventType], deadline: float
) -> bool:
    """Wait for events of these types after a cursor, and return whether there are any.

    `deadline` is a time of `monotonic()`. Waiting also ends when the process stops. Raises
    `ClientDisconnect` if the caller closes the connection.
    """
    with anyio.move_on_after(deadline - monotonic()):
        while not is_stopping(request):
            if await request.is_disconnected():
                raise ClientDisconnect
            if await feed.may_have_events(after.position, types):
                return True
            await anyio.sleep(FEED_POLL_SECONDS)
    return False


def _read(tx: Transaction, query: EventQuery, after: Cursor | None) -> tuple[FeedPage, list[EventOut]]:
    """Return the page after a cursor; without one, the page after the newest event."""
    found = read_after(tx, after or newest_cursor(tx), query.limit, query.selected_types, query.subject)
    return found, events_out(tx, found.events)


@reading.get("/events/latest", operation_id="latest_events")
async def get_latest_events(service: ServiceDep, query: Annotated[EventFilter, Query()]) -> list[EventOut]:
    """Read the newest events, newest first, as a plain list.

    For pollers that store no cursor and recognise new events by their `id`.
    """
    await service.feed.publish_pending()
    return await service.database.read(
        lambda tx: events_out(tx, read_latest(tx, query.limit, query.selected_types, subject=query.subject))
    )
