"""Responses about question sets."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from app.schemas import Out
from app.scoring import QuestionSet, Subject

ChosenBy = Literal["request", "session", "for", "default"]


class FieldDifference(Out):
    """One field that differs; null on a side that does not have the field."""

    field: str
    before: Any
    after: Any


class QuestionDifference(Out):
    """One question that differs; with all its fields if only one side has the question."""

    question: str
    change: Literal["added", "omitted", "changed"]
    fields: list[FieldDifference]


class Difference(Out):
    """The changes that turn one set into another."""

    before: Annotated[str, Field(examples=["qualifying-a-sale@1"])]
    after: Annotated[str, Field(examples=["staffing@1"])]
    fields: Annotated[list[FieldDifference], Field(description="fields of the set and of its steps")]
    questions: Annotated[
        list[QuestionDifference],
        Field(description="omitted questions first, then the others in the order of the set"),
    ]


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
    extends: Annotated[str | None, Field(description="the version that the set extends")]


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
    ancestry: Annotated[list[str], Field(description="the versions that the set extends, nearest first")]
    difference: Annotated[
        Difference | None, Field(description="the difference from the version that `diff` names")
    ]


class DraftFlaw(Out):
    """Something that is missing or wrong in a draft, and what to do about it."""

    pointer: Annotated[str, Field(description="JSON pointer into the document", examples=["/title"])]
    code: Annotated[str, Field(description="stable, for programs", examples=["missing"])]
    detail: str


class DraftOut(Out):
    """A draft as it was saved, its flaws, and the version that it would become."""

    key: str
    revision: int
    saved_at: datetime
    saved_by: Annotated[str, Field(description="the API key's name, or the person's on a page")]
    document: dict[str, Any]
    publishable: bool
    flaws: Annotated[list[DraftFlaw], Field(description="the first 100 flaws")]
    flaw_count: int
    definition: Annotated[QuestionSet | None, Field(description="the whole set; null if the draft has flaws")]
    ancestry: Annotated[list[str], Field(description="the versions that the draft extends, nearest first")]
    difference: Annotated[
        Difference | None, Field(description="the difference from the version that `diff` names")
    ]
