"""Events as callers see them: with the deal and the links that a CRM finds its own record by."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from sqlmodel import and_, col, select

from app.db import Transaction
from app.events.tables import Event, EventType
from app.prospects.records import links_of
from app.prospects.tables import ProspectLink
from app.prospects.wire import LinkOut
from app.scoring import Indication, Leaning
from app.sessions.case import Change
from app.sessions.tables import DecisionWord, OutcomeWord, Session, SessionRevision
from app.sessions.telling import FIGURES
from app.wire import Out


class EventOut(Out):
    """One thing that happened, with ids and figures; read the rest where they lead.

    An event about a session holds its figures as they stood after it.
    """

    id: Annotated[UUID, Field(description="the same whenever the event is told")]
    position: Annotated[int, Field(ge=1, description="its place in the one order of all events")]
    type: EventType
    at: datetime
    prospect_id: UUID | None
    session_id: UUID | None
    question_set: Annotated[str | None, Field(examples=["qualifying-a-sale@1"])]
    deal: Annotated[str | None, Field(description="the session's, as it is now; null once erased")]
    revision: Annotated[int | None, Field(description="of the session, or else of the prospect")]
    links: Annotated[list[LinkOut], Field(description="the prospect's, as they are now; none once erased")]
    change: Annotated[Change | None, Field(description="what happened to the session, as its history has it")]
    indication: Indication | None
    settled: bool | None
    leaning: Leaning | None
    score: float | None
    lowest: float | None
    highest: float | None
    coverage: float | None
    grade: str | None
    decision: Annotated[DecisionWord | None, Field(description="the session's last one")]
    outcome: Annotated[OutcomeWord | None, Field(description="the session's last one")]
    merged_prospect_id: Annotated[
        UUID | None, Field(description="the prospect that was merged into this one, and is gone")
    ]


COLUMNS = {"id", "position", "type", "at", "prospect_id", "session_id", "question_set", "revision"}
# What an event may hold besides; its figures are those of its session's revision.
IN_DATA = ("decision", "outcome", "merged_prospect_id")


@dataclass(frozen=True, slots=True)
class _Now:
    """Where an event leads by now: a session may have gone to another prospect, by a merge."""

    prospect_id: UUID | None
    deal: str | None = None


def show_events(tx: Transaction, events: Sequence[Event]) -> list[EventOut]:
    """Events as the caller sees them, with one query each for sessions, revisions and links."""
    sessions = _sessions(tx, {event.session_id for event in events if event.session_id})
    now = [sessions.get(event.session_id) or _Now(event.prospect_id) for event in events]
    links = links_of(tx, {one.prospect_id for one in now if one.prospect_id})
    figures = _figures(tx, [event.id for event in events])
    return [
        _event_out(
            event,
            one.deal,
            links[one.prospect_id] if one.prospect_id else (),
            figures.get(event.id, {}),
        )
        for event, one in zip(events, now, strict=True)
    ]


def _sessions(tx: Transaction, ids: set[UUID]) -> dict[UUID | None, _Now]:
    wanted = select(Session.id, Session.prospect_id, Session.deal).where(col(Session.id).in_(ids))
    return {session: _Now(prospect, deal or None) for session, prospect, deal in tx.db.exec(wanted)}


def _figures(tx: Transaction, events: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
    """The change and the figures of each event about a session, by the id of the event."""
    of_revision = and_(
        col(SessionRevision.session_id) == col(Event.session_id),
        col(SessionRevision.revision) == col(Event.revision),
    )
    wanted = select(Event.id, SessionRevision.change, SessionRevision.verdict).join(
        SessionRevision, of_revision
    )
    return {
        event_id: {"change": change, **{name: verdict[name] for name in FIGURES}}
        for event_id, change, verdict in tx.db.exec(wanted.where(col(Event.id).in_(events)))
    }


def _event_out(
    event: Event, deal: str | None, links: Iterable[ProspectLink], figures: Mapping[str, Any]
) -> EventOut:
    told = {name: figures.get(name) for name in ("change", *FIGURES)}
    told |= {name: event.data.get(name) for name in IN_DATA}
    shown = [LinkOut(source=link.source, external_id=link.external_id) for link in links]
    return EventOut.model_validate(event.model_dump(include=COLUMNS) | told | {"deal": deal, "links": shown})
