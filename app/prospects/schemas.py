"""Prospects, their links and value aliases in requests and responses."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field, StringConstraints, TypeAdapter

from app.schemas import (
    MAX_TEXT_LENGTH,
    AttributeName,
    AttributesIn,
    ComparedLine,
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

# The position of a prospect in the list, as a page address contains it: its id.
PROSPECT_POSITION = TypeAdapter(tuple[UUID])
MAX_ALIASES = 2000


class Link(In):
    """The id of a prospect in another system."""

    source: Source
    external_id: ExternalId

    @property
    def key(self) -> tuple[str, str]:
        """The source and the external id, which only one link has."""
        return self.source, self.external_id


class NewLink(Link, WriteIn):
    """A link to add."""


class NewProspect(WriteIn):
    """A prospect to create."""

    name: Line | None = None
    attributes: AttributesIn = {}
    links: Annotated[list[Link], Field(max_length=50)] = []


class ProspectChange(WriteIn):
    """What to change in a prospect. A field that is not sent stays as it is, and a null removes the value."""

    name: Line | None = None
    attributes: AttributesIn = {}
    revision: Annotated[
        Revision | None, Field(description="the change is refused if the prospect has a newer revision")
    ] = None

    @property
    def has_name(self) -> bool:
        """Whether a name was sent, even a null."""
        return "name" in self.model_fields_set


class MergeRequest(WriteIn):
    """The prospect to merge into this one. It no longer exists afterwards."""

    prospect_id: UUID


class LinkOut(Out):
    source: str
    external_id: str


class ProspectOut(Out):
    """The account or person that is qualified."""

    id: UUID
    name: str | None
    subject: Annotated[
        Subject, Field(description="what the question set of its first qualification asks about")
    ]
    attributes: dict[str, Any]
    links: list[LinkOut]
    revision: int
    created_at: datetime
    updated_at: datetime


class ProspectFilter(In):
    """The prospects to list: those that match every filter."""

    q: Annotated[ComparedLine | None, Field(description="part of the name, or an external id")] = None
    source: Annotated[Source | None, Field(description="linked to this system")] = None
    updated_since: Moment | None = None
    subject: Annotated[
        Subject,
        Field(
            description="own_company or person lists the records of question sets about your own company or "
            "about a person"
        ),
    ] = "prospect"


class ValueAliasIn(In):
    """One text that a source sends, and the value that it means."""

    field: Annotated[
        AttributeName,
        Field(
            description="the key of an attribute or a question, decision or outcome", examples=["industry"]
        ),
    ]
    sent: Annotated[
        str,
        StringConstraints(strict=True, min_length=1, max_length=MAX_TEXT_LENGTH),
        Field(description="the text exactly as the source sends it", examples=["Software & Internet"]),
    ]
    means: Annotated[Scalar, Field(description="the value or the rating to use instead", examples=["saas"])]


class ValueAliasesIn(WriteIn):
    """Every alias of one source. Aliases that the source has and that are not listed here are removed."""

    aliases: Annotated[list[ValueAliasIn], Field(max_length=MAX_ALIASES)]


class ValueAliasOut(Out):
    """One text that a source sends, and the value that it means."""

    field: str
    sent: str
    means: Scalar


class ValueAliasesOut(Out):
    """Every alias of one source, by field and text."""

    source: str
    aliases: list[ValueAliasOut]
