"""Lists of prospects."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, TypeAdapter
from sqlmodel import col, or_, select

from app.db import Transaction
from app.prospects.tables import Prospect, ProspectLink
from app.wire import In, Line, Source

# What stands for a place in the list.
POSITION = TypeAdapter(tuple[UUID])


def _in_utc(time: datetime) -> datetime:
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("send a time from the years 1 to 9999 in UTC") from None


def _written_out(time: Any) -> Any:
    # A text of digits would be taken for the seconds since 1970.
    if isinstance(time, str) and not re.match("[0-9]{4}-", time):
        raise ValueError("send a time as text: 2026-01-31T09:00:00Z")
    return time


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]


class ProspectFilter(In):
    """Which prospects: those that match every filter given."""

    q: Annotated[Line | None, Field(description="part of the name, or an external id")] = None
    source: Annotated[Source | None, Field(description="linked to this system")] = None
    updated_since: Moment | None = None


def list_prospects(
    tx: Transaction, wanted: ProspectFilter, *, after: UUID | None, limit: int
) -> Sequence[Prospect]:
    """At most `limit` prospects, newest first, from the one after `after` on.

    `q` is found anywhere in the name, whatever its case, or is exactly an external id.
    """
    statement = select(Prospect).order_by(col(Prospect.id).desc()).limit(limit)
    if after:
        statement = statement.where(col(Prospect.id) < after)
    if wanted.updated_since:
        statement = statement.where(col(Prospect.updated_at) >= wanted.updated_since)
    if wanted.source:
        linked = select(ProspectLink.prospect_id).where(ProspectLink.source == wanted.source)
        statement = statement.where(col(Prospect.id).in_(linked))
    if wanted.q:
        known_as = select(ProspectLink.prospect_id).where(ProspectLink.external_id == wanted.q)
        statement = statement.where(
            or_(
                col(Prospect.searchable).contains(wanted.q.casefold(), autoescape=True),
                col(Prospect.id).in_(known_as),
            )
        )
    return tx.db.exec(statement).all()
