"""Read records into prospects, by the headings of their columns."""

import csv
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import ValidationError

from app.inbound.imports.records import MOST_COLUMNS, Record, Records, find_separator, not_utf_8
from app.inbound.imports.schemas import ProspectLine
from app.problems import MALFORMED_FILE, Problem, invalid, invalid_field
from app.prospects.schemas import Link, ProspectChange
from app.schemas import MAX_ATTRIBUTES
from app.scoring import NAME, Flaw, pointer, shape_flaws
from app.strict_json import read_json

EXTERNAL_ID_COLUMN, SOURCE_COLUMN, NAME_COLUMN = "external_id", "source", "name"
OWN_COLUMNS = (SOURCE_COLUMN, EXTERNAL_ID_COLUMN, NAME_COLUMN)
# What a file of rejects says of each line, so that it can be mended and imported as it is.
REJECTED_LINE, REJECTED_BECAUSE = "rejected_line", "rejected_because"
REJECT_COLUMNS = (REJECTED_LINE, REJECTED_BECAUSE)
# A line of a megabyte may be one heading, if it has other separators.
MAX_HEADING_LENGTH = 1000
Format = Literal["csv", "ndjson"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The separator of a file, and what each of its columns stands for; None for what is left out."""

    separator: str
    targets: tuple[str | None, ...]

    def read(self, cells: Sequence[str]) -> dict[str, object]:
        """A row as a line of NDJSON would say it; an empty cell says nothing. Raises MALFORMED_FILE."""
        if len(cells) != len(self.targets):
            detail = f"The number of its cells is {len(cells)} and that of the columns {len(self.targets)}."
            raise Problem(MALFORMED_FILE, detail)
        filled = {
            target: cell.strip()
            for target, cell in zip(self.targets, cells, strict=True)
            if target and cell.strip()
        }
        own: dict[str, object] = {name: filled.pop(name) for name in OWN_COLUMNS if name in filled}
        return own | {"attributes": filled}


def check_keys(mapped: Mapping[str, str]) -> None:
    """Raises INVALID_REQUEST if a column is to stand for what is no name of an attribute."""
    bad = [key for key in mapped if not re.fullmatch(NAME, key)]
    if bad:
        detail = "a column stands for source, external_id, name or an attribute: [a-z][a-z0-9_]*, at most 48"
        raise invalid(Flaw(pointer(key), detail, "bad_format") for key in bad)


def separator_in(first_line: bytes, mapped: Mapping[str, str]) -> str:
    """The separator of a file. `mapped` has headings by what they stand for."""
    headings = {heading.strip() for heading in mapped.values()}
    text = first_line.decode("utf-8", "replace")
    return find_separator(text, lambda part: part in headings or attribute_name(part) in OWN_COLUMNS)


def read_columns(raw: bytes, mapped: Mapping[str, str], *, has_source: bool) -> Columns:
    """The columns that a line of headings names.

    Raises MALFORMED_FILE, and INVALID_REQUEST with every column that cannot be used.
    """
    separator = separator_in(raw, mapped)
    headings = [heading.strip() for heading in cells_of(_decoded(raw), separator)]
    if len(headings) > MOST_COLUMNS:
        raise invalid_field("/columns", "too_long", f"a file has at most {MOST_COLUMNS} columns")
    keys = {heading.strip(): key for key, heading in mapped.items()}
    targets = [keys.get(heading, attribute_name(heading)) for heading in headings]
    flaws = [*_invalid_columns(targets), *_missing_columns(targets, headings, mapped, has_source=has_source)]
    if flaws:
        raise invalid(flaws)
    return Columns(separator, tuple(None if target in REJECT_COLUMNS else target for target in targets))


def cells_of(text: str, separator: str) -> list[str]:
    """The cells of one record; raises MALFORMED_FILE."""
    if "\0" in text:
        raise Problem(MALFORMED_FILE, "It holds a NUL character.")
    try:
        return next(csv.reader([text], delimiter=separator, strict=True), [])
    except csv.Error as error:
        raise Problem(MALFORMED_FILE, f"It cannot be read: {_csv_error(error)}.") from None


def attribute_name(heading: str) -> str:
    """The name of an attribute that a heading makes: "Größe (m²)" is groesse_m2, or "" if there is none."""
    if len(heading) > MAX_HEADING_LENGTH:
        return ""
    text = heading.strip().lower().replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    if re.fullmatch(NAME, text):
        return text
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    name = re.sub(r"[^a-z0-9_]+", "_", plain).strip("_")
    return name if re.fullmatch(NAME, name) else ""


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise not_utf_8() from None


def _invalid_columns(targets: Sequence[str]) -> Iterator[Flaw]:
    seen = set()
    for number, target in enumerate(targets, 1):
        at = pointer("columns", number)
        if not target:
            detail = "its heading makes no attribute's name: begin it with a letter from a to z, at most 48"
            yield Flaw(at, detail, "bad_format")
        elif target in seen and target not in REJECT_COLUMNS:
            yield Flaw(at, "a column before it stands for the same: rename one, or leave it out", "repeated")
        seen.add(target)
    if len(seen.difference(OWN_COLUMNS, REJECT_COLUMNS)) > MAX_ATTRIBUTES:
        detail = f"a prospect has at most {MAX_ATTRIBUTES} attributes: leave columns out"
        yield Flaw("/columns", detail, "too_long")


def _missing_columns(
    targets: Sequence[str], headings: Sequence[str], mapped: Mapping[str, str], *, has_source: bool
) -> Iterator[Flaw]:
    named: set[str] = set()
    for key, heading in mapped.items():
        if heading.strip() not in headings:
            yield Flaw(pointer(key), f"no column has the heading that was named for {key}", "missing")
        elif heading.strip() in named:
            yield Flaw(pointer(key), "its column was named for something else already", "repeated")
        named.add(heading.strip())
    if EXTERNAL_ID_COLUMN not in targets and EXTERNAL_ID_COLUMN not in mapped:
        detail = (
            "no column is called external_id: rename the one with the ids, or name it with the option id "
            "(columns are separated by ',', ';' or a tab)"
        )
        yield Flaw("/columns", detail, "missing")
    if SOURCE_COLUMN not in targets and not has_source:
        detail = "no column is called source: add one, or name one source for all with the option source"
        yield Flaw("/columns", detail, "missing")


def _csv_error(error: csv.Error) -> str:
    if "line character" in str(error) or "new-line" in str(error):
        return "a carriage return stands alone outside of quotes: end lines with LF or CRLF"
    if "field limit" in str(error):
        return "a cell is too long"
    return "a quote within quotes is not doubled"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What holds for all lines.

    `mapped` has headings of a CSV file by what they stand for; lines up to `after_line` are left out.
    """

    format: Format
    source: str | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)
    after_line: int = 0


