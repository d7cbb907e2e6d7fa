"""Read the rows of a file as links and changes of prospects."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from app.files.cells import DecimalSign
from app.files.entries import DAY_FIELDS, ID, NAME, Entry, EntryReader, Expected
from app.files.table import Row, TableFile
from app.files.values import SIGN_NAMES
from app.inbound.forms.schemas import WORD_FIELDS, TranslatedForm
from app.inbound.imports.schemas import ProspectLine
from app.problems import Problem, invalid, invalid_field
from app.prospects.schemas import Link, ProspectChange
from app.scoring import NAME as NAME_PATTERN
from app.scoring import Answer, Flaw, Plan, pointer, shape_flaws
from app.scoring.question_set import AttributeType

SOURCE = "source"
# The columns that an import has besides, if it qualifies.
SESSION_FIELDS = (
    *("deal", "assessor", "actor", "opened_on", "answered_at", "decision", "decision_reason", "outcome"),
    *(
        "decision_revisit_on",
        "outcome_amount",
        "outcome_currency",
        "outcome_closed_on",
        "outcome_reason",
        "outcome_competitor",
    ),
)
# A cell of these that is not valid is left out. Any other one refuses its row.
DETAILS = frozenset(
    {"answered_at", "decision_reason", "outcome_currency", "outcome_reason", "outcome_competitor"}
)
# A day with dots, perhaps one that the calendar does not have, or with a year of two digits.
DOTTED = r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]+.*"
# A day of the years 1982 to 2064 as a number, perhaps with its time.
SERIAL_DAY = r"[3-5][0-9]{4}(\.[0-9]+)?"


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A question set as it was named, "key" or "key@n", and the plan of a new session."""

    name: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What applies to all rows of an import.

    `source` is for the rows that name none. `column_names` maps a field or an attribute to the heading of its
    column, where they differ. `types` are those of the attributes that a question set declares: every other
    column is text. `decimal` is the decimal sign, None to find it. Rows up to line `after_line` are skipped.
    With `qualify`, each row is also qualified with that question set. With `columns`, only these columns are
    read: it has the index of the column of each field, attribute or question.
    """

    source: str | None = None
    column_names: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, AttributeType] = field(default_factory=dict)
    decimal: DecimalSign | None = None
    after_line: int = 0
    qualify: NamedSet | None = None
    columns: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Qualification:
    """What a row says about the session of its prospect: its answers, and the fields of SESSION_FIELDS."""

    set_name: str
    answers: Mapping[str, Answer]
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ProspectEntry:
    """The prospect that a row describes, the change to it, and its qualification if it is to be qualified."""

    link: Link
    change: ProspectChange
    qualification: Qualification | None = None


@dataclass(frozen=True, slots=True)
class ImportRow:
    """A row as an entry, and what it stores, or the problem why it stores nothing."""

    entry: Entry
    content: ProspectEntry | Problem

    @property
    def row(self) -> Row:
        """The row of the file."""
        return self.entry.row


class ProspectReader:
    """Reads the rows of an open file."""

    def __init__(self, table: TableFile, options: ImportOptions) -> None:
        """Match the headings.

        Raises:
            Problem: INVALID_REQUEST if a column is missing or cannot be used, MALFORMED_FILE if the rows
                cannot be read.
        """
        check_keys(options.column_names)
        expected = _expected(options)
        self._table = table
        self._options = options
        self._entries = EntryReader(table, expected, options.column_names, options.decimal, options.columns)
        # A file of NDJSON without lines has no names.
        if table.headings:
            self._require_columns()

    @property
    def notes(self) -> list[str]:
        """What was detected in the file, as sentences. Reading the rows can add some."""
        notes = [*self._table.notes]
        if self._entries.number_columns:
            notes.append(f"The decimal sign is {SIGN_NAMES[self._entries.decimal or '.']}.")
        if self._entries.has_unnamed_cells:
            notes.append("Columns without headings are not read.")
        return notes

    def rows(self) -> Iterator[ImportRow]:
        """Yield the rows behind the line that the options name. Raises MALFORMED_FILE."""
        for row in self._table.rows():
            if row.number > self._options.after_line:
                entry = self._entries.read(row)
                if self._options.qualify and not entry.problem:
                    entry = _without_bad_details(entry)
                yield ImportRow(entry, self._content(entry))

    def _require_columns(self) -> None:
        flaws = []
        if ID not in self._entries.keys:
            detail = (
                "no column is called external_id or id: rename the column with the ids, or name it with the "
                "option id"
            )
            flaws.append(Flaw("/columns", detail, "missing"))
        if SOURCE not in self._entries.keys and self._options.source is None:
            detail = (
                "no column is called source: add one, or name one source for all rows with the option source"
            )
            flaws.append(Flaw("/columns", detail, "missing"))
        if flaws:
            raise invalid(flaws)

    def _content(self, entry: Entry) -> ProspectEntry | Problem:
        if entry.problem:
            return entry.problem
        try:
            found = _prospect_entry(entry, self._options.source)
        except Problem as problem:
            return problem
        if not (named := self._options.qualify):
            return found
        fields = {name: value for name, value in entry.fields.items() if name != SOURCE}
        return replace(found, qualification=Qualification(named.name, entry.answers, fields))


def _expected(options: ImportOptions) -> Expected:
    """Return what the columns of the file can be."""
    fields: tuple[str, ...] = (ID, NAME, SOURCE)
    if options.qualify is None:
        return Expected(fields, attributes=options.types, others_are_attributes=True)
    by_set = Expected.by(options.qualify.plan, (*fields, *SESSION_FIELDS))
    types = {**options.types, **by_set.attributes}
    return replace(by_set, attributes=types, others_are_attributes=True)


def _without_bad_details(entry: Entry) -> Entry:
    """Return the entry without the details of its conclusions that are not valid, and with their remarks.

    If another one of its fields is not valid, the entry has a problem. Decisions and outcomes are not
    checked, because they can be value aliases.
    """
    fields = {name: entry.fields[name] for name in SESSION_FIELDS if name in entry.fields}
    checked = {name: value for name, value in fields.items() if name not in WORD_FIELDS}
    try:
        TranslatedForm.model_validate(checked | {SOURCE: "any", ID: "any"})
    except ValidationError as error:
        flaws = {flaw.pointer.strip("/"): flaw for flaw in shape_flaws(error)}
    else:
        return entry
    place = f"row {entry.row.number}, "
    refused = [
        replace(flaw, detail=f"{place}{name}: {_bad_day(name, checked.get(name)) or flaw.detail}")
        for name, flaw in flaws.items()
    ]
    remarks = [flaw.detail for flaw in refused]
    if flaws.keys() - DETAILS:
        return replace(entry, remarks=[*entry.remarks, *remarks], problem=invalid(refused))
    kept = {name: value for name, value in entry.fields.items() if name not in flaws}
    return replace(entry, fields=kept, remarks=[*entry.remarks, *remarks])


def _bad_day(name: str, value: Any) -> str | None:
    """Return what is wrong with a day that has dots or is the number in a spreadsheet; else None."""
    if name not in DAY_FIELDS:
        return None
    if re.fullmatch(DOTTED, str(value)):
        return f'"{value}" is not a day: write it as 31.12.2025, with all four digits of the year'
    if not re.fullmatch(SERIAL_DAY, str(value)):
        return None
    return f'"{value}" is how a spreadsheet stores a day: format the column as a date, and save it again'


def check_keys(column_names: Mapping[str, str]) -> None:
    """Raise INVALID_REQUEST if a key is not a valid attribute name. `column_names` as in ImportOptions."""
    bad = [key for key in column_names if not re.fullmatch(NAME_PATTERN, key)]
    if bad:
        detail = (
            "map a column to source, external_id, name or the name of an attribute: [a-z][a-z0-9_]*, "
            "at most 48 characters"
        )
        raise invalid(Flaw(pointer(key), detail, "bad_format") for key in bad)


def _prospect_entry(entry: Entry, source: str | None) -> ProspectEntry:
    sent: dict[str, Any] = {
        key: value
        for key, value in {SOURCE: entry.fields.get(SOURCE), ID: entry.id, NAME: entry.name}.items()
        if value is not None
    }
    if entry.removes_name:
        sent[NAME] = None
    sent["attributes"] = dict(entry.attributes)
    try:
        line = ProspectLine.model_validate(sent)
    except ValidationError as error:
        raise invalid(shape_flaws(error, sent)) from None
    source = line.source or source
    if source is None:
        detail = "it is missing: add it, or name one source for all rows with the option source"
        raise invalid_field("/source", "missing", detail)
    change = line.model_dump(include={"name", "attributes"}, exclude_unset=True)
    return ProspectEntry(
        Link(source=source, external_id=line.external_id),
        ProspectChange.model_validate(change),
    )
