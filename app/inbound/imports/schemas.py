"""Requests and responses about imports."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from app.schemas import AttributesIn, ExternalId, In, Line, Out, ProblemOut, Source, without_blanks


class ProspectLine(In):
    """One line of an import: a prospect, identified by its link.

    A field that is missing or an empty text changes nothing; a null removes the value.
    """

    source: Annotated[
        Source | None, Field(description="without it, the source that the request names for all lines")
    ] = None
    external_id: ExternalId
    name: Line | None = None
    attributes: Annotated[AttributesIn, BeforeValidator(without_blanks)] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, sent: Any) -> Any:
        return without_blanks(sent)


class ImportLineError(Out):
    """A line that was refused, and why."""

    line: int
    problem: ProblemOut


class ImportProgress(Out):
    """The progress of an import: everything up to line `committed_to` is committed."""

    committed_to: int
    created: int
    changed: int
    unchanged: int
    refused: int
    done: bool
    problem: ProblemOut | None