@dataclass(frozen=True, slots=True)
class ProspectEntry:
    """What a record asks for."""

    link: Link
    change: ProspectChange


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record, and what it asks for or why it cannot be used."""

    record: Record
    meant: ProspectEntry | Problem


class Reader:
    """Reads what is fed, whatever the chunks are. `heading` is a CSV file's, once it was read."""

    def __init__(self, wanted: ImportOptions, most_bytes: int) -> None:
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

    def feed(self, chunk: bytes) -> list[ReadRecord]:
        """What ends in this chunk; blank lines are left out. Raises a problem of the whole."""
        return list(self._all(self._records.feed(chunk)))

    def rest(self) -> list[ReadRecord]:
        """What is left at the end of all. Raises a problem of the whole, also that there was nothing."""
        reads = list(self._all(self._records.rest()))
        if not self.knows_columns:
            raise _no_headings()
        return reads

    def _separator(self, first_line: bytes) -> bytes:
        return separator_in(first_line, self._wanted.mapped).encode()

    def _all(self, records: Iterable[Record]) -> Iterator[ReadRecord]:
        for record in records:
            if not self.knows_columns:
                self._begin(record)
            elif record.line > self._wanted.after_line and (record.flaw or record.raw.strip()):
                try:
                    meant: ProspectEntry | Problem | None = self._meant(record)
                except Problem as problem:
                    meant = problem
                if meant:
                    yield ReadRecord(record, meant)

    def _begin(self, record: Record) -> None:
        if record.flaw:
            raise record.flaw
        if not record.raw.strip():
            raise _no_headings()
        has_source = self._wanted.source is not None
        self._columns = read_columns(record.raw, self._wanted.mapped, has_source=has_source)
        self.heading = record

    def _meant(self, record: Record) -> ProspectEntry | None:
        """What a record asks for, None if it only remarks on the next one; raises what is wrong with it."""
        if record.flaw:
            raise record.flaw
        sent = self._columns.read(self._cells(record.raw)) if self._columns else read_json(record.raw)
        if isinstance(sent, dict) and sent.keys() == set(REJECT_COLUMNS):
            return None
        return _prospect_entry(sent, self._wanted.source)

    def _cells(self, raw: bytes) -> list[str]:
        assert self._columns, "the first record names them"
        try:
            return cells_of(raw.decode("utf-8"), self._columns.separator)
        except UnicodeDecodeError:
            raise Problem(MALFORMED_FILE, "It is not UTF-8: save the file as UTF-8.") from None


def _prospect_entry(sent: Any, source: str | None) -> ProspectEntry:
    try:
        line = ProspectLine.model_validate(sent)
    except ValidationError as error:
        raise invalid(shape_flaws(error, sent)) from None
    source = line.source or source
    if source is None:
        detail = "it is missing: add it, or name one source for all with the option source"
        raise invalid_field("/source", "missing", detail)
    said = line.model_dump(include={"name", "attributes"}, exclude_unset=True)
    return ProspectEntry(
        Link(source=source, external_id=line.external_id),
        ProspectChange.model_validate(said),
    )


def _no_headings() -> Problem:
    return Problem(MALFORMED_FILE, "Line 1 has no headings: name what every column holds.")
