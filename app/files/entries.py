"""Read the rows of a file as entries: an id, a name, answers and attributes.

A cell that cannot be read is left out, and a remark names it. If the cell is a rating or an id, the whole row
is refused.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from app.files.cells import DecimalSign, find_decimal_sign, read_text
from app.files.formats import Format
from app.files.headings import ALIASES, REJECT_COLUMNS, match_headings, name_attributes
from app.files.table import NULL, BadCell, Null, Row, TableFile
from app.files.values import (
    NOT_APPLICABLE,
    CellValue,
    ReadCell,
    Unread,
    attribute_reader,
    number_reader,
    rating_reader,
    read_date_cell,
    read_id_cell,
    read_text_cell,
    read_typed_cell,
)
from app.problems import Problem, invalid
from app.scoring import Answer, Flaw, Plan, pointer
from app.scoring.question_set import AttributeType, Scale, Value

ID, NAME = "external_id", "name"
# Fields that identify something. If one of them cannot be read, the row is refused.
ID_FIELDS = frozenset({ID, "deal"})
NUMBER_FIELDS = frozenset({"outcome_amount"})
DAY_FIELDS = frozenset({"opened_on", "decision_revisit_on", "outcome_closed_on"})
DATE_FIELDS = DAY_FIELDS | {"answered_at"}
# A column of this name says whether a question is not applicable.
NOT_APPLICABLE_SUFFIX = "_na"
# Formats whose numbers and booleans keep their type where nothing declares one.
TYPED_FORMATS = frozenset({"ndjson", "parquet"})
UNKNOWN_KEY = "nothing has the key {}: name a question, an attribute or a field"
Kind = Literal["field", "answer", "mark", "attribute"]
MAX_SHOWN_LENGTH = 60
MAX_CACHED_CELLS = 10_000


@dataclass(frozen=True, slots=True)
class Expected:
    """What the columns of a file can be: fields, questions of one set, and attributes with their types.

    If `others_are_attributes`, every other column is a text attribute that is named after its heading.
    """

    fields: Collection[str] = (ID, NAME)
    questions: Collection[str] = ()
    scale: Scale = field(default_factory=Scale)
    attributes: Mapping[str, AttributeType] = field(default_factory=dict)
    others_are_attributes: bool = False

    @classmethod
    def by(cls, plan: Plan, fields: Collection[str] = (ID, NAME)) -> "Expected":
        """Return what a question set expects."""
        question_set = plan.question_set
        return cls(fields, plan.questions.keys(), question_set.scale, question_set.attributes)


@dataclass(frozen=True, slots=True)
class Entry:
    """What one row says. What its empty cells would say is left out.

    `fields` are the fields besides the id and the name. An attribute is None if the row removes it, and
    `removes_name` says the same of the name. `unread`
    are the attributes that cannot be read. `remarks` has one sentence for each cell that was left out. If the
    row has a `problem`, it cannot be used.
    """

    row: Row
    id: str | None = None
    name: str | None = None
    removes_name: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    answers: Mapping[str, Answer] = field(default_factory=dict)
    attributes: Mapping[str, Value | None] = field(default_factory=dict)
    unread: Sequence[str] = ()
    remarks: Sequence[str] = ()
    problem: Problem | None = None

    @property
    def reasons(self) -> Sequence[str]:
        """Why the row, or a part of it, cannot be used: the flaws of its problem, or else the remarks."""
        if self.problem is None:
            return self.remarks
        details = [error.detail for error in self.problem.errors]
        return details or [f"row {self.row.number}: {self.problem.detail}"]


class _Column(dict[str, CellValue]):
    """One column: the values of its texts, each read once."""

    def __init__(self, key: str, index: int, heading: str, read: ReadCell) -> None:
        self.key, self.index, self.heading, self.read = key, index, heading, read

    def __missing__(self, text: str) -> CellValue:
        value = self.read(text)
        if len(self) < MAX_CACHED_CELLS:
            self[text] = value
        return value


@dataclass(slots=True)
class _Unread:
    """A cell that cannot be read."""

    column: _Column
    row: Row
    reason: str

    def __str__(self) -> str:
        cell = self.row.cells[self.column.index]
        assert not isinstance(cell, Null), "a null can always be read"
        shown = cell.shown if isinstance(cell, BadCell) else read_text(cell)
        if len(shown) > MAX_SHOWN_LENGTH:
            shown = shown[:MAX_SHOWN_LENGTH] + "…"
        heading = " ".join(self.column.heading.split())
        return f'row {self.row.number}, {heading}: "{shown}" {self.reason}'


class EntryReader:
    """Reads the rows of one file.

    `decimal` is the decimal sign of the file, None if no cell shows it. `headings_by_key`
    has the headings that match a key, and `ignored` those that match none.
    """

    def __init__(
        self,
        table: TableFile,
        expected: Expected,
        column_names: Mapping[str, str] | None = None,
        decimal: DecimalSign | None = None,
        columns: Mapping[str, int] | None = None,
    ) -> None:
        """Match the headings, and find the decimal sign in the rows if it is not given.

        `column_names` maps a key to the heading of its column, where they differ. With `columns`, which has
        the index of the column of each key, headings are not matched, and no other column is read.

        Raises:
            Problem: INVALID_REQUEST if the headings cannot be used, MALFORMED_FILE if the rows cannot.
        """
        self._expected = expected
        self._kinds = _kinds(expected)
        is_matched = columns is None
        if columns is None:
            columns = match_columns(table.headings, expected, column_names or {})
        self.headings_by_key = {key: table.headings[index] for key, index in columns.items()}
        used = {*columns.values(), *_reject_columns(table.headings)}
        self.ignored = [name for index, name in enumerate(table.headings) if name and index not in used]
        unnamed = [index for index, name in enumerate(table.headings) if not name]
        self._unnamed = unnamed if is_matched else []
        self.has_unnamed_cells = False
        self.number_columns = [index for key, index in columns.items() if self._is_number(key)]
        if decimal is None and self.number_columns:
            decimal = find_decimal_sign(table.rows(), self.number_columns)
        self.decimal = decimal
        self._columns: dict[Kind, list[_Column]] = defaultdict(list)
        for key, index in columns.items():
            heading = table.headings[index] or f"column {index + 1}"
            column = _Column(key, index, heading, self._reader(key, table.format))
            self._columns[self._kind(key)].append(column)

    @property
    def keys(self) -> Collection[str]:
        """The keys that have a column."""
        return self.headings_by_key.keys()

    def read(self, row: Row) -> Entry:
        """Return what a row says."""
        if row.problem:
            return Entry(row, problem=row.problem)
        self.has_unnamed_cells |= any(row.cells[index] is not None for index in self._unnamed)
        unread: list[_Unread] = []
        fields = self._values("field", row, unread)
        answers = self._values("answer", row, unread)
        for mark, marked in self._values("mark", row, unread).items():
            question = mark.removesuffix(NOT_APPLICABLE_SUFFIX)
            if marked and question in answers:
                unread.append(_Unread(self._column(mark), row, "marks a question that also has an answer"))
            elif marked:
                answers[question] = NOT_APPLICABLE
        attributes = self._values("attribute", row, unread)
        removes_name = fields.get(NAME, "") is None
        id_, name = fields.pop(ID, None), fields.pop(NAME, None)
        if not unread:
            return Entry(row, id_, name, removes_name, fields, answers, attributes)
        problem, remarks = self._problem(unread), [str(cell) for cell in unread]
        keys = [cell.column.key for cell in unread if self._kind(cell.column.key) == "attribute"]
        return Entry(row, id_, name, removes_name, fields, answers, attributes, keys, remarks, problem)

    def _values(self, kind: Kind, row: Row, unread: list[_Unread]) -> dict[str, Any]:
        """Return the values of the columns of a kind by their keys. Adds cells that cannot be read."""
        values: dict[str, Any] = {}
        for column in self._columns[kind]:
            cell = row.cells[column.index]
            value = column[cell] if isinstance(cell, str) else column.read(cell)
            if isinstance(value, Unread):
                unread.append(_Unread(column, row, value.reason))
            elif value is NULL:
                if kind == "attribute" or column.key == NAME:
                    values[column.key] = None
            elif value is not None:
                values[column.key] = value
        return values

    def _column(self, key: str) -> _Column:
        return next(column for column in self._columns[self._kind(key)] if column.key == key)

    def _problem(self, unread: Sequence[_Unread]) -> Problem | None:
        """Return the problem of a row with these cells; None if it can be used without them."""
        keys = ((cell.column.key, cell) for cell in unread)
        flaws = [
            Flaw(pointer(key), str(cell), "bad_format")
            for key, cell in keys
            if key in ID_FIELDS or self._kind(key) in ("answer", "mark")
        ]
        return invalid(flaws) if flaws else None

    def _kind(self, key: str) -> Kind:
        return self._kinds.get(key, "attribute")

    def _is_number(self, key: str) -> bool:
        return key in NUMBER_FIELDS or self._expected.attributes.get(key) == "number"

    def _reader(self, key: str, format_: Format) -> ReadCell:
        """Return what reads the cells of a key."""
        kind = self._kind(key)
        if kind == "answer":
            return rating_reader(self._expected.scale)
        if kind == "mark":
            return attribute_reader("boolean", ".")
        if key in NUMBER_FIELDS:
            return number_reader(self.decimal or ".")
        if key in self._expected.attributes:
            return attribute_reader(self._expected.attributes[key], self.decimal or ".")
        if kind == "attribute" and format_ in TYPED_FORMATS:
            return read_typed_cell
        others = read_date_cell if kind == "field" and key in DATE_FIELDS else read_text_cell
        return read_id_cell if key in ID_FIELDS else others


def match_columns(
    headings: Sequence[str], expected: Expected, column_names: Mapping[str, str]
) -> dict[str, int]:
    """Return the index of the column of each key. `column_names` maps keys to headings, where they differ.

    Raises:
        Problem: INVALID_REQUEST if the headings cannot be used.
    """
    kinds = _kinds(expected)
    aliases = {ALIASES[field]: field for field in ALIASES.keys() & set(expected.fields)}
    names = {key if key in kinds else aliases.get(key, key): name for key, name in column_names.items()}
    unknown = [] if expected.others_are_attributes else sorted(names.keys() - kinds.keys())
    if unknown:
        raise invalid(Flaw(pointer(key), UNKNOWN_KEY.format(key), "unknown") for key in unknown)
    matched = match_headings(headings, kinds.keys(), names)
    if not expected.others_are_attributes:
        return dict(matched.by_key)
    others = [index for index in matched.others if index not in _reject_columns(headings)]
    return {**matched.by_key, **name_attributes(headings, others)}


def _kinds(expected: Expected) -> dict[str, Kind]:
    """Return the kind of every key; a field goes before a question or an attribute of its name."""
    marks = {key + NOT_APPLICABLE_SUFFIX for key in expected.questions}
    return {
        **dict.fromkeys(sorted(marks), "mark"),
        **dict.fromkeys(expected.attributes, "attribute"),
        **dict.fromkeys(expected.questions, "answer"),
        **dict.fromkeys(expected.fields, "field"),
    }


def _reject_columns(headings: Sequence[str]) -> list[int]:
    return [index for index, heading in enumerate(headings) if heading in REJECT_COLUMNS]
