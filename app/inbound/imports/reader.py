"""Read the records of an import as links and changes of prospects."""

import csv
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from app.inbound.imports.records import MAX_COLUMNS, Record, Records, find_separator, not_utf_8
from app.inbound.imports.schemas import ProspectLine
from app.problems import MALFORMED_FILE, Problem, invalid, invalid_field
from app.prospects.schemas import Link, ProspectChange
from app.schemas import MAX_ATTRIBUTES, keyword
from app.scoring import NAME, Flaw, pointer, shape_flaws
from app.strict_json import read_json

EXTERNAL_ID_COLUMN, SOURCE_COLUMN, NAME_COLUMN = "external_id", "source", "name"
OWN_COLUMNS = (SOURCE_COLUMN, EXTERNAL_ID_COLUMN, NAME_COLUMN)
# The columns that a file of rejects adds. An import ignores them, so a corrected file can be imported as it
# is.
REJECTED_LINE, REJECTED_BECAUSE = "rejected_line", "rejected_because"
REJECT_COLUMNS = (REJECTED_LINE, REJECTED_BECAUSE)
# If the separator is unknown, a line of a megabyte can look like one heading.
MAX_HEADING_LENGTH = 1000
Format = Literal["csv", "ndjson"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The separator of a CSV file, and the field or attribute of each column; None for an ignored column."""

    separator: str
    targets: tuple[str | None, ...]

    def read(self, cells: Sequence[str]) -> dict[str, object]:
        """Return a row as the JSON object of an NDJSON line. Empty cells are left out.

        Raises MALFORMED_FILE if the number of cells is not the number of columns.
        """
        if len(cells) != len(self.targets):
            detail = f"The line has {len(cells)} cells but the file has {len(self.targets)} columns."
            raise Problem(MALFORMED_FILE, detail)
        filled = {
            target: cell.strip()
            for target, cell in zip(self.targets, cells, strict=True)
            if target and cell.strip()
        }
        own: dict[str, object] = {name: filled.pop(name) for name in OWN_COLUMNS if name in filled}
        return own | {"attributes": filled}


def check_keys(headings_by_key: Mapping[str, str]) -> None:
    """Raise INVALID_REQUEST if a key is not a valid attribute name. `headings_by_key` as in ImportOptions."""
    bad = [key for key in headings_by_key if not re.fullmatch(NAME, key)]
    if bad:
        detail = (
            "map a column to source, external_id, name or the name of an attribute: [a-z][a-z0-9_]*, "
            "at most 48 characters"
        )
        raise invalid(Flaw(pointer(key), detail, "bad_format") for key in bad)


def separator_in(first_line: bytes, headings_by_key: Mapping[str, str]) -> str:
    """Return the separator of a CSV file. `headings_by_key` as in ImportOptions."""
    headings = {heading.strip() for heading in headings_by_key.values()}
    text = first_line.decode("utf-8", "replace")
    return find_separator(text, lambda part: part in headings or attribute_name(part) in OWN_COLUMNS)


def read_columns(raw: bytes, headings_by_key: Mapping[str, str], *, has_source: bool) -> Columns:
    """Return the columns that a line of headings names.

    `has_source` says whether the import names one source for all lines. Raises MALFORMED_FILE if the line is
    not valid CSV in UTF-8, and INVALID_REQUEST with every column that is missing or cannot be used.
    """
    separator = separator_in(raw, headings_by_key)
    headings = [heading.strip() for heading in cells_of(_decoded(raw), separator)]
    if len(headings) > MAX_COLUMNS:
        raise invalid_field("/columns", "too_long", f"a file has at most {MAX_COLUMNS} columns")
    keys = {heading.strip(): key for key, heading in headings_by_key.items()}
    targets = [keys.get(heading, attribute_name(heading)) for heading in headings]
    flaws = [
        *_invalid_columns(targets),
        *_missing_columns(targets, headings, headings_by_key, has_source=has_source),
    ]
    if flaws:
        raise invalid(flaws)
    return Columns(separator, tuple(None if target in REJECT_COLUMNS else target for target in targets))


def cells_of(text: str, separator: str) -> list[str]:
    """Return the cells of one CSV record; raises MALFORMED_FILE if it is not valid CSV."""
    if "\0" in text:
        raise Problem(MALFORMED_FILE, "The line contains a NUL character.")
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise Problem(MALFORMED_FILE, f"The line cannot be read: {_csv_error(error)}.") from None


def attribute_name(heading: str) -> str:
    """Return the attribute name for a heading, or "" if there is none: "Größe (m²)" becomes groesse_m2."""
    if len(heading) > MAX_HEADING_LENGTH:
        return ""
    own_name = heading.strip().lower()
    name = own_name if re.fullmatch(NAME, own_name) else keyword(heading)
    return name if re.fullmatch(NAME, name) else ""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise not_utf_8() from None


def _invalid_columns(targets: Sequence[str]) -> Iterator[Flaw]:
    seen = set()
    for number, target in enumerate(targets, 1):
        column = pointer("columns", number)
        if not target:
            detail = (
                "its heading gives no attribute name: begin it with a letter from a to z, and use at most "
                "48 characters"
            )
            yield Flaw(column, detail, "bad_format")
        elif target in seen and target not in REJECT_COLUMNS:
            detail = "an earlier column has the same name: rename one of them, or leave it out"
            yield Flaw(column, detail, "repeated")
        seen.add(target)
    if len(seen.difference(OWN_COLUMNS, REJECT_COLUMNS)) > MAX_ATTRIBUTES:
        detail = f"a prospect has at most {MAX_ATTRIBUTES} attributes: leave columns out"
        yield Flaw("/columns", detail, "too_long")


def _missing_columns(
    targets: Sequence[str], headings: Sequence[str], headings_by_key: Mapping[str, str], *, has_source: bool
) -> Iterator[Flaw]:
    used: set[str] = set()
    for key, heading in headings_by_key.items():
        if heading.strip() not in headings:
            detail = f"no column has the heading that is given for {key}: correct the heading"
            yield Flaw(pointer(key), detail, "missing")
        elif heading.strip() in used:
            detail = "its column is already used for another key: name another column"
            yield Flaw(pointer(key), detail, "repeated")
        used.add(heading.strip())
    if EXTERNAL_ID_COLUMN not in targets and EXTERNAL_ID_COLUMN not in headings_by_key:
        detail = (
            "no column is called external_id: rename the column with the ids, or name it with the option id "
            "(columns are separated by ',', ';' or a tab)"
        )
        yield Flaw("/columns", detail, "missing")
    if SOURCE_COLUMN not in targets and not has_source:
        detail = (
            "no column is called source: add one, or name one source for all lines with the option source"
        )
        yield Flaw("/columns", detail, "missing")


def _csv_error(error: csv.Error) -> str:
    if "line character" in str(error) or "new-line" in str(error):
        return "it has a carriage return without a line feed outside of quotes: end lines with LF or CRLF"
    if "field limit" in str(error):
        return "a cell is too long"
    return "a quote inside quotes has to be doubled"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What applies to all lines of an import.

    `source` is for the lines that name none. `headings_by_key` maps a field or an attribute to the heading of
    its column, where the heading differs; only for CSV. Lines up to line `after_line` are skipped.
    """

    format: Format
    source: str | None = None
    headings_by_key: Mapping[str, str] = field(default_factory=dict)
    after_line: int = 0


@dataclass(frozen=True, slots=True)
class ProspectEntry:
    """The prospect that a record describes, and the change to it."""

    link: Link
    change: ProspectChange


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record with its content, or with the problem why it cannot be used."""

    record: Record
    content: ProspectEntry | Problem


class Reader:
    """Reads the records of a file from chunks of bytes. It does not matter where the file is cut into chunks.

    `heading` is the record with the headings of a CSV file, once it was read.
    """

    def __init__(self, options: ImportOptions, max_bytes: int) -> None:
        """Start a file whose records have at most `max_bytes` bytes.

        Raises INVALID_REQUEST if the options name columns of an NDJSON file.
        """
        if options.format == "ndjson" and options.headings_by_key:
            detail = "lines of NDJSON have no columns to name: remove this option"
            raise invalid_field(pointer(next(iter(options.headings_by_key))), "not_allowed", detail)
        self._options = options
        self._records = Records(max_bytes, self._detect_separator if options.format == "csv" else None)
        self._columns: Columns | None = None
        self.heading: Record | None = None

    @property
    def separator(self) -> str | None:
        """The separator of a CSV file, or None before its headings were read."""
        return self._columns.separator if self._columns else None

    @property
    def knows_columns(self) -> bool:
        """Whether the columns are known, so that the file can no longer be refused as a whole."""
        return self._options.format == "ndjson" or self._columns is not None

    def feed(self, chunk: bytes) -> list[ReadRecord]:
        """Return the records that end in this chunk, without blank lines.

        Raises MALFORMED_FILE, BODY_TOO_LARGE or INVALID_REQUEST if the file is refused as a whole.
        """
        return list(self._read_all(self._records.feed(chunk)))

    def rest(self) -> list[ReadRecord]:
        """Return the records that are left at the end of the file.

        Raises what `feed` raises, and MALFORMED_FILE if a CSV file has no headings.
        """
        reads = list(self._read_all(self._records.rest()))
        if not self.knows_columns:
            raise _no_headings()
        return reads

    def _detect_separator(self, first_line: bytes) -> bytes:
        return separator_in(first_line, self._options.headings_by_key).encode()

    def _read_all(self, records: Iterable[Record]) -> Iterator[ReadRecord]:
        for record in records:
            if not self.knows_columns:
                self._read_headings(record)
            elif record.line > self._options.after_line and (record.flaw or record.raw.strip()):
                try:
                    content: ProspectEntry | Problem | None = self._content(record)
                except Problem as problem:
                    content = problem
                if content:
                    yield ReadRecord(record, content)

    def _read_headings(self, record: Record) -> None:
        if record.flaw:
            raise record.flaw
        if not record.raw.strip():
            raise _no_headings()
        has_source = self._options.source is not None
        self._columns = read_columns(record.raw, self._options.headings_by_key, has_source=has_source)
        self.heading = record

    def _content(self, record: Record) -> ProspectEntry | None:
        """Return the content of a record, or None for the line that a file of rejects adds before a record.

        Raises the problem of a record that cannot be used.
        """
        if record.flaw:
            raise record.flaw
        sent = self._columns.read(self._cells(record.raw)) if self._columns else read_json(record.raw)
        if isinstance(sent, dict) and sent.keys() == set(REJECT_COLUMNS):
            return None
        return _prospect_entry(sent, self._options.source)

    def _cells(self, raw: bytes) -> list[str]:
        assert self._columns, "the first record is the headings"
        try:
            return cells_of(raw.decode("utf-8"), self._columns.separator)
        except UnicodeDecodeError:
            raise Problem(MALFORMED_FILE, "The line is not UTF-8: save the file as UTF-8.") from None


def _prospect_entry(sent: Any, source: str | None) -> ProspectEntry:
    try:
        line = ProspectLine.model_validate(sent)
    except ValidationError as error:
        raise invalid(shape_flaws(error, sent)) from None
    source = line.source or source
    if source is None:
        detail = "it is missing: add it, or name one source for all lines with the option source"
        raise invalid_field("/source", "missing", detail)
    change = line.model_dump(include={"name", "attributes"}, exclude_unset=True)
    return ProspectEntry(
        Link(source=source, external_id=line.external_id),
        ProspectChange.model_validate(change),
    )


def _no_headings() -> Problem:
    return Problem(MALFORMED_FILE, "Line 1 has no headings: add a heading for every column.")
