"""Requests and responses about imports, and what is stored about the files of the pages."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.files.cells import DecimalSign
from app.files.formats import Format
from app.schemas import AttributesIn, ExternalId, In, Line, Out, ProblemOut, SetName, Source, without_blanks

RunStatus = Literal["running", "done", "stopped"]
RunKind = Literal["preview", "import"]
# Why a run stopped: a person stopped it, the key was revoked, it reached the limit of rows, or it failed. If
# its process ended, the next run starts again with the first row.
End = Literal["by_person", "revoked", "too_many_rows", "failed", "process"]


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


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Choices(_Stored):
    """What a person chose for an import. `columns` has the key of each column; "" leaves a column out."""

    question_set: SetName | None = None
    source: Source | None = None
    sheet: Line | None = None
    encoding: Line | None = None
    decimal: DecimalSign | None = None
    notify: bool = False
    columns: tuple[str, ...] = ()


class Contents(_Stored):
    """The headings and sheets of a file, samples of its values, and notes about it.

    `samples` are different values of each column in the first rows. `are_distinct` says for each column
    whether no value occurs twice in these rows.
    """

    headings: tuple[str, ...]
    samples: tuple[tuple[str, ...], ...]
    are_distinct: tuple[bool, ...]
    sheets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Upload(_Stored):
    """A file that a person has uploaded. `request_key` is that of the form that sent it."""

    id: str
    name: str
    format: Format
    size: int
    key_id: UUID
    actor: str
    uploaded_at: datetime
    request_key: str | None = None
    choices: Choices = Choices()
    contents: Contents


class Reason(_Stored):
    """A kind of reason why cells are left out or rows refused, with its count and the first few sentences."""

    kind: str
    count: int
    examples: tuple[str, ...]


class Run(_Stored):
    """A preview or an import of a file, and its progress.

    `share` is the part of the file that was read, from 0 to 1. If the run stopped early, `ended` says why,
    and `detail` describes a failure.
    """

    kind: RunKind
    status: RunStatus = "running"
    choices: Choices
    share: float = 0.0
    committed_to: int = 0
    counts: dict[str, int] = {}
    indications: dict[str, int] = {}
    reasons: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()
    ended: End | None = None
    detail: str | None = None
    has_rejects: bool = False
