"""Question sets in responses."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from app.schemas import Out
from app.scoring import QuestionSet, Subject

ChosenBy = Literal["request", "session", "for", "default"]


class FieldDifference(Out):
    """One field that differs; null where a side does not have it."""

    field: str
    before: Any
    after: Any


class QuestionDifference(Out):
    """One question that differs, with all its fields where it is there on one side only."""

    question: str
    change: Literal["added", "omitted", "changed"]
    fields: list[FieldDifference]


class Difference(Out):
    """What has to be done to the one set to get the other."""

    before: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    after: Annotated[str, Field(examples=["staffing@1"])]
    fields: Annotated[list[FieldDifference], Field(description="of the set, and of its steps")]
    questions: Annotated[list[QuestionDifference], Field(description="omitted ones first, then in order")]


class QuestionSetSummary(Out):
    """A published version in a list."""

    key: str
    version: int
    status: Literal["published", "retired"]
    title: str
    subject: Subject
    combine: Literal["reciprocal", "weighted"]
    published_at: datetime
    content_hash: Annotated[str, Field(description="SHA-256 of the canonical definition")]
    extends: Annotated[str | None, Field(description="the version that it was made from")]


class QuestionSetList(Out):
    items: list[QuestionSetSummary]


class QuestionSetVersionOut(Out):
    """A published version with its whole definition, defaults filled in."""

    key: str
    version: int
    status: Literal["published", "retired"]
    published_at: datetime
    content_hash: Annotated[str, Field(description="SHA-256 of the canonical definition")]
    definition: QuestionSet
    ancestry: Annotated[list[str], Field(description="the versions that it was made from, nearest first")]
    difference: Annotated[Difference | None, Field(description="from the version that `diff` names")]


class DraftFlaw(Out):
    """What is missing or wrong in a draft, and what to do about it."""

    pointer: Annotated[str, Field(description="JSON pointer into the document", examples=["/title"])]
    code: Annotated[str, Field(description="stable, for programs", examples=["missing"])]
    detail: str


class DraftOut(Out):
    """A draft as it was saved, what it would be as a version, and what it still lacks for that."""

    key: str
    revision: int
    saved_at: datetime
    saved_by: Annotated[str, Field(description="the API key's name")]
    document: dict[str, Any]
    publishable: bool
    flaws: Annotated[list[DraftFlaw], Field(description="the first 100 of them")]
    flaw_count: int
    definition: Annotated[QuestionSet | None, Field(description="the whole set; null with flaws")]
    ancestry: Annotated[list[str], Field(description="the versions that it is made from, nearest first")]
    difference: Annotated[Difference | None, Field(description="from the version that `diff` names")]
