"""Lists of prospects."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from pydantic import Field, TypeAdapter
from sqlmodel import col, or_, select

from app.db import Transaction
from app.prospects.tables import Prospect, ProspectLink
from app.scoring import Subject
from app.wire import In, Line, Moment, Source

# What stands for a place in the list.
POSITION = TypeAdapter(tuple[UUID])


class ProspectFilter(In):
    """Which prospects: those that match every filter given."""

    q: Annotated[Line | None, Field(description="part of the name, or an external id")] = None
    source: Annotated[Source | None, Field(description="linked to this system")] = None
    updated_since: Moment | None = None
    subject: Annotated[
        Subject, Field(description="own_company and person are what sets of that subject are about")
    ] = "prospect"


def list_prospects(
    tx: Transaction, wanted: ProspectFilter, *, after: UUID | None, limit: int
) -> Sequence[Prospect]:
    """At most `limit` prospects, newest first, from the one after `after` on.

    `q` is found anywhere in the name, whatever its case, or is exactly an external id.
    """
    statement = select(Prospect).where(Prospect.subject == wanted.subject)
    statement = statement.order_by(col(Prospect.id).desc()).limit(limit)
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
