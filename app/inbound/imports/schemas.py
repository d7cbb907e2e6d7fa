"""Imports in requests and responses."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from app.schemas import AttributesIn, ExternalId, In, Line, Out, ProblemOut, Source, without_blanks


class ProspectLine(In):
    """A line of NDJSON: a prospect by its link.

    What is not sent stays, and so does what is sent as an empty text; a null removes.
    """

    source: Annotated[Source | None, Field(description="without it the one that is named for all")] = None
    external_id: ExternalId
    name: Line | None = None
    attributes: Annotated[AttributesIn, BeforeValidator(without_blanks)] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, sent: Any) -> Any:
        return without_blanks(sent)


class ImportLineError(Out):
    """What is wrong with one line."""

    line: int
    problem: ProblemOut


class ImportProgress(Out):
    """How far it is: all up to line `committed_to` is committed."""

    committed_to: int
    created: int
    changed: int
    unchanged: int
    refused: int
    done: bool
    problem: ProblemOut | None
