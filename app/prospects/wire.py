"""Prospects in requests and responses."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from app.prospects.tables import Prospect, ProspectLink
from app.scoring import Subject
from app.wire import AttributesIn, ExternalId, In, Line, Out, Revision, Source, WriteIn


class Link(In):
    """How another system knows a prospect."""

    source: Source
    external_id: ExternalId

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other links."""
        return self.source, self.external_id


class NewLink(Link, WriteIn):
    """A link to add."""


class NewProspect(WriteIn):
    """A prospect to create."""

    name: Line | None = None
    attributes: AttributesIn = {}
    links: Annotated[list[Link], Field(max_length=50)] = []


class ProspectChange(WriteIn):
    """What to change; what is not sent stays, and a null removes."""

    name: Line | None = None
    attributes: AttributesIn = {}
    revision: Annotated[
        Revision | None, Field(description="refuse the change if there is a newer revision than this")
    ] = None

    @property
    def renames(self) -> bool:
        """Whether a name was sent, be it null."""
        return "name" in self.model_fields_set


class MergeRequest(WriteIn):
    """The prospect that is merged into this one, and is gone afterwards."""

    prospect_id: UUID


class LinkOut(Out):
    source: str
    external_id: str


class ProspectOut(Out):
    """The account or person being qualified."""

    id: UUID
    name: str | None
    subject: Annotated[Subject, Field(description="what the set asks about that it was first qualified with")]
    attributes: dict[str, Any]
    links: list[LinkOut]
    revision: int
    created_at: datetime
    updated_at: datetime


def prospect_out(prospect: Prospect, links: list[ProspectLink]) -> ProspectOut:
    """A stored prospect as the caller sees it."""
    return ProspectOut(
        id=prospect.id,
        name=prospect.name,
        subject=prospect.subject,
        attributes=prospect.attributes,
        links=[LinkOut(source=link.source, external_id=link.external_id) for link in links],
        revision=prospect.revision,
        created_at=prospect.created_at,
        updated_at=prospect.updated_at,
    )
