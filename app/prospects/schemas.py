"""Prospects, their links and value aliases in requests and responses."""

import re
from datetime import datetime
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

from pydantic import Field, TypeAdapter

from app.schemas import (
    AttributesIn,
    ComparedLine,
    ExternalId,
    In,
    Line,
    Moment,
    Out,
    Revision,
    Source,
    WriteIn,
    searchable,
)
from app.scoring import Subject

# The position of a prospect in the list, as a page address contains it: its id.
PROSPECT_POSITION = TypeAdapter(tuple[UUID])
IdRule = Literal["exact", "ignore_case", "salesforce"]
ID_RULES: tuple[IdRule, ...] = get_args(IdRule)
LONG_SALESFORCE_ID = re.compile("([0-9A-Za-z]{15})([A-Z0-5]{3})")
SALESFORCE_CHECK_CHARACTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"


def match_key(rule: IdRule, external_id: str) -> str:
    """Return the text that two ids share if they are the same id by a rule.

    By the rule "salesforce", the ids of 15 and of 18 characters of one record are the same. Case makes a
    difference. An id of 18 characters whose last three do not fit the others is like any other text.
    """
    if rule == "ignore_case":
        return searchable(external_id)
    if rule == "salesforce" and (parts := LONG_SALESFORCE_ID.fullmatch(external_id)):
        short, check = parts.groups()
        return short if check == _salesforce_check(short) else external_id
    return external_id


def _salesforce_check(short: str) -> str:
    """Return the last three characters of the long form of an id: which letters of each five are capitals."""
    fives = (short[start : start + 5] for start in (0, 5, 10))
    return "".join(
        SALESFORCE_CHECK_CHARACTERS[
            sum(1 << place for place, letter in enumerate(five) if "A" <= letter <= "Z")
        ]
        for five in fives
    )


def alias_text(value: Any) -> str | None:
    """Return the text by which a value matches an alias: "7" for 7 and 7.0, "true" for true.

    Returns None for a value that cannot be an alias, such as null or a list.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) else None


def as_alias(value: Any) -> Any:
    """Return the text by which a value matches an alias; a value that cannot be an alias unchanged."""
    text = alias_text(value)
    return value if text is None else text


class Link(In):
    """The id of a prospect in another system."""

    source: Source
    external_id: ExternalId

    @property
    def key(self) -> tuple[str, str]:
        """The source and the external id, as they were sent."""
        return self.source, self.external_id


class NewLink(Link, WriteIn):
    """A link to add."""


class NewProspect(WriteIn):
    """A prospect to create."""

    name: Line | None = None
    attributes: AttributesIn = {}
    links: Annotated[list[Link], Field(max_length=50)] = []


class ProspectChange(WriteIn):
    """What to change in a prospect. A field that is not sent stays as it is, and a null removes the value.

    If the request names a link, a value that the link repeats changes nothing, and a null only removes a
    value that the link itself has set.
    """

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

    q: Annotated[
        ComparedLine | None,
        Field(
            description="the beginnings of words in the name, without regard to case and accents, or a whole "
            "external id",
            examples=["har wor"],
        ),
    ] = None
    source: Annotated[Source | None, Field(description="linked to this system")] = None
    updated_since: Moment | None = None
    subject: Annotated[
        Subject,
        Field(
            description="own_company or person lists the records of question sets about your own company or "
            "about a person"
        ),
    ] = "prospect"
