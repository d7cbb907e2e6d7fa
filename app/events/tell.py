"""Tell what happened, in the transaction in which it happens: who rolls back has told nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel, col, delete, select

from app.clock import new_id
from app.db import Transaction
from app.events.feed import keep_still
from app.events.tables import Event, EventType

INSERT = SQLModel.metadata.tables["event"].insert()


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about; `data` holds ids, decisions and outcomes only."""

    prospect_id: UUID | None = None
    session_id: UUID | None = None
    question_set: str | None = None
    revision: int | None = None
    data: dict[str, Any] = field(default_factory=dict)


def tell(tx: Transaction, about: About, types: Iterable[EventType]) -> None:
    """Tell events of these types, in this order. The prospect or session they are about is locked."""
    tell_all(tx, [(about, type_) for type_ in types])


def tell_all(tx: Transaction, events: Iterable[tuple[About, EventType]]) -> None:
    """Tell events about several, in this order; all that they are about is locked."""
    rows = [
        {
            "id": new_id(),
            "type": type_,
            "at": tx.at,
            "prospect_id": about.prospect_id,
            "session_id": about.session_id,
            "question_set": about.question_set,
            "revision": about.revision,
            "data": about.data,
        }
        for about, type_ in events
    ]
    if rows:
        tx.db.execute(INSERT, rows)


def forget(tx: Transaction, prospect_id: UUID) -> None:
    """Delete all that was told of a prospect, its sessions, and the prospects that were merged into it.

    The prospect is deleted already: nothing more is told of its sessions meanwhile.
    """
    keep_still(tx)
    ids = [prospect_id]
    for known in ids:
        merged = select(Event.data).where(Event.prospect_id == known, Event.type == "prospect.merged")
        ids += [UUID(data["merged_prospect_id"]) for data in tx.db.exec(merged)]
    tx.db.exec(delete(Event).where(col(Event.prospect_id).in_(ids)))
