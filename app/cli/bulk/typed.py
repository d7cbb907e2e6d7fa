"""Read the rows of a source as entries, and give them to DuckDB as a file with typed columns."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from app.cli.bulk.rows import CSV_OPTIONS, NUMBER_TYPES, PROBLEM_COLUMN, Carried, PreparedRows, carried_column
from app.files.cells import DecimalSign
from app.files.entries import ID, NAME, NOT_APPLICABLE_SUFFIX, Entry, EntryReader
from app.files.parquet import exact_path
from app.files.rejects import RejectsFile, shown_text
from app.files.table import TableFile
from app.scoring import Plan, judge
from app.scoring.question_set import AttributeType, Value
from app.scoring.sql.words import literal, name, select
from app.scoring.summary import summarise

MAX_NAMED = 10
Advance = Callable[[int, float], None]
ROWS_PER_REPORT = 1000
# A boolean that cannot be read has neither of its words, and a number is NaN.
ATTRIBUTE_TYPES: dict[AttributeType, str] = {"number": "DOUBLE", "text": "VARCHAR", "boolean": "VARCHAR"}
UNREAD: dict[AttributeType, str] = {"number": "nan", "text": "", "boolean": "unread"}


class _Column(NamedTuple):
    """A column of the typed file: its name there and for the statement, and whether it is only carried."""

    own: str
    name: str
    type: str
    is_carried: bool


@dataclass(slots=True)
class CellReport:
    """What was left out of the rows of a file: counts, and the first of each by name."""

    left_out: int = 0
    first_left_out: list[str] = field(default_factory=list)
    rejected: int = 0
    first_problems: list[str] = field(default_factory=list)
    decimal: DecimalSign | None = None
    has_numbers: bool = False

    def add(self, entry: Entry) -> None:
        """Count what one row leaves out."""
        if entry.problem:
            self.rejected += 1
            first = self.first_problems
        else:
            self.left_out += len(entry.remarks)
            first = self.first_left_out
        first.extend(entry.reasons[: MAX_NAMED - len(first)])


class TypedRows:
    """The rows of a source for the scoring statement.

    `types` are the types of its columns, if it has any. With `as_of`, each row that is scored has a summary.
    """

    def __init__(
        self,
        table: TableFile,
        reader: EntryReader,
        plan: Plan,
        keep: Sequence[str],
        types: Mapping[str, str],
        as_of: datetime | None,
    ) -> None:
        self._table, self._reader, self._plan, self._as_of = table, reader, plan, as_of
        self._kept = [table.headings.index(heading) for heading in keep]
        scored = [q for step in plan.question_set.steps if not step.gated for q in step.questions]
        self._questions = [question.key for question in scored]
        headings = reader.headings_by_key
        self._is_named = NAME in headings and headings[NAME] != headings.get(ID)
        self._columns = self._typed_columns(keep, types)
        self.report = CellReport(decimal=reader.decimal, has_numbers=bool(reader.number_columns))

    def write(self, file: Path, rejects: RejectsFile | None, advance: Advance) -> PreparedRows:
        """Write the rows to a CSV file, and return them for the scoring statement.

        With a file of rejects, rows with a problem are only there; rows with remarks are in both.
        """
        with file.open("w", encoding="utf-8", newline="") as output:
            csv.writer(output, lineterminator="\n").writerows(self._lines(rejects, advance))
        carried = [Carried(column.name, name(column.own)) for column in self._columns if column.is_carried]
        columns = [(column.name, name(column.own)) for column in self._columns if not column.is_carried]
        types = ", ".join(f"{literal(column.own)}: {literal(column.type)}" for column in self._columns)
        options = f"{CSV_OPTIONS}, header = false, columns = {{{types}}}"
        relation = f"read_csv({literal(exact_path(file))}, {options})"
        rows = select([*columns, carried_column(carried)], relation)
        return PreparedRows(rows, frozenset(self._questions), carried, self._is_named)

    def _typed_columns(self, keep: Sequence[str], types: Mapping[str, str]) -> list[_Column]:
        headings = self._reader.headings_by_key
        copied = [headings[ID]] if ID in headings else []
        copied += [headings[NAME]] if self._is_named else []
        carried = [] if ID in headings else [("id", "BIGINT")]
        carried += [(heading, _copied_type(types.get(heading, ""))) for heading in (*copied, *keep)]
        carried += [("summary", "VARCHAR")] if self._as_of else []
        carried.append(("remarks", "VARCHAR"))
        columns = [(PROBLEM_COLUMN, "VARCHAR")]
        for question in self._questions:
            columns += [(question, "INTEGER"), (question + NOT_APPLICABLE_SUFFIX, "BOOLEAN")]
        attributes = self._plan.question_set.attributes
        columns += [(key, ATTRIBUTE_TYPES[type_]) for key, type_ in attributes.items()]
        return [
            _Column(f"c{number}", column, type_, is_carried=number < len(carried))
            for number, (column, type_) in enumerate([*carried, *columns])
        ]

    def _lines(self, rejects: RejectsFile | None, advance: Advance) -> Iterator[list[object]]:
        for number, row in enumerate(self._table.rows(), 1):
            entry = self._reader.read(row)
            if entry.reasons:
                self.report.add(entry)
                if rejects:
                    rejects.add(row, entry.reasons)
            if not (entry.problem and rejects):
                yield [*self._carried(entry), *self._scored(entry)]
            if number % ROWS_PER_REPORT == 0:
                advance(ROWS_PER_REPORT, self._table.share_read)

    def _carried(self, entry: Entry) -> Iterator[object]:
        """Yield what goes to the output, and the problem."""
        has_id = ID in self._reader.headings_by_key
        yield entry.id if has_id else entry.row.number
        if self._is_named:
            yield entry.name
        for index in self._kept:
            yield shown_text(entry.row.cells[index]) if entry.row.cells else None
        if self._as_of:
            yield None if entry.problem else self._summary(entry, self._as_of)
        yield None if entry.problem else "; ".join(entry.remarks)
        yield "; ".join(entry.reasons) if entry.problem else None

    def _summary(self, entry: Entry, as_of: datetime) -> str:
        return summarise(judge(self._plan, entry.answers, entry.attributes, as_of=as_of).assessment)

    def _scored(self, entry: Entry) -> Iterator[object]:
        """Yield the ratings and attributes."""
        for question in self._questions:
            answer = entry.answers.get(question)
            yield answer.rating if answer else None
            yield "true" if answer and answer.state == "not_applicable" else None
        for key, type_ in self._plan.question_set.attributes.items():
            yield UNREAD[type_] if key in entry.unread else _sql_text(entry.attributes.get(key))


def _copied_type(type_: str) -> str:
    """Return the type of a column that is copied from one of this type: numbers and booleans keep theirs."""
    return type_ if type_.partition("(")[0] in (*NUMBER_TYPES, "BOOLEAN") else "VARCHAR"


def _sql_text(value: Value | None) -> object:
    return str(value).lower() if isinstance(value, bool) else value
