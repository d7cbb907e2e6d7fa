"""Prospects, their links and value aliases in requests and responses."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, TypeAdapter

from app.schemas import (
    MAX_TEXT_LENGTH,
    AttributeName,
    AttributesIn,
    ExternalId,
    In,
    Line,
    Moment,
    Out,
    Revision,
    Scalar,
    Source,
    WriteIn,
)
from app.scoring import Subject

# What stands for a place in the list.
PROSPECT_POSITION = TypeAdapter(tuple[UUID])
MAX_ALIASES = 2000


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


class ProspectFilter(In):
    """Which prospects: those that match every filter given."""

    q: Annotated[Line | None, Field(description="part of the name, or an external id")] = None
    source: Annotated[Source | None, Field(description="linked to this system")] = None
    updated_since: Moment | None = None
    subject: Annotated[
        Subject, Field(description="own_company and person are what sets of that subject are about")
    ] = "prospect"


class ValueAliasIn(In):
    """One text that the source sends, and what it means here."""

    field: Annotated[
        AttributeName, Field(description="the key of an attribute or a question", examples=["industry"])
    ]
    sent: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=MAX_TEXT_LENGTH),
        Field(description="the text exactly as it comes", examples=["Software & Internet"]),
    ]
    means: Annotated[Scalar, Field(description="the value, or the rating, to take it for", examples=["saas"])]


class ValueAliasesIn(WriteIn):
    """Every alias of one source; those that it had before and that are not here are gone."""

    aliases: Annotated[list[ValueAliasIn], Field(max_length=MAX_ALIASES)]


class ValueAliasOut(Out):
    """One text that the source sends, and what it means here."""

    field: str
    sent: str
    means: Scalar


class ValueAliasesOut(Out):
    """Every alias of one source, by field and text."""

    source: str
    aliases: list[ValueAliasOut]
