"""From records to what they ask for: which prospect, and what is to be known of it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from app.imports.columns import REMARKS, Columns, cells_of, read_columns, separator_in
from app.imports.records import Record, Records
from app.problems import MALFORMED_FILE, Problem, invalid, invalid_field
from app.prospects.wire import Link, ProspectChange
from app.scoring import pointer, shape_flaws
from app.strict_json import read_json
from app.wire import AttributesIn, ExternalId, In, Line, Source, without_blanks

Format = Literal["csv", "ndjson"]


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


@dataclass(frozen=True, slots=True)
class Wanted:
    """What holds for all lines.

    `mapped` has headings of a CSV file by what they stand for; lines up to `after_line` are left out.
    """

    format: Format
    source: str | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)
    after_line: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """What a record asks for."""

    link: Link
    change: ProspectChange


@dataclass(frozen=True, slots=True)
class Read:
    """A record, and what it asks for or why it cannot be used."""

    record: Record
    meant: Entry | Problem


class Reader:
    """Reads what is fed, whatever the chunks are. `heading` is a CSV file's, once it was read."""

    def __init__(self, wanted: Wanted, most_bytes: int) -> None:
        """Raises INVALID_REQUEST if columns are named where there are none."""
        if wanted.format == "ndjson" and wanted.mapped:
            detail = "lines of NDJSON have no columns to name: take it away"
            raise invalid_field(pointer(next(iter(wanted.mapped))), "not_allowed", detail)
        self._wanted = wanted
        self._records = Records(most_bytes, self._separator if wanted.format == "csv" else None)
        self._columns: Columns | None = None
        self.heading: Record | None = None

    @property
    def separator(self) -> str | None:
        """A CSV file's, once its headings were read."""
        return self._columns.separator if self._columns else None

    @property
    def knows_columns(self) -> bool:
        """Whether nothing can refuse the whole any more."""
        return self._wanted.format == "ndjson" or self._columns is not None

    def feed(self, chunk: bytes) -> list[Read]:
        """What ends in this chunk; blank lines are left out. Raises a problem of the whole."""
        return list(self._all(self._records.feed(chunk)))

    def rest(self) -> list[Read]:
        """What is left at the end of all. Raises a problem of the whole, also that there was nothing."""
        reads = list(self._all(self._records.rest()))
        if not self.knows_columns:
            raise _no_headings()
        return reads

    def _separator(self, first_line: bytes) -> bytes:
        return separator_in(first_line, self._wanted.mapped).encode()

    def _all(self, records: Iterable[Record]) -> Iterator[Read]:
        for record in records:
            if not self.knows_columns:
                self._begin(record)
            elif record.line > self._wanted.after_line and (record.flaw or record.raw.strip()):
                try:
                    meant: Entry | Problem | None = self._meant(record)
                except Problem as problem:
                    meant = problem
                if meant:
                    yield Read(record, meant)

    def _begin(self, record: Record) -> None:
        if record.flaw:
            raise record.flaw
        if not record.raw.strip():
            raise _no_headings()
        has_source = self._wanted.source is not None
        self._columns = read_columns(record.raw, self._wanted.mapped, has_source=has_source)
        self.heading = record

    def _meant(self, record: Record) -> Entry | None:
        """What a record asks for, None if it only remarks on the next one; raises what is wrong with it."""
        if record.flaw:
            raise record.flaw
        sent = self._columns.read(self._cells(record.raw)) if self._columns else read_json(record.raw)
        if isinstance(sent, dict) and sent.keys() == set(REMARKS):
            return None
        return _entry(sent, self._wanted.source)

    def _cells(self, raw: bytes) -> list[str]:
        assert self._columns, "the first record names them"
        try:
            return cells_of(raw.decode("utf-8"), self._columns.separator)
        except UnicodeDecodeError:
            raise Problem(MALFORMED_FILE, "It is not UTF-8: save the file as UTF-8.") from None


def _entry(sent: Any, source: str | None) -> Entry:
    try:
        line = ProspectLine.model_validate(sent)
    except ValidationError as error:
        raise invalid(shape_flaws(error, sent)) from None
    source = line.source or source
    if source is None:
        detail = "it is missing: add it, or name one source for all with the option source"
        raise invalid_field("/source", "missing", detail)
    said = line.model_dump(include={"name", "attributes"}, exclude_unset=True)
    return Entry(
        Link(source=source, external_id=line.external_id),
        ProspectChange.model_validate(said),
    )


def _no_headings() -> Problem:
    return Problem(MALFORMED_FILE, "Line 1 has no headings: name what every column holds.")
