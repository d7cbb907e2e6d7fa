"""Requests and responses about imports."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from app.schemas import AttributesIn, ExternalId, In, Line, Out, ProblemOut, Source, without_blanks


class ProspectLine(In):
    """One line of an import: a prospect, identified by its link.

    A field that is missing or an empty text changes nothing; a null removes the value.
    """

    source: Annotated[
        Source | None, Field(description="by default, the source that the request names for all lines")
    ] = None
    external_id: ExternalId
    name: Line | None = None
    attributes: Annotated[AttributesIn, BeforeValidator(without_blanks)] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, sent: Any) -> Any:
        return without_blanks(sent)


class ImportLineError(Out):
    """A row that was refused, and why."""

    line: int
    problem: ProblemOut


class ImportLineRemarks(Out):
    """A row that was imported without some of its cells, and why."""

    line: int
    remarks: list[str]


class ImportProgress(Out):
    """The progress of an import: everything up to line `committed_to` is committed."""

    committed_to: int
    created: int
    changed: int
    unchanged: int
    refused: int
    qualified: Annotated[int, Field(description="rows that were also qualified, if `qualify` names a set")]
    sessions_opened: int
    indications: Annotated[
        dict[str, int],
        Field(
            description="the number of qualified rows with each indication",
            examples=[{"fit": 120, "mixed": 30}],
        ),
    ]
    cells_left_out: Annotated[
        int,
        Field(description="cells of imported rows that could not be read; the stored values did not change"),
    ]
    notes: Annotated[list[str], Field(description="what was detected in the file; in the last line only")]
    done: bool
    problem: ProblemOut | None
